"""Since when each version has been there, and which trouble began shortly after."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import pytest
from builders.summaries import MINUTE_MS, NOON_MS, error_counts, error_window

from detectors.version_history import VERSIONS_MAX, VersionHistory, with_version_change
from schemas.finding import Finding, Kind, Verdict, WindowSpan

if TYPE_CHECKING:
    from detectors.detector import ErrorWindow

DAY = 1_440


def window(index: int, **versions: int) -> ErrorWindow:
    counted = {name.replace("__", "+"): error_counts(n, 0) for name, n in versions.items()}
    return replace(error_window(error_counts(1, 0), index), versions=counted)


def history(*windows: ErrorWindow) -> VersionHistory:
    made = VersionHistory()
    for each in windows:
        made.add(each)
    return made


def told(made: VersionHistory) -> list[tuple[str, int, str]]:
    """Return version, minute and the one before of every change there ever was."""
    return [(c.version, (c.since_ms - NOON_MS) // MINUTE_MS, c.before) for c in made.changes(0, 1 << 60)]


def finding(onset: int, *, verdict: Verdict = Verdict.BREACH, kind: Kind = Kind.PERFORMANCE) -> Finding:
    at = NOON_MS + onset * MINUTE_MS
    return Finding(
        kind=kind,
        check="performance",
        model="fraud",
        window=WindowSpan(at + 5 * MINUTE_MS, at + 6 * MINUTE_MS, 9),
        verdict=verdict,
        score=2.0,
        fire=1.0,
        clear=1.0,
        onset_ms=at,
        evidence={"value": 2.0},
    )


def test_the_first_version_is_no_change_and_a_second_one_came_after_the_one_that_led() -> None:
    made = history(window(0, A=9, B=5), window(1, A=9), window(2, A=3, C=8), window(3, D=1, C=1))
    assert told(made) == [("C", 2, "A"), ("D", 3, "C")]


def test_fallback_shadow_and_versions_without_events_do_not_count() -> None:
    assert told(history(window(0, A=9), window(1, A=9, B__fallback=5, C__shadow=5, D=0))) == []


def test_a_version_that_comes_back_after_an_hour_is_a_change_and_a_pause_of_all_is_none() -> None:
    rolled_back = history(
        window(0, A=9), window(1, B=9), *(window(i, B=9) for i in range(2, 62)), window(62, A=9)
    )
    assert told(rolled_back) == [("B", 1, "A"), ("A", 62, "B")]
    assert told(history(window(0, A=9), window(600, A=9))) == []


def test_windows_of_labels_have_no_versions() -> None:
    nameless = replace(window(0), versions={"": error_counts(9, 0)})
    assert history(nameless) == VersionHistory()


def test_it_is_bounded_and_goes_on_from_its_bytes() -> None:
    made = VersionHistory()
    for index in range(3 * VERSIONS_MAX):
        made.add(window(index, **{f"v{index}": 5}))
        made = msgspec.msgpack.decode(msgspec.msgpack.encode(made), type=VersionHistory)
    assert len(made.lives) == VERSIONS_MAX
    assert made.lives[-1].before == f"v{3 * VERSIONS_MAX - 2}"


@pytest.mark.parametrize(
    ("onset", "is_told"), [(9, True), (10, True), (10 + DAY, True), (8, False), (12 + DAY, False)]
)
def test_trouble_that_began_within_a_day_after_a_version_came_names_it(onset: int, is_told: bool) -> None:
    made = history(window(0, A=9), window(10, B=9))
    change = with_version_change(finding(onset), made).evidence.get("version_change")
    expected = {"version": "B", "before": "A", "since": "2026-11-01T12:10:00.000Z"}
    assert change == (expected if is_told else None)


def test_good_news_no_news_and_comparisons_of_versions_are_left_as_they_are() -> None:
    made = history(window(0, A=9), window(10, B=9))
    for same in (
        finding(10, verdict=Verdict.CLEAR),
        finding(10, kind=Kind.VERSION_REGRESSION),
        replace(finding(10), evidence={}),
    ):
        assert with_version_change(same, made) == same
