from __future__ import annotations

import random
from collections import defaultdict
from typing import TYPE_CHECKING

from alert_builders import CONTEXT, LETTERS, finding
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.book_codec import book_from_bytes, book_to_bytes
from alerts.policy import AlertBook, step
from schemas.alert import AlertEvent, AlertType
from schemas.finding import Finding, Hysteresis, Kind, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

rules = st.builds(Hysteresis, breaches=st.integers(1, 3), windows=st.integers(1, 5), clears=st.integers(1, 3))


@st.composite
def a_stream(draw: st.DrawFn) -> list[list[Finding]]:
    """Draw the findings of some windows: a few troubles, each with its rule, with gaps and unknowns."""
    troubles = [
        {"feature": feature, "version": version, "hysteresis": draw(rules)}
        for feature in ("amount", "age", None)
        for version in (None, "7")
    ]
    return [
        [
            finding(
                index,
                LETTERS[draw(st.sampled_from("BBBBCC-?G"))],
                kind=Kind.DATA_DRIFT,
                severity=draw(st.sampled_from(list(Severity))),
                score=draw(st.floats(allow_nan=True)),
                **trouble,  # type: ignore[arg-type] # a table of keyword arguments
            )
            for trouble in troubles
            if draw(st.integers(0, 3))
        ]
        for index in range(draw(st.integers(1, 12)))
    ]


def play(stream: Sequence[Sequence[Finding]]) -> tuple[AlertBook, list[AlertEvent]]:
    book, events = AlertBook(), []
    for readings in stream:
        book, new = step(book, readings, context=CONTEXT)
        events += new
    return book, events


@settings(deadline=None)
@given(stream=a_stream())
def test_each_episode_fires_once_first_and_resolves_at_most_once_last(stream: list[list[Finding]]) -> None:
    book, events = play(stream)
    lives: defaultdict[str, list[AlertEvent]] = defaultdict(list)
    for event in events:
        lives[event.data.alert_id].append(event)
    for life in lives.values():
        assert [event.data.revision for event in life] == list(range(len(life)))
        types = [event.type for event in life]
        assert types[0] is AlertType.FIRING
        assert types.count(AlertType.FIRING) == 1
        assert AlertType.RESOLVED not in types[:-1]
        assert len({event.data.since for event in life}) == 1
    still_open = {
        life[-1].data.fingerprint for life in lives.values() if life[-1].type is not AlertType.RESOLVED
    }
    assert {fingerprint for fingerprint, _ in book.episodes} == still_open


@settings(deadline=None)
@given(stream=a_stream())
def test_consecutive_events_of_an_alert_differ_in_severity_or_status(stream: list[list[Finding]]) -> None:
    _, events = play(stream)
    last: dict[str, tuple[object, ...]] = {}
    for event in events:
        now = (event.data.severity, event.data.status)
        assert last.get(event.data.alert_id) != now
        last[event.data.alert_id] = now


@settings(deadline=None)
@given(stream=a_stream(), seed=st.integers(0, 2**32))
def test_the_order_of_findings_does_not_matter(stream: list[list[Finding]], seed: int) -> None:
    rng = random.Random(seed)
    shuffled = [rng.sample(readings, len(readings)) for readings in stream]
    assert bytes_of(play(shuffled)) == bytes_of(play(stream))


@settings(deadline=None)
@given(stream=a_stream())
def test_all_windows_in_one_call_give_the_same_events_as_one_call_each(stream: list[list[Finding]]) -> None:
    together = [[reading for readings in stream for reading in readings]]
    assert bytes_of(play(together)) == bytes_of(play(stream))


@settings(deadline=None)
@given(stream=a_stream(), cut=st.integers(0, 12))
def test_a_book_read_back_from_bytes_goes_on_as_if_nothing_happened(
    stream: list[list[Finding]], cut: int
) -> None:
    book, events = play(stream[:cut])
    restored = book_from_bytes(book_to_bytes(book))
    for readings in stream[cut:]:
        restored, new = step(restored, readings, context=CONTEXT)
        events += new
    assert bytes_of((restored, events)) == bytes_of(play(stream))


@settings(deadline=None)
@given(stream=a_stream())
def test_a_window_evaluated_again_tells_nothing_new_about_open_alerts(stream: list[list[Finding]]) -> None:
    book, _ = play(stream)
    known = {alert.subject for alert in book.entries.values()}
    again = [
        reading
        for reading in stream[-1]
        if any((reading.feature, reading.version) == (subject.feature, subject.version) for subject in known)
    ]
    assert step(book, again, context=CONTEXT) == (book, [])


def bytes_of(result: tuple[AlertBook, list[AlertEvent]]) -> tuple[bytes, list[bytes]]:
    book, events = result
    return book_to_bytes(book), [event.to_json_bytes() for event in events]
