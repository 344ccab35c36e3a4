"""Alerts of one cause are one incident; what explains others mutes them, until it is over and they are not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from alert_builders import CONTEXT, ONE_OF_ONE, finding
from hypothesis import given
from hypothesis import strategies as st

from alerts.book_codec import book_from_bytes, book_to_bytes
from alerts.causes import Cause, cause_of, explains
from alerts.identity import subject_of
from alerts.policy import AlertBook, step
from schemas.finding import ERROR_KINDS, Finding, Kind, Severity, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.alert import AlertData

MINUTE_MS = 60_000
MUTES = replace(CONTEXT, mute_ms=2 * MINUTE_MS)

NULLS: dict[str, Any] = {"kind": Kind.DATA_QUALITY, "check": "missing_rate"}
DRIFT: dict[str, Any] = {"kind": Kind.DATA_DRIFT, "check": "drift"}
ANSWERS: dict[str, Any] = {"kind": Kind.PREDICTION_DRIFT, "check": "drift", "feature": "score"}


def read(index: int, verdict: Verdict = Verdict.BREACH, **what: Any) -> Finding:
    return finding(index, verdict, hysteresis=ONE_OF_ONE, **what)


def play(*windows: Sequence[Finding]) -> list[list[AlertData]]:
    """Return what each window tells, the book stored and read again between them."""
    book, told = AlertBook(), []
    for window in windows:
        book, events = step(book_from_bytes(book_to_bytes(book)), window, context=MUTES)
        told.append([event.data for event in events])
    return told


def test_forty_features_that_drift_at_once_are_one_incident() -> None:
    (told,) = play([read(0, feature=f"f{i}", **DRIFT) for i in range(40)])
    assert len(told) == 40
    assert len({data.incident for data in told}) == 1
    assert {data.cause for data in told} == {"drift"}


def test_an_incident_takes_in_what_fires_later_and_ends_with_its_last_alert() -> None:
    clear = [(read(i, Verdict.CLEAR, feature="a", **DRIFT), read(i, feature="b", **DRIFT)) for i in (2, 3)]
    over = [[read(i, Verdict.CLEAR, feature="b", **DRIFT)] for i in (4, 5)]
    told = play([read(0, feature="a", **DRIFT)], [read(1, feature="b", **DRIFT)], *clear, *over)
    first = told[0][0].incident
    assert [data.incident for window in told for data in window] == [first] * 4
    assert first.endswith(f":{told[0][0].episode}")


def test_a_new_incident_has_a_name_of_its_own() -> None:
    told = play(
        [read(0, feature="a", **DRIFT)],
        *[[read(i, Verdict.CLEAR, feature="a", **DRIFT)] for i in (1, 2)],
        [read(9, feature="a", **DRIFT)],
    )
    assert told[0][0].incident == told[2][0].incident != told[3][0].incident


def test_alerts_of_different_causes_or_models_are_different_incidents() -> None:
    (told,) = play(
        [
            read(0, **DRIFT),
            read(0, kind=Kind.LATENCY, check="latency", feature=None),
            read(0, model="price", **DRIFT),
        ]
    )
    assert len({data.incident for data in told}) == 3


def test_missing_values_mute_the_drift_of_their_feature_and_the_answers_and_say_so() -> None:
    (told,) = play(
        [
            read(0, feature="amount", severity=Severity.ERROR, **NULLS),
            read(0, feature="amount", **DRIFT),
            read(0, feature="age", **DRIFT),
            read(0, **ANSWERS),
        ]
    )
    by_check = {(data.kind, data.feature): data for data in told}
    source = by_check[Kind.DATA_QUALITY, "amount"]
    assert source.muted_by is None
    assert by_check[Kind.DATA_DRIFT, "amount"].muted_by == source.alert_id
    assert by_check[Kind.PREDICTION_DRIFT, "score"].muted_by == source.alert_id
    assert by_check[Kind.DATA_DRIFT, "age"].muted_by is None, "nothing is missing there"
    assert sorted(source.suppressed) == ["drift amount", "drift score"]


def test_the_root_is_named_where_an_explanation_is_explained_itself() -> None:
    (told,) = play(
        [
            read(0, feature="amount", **NULLS),
            read(0, feature="amount", severity=Severity.WARNING, onset_ms=0, **DRIFT),
            read(0, **ANSWERS),
        ]
    )
    by_kind = {data.kind: data for data in told}
    root = by_kind[Kind.DATA_QUALITY].alert_id
    assert by_kind[Kind.DATA_DRIFT].muted_by == by_kind[Kind.PREDICTION_DRIFT].muted_by == root


def test_nothing_milder_explains_something_worse() -> None:
    (told,) = play([read(0, **DRIFT), read(0, severity=Severity.ERROR, **ANSWERS)])
    assert [data.muted_by for data in told] == [None, None]


def test_what_becomes_worse_than_its_explanation_is_told() -> None:
    told = play(
        [read(0, **DRIFT), read(0, **ANSWERS)],
        [read(1, **DRIFT), read(1, severity=Severity.CRITICAL, **ANSWERS)],
    )
    assert [data.muted_by is None for data in told[0]] == [True, False]
    assert [(data.kind, data.muted_by) for data in told[1]] == [(Kind.PREDICTION_DRIFT, None)]


def test_what_people_were_told_of_is_not_muted_afterwards() -> None:
    told = play([read(0, **ANSWERS)], [read(1, **DRIFT), read(1, severity=Severity.WARNING, **ANSWERS)])
    assert [data.muted_by for window in told for data in window] == [None, None]


def test_what_outlasts_its_explanation_is_told_a_window_and_the_lateness_later() -> None:
    windows = [[read(0, **DRIFT), read(0, **ANSWERS)]]
    windows += [[read(i, Verdict.CLEAR, **DRIFT), read(i, **ANSWERS)] for i in (1, 2)]
    windows += [[read(i, **ANSWERS)] for i in (3, 4, 5)]
    told = play(*windows)
    assert [data.kind for data in told[2]] == [Kind.DATA_DRIFT], "over"
    assert told[3] == []
    (late,) = told[4]
    assert (late.kind, late.muted_by, late.evidence["reason"]) == (Kind.PREDICTION_DRIFT, None, "cause_over")
    assert told[5] == []


def test_what_ends_with_its_explanation_is_never_told() -> None:
    both = [
        [read(i, v, **DRIFT), read(i, v, **ANSWERS)]
        for i, v in enumerate([Verdict.BREACH] + [Verdict.CLEAR] * 2)
    ]
    told = play(*both)
    assert [data.muted_by is None for data in told[2] if data.kind is Kind.PREDICTION_DRIFT] == [False]


@pytest.mark.parametrize("kind", sorted({*ERROR_KINDS, Kind.ESTIMATED_PERFORMANCE, Kind.LABEL_COVERAGE}))
def test_nothing_explains_away_what_labels_and_estimates_say_of_the_answers(kind: Kind) -> None:
    target = subject_of(finding(kind=kind, check="any", feature=None))
    sources = [subject_of(finding(kind=other, check="other", feature=None)) for other in Kind]
    assert not any(explains(source, target) for source in sources)


def test_features_that_are_new_explain_nothing_away_however_long_they_stay() -> None:
    source = subject_of(finding(kind=Kind.SCHEMA, check="unlisted_features", feature=None))
    broken = subject_of(finding(kind=Kind.SCHEMA, check="any", feature=None))
    targets = [subject_of(finding(kind=kind, check="other")) for kind in (Kind.DATA_QUALITY, Kind.DATA_DRIFT)]
    assert not any(explains(source, target) for target in targets)
    assert all(explains(broken, target) for target in targets)


def test_causes_never_go_round() -> None:
    order = list(Cause)
    subjects = [subject_of(finding(kind=kind, check="any", feature=None)) for kind in Kind]
    for source in subjects:
        for target in subjects:
            if explains(source, target):
                causes = [order.index(cause_of(s.kind, s.check)) for s in (source, target)]
                assert causes[0] < causes[1]


def test_a_part_explains_only_itself_and_all_traffic_explains_its_parts() -> None:
    def subject(segment: str | None, **what: Any) -> Any:
        return subject_of(finding(segment=segment, **what))

    web, app, everyone = (subject(s, feature=None, **DRIFT) for s in ("web", "app", None))
    answers = subject("web", **ANSWERS)
    assert [explains(source, answers) for source in (web, app, everyone)] == [True, False, True]


@given(st.permutations(range(6)))
def test_the_order_of_findings_changes_nothing(order: list[int]) -> None:
    window = [
        read(0, feature="amount", **NULLS),
        *(read(0, feature=name, **DRIFT) for name in ("amount", "age", "zip")),
        read(0, **ANSWERS),
        read(0, kind=Kind.LATENCY, check="latency", feature=None),
    ]
    assert play([window[i] for i in order]) == play(window)
