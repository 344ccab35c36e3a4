from __future__ import annotations

import math
from dataclasses import replace

import pytest
from alert_builders import (
    CONTEXT,
    MINUTE_MS,
    NOON_MS,
    ONE_OF_ONE,
    finding,
    fired,
    run_letters,
    span,
)

from alerts.identity import fingerprint_of
from alerts.lifecycle import Episode, Pending
from alerts.policy import AlertBook, Hearing, step
from schemas.alert import AlertEvent, AlertStatus, AlertType
from schemas.alert_wire import utc_of_ms
from schemas.finding import Finding, Hysteresis, Kind, Severity, Stream, Verdict, WindowSpan

THREE_OF_FIVE = Hysteresis(breaches=3, windows=5, clears=3)


def told(events: list[AlertEvent]) -> list[str]:
    """Return `window index:type` of each event, by the window whose end is its time."""
    return [
        f"{(event.time - utc_of_ms(NOON_MS)).total_seconds() / 60 - 1:.0f}:{event.type.rpartition('.')[2]}"
        for event in events
    ]


@pytest.mark.parametrize(
    ("letters", "rule", "events", "left"),
    [
        ("CCC", THREE_OF_FIVE, [], None),
        ("BB", THREE_OF_FIVE, [], "pending"),
        ("BBB", THREE_OF_FIVE, ["2:firing"], "firing"),
        ("B-C-B?B", THREE_OF_FIVE, [], "pending"),
        ("B-B-B", THREE_OF_FIVE, ["4:firing"], "firing"),
        ("B?B??B", THREE_OF_FIVE, ["5:firing"], "firing"),
        ("BCCC", THREE_OF_FIVE, [], None),
        ("BBBCC", THREE_OF_FIVE, ["2:firing"], "recovering"),
        ("BBBCCC", THREE_OF_FIVE, ["2:firing", "5:resolved"], None),
        ("BBBCCBCCC", THREE_OF_FIVE, ["2:firing", "8:resolved"], None),
        ("BBBCC-CCC", THREE_OF_FIVE, ["2:firing", "8:resolved"], None),
        ("BBBC?C?C", THREE_OF_FIVE, ["2:firing", "7:resolved"], None),
        ("BBB?????????", THREE_OF_FIVE, ["2:firing"], "firing"),
        ("BBB---------", THREE_OF_FIVE, ["2:firing"], "firing"),
        ("BBBBBB", THREE_OF_FIVE, ["2:firing"], "firing"),
        ("BBBCCCBBB", THREE_OF_FIVE, ["2:firing", "5:resolved", "8:firing"], "firing"),
        ("B", ONE_OF_ONE, ["0:firing"], "firing"),
        ("BCCBCC", ONE_OF_ONE, ["0:firing", "2:resolved", "3:firing", "5:resolved"], None),
        ("?", ONE_OF_ONE, [], None),
    ],
)
def test_windows_move_an_alert_by_this_table(
    letters: str, rule: Hysteresis, events: list[str], left: str | None
) -> None:
    book, emitted = run_letters(letters, hysteresis=rule)
    assert told(emitted) == events
    states = [
        "pending" if isinstance(alert, Pending) else alert.state.value for alert in book.entries.values()
    ]
    assert states == ([] if left is None else [left])


@pytest.mark.parametrize(
    ("letters", "severities", "events"),
    [
        ("BB", "we", ["0:firing warning", "1:updated error"]),
        ("BBB", "wec", ["0:firing warning", "1:updated error", "2:updated critical"]),
        ("BBB", "cww", ["0:firing critical", "2:updated warning"]),
        ("BBB", "cew", ["0:firing critical", "2:updated error"]),
        ("BBBB", "cwcw", ["0:firing critical"]),
        ("BCB", "cww", ["0:firing critical"]),
        ("BCBB", "cwww", ["0:firing critical", "3:updated warning"]),
        ("BCBB", "wwcc", ["0:firing warning", "2:updated critical"]),
        ("B-", "wc", ["0:firing warning"]),
        ("BCC", "wcc", ["0:firing warning", "2:resolved warning"]),
        ("BBCC", "wcww", ["0:firing warning", "1:updated critical", "3:resolved critical"]),
    ],
)
def test_severity_rises_at_once_and_falls_after_k_windows(
    letters: str, severities: str, events: list[str]
) -> None:
    _, emitted = run_letters(letters, hysteresis=ONE_OF_ONE, severities=severities)
    assert [
        f"{when} {event.data.severity}" for when, event in zip(told(emitted), emitted, strict=True)
    ] == events


def test_an_alert_fires_with_the_worst_severity_of_its_look_back() -> None:
    _, events = run_letters("BBB", hysteresis=THREE_OF_FIVE, severities="cww")
    assert events[0].data.severity is Severity.CRITICAL


def test_episode_and_since_are_the_start_of_the_first_breaching_window() -> None:
    _, events = run_letters("CB-B?B", hysteresis=THREE_OF_FIVE)
    data = events[0].data
    assert data.episode == span(1).start_ms
    assert data.since == utc_of_ms(span(1).start_ms)
    assert data.detected_at == utc_of_ms(span(5).end_ms)
    assert data.alert_id == f"{data.fingerprint}:{span(1).start_ms}"


@pytest.mark.parametrize(
    ("onset_ms", "since_ms"),
    [
        (None, NOON_MS),
        (NOON_MS - 5 * MINUTE_MS, NOON_MS - 5 * MINUTE_MS),
        (NOON_MS, NOON_MS),
        (NOON_MS + 1, NOON_MS),
    ],
)
def test_since_is_the_onset_unless_it_lies_after_the_first_breach(
    onset_ms: int | None, since_ms: int
) -> None:
    assert fired(onset_ms=onset_ms).data.since == utc_of_ms(since_ms)


def test_a_resolved_alert_ends_with_its_last_breach_and_keeps_its_identity() -> None:
    _, (first, last) = run_letters("BCBCC", hysteresis=ONE_OF_ONE)
    assert last.data.until == utc_of_ms(span(2).end_ms)
    assert last.data.detected_at == utc_of_ms(span(4).end_ms)
    assert (last.data.alert_id, last.data.since) == (first.data.alert_id, first.data.since)
    assert (first.data.revision, last.data.revision) == (0, 1)
    assert first.data.status is AlertStatus.FIRING
    assert last.data.evidence["reason"] == "recovered"


def test_a_resolved_alert_tells_its_peak() -> None:
    book = AlertBook()
    scores = [(Verdict.BREACH, 5.0), (Verdict.BREACH, 9.0), (Verdict.BREACH, 7.0)]
    for index, (verdict, score) in enumerate([*scores, (Verdict.CLEAR, 0.5), (Verdict.CLEAR, 0.5)]):
        book, events = step(book, [finding(index, verdict, score=score, evidence={})], context=CONTEXT)
    evidence = events[0].data.evidence
    assert (evidence["peak_value"], evidence["peak_at"]) == (9.0, "2026-11-01T12:01:00.000Z")
    assert evidence["value"] == 0.5


def test_evidence_only_readings_never_enter_the_book() -> None:
    book, events = step(AlertBook(), [finding(evidence_only=True)], context=CONTEXT)
    assert (book, events) == (AlertBook(), [])


def test_an_evidence_only_reading_does_not_hide_the_real_one() -> None:
    readings = [finding(), finding(severity=Severity.CRITICAL, score=1e9, evidence_only=True)]
    _, events = step(AlertBook(), readings, context=CONTEXT)
    assert [event.data.severity for event in events] == [Severity.WARNING]


def test_new_alerts_come_before_known_ones_if_they_are_worse() -> None:
    book, _ = step(AlertBook(), [finding(0)], context=CONTEXT)
    readings = [
        finding(1, severity=Severity.ERROR),
        finding(1, feature="new", severity=Severity.CRITICAL),
    ]
    _, events = step(book, readings, context=CONTEXT)
    assert [event.data.severity for event in events] == [Severity.CRITICAL, Severity.ERROR]


def test_the_same_window_twice_changes_nothing() -> None:
    book, _ = step(
        AlertBook(), [finding(0), finding(0, feature="age", hysteresis=THREE_OF_FIVE)], context=CONTEXT
    )
    again, events = step(
        book, [finding(0, severity=Severity.CRITICAL), finding(0, feature="age")], context=CONTEXT
    )
    assert (again, events) == (book, [])


def test_two_readings_of_one_window_count_as_the_worse_one() -> None:
    readings = [finding(0, Verdict.CLEAR), finding(0, severity=Severity.ERROR), finding(0)]
    _, events = step(AlertBook(), readings, context=CONTEXT)
    assert [event.data.severity for event in events] == [Severity.ERROR]


def test_windows_of_one_call_are_taken_in_the_order_of_their_ends() -> None:
    readings = [finding(2, Verdict.CLEAR), finding(0), finding(1, Verdict.CLEAR)]
    book, events = step(AlertBook(), readings, context=CONTEXT)
    assert told(events) == ["0:firing", "2:resolved"]
    assert book == AlertBook()


def test_events_come_by_time_then_severity_then_kind_check_and_feature() -> None:
    readings = [
        finding(1, feature="b"),
        finding(0, feature="z"),
        finding(0, feature="a"),
        finding(0, kind=Kind.SCHEMA, check="fields", severity=Severity.CRITICAL),
        finding(0, check="categories", feature="y"),
        finding(0, feature=None),
    ]
    _, events = step(AlertBook(), readings, context=CONTEXT)
    order = [
        (event.data.window.start, event.data.kind, event.data.check, event.data.feature) for event in events
    ]
    first, second = utc_of_ms(NOON_MS), utc_of_ms(NOON_MS + MINUTE_MS)
    assert order == [
        (first, Kind.SCHEMA, "fields", "amount"),
        (first, Kind.DATA_DRIFT, "categories", "y"),
        (first, Kind.DATA_DRIFT, "rank", None),
        (first, Kind.DATA_DRIFT, "rank", "a"),
        (first, Kind.DATA_DRIFT, "rank", "z"),
        (second, Kind.DATA_DRIFT, "rank", "b"),
    ]


def test_the_given_book_stays_as_it_was() -> None:
    book, _ = step(AlertBook(), [finding(0)], context=CONTEXT)
    entries = dict(book.entries)
    step(book, [finding(1, Verdict.CLEAR), finding(2, Verdict.CLEAR)], context=CONTEXT)
    assert dict(book.entries) == entries


IDENTITIES = [
    finding(),
    finding(model="credit"),
    finding(kind=Kind.DATA_QUALITY),
    finding(check="spread"),
    finding(feature="age"),
    finding(feature=None),
    finding(segment="web"),
    finding(version="7"),
    finding(version="8"),
    finding(feature="\ud800"),
    finding(feature="\ud801"),
]


def test_each_part_of_the_identity_changes_the_fingerprint() -> None:
    prints = [fingerprint_of(reading, app="prod") for reading in IDENTITIES]
    prints.append(fingerprint_of(finding(), app="test"))
    assert len(set(prints)) == len(prints)
    assert all(len(name) == len("v1:") + 32 for name in prints)


def test_what_a_window_says_does_not_change_the_fingerprint() -> None:
    other = finding(
        9,
        Verdict.CLEAR,
        severity=Severity.CRITICAL,
        score=0.0,
        hysteresis=THREE_OF_FIVE,
        evidence={"value": 1},
    )
    assert fingerprint_of(other, app="prod") == fingerprint_of(finding(), app="prod")


def test_the_fingerprint_is_the_published_one() -> None:
    assert fingerprint_of(finding(), app="prod") == "v1:b466c11935b1c937e0fe640930288c80"


def gone(index: int, **trouble: str) -> Finding:
    return finding(index, Verdict.GONE, **trouble)  # type: ignore[arg-type] # keyword arguments


def test_a_version_that_is_gone_closes_its_alerts_and_no_others() -> None:
    readings = [
        finding(0, version="7"),
        finding(0, version="8"),
        finding(0),
        finding(0, version="7", feature="age", hysteresis=THREE_OF_FIVE),
    ]
    book, _ = step(AlertBook(), readings, context=CONTEXT)
    after, events = step(book, [gone(60, version="7"), gone(60, version="7", feature="age")], context=CONTEXT)
    assert [(event.type, event.data.version, event.data.revision) for event in events] == [
        (AlertType.RESOLVED, "7", 1)
    ]
    assert events[0].data.evidence["reason"] == "version_retired"
    assert events[0].time == utc_of_ms(span(60).end_ms)
    assert events[0].data.until == utc_of_ms(span(0).end_ms), "it was last seen then"
    assert events[0].data.window.n == span(0).n
    assert sorted(alert.subject.version or "" for alert in after.entries.values()) == ["", "8"]


def test_an_estimate_of_a_version_that_labels_refute_is_not_called_retired() -> None:
    reading = finding(0, version="8", kind=Kind.ESTIMATED_PERFORMANCE)
    book, _ = step(AlertBook(), [reading], context=CONTEXT)
    refuted = replace(gone(60, version="8"), kind=Kind.ESTIMATED_PERFORMANCE, refuted=True)
    _, [event] = step(book, [refuted], context=CONTEXT)
    assert event.data.evidence["reason"] == "estimate_refuted"
    assert "version 8: closed, labels refute the estimate" in event.data.title


def test_a_segment_that_is_gone_says_so() -> None:
    book, _ = step(AlertBook(), [finding(0, segment="channel=web")], context=CONTEXT)
    after, [event] = step(book, [gone(60, segment="channel=web")], context=CONTEXT)
    assert event.data.evidence["reason"] == "segment_gone"
    assert after.entries == {}


def test_that_an_unknown_version_is_gone_changes_nothing() -> None:
    book, _ = step(AlertBook(), [finding(0, version="7")], context=CONTEXT)
    assert step(book, [gone(60, version="9")], context=CONTEXT) == (book, [])


def hearing(index: int, *standing: Finding) -> Hearing:
    topics = [one.topic for one in standing]
    return Hearing("fraud", Stream.PREDICTIONS, span(index).end_ms, lambda: topics)


def test_what_nobody_speaks_of_and_nothing_follows_is_closed_as_not_watched() -> None:
    spoken, unknown, followed, left = (finding(0, feature=name) for name in ("age", "zip", "pay", "old"))
    pending = finding(0, feature="new", hysteresis=THREE_OF_FIVE)
    of_labels = finding(0, kind=Kind.PERFORMANCE, check="accuracy_min")
    book, _ = step(AlertBook(), [spoken, unknown, followed, left, pending, of_labels], context=CONTEXT)
    now = [finding(1, feature="age"), replace(finding(1, feature="zip"), verdict=Verdict.UNKNOWN)]
    after, [event] = step(book, now, context=CONTEXT, hearing=hearing(1, followed))
    assert (event.type, event.data.feature, event.data.revision) == (AlertType.RESOLVED, "old", 1)
    assert event.data.evidence["reason"] == "not_watched"
    assert (event.time, event.data.until) == (utc_of_ms(span(1).end_ms), utc_of_ms(span(0).end_ms))
    left_over = {alert.subject.feature for alert in after.entries.values()}
    assert left_over == {"age", "zip", "pay", of_labels.feature}, (
        "what is pending is dropped, other streams wait"
    )
    assert step(after, [], context=CONTEXT) == (after, []), "without a whole window silence closes nothing"


def test_what_explained_others_mutes_them_no_longer_than_it_is_watched() -> None:
    cause = finding(0, kind=Kind.DATA_QUALITY, check="missing_rate", feature="age", severity=Severity.ERROR)
    muted = finding(0, kind=Kind.DATA_DRIFT, check="drift", feature="age")
    context = replace(CONTEXT, mute_ms=MINUTE_MS)
    book, _ = step(AlertBook(), [cause, muted], context=context)
    told_then: list[str] = []
    for index in range(1, 5):
        found = [replace(muted, window=span(index))]
        book, events = step(book, found, context=context, hearing=hearing(index, muted))
        told_then += [str(event.data.evidence["reason"]) for event in events]
    assert told_then == ["not_watched", "cause_over"]


def many(
    count: int, *, hysteresis: Hysteresis, index: int = 0, severity: Severity = Severity.WARNING
) -> list[Finding]:
    return [
        finding(index, feature=f"f{number:03}-{severity}", hysteresis=hysteresis, severity=severity)
        for number in range(count)
    ]


def test_a_full_book_refuses_new_alerts_and_counts_them() -> None:
    book, events = step(AlertBook(), many(7, hysteresis=ONE_OF_ONE), context=CONTEXT, entries_max=5)
    assert (book.firing(Stream.PREDICTIONS), len(events), book.refused) == (5, 5, 2)


def test_open_alerts_are_counted_by_the_stream_that_decides_them() -> None:
    """How windows of the two streams interleave differs from run to run; what is published must not."""
    drift, worse = (
        finding(0, kind=kind, hysteresis=ONE_OF_ONE) for kind in (Kind.DATA_DRIFT, Kind.PERFORMANCE)
    )
    book, _ = step(AlertBook(), [drift], context=CONTEXT)
    assert (book.firing(Stream.PREDICTIONS), book.firing(Stream.ERRORS)) == (1, 0)
    book, _ = step(book, [worse], context=CONTEXT)
    assert (book.firing(Stream.PREDICTIONS), book.firing(Stream.ERRORS)) == (1, 1)


def test_a_new_alert_that_fires_takes_the_place_of_the_weakest_pending_one() -> None:
    weak = many(3, hysteresis=THREE_OF_FIVE)
    strong = many(2, hysteresis=THREE_OF_FIVE, severity=Severity.ERROR)
    book, _ = step(AlertBook(), [*weak, *strong], context=CONTEXT, entries_max=5)
    fires = finding(1, feature="new", severity=Severity.INFO)
    after, events = step(book, [fires], context=CONTEXT, entries_max=5)
    assert len(events) == 1
    assert (len(after.entries), after.refused) == (5, 1)
    left = [str(alert.readings[0].severity) for alert in after.entries.values() if isinstance(alert, Pending)]
    assert sorted(left) == [Severity.ERROR] * 2 + [Severity.WARNING] * 2


def test_an_alert_that_people_know_of_is_never_dropped() -> None:
    book, _ = step(AlertBook(), many(5, hysteresis=ONE_OF_ONE), context=CONTEXT, entries_max=5)
    worse = many(5, hysteresis=ONE_OF_ONE, index=1, severity=Severity.CRITICAL)
    after, events = step(book, worse, context=CONTEXT, entries_max=5)
    assert events == []
    assert set(after.entries) == set(book.entries)
    assert after.refused == 5


def test_a_resolve_makes_room_for_a_new_alert_of_the_same_window() -> None:
    single = Hysteresis(1, 1, 1)
    book, _ = step(AlertBook(), [finding(0, hysteresis=single)], context=CONTEXT, entries_max=1)
    readings = [
        finding(1, feature="new", severity=Severity.CRITICAL),
        finding(1, Verdict.CLEAR, hysteresis=single),
    ]
    after, events = step(book, readings, context=CONTEXT, entries_max=1)
    assert sorted(event.type.rpartition(".")[2] for event in events) == ["firing", "resolved"]
    assert after.refused == 0


def test_a_score_that_is_no_number_does_not_spoil_the_peak() -> None:
    readings = [finding(0, score=math.nan), finding(1, score=4.0), finding(2, score=math.nan)]
    book, _ = step(AlertBook(), readings, context=CONTEXT)
    (episode,) = (alert for alert in book.entries.values() if isinstance(alert, Episode))
    assert episode.peak == 4.0


def test_windows_of_other_lengths_that_end_together_are_one_reading() -> None:
    hour = replace(finding(59), window=WindowSpan(NOON_MS, span(59).end_ms, 7))
    _, events = step(AlertBook(), [hour, finding(59)], context=CONTEXT)
    assert len(events) == 1
