"""Segments and versions under the budget: who is followed, what it remembers, and how seldom it is wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from builders.part_traffic import CALM, confusion
from builders.summaries import MINUTE_MS, NOON_MS
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.betting.parts import BudgetedParts
from detectors.betting.roster import Roster, Rules
from detectors.betting.setup import budgeted
from detectors.detector import ClosedWindow
from detectors.layout import ErrorLayout, PredictionLayout, prediction_layout
from detectors.profile import ReferenceProfile
from detectors.segments import SegmentReference
from detectors.sketch import LABEL_LAG_S, LATENCY_MS
from detectors.state_codec import states_from_bytes, states_to_bytes
from detectors.summary import Summary
from schemas.finding import Finding, Stream, Verdict, WindowSpan
from schemas.model_settings import ModelSettings

SEGMENTS = [f"channel=c{place}" for place in range(20)]
ROWS = 4_000
SERVICE = prediction_layout(None)
SLOW = slice(PredictionLayout.LATENCY, PredictionLayout.LATENCY + LATENCY_MS.size)


def latencies(rng: np.random.Generator, n: int, ms: float) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.bincount(LATENCY_MS.index(rng.gamma(4, ms / 4, n)), minlength=LATENCY_MS.size)


def model(**keys: Any) -> ModelSettings:
    given = {"name": "fraud", "task": "binary", "positive_class": "fraud", "segments": ["channel"], **keys}
    return ModelSettings.model_validate(given)


def sampled(rng: np.random.Generator, rows: int, wrong: float, ms: float) -> SegmentReference:
    """Return the reference that so many rows of a segment give, off the truth by their own error."""
    fraud = int(rng.binomial(rows, 1 / 3))
    bad = rng.binomial([rows - fraud, fraud], wrong).tolist()
    right = fraud - bad[1], rows - fraud - bad[0]
    pairs = (
        ("fraud", "fraud", right[0]),
        ("fraud", "ok", bad[0]),
        ("ok", "fraud", bad[1]),
        ("ok", "ok", right[1]),
    )
    cells = latencies(rng, rows, ms)
    found = tuple((int(cell), int(cells[cell])) for cell in np.flatnonzero(cells))
    return SegmentReference(rows, (rows, 0, 0), found, pairs, metrics={"accuracy": 1 - sum(bad) / rows})


def reference(rng: np.random.Generator, truth: Mapping[str, tuple[float, float]]) -> ReferenceProfile:
    """Return the profile of segments of these shares of wrong answers and mean latencies."""
    segments = {name: sampled(rng, ROWS, *values) for name, values in truth.items()}
    pairs: dict[tuple[str, str], int] = {}
    cells: dict[int, int] = {}
    for segment in segments.values():
        for said, true, n in segment.confusion:
            pairs[said, true] = pairs.get((said, true), 0) + n
        for cell, n in segment.latency:
            cells[cell] = cells.get(cell, 0) + n
    calm = replace(CALM, rate=1e-9)
    return ReferenceProfile(
        "fraud",
        "binary",
        ROWS * len(segments),
        (),
        labelled=ROWS * len(segments),
        classes=("ok", "fraud"),
        confusion=tuple((said, true, n) for (said, true), n in sorted(pairs.items())),
        error_rhythms={"ok": CALM, "fraud": CALM},
        latency=tuple(sorted(cells.items())),
        latency_rhythms=dict.fromkeys(("location", "tails", "spread", "shape"), calm),
        segments=segments,
    )


def prediction_part(
    rng: np.random.Generator, n: int, ms: float, failing: float = 0.01
) -> Summary[PredictionLayout]:
    found = Summary.empty(SERVICE)
    failed = int(rng.binomial(n, failing))
    found.vector[: PredictionLayout.LATENCY] = n, n - failed, 0, failed
    found.vector[SLOW] = latencies(rng, n, ms)
    return found


def error_part(rng: np.random.Generator, n: int, wrong: float) -> Summary[ErrorLayout]:
    found = Summary.empty(ErrorLayout("binary"))
    for true, other, count in (("ok", "fraud", n - n // 3), ("fraud", "ok", n // 3)):
        bad = int(rng.binomial(count, wrong))
        found.pairs |= {(other, true): bad, (true, true): count - bad}
    found.vector[:2] = n, found.pairs["fraud", "ok"] + found.pairs["ok", "fraud"]
    found.vector[ErrorLayout.LAG + int(LABEL_LAG_S.index(np.array([5.0]))[0])] = n
    return found


def window(
    index: int, stream: Stream, parts: Mapping[str, Summary[Any]], *, by: str = "segments", **more: Any
) -> ClosedWindow[Any]:
    """Return a window of these parts, which are all there is."""
    whole: Summary[Any] = Summary.empty(next(iter(parts.values())).layout)
    for part in parts.values():
        whole = whole.merge(part)
    start = NOON_MS + index * MINUTE_MS
    span = WindowSpan(start, start + MINUTE_MS, int(whole.vector[0]))
    return ClosedWindow("fraud", stream, span, whole, **{by: parts, **more})


def told(detectors: Sequence[Any], *windows: ClosedWindow[Any]) -> list[Finding]:
    return [f for w in windows for d in detectors if d.stream is w.stream for f in d.update(w)]


def parts_of(settings: ModelSettings, profile: ReferenceProfile | None, name: str) -> BudgetedParts[Any]:
    [found] = [d for d in budgeted(settings, profile) if d.name == name]
    assert isinstance(found, BudgetedParts)
    return found


TRUTH = {name: (0.02 + place / 50, 20.0 + 10 * place) for place, name in enumerate(SEGMENTS)}


def test_twenty_segments_and_three_versions_that_do_not_change_stay_within_the_budget() -> None:
    rng, windows, allowed = np.random.default_rng(1), 250, 20
    tight = {"false_alarms": allowed * 30 * 24 * 60 / windows, "per": "30d"}
    quiet = {"volume": False}  # what is usual is learned from the stream, and this one has no hours
    settings = model(false_alarm_budget=tight, min_effect=0, monitors=quiet)
    detectors = [d for d in budgeted(settings, reference(rng, TRUTH)) if d.stream is not Stream.LABELS]
    assert len(detectors) == 6
    alarms = 0
    firing: set[tuple[Any, ...]] = set()
    for index in range(windows):
        versions = rng.multinomial(25, [0.6, 0.3, 0.1], size=len(SEGMENTS))
        predictions = [
            {n: prediction_part(rng, k, TRUTH[n][1]) for n, k in by(v, versions)} for v in range(3)
        ]
        errors = [{n: error_part(rng, k, TRUTH[n][0]) for n, k in by(v, versions)} for v in range(3)]
        found = told(detectors, crossed(index, Stream.PREDICTIONS, predictions))
        found += told(detectors, crossed(index, Stream.ERRORS, errors))
        now = {f.identity for f in found if f.verdict is Verdict.BREACH}
        alarms, firing = alarms + len(now - firing), now
    assert alarms <= allowed


def by(version: int, rows: np.ndarray[Any, np.dtype[np.int64]]) -> list[tuple[str, int]]:
    """Return the segments of a version that have events, with their number."""
    return [(name, int(n)) for name, n in zip(SEGMENTS, rows[:, version], strict=True) if n]


def crossed(index: int, stream: Stream, cells: Sequence[Mapping[str, Summary[Any]]]) -> ClosedWindow[Any]:
    """Return a window of what each version counted of each segment."""
    segments = {name: _sum([found[name] for found in cells if name in found]) for name in SEGMENTS}
    versions = {str(7 + place): _sum(list(found.values())) for place, found in enumerate(cells)}
    return window(index, stream, segments, versions=versions)


def _sum(parts: Sequence[Summary[Any]]) -> Summary[Any]:
    found = parts[0]
    for part in parts[1:]:
        found = found.merge(part)
    return found


def test_three_versions_that_are_as_good_as_the_reference_stay_within_their_share() -> None:
    rng, windows, allowed = np.random.default_rng(2), 500, 20
    tight = {"false_alarms": allowed * 30 * 24 * 60 / windows, "per": "30d"}
    profile = reference(rng, {"channel=all": (0.1, 30.0)})
    settings = model(false_alarm_budget=tight, segments=[], min_effect=0)
    detectors = [d for d in budgeted(settings, profile) if isinstance(d, BudgetedParts)]
    alarms = 0
    firing: set[tuple[Any, ...]] = set()
    for index in range(windows):
        shares = {"7": 120, "8": 60, "9": 20}
        predictions = {v: prediction_part(rng, n, 30.0) for v, n in shares.items()}
        errors = {v: error_part(rng, n, 0.1) for v, n in shares.items()}
        closed = window(index, Stream.PREDICTIONS, predictions, by="versions")
        found = told(detectors, closed, window(index, Stream.ERRORS, errors, by="versions"))
        now = {f.identity for f in found if f.verdict is Verdict.BREACH}
        alarms, firing = alarms + len(now - firing), now
    assert alarms <= allowed


def slow_shop(index: int) -> dict[str, Summary[PredictionLayout]]:
    rng = np.random.default_rng(index)
    broken = 20 <= index < 40
    return {
        "channel=c0": prediction_part(rng, 200, 20.0),
        "channel=c1": prediction_part(rng, 20, 90.0 if broken else 30.0),
    }


def test_a_segment_that_answers_slower_is_named_with_its_own_usual_latency() -> None:
    detector = parts_of(model(), reference(np.random.default_rng(3), TRUTH), "budget_segment_columns")
    found = told([detector], *(window(i, Stream.PREDICTIONS, slow_shop(i)) for i in range(60)))
    assert {(f.check, f.segment) for f in found} == {("latency", "channel=c1")}
    first, last = found[0], found[-1]
    assert (first.verdict, last.verdict) == (Verdict.BREACH, Verdict.CLEAR)
    assert 20 <= (first.window.start_ms - NOON_MS) // MINUTE_MS < 25
    assert first.window.n == 20
    assert first.evidence["profile_median"] == pytest.approx(28, rel=0.2)


def test_a_status_that_a_segment_always_had_more_of_is_usual_there() -> None:
    rng = np.random.default_rng(4)
    profile = reference(rng, {"channel=c0": (0.1, 20.0), "channel=c1": (0.1, 20.0)})
    used = {
        **profile.segments,
        "channel=c1": replace(profile.segments["channel=c1"], statuses=(3_000, 0, 1_000)),
    }
    found: dict[str, set[str | None]] = {}
    for name, known in (("used to it", replace(profile, segments=used)), ("not used to it", profile)):
        detector = parts_of(model(), known, "budget_segment_columns")
        streams = [
            {
                "channel=c0": prediction_part(rng, 200, 20.0),
                "channel=c1": prediction_part(rng, 50, 20.0, 0.25),
            }
            for _ in range(60)
        ]
        said = told([detector], *(window(i, Stream.PREDICTIONS, parts) for i, parts in enumerate(streams)))
        found[name] = {f.segment for f in said if f.check == "error_rate"}
    assert found == {"used to it": set(), "not used to it": {"channel=c1"}}


def test_what_is_left_over_and_answers_of_the_fallback_are_not_bet_on() -> None:
    rng = np.random.default_rng(5)
    profile = reference(rng, {"channel=c0": (0.1, 20.0)})
    bad, good = error_part(rng, 100, 0.9), error_part(rng, 400, 0.1)
    detectors = [d for d in budgeted(model(), profile) if isinstance(d, BudgetedParts)]
    for index in range(20):
        one = window(index, Stream.ERRORS, {"channel=(other)": bad, "channel=c0": good})
        versions = {"7": good, "7+fallback": bad}
        assert not told(detectors, replace(one, versions=versions))
        statuses = {
            "channel=(other)": prediction_part(rng, 50, 20.0, 0.9),
            "channel=c0": prediction_part(rng, 50, 20.0),
        }
        assert not told(detectors, window(index, Stream.PREDICTIONS, statuses))


def restored(detector: BudgetedParts[Any], again: BudgetedParts[Any]) -> BudgetedParts[Any]:
    states_from_bytes([again], states_to_bytes([detector]))
    return again


def coming_and_going(index: int) -> dict[str, Summary[ErrorLayout]]:
    """Return windows in which versions come, go wrong, take turns and leave for good."""
    rng = np.random.default_rng(index)
    names = ["1", *(str(2 + place) for place in range(6) if (index // (7 + place)) % 2)]
    if index >= 60:
        names = ["1", "9"]
    return {n: error_part(rng, 60, 0.6 if n == "3" and index > 20 else 0.1) for n in names}


def test_a_state_that_is_stored_after_every_window_goes_on_as_if_nothing_had_happened() -> None:
    profile = reference(np.random.default_rng(6), {"channel=c0": (0.1, 20.0)})
    straight, stored, spare = (parts_of(model(), profile, "budget_version_errors") for _ in range(3))
    verdicts: set[Verdict] = set()
    seen: set[str] = set()
    for index in range(130):
        closed = window(index, Stream.ERRORS, coming_and_going(index), by="versions")
        found = straight.update(closed)
        assert stored.update(closed) == found
        stored, spare = restored(stored, spare), stored
        assert states_to_bytes([stored]) == states_to_bytes([straight])
        assert len(straight._seats.parts) <= 4
        verdicts |= {f.verdict for f in found}
        seen |= {part.name for part in straight._seats.parts}
    assert {Verdict.BREACH, Verdict.GONE} <= verdicts
    assert len(seen) > 4


@pytest.mark.parametrize("change", ["profile", "signals", "room"])
def test_a_state_of_another_profile_of_other_signals_or_of_more_room_starts_over(change: str) -> None:
    profile = reference(np.random.default_rng(7), TRUTH)
    old, new = model(), model()
    if change == "signals":
        new = model(monitors={"latency": False})
    if change == "room":
        new = model(max_segments=1)
    other = reference(np.random.default_rng(8), TRUTH) if change == "profile" else profile
    detector = parts_of(old, profile, "budget_segment_columns")
    told([detector], *(window(i, Stream.PREDICTIONS, slow_shop(i)) for i in range(30)))
    assert detector._seats.firing
    fresh = states_to_bytes([parts_of(new, other, "budget_segment_columns")])
    assert states_to_bytes([restored(detector, parts_of(new, other, "budget_segment_columns"))]) == fresh


PROFILE = reference(np.random.default_rng(9), {"channel=c0": (0.1, 20.0), "channel=c1": (0.1, 30.0)})


def early() -> dict[str, Any]:
    detector = parts_of(model(), PROFILE, "budget_segment_columns")
    told([detector], *(window(i, Stream.PREDICTIONS, slow_shop(i)) for i in range(3)))
    return dict(detector.state())


EARLY = early()
DAMAGED = parts_of(model(), PROFILE, "budget_segment_columns")


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_damaged_bytes_are_refused_or_read_and_nothing_else(data: st.DataObject) -> None:
    state = dict(EARLY)
    key = data.draw(st.sampled_from(sorted(state)))
    damaged = bytearray(state[key])
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    state[key] = bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
    try:
        DAMAGED.restore(state)
    except ValueError:
        return
    assert len(DAMAGED._seats.parts) <= 50
    told([DAMAGED], window(3, Stream.PREDICTIONS, slow_shop(3)))


def test_thousands_of_segment_names_take_no_more_room_than_the_settings_say() -> None:
    profile = reference(np.random.default_rng(10), {"channel=c0": (0.1, 20.0), "channel=c1": (0.1, 30.0)})
    detector = parts_of(model(max_segments=5), profile, "budget_segment_columns")
    rng = np.random.default_rng(11)
    sizes = []
    for index in range(30):
        names = [f"channel=n{index * 100 + place}" for place in range(100)]
        parts = {name: prediction_part(rng, 3, 20.0) for name in names}
        if index == 20:
            parts["channel=c1"] = prediction_part(rng, 3, 20.0)
        told([detector], window(index, Stream.PREDICTIONS, parts))
        sizes.append(len(states_to_bytes([detector])))
    names = [part.name for part in detector._seats.parts]
    assert "channel=c1" in names, "what has a reference always finds room"
    assert len(names) == 4, "and room is kept for the other that has one"
    assert max(sizes[20:]) < 1.5 * sizes[0] + 3_000


def rules(**changes: Any) -> Rules:
    plain: dict[str, Any] = {"room": 2, "reserved": frozenset(), "gone_ms": 60 * MINUTE_MS, "yields": True}
    return Rules(**(plain | changes))


def seen(
    roster: Roster, events: Mapping[str, int], index: int, *, n: int = 1_000, firing: str = ""
) -> list[str]:
    span = WindowSpan(NOON_MS + index * MINUTE_MS, NOON_MS + (index + 1) * MINUTE_MS, n)
    return roster.see(span, events, firing={firing})


def test_the_version_seen_least_recently_makes_room_unless_something_of_it_fires() -> None:
    roster = Roster(rules())
    seen(roster, {"1": 500, "2": 500}, 0)
    seen(roster, {"1": 500, "2": 400, "3": 100}, 1)
    assert roster.names == ["1", "2"], "both are there"
    seen(roster, {"2": 900, "3": 100}, 2)
    assert roster.names == ["2", "3"]
    seen(roster, {"3": 500, "4": 500}, 3, firing="2")
    assert roster.names == ["2", "3"]
    settled = Roster(rules(yields=False))
    seen(settled, {"1": 500, "2": 500}, 0)
    seen(settled, {"3": 500}, 1)
    assert settled.names == ["1", "2"]


def test_a_version_that_is_all_there_is_is_not_followed_until_another_comes() -> None:
    roster = Roster(rules())
    seen(roster, {"1": 1_000}, 0)
    assert roster.names == []
    seen(roster, {"1": 900, "2": 100}, 1)
    assert roster.names == ["1", "2"]


def test_a_part_is_gone_when_it_would_have_had_thirty_events_and_long_enough_had_none() -> None:
    roster = Roster(rules())
    seen(roster, {"1": 900, "2": 100}, 0)
    assert [index for index in range(1, 80) if seen(roster, {"1": 1_000}, index)] == [60], "after an hour"
    rare = Roster(rules())
    seen(rare, {"1": 9_999, "2": 1}, 0, n=10_000)
    assert not any(seen(rare, {"1": 1_000}, index) for index in range(1, 290))
    assert any(seen(rare, {"1": 1_000}, index) for index in range(290, 310))


def test_names_come_in_order_of_their_events_whatever_their_order_in_the_window() -> None:
    for order in (["a", "b", "c"], ["c", "b", "a"]):
        roster = Roster(rules())
        seen(roster, {name: {"a": 10, "b": 30, "c": 20}[name] for name in order}, 0)
        assert roster.names == ["b", "c"]


def steady(count: int) -> Iterator[tuple[ClosedWindow[Any], ClosedWindow[Any]]]:
    rng = np.random.default_rng(12)
    for index in range(count):
        predictions = {f"channel=c{place}": prediction_part(rng, 40, 30.0) for place in range(50)}
        errors = {f"channel=c{place}": error_part(rng, 40, 0.1) for place in range(50)}
        yield window(index, Stream.PREDICTIONS, predictions), window(index, Stream.ERRORS, errors)


def test_fifty_segments_cost_little_in_every_window(record_property: Callable[[str, object], None]) -> None:
    segment = SegmentReference(5_000, latency=((40, 2_500), (60, 2_500)), confusion=confusion(5_000, 0.1))
    profile = replace(PROFILE, segments={f"channel=c{place}": segment for place in range(50)})
    detectors = [d for d in budgeted(model(), profile) if "segment" in d.name]
    closed = list(steady(25))
    for detector in detectors:
        mine = [one for pair in closed for one in pair if one.stream is detector.stream]
        told([detector], *mine[:5])
        took = {"window": 0.0, "state": 0.0}
        for one in mine[5:]:
            before = time.process_time()
            detector.update(one)
            between = time.process_time()
            states_to_bytes([detector])
            took["window"] += (between - before) / 20 * 1e3
            took["state"] += (time.process_time() - between) / 20 * 1e3
        for what, milliseconds in took.items():
            record_property(
                f"{detector.name}: milliseconds per {what} of 50 segments", round(milliseconds, 2)
            )
        record_property(f"{detector.name}: bytes of state", len(states_to_bytes([detector])))
        assert sum(took.values()) < 200, "many times what it takes on an idle core"
