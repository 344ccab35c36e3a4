from __future__ import annotations

import math
from typing import Any

import pytest
from alert_builders import CONTEXT, finding, fired, resolved
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.phrasebook import PHRASES
from alerts.plain_text import clip, plain
from alerts.policy import AlertBook, AlertContext, step
from alerts.sizes import duration, figure, percent, size_of
from alerts.wording import HEADLINE_CHARS_MAX
from schemas.finding import JsonValue, Kind, Verdict

ACCURACY: dict[str, JsonValue] = {"accuracy_before": 0.91, "accuracy_now": 0.842, "direction": "down"}
RARE: dict[str, JsonValue] = {
    "metric": "accuracy",
    "accuracy_before": 0.91,
    "accuracy_now": 0.91,
    "direction": "down",
    "signal": "wrong:{thing}",
    "wrong_before": 0.08,
    "wrong_now": 0.51,
}
"""A class that is too rare to show in the accuracy; its name is one that a pattern would fill in."""
LONGEST_LABEL = "RESOLVED "


@pytest.mark.parametrize(
    ("changes", "title"),
    [
        ({}, "fraud: values of amount moved up, median 42 to 61"),
        (
            {"evidence": {"mean_before": 3.0, "mean_now": 1.5, "direction": "down", "unit_hint": "EUR"}},
            "fraud: values of amount moved down, mean 3 to 1.5 EUR",
        ),
        (
            {
                "feature": "country",
                "evidence": {"share_before": 0.03, "share_now": 0.09, "top_category": "DE"},
            },
            "fraud: values of country are spread differently, share of DE 3% to 9%",
        ),
        ({"evidence": {}}, "fraud: values of amount are spread differently"),
        (
            {
                "kind": Kind.VERSION_REGRESSION,
                "feature": None,
                "version": "8",
                "evidence": {
                    "decision": "roll_back",
                    "champion": "7",
                    "challenger": "8",
                    "loss": "error",
                    "champion_loss": 0.09,
                    "challenger_loss": 0.142,
                },
            },
            "fraud version 8: version 8 is worse than 7 on the same cases, error rate 9% to 14.2%",
        ),
        (
            {
                "kind": Kind.VOLUME,
                "feature": None,
                "evidence": {
                    "usual_per_hour": 36_120.0,
                    "seen_per_hour": 3_480.0,
                    "ratio": 0.0963,
                    "direction": "down",
                },
            },
            "fraud: less traffic than usual, 3,480 events an hour instead of 36,100",
        ),
        (
            {
                "kind": Kind.PERFORMANCE,
                "version": "7",
                "feature": None,
                "evidence": {"metric": "accuracy", **ACCURACY},
            },
            "fraud version 7: accuracy fell from 91% to 84.2%",
        ),
        (
            {"kind": Kind.PERFORMANCE, "feature": None, "evidence": {"metric": "recall", **ACCURACY}},
            "fraud: recall fell from 91% to 84.2%",
        ),
        (
            {
                "kind": Kind.PERFORMANCE,
                "evidence": {
                    "metric": "mae",
                    "mae_before": 10.0,
                    "mae_now": 15.0,
                    "direction": "up",
                    "unit_hint": "min",
                },
            },
            "fraud: mae rose from 10 to 15 min",
        ),
        (
            {"kind": Kind.PERFORMANCE, "feature": None, "evidence": {**RARE, "accuracy_now": 0.842}},
            "fraud: accuracy fell from 91% to 84.2%",
        ),
        (
            {"kind": Kind.PERFORMANCE, "feature": None, "evidence": {**RARE, "accuracy_now": 0.911}},
            "fraud: more wrong answers where the truth is {thing}, 8% to 51%",
        ),
        (
            {"kind": Kind.PERFORMANCE, "feature": None, "evidence": {**RARE, "signal": "wrong:"}},
            "fraud: more wrong answers, 8% to 51%",
        ),
        (
            {
                "kind": Kind.CALIBRATION,
                "feature": None,
                "evidence": {"metric": "ece", "ece_before": 0.04, "ece_now": 0.19, "direction": "up"},
            },
            "fraud: scores are too low for what happens, calibration error 4% to 19%",
        ),
        (
            {
                "kind": Kind.PERFORMANCE,
                "feature": None,
                "evidence": {"metric": "brier", "brier_before": 0.03, "brier_now": 0.12, "direction": "up"},
            },
            "fraud: Brier score rose from 0.03 to 0.12",
        ),
        (
            {"kind": Kind.PERFORMANCE, "check": "squared_error", "evidence": {"direction": "up"}},
            "fraud: squared error rose",
        ),
        (
            {
                "kind": Kind.DATA_QUALITY,
                "check": "missing",
                "feature": "age",
                "evidence": {"rate_before": 0.001, "rate_now": 0.14, "direction": "up"},
            },
            "fraud: more missing values in age, rate 0.1% to 14%",
        ),
        (
            {"kind": Kind.OOD_RATE, "feature": None, "evidence": {"direction": "up"}},
            "fraud: more cases unlike anything in the training data",
        ),
        (
            {"kind": Kind.DATA_DRIFT, "feature": "joint.residual", "evidence": {"direction": "up"}},
            "fraud: features go together in ways that the training data do not have",
        ),
        (
            {"kind": Kind.LATENCY, "segment": "channel=web", "evidence": {"ratio": 3.21, "direction": "up"}},
            "fraud: answers take longer (segment channel=web), 3.21 times as before",
        ),
        (
            {"kind": Kind.SCHEMA, "feature": None, "evidence": {}},
            "fraud: the event does not have the agreed form",
        ),
    ],
)
def test_a_title_says_what_where_and_how_much(changes: dict[str, object], title: str) -> None:
    assert fired(**changes).data.title == title


def test_a_resolved_title_says_how_long_it_lasted() -> None:
    assert resolved().data.title == "fraud: over: values of amount moved up, lasted 1 min"


@pytest.mark.parametrize("part", [{"version": "7"}, {"segment": "channel=web"}])
def test_what_gets_no_traffic_any_more_is_never_called_healthy(part: dict[str, str]) -> None:
    book, _ = step(AlertBook(), [finding(**part)], context=CONTEXT)  # type: ignore[arg-type] # keyword arguments
    gone = finding(30, Verdict.GONE, **part)  # type: ignore[arg-type] # keyword arguments
    data = step(book, [gone], context=CONTEXT)[1][0].data
    assert f"closed, {next(iter(part))} gets no traffic" in data.title
    said = f"{data.title} {data.impact} {data.suggested_action}".lower()
    assert "no traffic" in said
    assert not any(word in said for word in ("healthy", "recovered", "back inside", "over:"))


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("direction", ["up", "down", "changed"])
def test_every_kind_says_what_to_do_and_what_happens_otherwise(kind: Kind, direction: str) -> None:
    data = fired(kind=kind, evidence={"direction": direction}).data
    everything = f"{data.title} {data.impact} {data.suggested_action} {' '.join(data.likely_causes)}"
    assert "{" not in everything
    assert "drift detected" not in everything.lower()
    assert "p-value" not in everything.lower()
    assert len(data.likely_causes) >= 2
    assert "If ignored: " in data.suggested_action
    assert (
        "Call first: payments-ml (@payments-ml), then payments-oncall, then ml-platform."
        in data.suggested_action
    )
    assert ("rules-v3" in data.suggested_action) is PHRASES[kind].fallback_helps


def test_without_owner_and_fallback_the_action_is_only_shorter() -> None:
    _, events = step(AlertBook(), [finding()], context=AlertContext(app="prod"))
    action = events[0].data.suggested_action
    assert "Call first" not in action
    assert "route traffic" not in action
    assert "None" not in action


PROBABLE_KEYS = [
    "statistic",
    "value",
    "threshold",
    "reference",
    "effect",
    "direction",
    "mean_before",
    "mean_now",
    "share_before",
    "share_now",
    "rate_before",
    "rate_now",
    "accuracy_before",
    "accuracy_now",
    "metric",
    "n",
    "top_category",
    "profile_median",
    "window_median",
    "ratio",
    "unit_hint",
    "signal",
    "wrong_before",
    "wrong_now",
]
odd_values: st.SearchStrategy[JsonValue] = st.one_of(
    st.none(), st.booleans(), st.floats(), st.integers(), st.text(max_size=300), st.just([1])
)


@settings(deadline=None)
@given(
    kind=st.sampled_from(list(Kind)),
    name=st.text(st.characters(codec=None), max_size=300),
    evidence=st.dictionaries(st.sampled_from(PROBABLE_KEYS), odd_values),
)
def test_a_headline_always_fits_one_printable_line(
    kind: Kind, name: str, evidence: dict[str, JsonValue]
) -> None:
    event = fired(
        kind=kind, model=name, feature=name, segment=name, version=name, check=name, evidence=evidence
    )
    title = event.data.title
    assert len(LONGEST_LABEL + title) <= HEADLINE_CHARS_MAX
    assert title.isprintable()


@pytest.mark.parametrize(
    ("evidence", "size"),
    [
        ({}, None),
        ({"mean_before": 1.0}, None),
        ({"mean_before": None, "mean_now": 2.0}, None),
        ({"mean_before": math.nan, "mean_now": 2.0}, None),
        ({"mean_before": True, "mean_now": False}, None),
        ({"mean_before": "1", "mean_now": "2"}, None),
        ({"mean_before": 0.91, "mean_now": 0.91004}, "mean 0.91 to 0.91004"),
        ({"rate_before": 0.5, "rate_now": 0.5}, "rate 50% to 50%"),
        ({"share_before": 0, "share_now": 1}, "share 0% to 100%"),
        ({"profile_median": 1.0, "window_median": 2.0, "mean_before": 5.0, "mean_now": 6.0}, "median 1 to 2"),
        ({"ratio": 0.25}, "0.25 times as before"),
    ],
)
def test_a_size_needs_both_numbers(evidence: dict[str, Any], size: str | None) -> None:
    assert size_of(evidence) == size


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1234.5, "1,230"),
        (-0.00012345, "-0.000123"),
        (9.9e14, "9.9e+14"),
        (61.0, "61"),
        (1e-9, "1e-09"),
    ],
)
def test_figures_carry_three_digits(value: float, text: str) -> None:
    assert figure(value) == text


def test_shares_are_read_in_per_cent() -> None:
    assert [percent(share) for share in (0.0, 0.00123, 0.5, 1.0)] == ["0%", "0.123%", "50%", "100%"]


@pytest.mark.parametrize(
    ("length_ms", "text"),
    [
        (0, "0 s"),
        (999, "0 s"),
        (61_000, "1 min 1 s"),
        (3_600_000, "1 h"),
        (90_061_000, "1 d 1 h"),
        (86_460_000, "1 d"),
    ],
)
def test_a_length_of_time_has_at_most_two_units(length_ms: int, text: str) -> None:
    assert duration(length_ms) == text


@given(text=st.text(st.characters(codec=None)))
def test_plain_text_is_one_printable_line_of_the_same_length(text: str) -> None:
    assert plain(text).isprintable()
    assert len(plain(text)) == len(text)


@given(text=st.text(), limit=st.integers(1, 20))
def test_clipped_text_fits(text: str, limit: int) -> None:
    assert len(clip(text, limit)) <= limit
