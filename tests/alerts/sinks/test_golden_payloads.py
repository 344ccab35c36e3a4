"""What each sink sends, byte for byte: a changed payload shows up as a changed golden file."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from alert_builders import NOON_MS
from builders.notifications import KINDS, LINK, a_change
from cloudevents.core.bindings.http import HTTPMessage, from_structured
from cloudevents.core.formats.json import JSONFormat
from slack_sdk.models.blocks import HeaderBlock, ImageBlock, SectionBlock

from alerts.sinks.alertmanager import render_alertmanager
from alerts.sinks.apprise import render_apprise
from alerts.sinks.jsm import render_jsm
from alerts.sinks.mail import render_html, render_mail
from alerts.sinks.pagerduty import render_change, render_pagerduty
from alerts.sinks.slack_blocks import render_slack, render_slack_plain
from alerts.sinks.teams import render_teams
from alerts.sinks.webhook import render_webhook
from schemas.alert import CONTENT_TYPE
from schemas.notification import NotificationEvent

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.notification import Notification

GOLDEN: Final = Path(__file__).parents[2] / "golden" / "sinks"
CHANGE: Final = "change-pagerduty.json"
NOW: Final = datetime.fromtimestamp(NOON_MS / 1_000, UTC)


def as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"


def mail(notification: Notification) -> str:
    message = render_mail(
        notification, sender="watch@example.com", recipients=["a@example.com", "b@example.com"], now=NOW
    )
    return message.as_bytes().decode("ascii").replace("\r\n", "\n")


def jsm(notification: Notification) -> str:
    request = render_jsm(notification)
    return as_json({"path": request.path, "body": request.body})


PAYLOADS: Final[dict[str, Callable[[Notification], str]]] = {
    "slack.json": lambda told: as_json(render_slack(told)),
    "slack-plain.json": lambda told: as_json(render_slack_plain(told)),
    "pagerduty.json": lambda told: as_json(render_pagerduty(told)),
    "jsm.json": jsm,
    "alertmanager.json": lambda told: as_json(render_alertmanager(told, now=NOW)),
    "webhook.json": lambda told: as_json(json.loads(render_webhook(told))),
    "mail.eml": mail,
    "mail.html": render_html,
    "teams.json": lambda told: as_json(render_teams(told)),
    "slack-picture.json": lambda told: as_json(render_slack(told, picture=LINK)),
    "teams-picture.json": lambda told: as_json(render_teams(told, picture=LINK)),
    "pagerduty-picture.json": lambda told: as_json(render_pagerduty(told, picture=LINK)),
    "apprise.json": lambda told: as_json(render_apprise(told)),
}


PICTURED: Final = {name for name in PAYLOADS if "-picture" in name}
CASES: Final = [
    (sink, kind) for sink in PAYLOADS for kind in KINDS if sink not in PICTURED or kind == "signal"
]


@pytest.mark.parametrize(("sink", "kind"), CASES)
def test_a_payload_equals_its_golden_copy(sink: str, kind: str) -> None:
    payload = PAYLOADS[sink](KINDS[kind]())
    path = GOLDEN / f"{kind}-{sink}"
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.write_text(payload, encoding="utf-8")
    assert payload == path.read_text(encoding="utf-8")


def test_a_change_equals_its_golden_copy() -> None:
    payload, path = as_json(render_change(a_change())), GOLDEN / CHANGE
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.write_text(payload, encoding="utf-8")
    assert payload == path.read_text(encoding="utf-8")


def test_no_golden_copy_is_left_over() -> None:
    payloads = {f"{kind}-{sink}" for sink, kind in CASES}
    assert {path.name for path in GOLDEN.iterdir()} == payloads | {CHANGE}


@pytest.mark.parametrize("kind", KINDS)
def test_the_block_models_of_slack_take_every_block(kind: str) -> None:
    blocks = render_slack(KINDS[kind](), picture=LINK)["blocks"]
    assert isinstance(blocks, list)
    models = {"header": HeaderBlock, "section": SectionBlock, "image": ImageBlock}
    for block in blocks:
        assert isinstance(block, dict)
        fields = {key: value for key, value in block.items() if key != "type"}
        read = models[str(block["type"])](**fields).to_dict()
        assert read["type"] == block["type"]
        assert read == block or read["text"] == block["text"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_cloudevents_package_reads_the_body_of_a_webhook(kind: str) -> None:
    notification = KINDS[kind]()
    body = render_webhook(notification)
    event = from_structured(HTTPMessage(headers={"content-type": CONTENT_TYPE}, body=body), JSONFormat())
    assert event.get_id() == notification.delivery_id
    assert event.get_type() == "io.watchkeeper.notification"
    assert event.get_source() == "/models/fraud"
    assert event.get_time() == notification.detected_at
    assert NotificationEvent.model_validate_json(body).data.total == notification.total
