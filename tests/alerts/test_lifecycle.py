from __future__ import annotations

from dataclasses import replace

import pytest
from alert_builders import LETTERS, NOON_MS, finding, span

from alerts.identity import subject_of
from alerts.lifecycle import (
    EVENT_TYPES,
    LOOKBACK_WINDOWS_MAX,
    AlertState,
    Episode,
    Reading,
    Reason,
    bounded,
    decide_heed,
    decide_open,
    decide_opening,
    useful_readings,
)
from alerts.transitions import advance
from schemas.alert import AlertType
from schemas.finding import Finding, Hysteresis, Severity, Verdict

DAY_MS = 86_400_000
THREE_OF_FIVE = Hysteresis(breaches=3, windows=5, clears=3)
W, E, C = Severity.WARNING, Severity.ERROR, Severity.CRITICAL


def readings(letters: str) -> tuple[Reading, ...]:
    """Return one reading per letter: B for a breach, anything else for none."""
    return tuple(Reading(index, W if letter == "B" else None) for index, letter in enumerate(letters))


def episode(**changes: object) -> Episode:
    plain = Episode(
        subject=subject_of(finding()),
        state=AlertState.FIRING,
        severity=E,
        episode_ms=NOON_MS,
        since_ms=NOON_MS,
        revisions=1,
        window=span(0),
        breach_end_ms=span(0).end_ms,
        peak=1.0,
        peak_ms=NOON_MS,
        evidence={},
    )
    return replace(plain, **changes)  # type: ignore[arg-type] # the table's own values


@pytest.mark.parametrize(
    ("reading", "last_end_ms", "reason"),
    [
        (finding(3), None, Reason.HEEDED),
        (finding(3), span(2).end_ms, Reason.HEEDED),
        (finding(3), span(3).end_ms, Reason.STALE_WINDOW),
        (finding(3), span(4).end_ms, Reason.STALE_WINDOW),
        (finding(3, Verdict.CLEAR), span(2).end_ms, Reason.HEEDED),
        (finding(3, Verdict.BETWEEN), span(2).end_ms, Reason.HEEDED),
        (finding(3, Verdict.UNKNOWN), span(2).end_ms, Reason.UNKNOWN_HOLDS),
        (finding(3, Verdict.UNKNOWN), None, Reason.UNKNOWN_HOLDS),
        (finding(3, evidence_only=True), None, Reason.EVIDENCE_ONLY),
        (finding(3, Verdict.UNKNOWN, evidence_only=True), span(5).end_ms, Reason.EVIDENCE_ONLY),
    ],
)
def test_only_new_informed_windows_are_heeded(
    reading: Finding, last_end_ms: int | None, reason: Reason
) -> None:
    assert decide_heed(reading, last_end_ms=last_end_ms) is reason


@pytest.mark.parametrize(
    ("seen", "useful"),
    [
        ("", ""),
        (".", ""),
        ("...", ""),
        ("B", "B"),
        (".B", "B"),
        ("B..", "B.."),
        ("B...", ""),  # two more breaches no longer fit into five windows
        ("B..B", "B..B"),
        ("B.B..", "B.."),  # the first breach is out of reach, the second is not
        ("BB..", "BB.."),
        ("BB...", ""),
        ("B...B", "B"),
        ("BBB", "BBB"),
        ("B.B.B", "B.B.B"),
        ("BB.....BB", "BB"),
    ],
)
def test_readings_count_while_three_of_five_can_be_reached(seen: str, useful: str) -> None:
    kept = useful_readings(readings(seen), THREE_OF_FIVE)
    assert "".join("B" if reading.severity else "." for reading in kept) == useful


@pytest.mark.parametrize(
    ("seen", "rule", "reason"),
    [
        ("", THREE_OF_FIVE, Reason.NOTHING_WRONG),
        ("B", THREE_OF_FIVE, Reason.COLLECTING),
        ("B..B", THREE_OF_FIVE, Reason.COLLECTING),
        ("B.B.B", THREE_OF_FIVE, Reason.FIRST),
        ("BBB", THREE_OF_FIVE, Reason.FIRST),
        ("B", Hysteresis(1, 1, 1), Reason.FIRST),
        ("", Hysteresis(1, 1, 1), Reason.NOTHING_WRONG),
    ],
)
def test_a_pending_alert_fires_at_m_of_n(seen: str, rule: Hysteresis, reason: Reason) -> None:
    assert decide_opening(readings(seen), rule) is reason


FIRING, RECOVERING = AlertState.FIRING, AlertState.RECOVERING


@pytest.mark.parametrize(
    ("state", "clears", "lower", "letter", "severity", "reason"),
    [
        (FIRING, 0, (), "B", E, Reason.STILL_FIRING),
        (FIRING, 0, (), "B", C, Reason.SEVERITY_UP),
        (FIRING, 0, (), "B", W, Reason.STILL_FIRING),
        (FIRING, 0, (W,), "B", W, Reason.STILL_FIRING),
        (FIRING, 0, (W, W), "B", W, Reason.SEVERITY_DOWN),
        (FIRING, 0, (W, W), "B", E, Reason.STILL_FIRING),
        (FIRING, 0, (), "-", W, Reason.STILL_FIRING),
        (FIRING, 0, (), "-", C, Reason.STILL_FIRING),
        (FIRING, 0, (), "C", W, Reason.RECOVERING),
        (RECOVERING, 1, (), "C", W, Reason.RECOVERING),
        (RECOVERING, 2, (), "C", W, Reason.RECOVERED),
        (RECOVERING, 2, (), "C", C, Reason.RECOVERED),
        (RECOVERING, 2, (), "-", W, Reason.ROW_BROKEN),
        (RECOVERING, 2, (), "B", E, Reason.RELAPSED),
        (RECOVERING, 2, (), "B", W, Reason.RELAPSED),
        (RECOVERING, 2, (), "B", C, Reason.SEVERITY_UP),
        (RECOVERING, 2, (W, W), "B", W, Reason.SEVERITY_DOWN),
    ],
)
def test_an_open_alert_moves_by_this_table(
    *,
    state: AlertState,
    clears: int,
    lower: tuple[Severity, ...],
    letter: str,
    severity: Severity,
    reason: Reason,
) -> None:
    before = episode(state=state, clears=clears, lower=lower)
    reading = finding(1, LETTERS[letter], severity=severity)
    assert decide_open(before, reading, THREE_OF_FIVE) is reason


@pytest.mark.parametrize("state", [FIRING, RECOVERING])
@pytest.mark.parametrize(
    ("onset_ms", "dated_anew", "severity", "reason"),
    [
        (NOON_MS - 7 * DAY_MS, True, E, Reason.DATED_ANEW),
        (NOON_MS - 7 * DAY_MS, True, C, Reason.SEVERITY_UP),
        (NOON_MS - 7 * DAY_MS, False, E, None),
        (NOON_MS, True, E, None),
        (NOON_MS + DAY_MS, True, E, None),
        (None, True, E, None),
    ],
)
def test_an_open_alert_is_dated_anew_where_its_detector_knows_better(
    *, state: AlertState, onset_ms: int | None, dated_anew: bool, severity: Severity, reason: Reason | None
) -> None:
    found = replace(finding(1, severity=severity), onset_ms=onset_ms, dated_anew=dated_anew)
    after, why = advance(episode(state=state), found, subject=subject_of(found))
    assert why is (reason or (Reason.STILL_FIRING if state is FIRING else Reason.RELAPSED))
    assert isinstance(after, Episode)
    assert after.since_ms == (NOON_MS if reason is None else onset_ms)
    assert after.state is FIRING


def test_one_clear_window_is_enough_where_the_rule_says_so() -> None:
    reading = finding(1, Verdict.CLEAR)
    assert decide_open(episode(), reading, Hysteresis(1, 1, 1)) is Reason.RECOVERED


@pytest.mark.parametrize(
    ("given", "met"),
    [
        (Hysteresis(0, 0, 0), Hysteresis(1, 1, 1)),
        (Hysteresis(3, 2, 3), Hysteresis(3, 3, 3)),
        (Hysteresis(1, 10**9, 10**9), Hysteresis(1, LOOKBACK_WINDOWS_MAX, LOOKBACK_WINDOWS_MAX)),
        (THREE_OF_FIVE, THREE_OF_FIVE),
    ],
)
def test_a_rule_that_cannot_be_met_is_bounded(given: Hysteresis, met: Hysteresis) -> None:
    assert bounded(given) == met


def test_people_hear_of_these_reasons_only() -> None:
    assert dict(EVENT_TYPES) == {
        Reason.FIRST: AlertType.FIRING,
        Reason.SEVERITY_UP: AlertType.UPDATED,
        Reason.SEVERITY_DOWN: AlertType.UPDATED,
        Reason.DATED_ANEW: AlertType.UPDATED,
        Reason.CAUSE_OVER: AlertType.UPDATED,
        Reason.RECOVERED: AlertType.RESOLVED,
        Reason.VERSION_RETIRED: AlertType.RESOLVED,
        Reason.SEGMENT_GONE: AlertType.RESOLVED,
        Reason.ESTIMATE_REFUTED: AlertType.RESOLVED,
        Reason.ACCEPTED: AlertType.RESOLVED,
        Reason.NOT_WATCHED: AlertType.RESOLVED,
    }
