"""Every sink's limits hold, whatever the names and however many alerts."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from builders.notifications import HOSTILE, crowd, enormous, hostile, signal
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.pictures.gallery import Picture, PictureLink
from alerts.sinks.alertmanager import render_alertmanager
from alerts.sinks.apprise import BODY_CHARS_MAX, render_apprise
from alerts.sinks.jsm import (
    DESCRIPTION_CHARS_MAX,
    DETAILS_CHARS_MAX,
    ENTITY_CHARS_MAX,
    MESSAGE_CHARS_MAX,
    SOURCE_CHARS_MAX,
    TAG_CHARS_MAX,
    TAGS_MAX,
    render_jsm,
)
from alerts.sinks.mail import render_mail
from alerts.sinks.pagerduty import EVENT_BYTES_MAX, SUMMARY_CHARS_MAX, render_pagerduty
from alerts.sinks.slack_blocks import ALT_CHARS_MAX, BLOCKS_MAX, render_slack, render_slack_plain
from alerts.sinks.slack_blocks import MESSAGE_CHARS_MAX as SLACK_CHARS_MAX
from alerts.sinks.teams import CARD_BYTES_MAX, render_teams
from alerts.sinks.webhook import BODY_BYTES_MAX, render_webhook
from schemas.notification import Notification, NotificationEvent

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


def utf16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def size(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())


LONG_LINK = PictureLink(f"https://pictures.example/{'p' * 460}/{'5eed' * 10}.png", "😀<&" * 3_000)


def check_pagerduty(notification: Notification) -> None:
    event: dict[str, Any] = render_pagerduty(notification, picture=LONG_LINK)
    assert size(event) < EVENT_BYTES_MAX
    assert event["images"][0]["src"] == LONG_LINK.url
    assert utf16(event["images"][0]["alt"]) <= 500
    assert len(event["dedup_key"]) <= 255
    assert 1 <= utf16(event["payload"]["summary"]) <= SUMMARY_CHARS_MAX
    assert event["payload"]["custom_details"]


def check_jsm(notification: Notification) -> None:
    body: dict[str, Any] = render_jsm(notification, picture=LONG_LINK.url).body
    assert LONG_LINK.url in body["description"]
    assert 1 <= utf16(body["message"]) <= MESSAGE_CHARS_MAX
    assert utf16(body["description"]) <= DESCRIPTION_CHARS_MAX
    assert utf16(body["entity"]) <= ENTITY_CHARS_MAX
    assert utf16(body["source"]) <= SOURCE_CHARS_MAX
    assert len(body["tags"]) <= TAGS_MAX
    assert all(utf16(tag) <= TAG_CHARS_MAX for tag in body["tags"])
    assert sum(utf16(key) + utf16(value) for key, value in body["details"].items()) <= DETAILS_CHARS_MAX


def check_slack(notification: Notification) -> None:
    body: dict[str, Any] = render_slack(notification)
    assert utf16(json.dumps(body, ensure_ascii=False)) <= SLACK_CHARS_MAX
    assert 2 <= len(body["blocks"]) <= BLOCKS_MAX
    plain: dict[str, Any] = render_slack_plain(notification)
    assert utf16(plain["text"]) <= 3_000
    shown: dict[str, Any] = render_slack(notification, picture=LONG_LINK)
    assert utf16(json.dumps(shown, ensure_ascii=False)) <= SLACK_CHARS_MAX
    for block in shown["blocks"]:
        if block["type"] == "image":
            assert len(block["image_url"]) <= 3_000
            assert 1 <= utf16(block["alt_text"]) <= ALT_CHARS_MAX


def check_teams(notification: Notification) -> None:
    for picture in (None, LONG_LINK):
        card: dict[str, Any] = render_teams(notification, picture=picture)
        assert size(card) <= CARD_BYTES_MAX
        assert len(card["attachments"][0]["content"]["body"]) >= 2


def check_webhook(notification: Notification) -> None:
    body = render_webhook(notification)
    assert len(body) < BODY_BYTES_MAX
    read = NotificationEvent.model_validate_json(body).data
    assert (read.key, read.total, read.firing) == (notification.key, notification.total, notification.firing)
    assert read.members[0] == notification.members[0]


def check_alertmanager(notification: Notification) -> None:
    alerts: list[Any] = render_alertmanager(notification, now=NOW, picture=LONG_LINK.url)
    assert [a["annotations"].get("picture") for a in alerts] == [LONG_LINK.url] + [None] * (len(alerts) - 1)
    assert 1 <= len(alerts) <= 256
    for alert in alerts:
        assert all(value.strip() for value in alert["labels"].values())
        assert alert["startsAt"] <= alert["endsAt"]


def check_mail(notification: Notification) -> None:
    picture = Picture(bytes(range(256)) * 100, LONG_LINK.alt)
    people = ["b@example.com"]
    message = render_mail(notification, sender="a@example.com", recipients=people, now=NOW, picture=picture)
    # RFC 5322, 2.1.1: no line longer than 998 octets.
    assert max(map(len, message.as_bytes().split(b"\r\n"))) <= 998


def check_apprise(notification: Notification) -> None:
    title, body = render_apprise(notification)
    assert len(title) <= 150
    assert len(body) <= BODY_CHARS_MAX


CHECKS = [
    *(check_pagerduty, check_jsm, check_slack, check_teams),
    *(check_webhook, check_alertmanager, check_mail, check_apprise),
]

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=200).filter(str.strip) | st.sampled_from(
    ["ж" * 200, "😀" * 200, "<" * 200, '"' * 200, "\\" * 200, "&" * 200, "\n" + "x" * 199, "\u202e" * 200]
)


@settings(deadline=None, max_examples=10)
@given(name=names)
def test_limits_hold_with_five_hundred_alerts_and_any_names(name: str) -> None:
    notification = enormous(name, size=45)  # of an incident, forty are ever listed
    for check in CHECKS:
        check(notification)


def test_limits_hold_with_five_hundred_alerts_of_the_longest_names() -> None:
    notification = enormous("😀" * 200, size=500)
    assert notification.total == 500
    for check in CHECKS:
        check(notification)


@pytest.mark.parametrize("check", CHECKS)
def test_limits_hold_for_a_strangers_text_and_for_a_signal(check: Any) -> None:
    check(hostile(HOSTILE))
    check(signal())


def test_a_webhook_loses_members_before_evidence_and_never_its_counts() -> None:
    whole = crowd(40, prefix="a feature with quite a long name " * 5)
    read = NotificationEvent.model_validate_json(render_webhook(whole)).data
    assert 1 < len(read.members) < 40
    assert read.lead == whole.lead
    assert (read.total, read.firing) == (40, 40)


def test_of_too_much_the_last_sections_go_first() -> None:
    kept = [
        list(render_pagerduty(enormous("ж" * 200))["payload"]["custom_details"]),  # type: ignore[index,call-overload,arg-type] # JSON
        [block["inlines"][0]["text"].strip() for block in cards(enormous("ж" * 200))[1:]],
    ]
    for titles in kept:
        assert titles[0] == "Since"
        assert titles == [title for title in ORDER if title in titles]
    assert "Evidence" not in kept[1]


ORDER = [
    *(
        "Since",
        "Alerts",
        "How bad",
        "Signal",
        "Where",
        "Impact",
        "Likely cause",
        "Do now",
        "Owner",
        "Runbook",
    ),
    *("Evidence", "Alert"),
]


def cards(notification: Notification) -> list[Any]:
    card: dict[str, Any] = render_teams(notification)
    body: list[Any] = card["attachments"][0]["content"]["body"]
    return body
