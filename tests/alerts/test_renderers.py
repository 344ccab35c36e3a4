from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from alert_builders import CONTEXT, NOON_MS, finding, fired, resolved
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.compose import alone
from alerts.lifecycle import EVENT_TYPES
from alerts.message import REASONS, message_of
from alerts.policy import AlertBook, step
from alerts.render_text import render_text
from alerts.sinks.slack_blocks import (
    BLOCKS_MAX,
    HEADER_CHARS_MAX,
    MESSAGE_CHARS_MAX,
    SECTION_CHARS_MAX,
    escaped,
    render_slack,
)
from schemas.alert import AlertData, AlertEvent, AlertOwner, AlertReproduce
from schemas.finding import JsonValue, Kind, Severity, Verdict

BERLIN = ZoneInfo("Europe/Berlin")
PING = "<!channel>"


def with_data(event: AlertEvent, **changes: object) -> AlertEvent:
    fields = {**event.data.model_dump(mode="json"), **changes}
    return AlertEvent.of(event.type, AlertData.model_validate(fields))


def test_sections_stand_in_the_order_in_which_they_may_be_cut() -> None:
    event = fired(segment="web", version="7")
    assert [section.title for section in message_of(alone(event)).sections] == [
        "Since",
        "How bad",
        "Where",
        "Impact",
        "Likely cause",
        "Do now",
        "Owner",
        "Runbook",
        "Evidence",
        "Alert",
    ]


def test_text_says_what_somebody_woken_at_night_needs() -> None:
    text = render_text(alone(fired(onset_ms=NOON_MS - 120_000, severity=Severity.CRITICAL)), zone=BERLIN)
    lines = text.splitlines()
    assert lines[0] == "CRIT fraud: values of amount moved up, median 42 to 61"
    assert "began 2026-11-01 11:58:00 UTC (Sun 12:58 CET)" in text
    assert "first window beyond its limit 2026-11-01 12:00:00 UTC" in text
    assert "e-value 51,200, limit 43,200, 1.19 times the limit" in text
    assert "1,200 events in the window" in text
    assert "model fraud, feature amount" in text
    assert "payments-ml, @payments-ml, then payments-oncall, ml-platform" in text
    assert "  Runbook       https://wiki.example/fraud-model" in lines
    assert "Report: https://reports.example/fraud?window=0&model=fraud" in text
    assert "reproduce with: watchkeeper replay" in text
    assert text.endswith("\n")


def test_every_reason_that_people_hear_about_has_words() -> None:
    assert set(REASONS) == {reason.value for reason in EVENT_TYPES}


def test_a_resolved_text_says_how_long_and_how_bad_it_was() -> None:
    text = render_text(alone(resolved()))
    assert text.startswith("RESOLVED fraud: over: ")
    assert "lasted 1 min" in text
    assert "peak 51,200 at 2026-11-01T12:00:00.000Z" in text
    assert "closed 2026-11-01 12:03:00 UTC" in text


BET: dict[str, JsonValue] = {
    "statistic": "log10_e_value",
    "value": 17.03,
    "threshold": 5.4,
    "budgeted": True,
    "direction": "down",
}
MOVED: dict[str, JsonValue] = {"effect": -1.5, "profile_sd": 2.0, "profile_median": 8.0, "window_median": 5.0}
WRONG: dict[str, JsonValue] = {"signal": "wrong:fraud", "wrong_before": 0.08, "wrong_now": 0.51}
ACCURACY: dict[str, JsonValue] = {"metric": "accuracy", "accuracy_before": 0.99, "accuracy_now": 0.95}


def how_bad(**changes: object) -> tuple[str, ...]:
    sections = message_of(alone(fired(**changes))).sections
    return next(section.lines for section in sections if section.title == "How bad")


@pytest.mark.parametrize(
    ("evidence", "lines"),
    [
        (
            {**BET, **MOVED},
            (
                "median 8 to 5",
                "mean 1.5 standard deviations below the profile's",
                "evidence 10^17 to 1 against chance, alarm at 10^5.4 to 1",
            ),
        ),
        (
            {**BET, "effect": 0.31, "share_before": 0.03, "share_now": 0.34, "top_category": "DE"},
            ("share of DE 3% to 34%", "evidence 10^17 to 1 against chance, alarm at 10^5.4 to 1"),
        ),
        (
            {**BET, **ACCURACY, **WRONG, "effect": 1.2},
            (
                "accuracy 99% to 95%",
                "wrong answers where the truth is fraud: 8% to 51%",
                "evidence 10^17 to 1 against chance, alarm at 10^5.4 to 1",
            ),
        ),
        (
            {**BET, **ACCURACY, **WRONG, "signal": "wrong:"},
            (
                "accuracy 99% to 95%",
                "wrong answers: 8% to 51%",
                "evidence 10^17 to 1 against chance, alarm at 10^5.4 to 1",
            ),
        ),
        (
            {**BET, **ACCURACY, "signal": "accuracy_min", "wrong_before": 0.03, "wrong_now": 0.05},
            (
                "accuracy 99% to 95%",
                "accuracy 95% since it began, limit 97%",
                "evidence 10^17 to 1 against chance, alarm at 10^5.4 to 1",
            ),
        ),
        (
            {**BET, "pair": "age ~ income", "correlation_before": 0.8, "correlation_now": -0.1}
            | {"worst_ids": ["a1", "a2", "a3", "a4"]},
            (
                "correlation of age ~ income: 0.8 to -0.1",
                "most unfamiliar predictions: a1, a2, a3",
                "evidence 10^17 to 1 against chance, alarm at 10^5.4 to 1",
            ),
        ),
        (
            {**BET, "profile_median": 80.0, "window_median": 90.0, "unit_hint": "ms"}
            | {"profile_p95": 300.0, "window_p95": 2_000.0},
            (
                "median 80 to 90 ms",
                "slowest 5 of 100: 300 to 2,000 ms and more",
                "evidence 10^17 to 1 against chance, alarm at 10^5.4 to 1",
            ),
        ),
        ({**BET, "value": 4.2}, ("evidence beyond the alarm's 10^5.4 to 1 against chance",)),
        ({"statistic": "log10_e_value", "value": None}, ()),
    ],
)
def test_the_figures_of_a_bet_need_no_statistics_to_be_read(
    evidence: dict[str, JsonValue], lines: tuple[str, ...]
) -> None:
    assert how_bad(evidence=evidence)[:-1] == lines


def test_a_bet_that_took_several_windows_names_no_single_window_as_beyond_a_limit() -> None:
    text = render_text(alone(fired(evidence={**BET, **MOVED}, onset_ms=NOON_MS - 120_000)))
    assert "began 2026-11-01 11:58:00 UTC" in text
    assert "beyond its limit" not in text


def test_what_a_bet_says_at_the_end_is_how_bad_it_was_without_its_odds() -> None:
    verdicts = (Verdict.BREACH, Verdict.CLEAR, Verdict.CLEAR)
    life = [finding(index, verdict, evidence={**BET, **MOVED}) for index, verdict in enumerate(verdicts)]
    text = render_text(alone(step(AlertBook(), life, context=CONTEXT)[1][-1]))
    assert text.startswith("RESOLVED")
    assert "How bad       median 8 to 5" in text
    assert "against chance" not in text
    assert "peak" not in text


@pytest.mark.parametrize("name", ["p_value", "p-value", "P"])
def test_a_bare_p_value_is_never_shown(name: str) -> None:
    event = fired(evidence={"statistic": name, "value": 0.001, "threshold": 0.05})
    assert "0.05" not in render_text(alone(event))
    assert "0.05" not in json.dumps(render_slack(alone(event)))


@pytest.mark.parametrize("severity", list(Severity))
def test_colour_only_underlines_what_the_word_says(severity: Severity) -> None:
    event = fired(severity=severity)
    plain_text, coloured = render_text(alone(event)), render_text(alone(event), colour=True)
    assert "\x1b" not in plain_text
    assert coloured.startswith("\x1b[")
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain_text


def test_names_cannot_move_the_cursor_or_forge_a_line() -> None:
    text = render_text(alone(fired(feature="amount\x1b[2J\nRESOLVED all is well\u202e", model="fr\raud")))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\r" not in text
    assert not any(line.startswith("RESOLVED") for line in text.splitlines())


def test_dependent_alerts_held_back_are_named_up_to_ten() -> None:
    event = with_data(fired(), suppressed=[f"feature_{number}" for number in range(40)])
    text = " ".join(render_text(alone(event)).split())
    assert "40 dependent alerts held back: feature_0, " in text
    assert "feature_9 +30 more" in text
    assert "feature_10" not in text


def texts(body: object) -> list[str]:
    """Return every text object's text and the fallback text of a Slack message."""
    if isinstance(body, dict):
        own = [body["text"]] if isinstance(body.get("text"), str) else []
        return own + [text for value in body.values() for text in texts(value)]
    return [text for value in body for text in texts(value)] if isinstance(body, list) else []


def check_slack(event: AlertEvent) -> dict[str, Any]:
    body: dict[str, Any] = render_slack(alone(event))
    as_json = json.dumps(body, ensure_ascii=False)
    assert len(as_json.encode("utf-16-le")) // 2 <= MESSAGE_CHARS_MAX
    assert 1 <= len(body["blocks"]) <= BLOCKS_MAX
    header, *sections = body["blocks"]
    assert header["type"] == "header"
    assert 1 <= len(header["text"]["text"].encode("utf-16-le")) // 2 <= HEADER_CHARS_MAX
    for section in sections:
        assert section["text"]["verbatim"] is True
        assert 1 <= len(section["text"]["text"].encode("utf-16-le")) // 2 <= SECTION_CHARS_MAX
    for text in texts(body):
        # What stands between angle brackets is ours: a web address, never a mention.
        without_links = re.sub(r"<https?://[^<>|\s]+\|[^<>|]+>", "", text)
        assert "<" not in without_links
        assert ">" not in without_links
        assert not re.search(r"&(?!amp;|lt;|gt;)", text)
    return body


def test_slack_gets_the_same_sections_and_links_that_can_be_clicked() -> None:
    body = check_slack(fired())
    assert body["text"] == "WARN fraud: values of amount moved up, median 42 to 61"
    everything = "\n".join(texts(body))
    assert "*Do now*\n" in everything
    assert "<https://wiki.example/fraud-model|Runbook>" in everything
    assert "<https://reports.example/fraud?window=0&amp;model=fraud|Report>" in everything


@pytest.mark.parametrize("place", ["runbook", "links"])
def test_a_hostile_link_cannot_leave_its_brackets(place: str) -> None:
    link = "https://wiki.example/<!channel>|a&b"
    check_slack(
        with_data(fired(), **({"runbook": link} if place == "runbook" else {"links": {"Report|x": link}}))
    )


@pytest.mark.parametrize("place", ["model", "feature", "segment", "version", "check"])
def test_a_name_that_looks_like_a_mention_pings_nobody(place: str) -> None:
    body = check_slack(fired(**{place: PING}))
    everything = "\n".join(texts(body))
    assert PING not in everything
    assert "&lt;!channel&gt;" in everything


nasty = st.text(st.sampled_from("<>&!@#|*`_~\n\t\x00\u202e😀é x"), max_size=2_000)
hostile = nasty | st.text(st.characters(codec=None), max_size=500) | st.just("<" * 500) | st.just("😀" * 500)


@settings(deadline=None, max_examples=60)
@given(
    names=st.tuples(hostile, hostile, hostile),
    kind=st.sampled_from(list(Kind)),
    links=st.dictionaries(hostile, hostile.map(lambda text: "https://" + text) | hostile, max_size=30),
    suppressed=st.lists(hostile, max_size=40),
    texts_in=st.tuples(hostile, hostile, hostile),
)
def test_slack_limits_hold_for_any_names(
    names: tuple[str, str, str],
    kind: Kind,
    links: dict[str, str],
    suppressed: list[str],
    texts_in: tuple[str, str, str],
) -> None:
    model, feature, person = names
    context = replace(
        CONTEXT,
        owner=AlertOwner(team=person, contact=person, escalation=(person, model)),
        runbook=f"https://wiki.example/{feature}",
        links=links,
        reproduce=AlertReproduce(command=person, config_hash=person, profile_hash=person),
    )
    reading = finding(kind=kind, model=model, feature=feature, segment=person, version=model)
    _, events = step(AlertBook(), [reading], context=context)
    impact, cause, action = texts_in
    event = with_data(
        events[0], suppressed=suppressed, impact=impact, likely_causes=[cause] * 10, suggested_action=action
    )
    check_slack(event)
    shown = render_text(alone(event))
    assert all(line.isprintable() for line in shown.split("\n"))


def test_five_hundred_long_features_fit_one_message() -> None:
    features = [f"{'ж' * 195}{number:05}" for number in range(500)]
    event = with_data(fired(feature=features[0]), suppressed=features)
    check_slack(event)


def test_too_long_a_message_loses_its_last_sections_first() -> None:
    long = "word " * 700
    crowd = {"team": "a team", "escalation": ["somebody with a long name"] * 100}
    event = with_data(fired(), impact=long, suggested_action=long, likely_causes=[long], owner=crowd)
    titles = re.findall(r"^\*(.+)\*$", "\n".join(texts(check_slack(event))), re.MULTILINE)
    everything = [section.title for section in message_of(alone(event)).sections]
    assert titles == everything[: len(titles)]
    assert 5 <= len(titles) < len(everything)


@given(text=hostile, limit=st.integers(1, 200))
def test_escaped_text_fits_and_cuts_no_escape(text: str, limit: int) -> None:
    shown = escaped(text, limit)
    assert len(shown.encode("utf-16-le")) // 2 <= limit
    assert not re.search(r"&(?!amp;|lt;|gt;)", shown)
    assert "<" not in shown


def test_the_zone_only_adds_a_local_time() -> None:
    body = "\n".join(texts(render_slack(alone(fired()), zone=BERLIN)))
    assert "noticed 2026-11-01 12:01:00 UTC (Sun 13:01 CET)" in body
