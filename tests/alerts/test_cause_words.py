"""What changed around a fall, in the words of an alert."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from alert_builders import CONTEXT, MINUTE_MS, NOON_MS, finding
from hypothesis import given
from hypothesis import strategies as st

from alerts.cause_words import CAUSES_MAX, likely_causes
from alerts.compose import alone
from alerts.policy import AlertBook, step
from alerts.render_text import render_text
from alerts.sinks.slack_blocks import render_slack
from schemas.finding import Finding, Kind, Severity, Verdict

if TYPE_CHECKING:
    from schemas.alert import AlertEvent

FEATURE = {
    "name": "amount",
    "figure": "location",
    "before": 0.1,
    "now": 2.4,
    "shift": 2.3,
    "importance": 0.5,
    "association": 0.934,
    "n": 14,
    "since": "2026-11-01T12:05:00.000Z",
    "title": None,
}
NULLS = {
    "kind": "data_quality",
    "check": "missing_rate",
    "feature": "income",
    "segment": None,
    "version": None,
    "title": "fraud: more missing values in income, rate 0.5% to 38%",
    "since": "2026-11-01T11:50:00.000Z",
    "until": "2026-11-01T12:01:00.000Z",
}
WEB = {
    "segment": "channel=web",
    "version": None,
    "share_of_excess": 0.712,
    "share_of_labels": 0.12,
    "loss_before": 0.1,
    "loss_now": 0.42,
    "n": 120,
}
NOTHING: dict[str, Any] = {
    "onset": "2026-11-01T12:04:00.000Z",
    "label_delay_s": 60.0,
    "block_s": 60.0,
    "loss": "wrong_answers",
    "importance": "profile",
    "looked_at": 12,
    "moved": 0,
    "features": [],
    "segments": [],
    "before": [],
}
GENERIC = ("a bad release", "the world changed")


def found(**changes: Any) -> tuple[str, ...]:
    told = NOTHING | changes
    return likely_causes(told | {"moved": len(told["features"])}, GENERIC)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"features": [FEATURE]},
            "values of amount moved up by 2.3 standard deviations, since 2026-11-01 12:05 UTC "
            "(50% of all importance, association with the loss +0.93 over 14 stretches of 1 min)",
        ),
        (
            {"features": [FEATURE | {"association": None}], "importance": "equal"},
            "values of amount moved up by 2.3 standard deviations, since 2026-11-01 12:05 UTC",
        ),
        (
            {"features": [FEATURE | {"title": "fraud: values of amount moved up, median 42 to 4,200"}]},
            "values of amount moved up, median 42 to 4,200, since 2026-11-01 12:05 UTC "
            "(50% of all importance, association with the loss +0.93 over 14 stretches of 1 min)",
        ),
        (
            {
                "features": [FEATURE | {"association": None, "until": "2026-11-01T12:09:00.000Z"}],
                "importance": "equal",
            },
            "values of amount moved up by 2.3 standard deviations, since 2026-11-01 12:05 UTC until 2026-11-01 12:09 UTC",
        ),
        (
            {"features": [FEATURE | {"figure": "spread", "now": -0.7, "association": None}]},
            "values of amount drew together by 0.8 standard deviations, since 2026-11-01 12:05 UTC (50% of all importance)",
        ),
        (
            {
                "features": [
                    FEATURE | {"figure": "missing", "before": 0.005, "now": 0.38, "association": None}
                ]
            },
            "missing values of amount: 0.5% to 38%, since 2026-11-01 12:05 UTC (50% of all importance)",
        ),
        (
            {"segments": [WEB]},
            "channel=web makes 71% of the extra wrong answers with 12% of the labels (wrong 10% before, 42% now)",
        ),
        (
            {
                "segments": [WEB | {"segment": None, "version": "8", "loss_now": 31.5}],
                "loss": "absolute_error",
            },
            "version 8 makes 71% of the extra error with 12% of the labels (mean error 0.1 before, 31.5 now)",
        ),
        (
            {"before": [NULLS]},
            "since 2026-11-01 11:50 UTC until 2026-11-01 12:01 UTC: more missing values in income, rate 0.5% to 38%",
        ),
        (
            {
                "before": [
                    NULLS | {"check": "label_conflicts", "title": "fraud: more labels contradict one another"}
                ]
            },
            "labels changed, perhaps not the model: since 2026-11-01 11:50 UTC until 2026-11-01 12:01 UTC: "
            "more labels contradict one another",
        ),
        (
            {
                "before": [
                    NULLS | {"kind": "version_change", "title": "fraud: version 8 answers", "until": None}
                ]
            },
            "since 2026-11-01 11:50 UTC, not over: version 8 answers",
        ),
        (
            {},
            "no feature moved with it, of 12 looked at since 2026-11-01 12:04 UTC; so the same inputs may mean "
            "something else now, or labels are made differently",
        ),
    ],
)
def test_each_thing_found_is_one_sentence_with_figures_and_time(
    changes: dict[str, Any], sentence: str
) -> None:
    first, *_, last = found(**changes)
    assert first == sentence
    assert last == "also possible: a bad release; the world changed"


def test_what_broke_before_goes_first_then_features_then_parts_then_labels_then_the_rest() -> None:
    volume = NULLS | {"kind": "volume", "check": "volume", "title": "fraud: less traffic than usual"}
    labels = NULLS | {"check": "label_corrections", "title": "fraud: more labels are corrected"}
    told = found(before=[volume, labels, NULLS], features=[FEATURE], segments=[WEB])
    assert [cause.split(" ")[0] for cause in told] == [
        "since",
        "values",
        "channel=web",
        "labels",
        "since",
        "also",
    ]


def test_what_is_about_all_features_together_is_left_out_where_a_feature_is_named() -> None:
    joint = NULLS | {"kind": "ood_rate", "check": "ood_rate", "title": "fraud: more unfamiliar cases"}
    assert not any("unfamiliar" in cause for cause in found(before=[joint], features=[FEATURE]))
    assert "unfamiliar" in found(before=[joint])[0]


def test_that_no_feature_moved_is_not_said_beside_trouble_with_one_and_concluded_from_only_alone() -> None:
    assert not any("no feature moved" in cause for cause in found(before=[NULLS]))
    beside = found(segments=[WEB])
    assert beside[1] == "no feature moved with it, of 12 looked at since 2026-11-01 12:04 UTC"


def test_six_causes_are_enough() -> None:
    told = found(before=[NULLS] * 5, features=[FEATURE] * 5, segments=[WEB] * 3)
    assert len(told) == CAUSES_MAX + 1


def test_where_too_little_is_known_of_features_only_the_general_causes_are_told() -> None:
    assert likely_causes(NOTHING | {"features": None, "moved": None}, GENERIC) == GENERIC
    assert likely_causes(None, GENERIC) == GENERIC


def fell(told: dict[str, Any] | None, *, verdicts: str = "B") -> list[AlertEvent]:
    book, events = AlertBook(), []
    for index, letter in enumerate(verdicts):
        severity = Severity.CRITICAL if letter == "C" else Severity.ERROR
        verdict = Verdict.CLEAR if letter == "-" else Verdict.BREACH
        reading = finding(index, verdict, kind=Kind.PERFORMANCE, feature=None, severity=severity)
        book, new = step(book, [reading], context=CONTEXT, explain=lambda _finding, _since_ms: told)
        events += new
    return events


def test_the_alert_carries_what_was_found_and_says_it_first() -> None:
    [event] = fell(NOTHING | {"segments": [WEB]})
    assert event.data.evidence["explanation"] == NOTHING | {"segments": [WEB]}
    assert event.data.likely_causes[0].startswith("channel=web makes 71% ")
    assert "Likely cause  - channel=web makes 71% " in render_text(alone(event))


def test_an_update_is_explained_afresh_and_an_end_is_not() -> None:
    asked: list[int] = []

    def explain(seen: Finding, since_ms: int) -> dict[str, Any]:
        asked.append(since_ms)
        return NOTHING | {"looked_at": seen.window.end_ms}

    book = AlertBook()
    told = []
    for index, (verdict, severity) in enumerate(
        [
            (Verdict.BREACH, Severity.ERROR),
            (Verdict.BREACH, Severity.CRITICAL),
            *[(Verdict.CLEAR, Severity.ERROR)] * 2,
        ]
    ):
        reading = finding(index, verdict, kind=Kind.PERFORMANCE, feature=None, severity=severity)
        book, events = step(book, [reading], context=CONTEXT, explain=explain)
        told += [event.data.evidence.get("explanation") for event in events]
    assert asked == [NOON_MS, NOON_MS]
    assert [None if e is None else e["looked_at"] for e in told] == [  # type: ignore[index, call-overload] # a mapping
        *(NOON_MS + MINUTE_MS, NOON_MS + 2 * MINUTE_MS, None)
    ]


def test_names_from_strangers_stay_in_their_line_and_ping_nobody() -> None:
    nasty = "<!channel>\n\x1b[31m\u202e" + "x" * 400
    told = NOTHING | {
        "features": [FEATURE | {"name": nasty}],
        "segments": [WEB | {"segment": nasty}],
        "before": [NULLS | {"title": f"fraud: {nasty}"}],
    }
    [event] = fell(told)
    shown = render_text(alone(event))
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert all(len(cause) < 300 for cause in event.data.likely_causes)
    assert "<!channel>" not in str(render_slack(alone(event)))


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=6))
def test_odd_figures_make_a_sentence_shorter_and_break_nothing(value: Any) -> None:
    for part, whole in (("features", FEATURE), ("segments", WEB), ("before", NULLS)):
        for key in whole:
            assert found(**{part: [whole | {key: value}]})
    for key in NOTHING:
        assert likely_causes(NOTHING | {key: value}, GENERIC)
