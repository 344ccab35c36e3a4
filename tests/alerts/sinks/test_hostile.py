"""Text from strangers does nothing in any sink: it pings nobody, opens nothing, moves no header."""

from __future__ import annotations

import html.parser
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from builders.notifications import HOSTILE, hostile

from alerts.render_text import render_text
from alerts.sinks.alertmanager import render_alertmanager
from alerts.sinks.apprise import render_apprise
from alerts.sinks.jsm import render_jsm
from alerts.sinks.mail import render_html, render_mail
from alerts.sinks.pagerduty import render_pagerduty
from alerts.sinks.slack_blocks import render_slack, render_slack_plain
from alerts.sinks.teams import render_teams
from alerts.web_address import web_address
from schemas.notification import Notification

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


def texts(value: Any) -> list[str]:
    """Return every text in a JSON value."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for item in value.values() for text in texts(item)]
    return [text for item in value for text in texts(item)] if isinstance(value, list | tuple) else []


def mail_parts(notification: Notification) -> list[str]:
    message = render_mail(notification, sender="a@example.com", recipients=["b@example.com"], now=NOW)
    return [part.get_content() for part in message.iter_parts()]


def jsm_texts(notification: Notification) -> list[str]:
    return texts(render_jsm(notification).body)


SHOWN: dict[str, Callable[[Notification], list[str]]] = {
    "slack": lambda told: texts(render_slack(told)),
    "slack plain": lambda told: texts(render_slack_plain(told)),
    "pagerduty": lambda told: texts(render_pagerduty(told)),
    "jsm": jsm_texts,
    "alertmanager": lambda told: texts(render_alertmanager(told, now=NOW)),
    "teams": lambda told: texts(render_teams(told)),
    "apprise": lambda told: texts(render_apprise(told)),
    "mail": mail_parts,
    "stdout": lambda told: [render_text(told)],
}


@pytest.mark.parametrize("sink", SHOWN)
def test_no_control_or_bidirectional_character_arrives(sink: str) -> None:
    told = SHOWN[sink](hostile())
    assert any("everyone" in text for text in told)
    for text in told:
        assert all(line.isprintable() for line in text.split("\n")), text


@pytest.mark.parametrize("sink", ["slack", "slack plain"])
def test_slack_sees_no_mention(sink: str) -> None:
    for text in SHOWN[sink](hostile()):
        without_links = re.sub(r"<https://[^<>|\s]+\|[^<>|]+>", "", text)
        assert "<" not in without_links
        assert ">" not in without_links


@pytest.mark.parametrize("sink", ["jsm", "apprise", "alertmanager"])
def test_where_nobody_knows_the_reader_no_tag_mention_or_link_is_left(sink: str) -> None:
    for text in SHOWN[sink](hostile()):
        assert not re.search(r"[<>@`]|\]\(", text), text


def test_teams_gets_strangers_words_in_runs_that_are_not_read_as_markdown() -> None:
    card: Any = render_teams(hostile())
    content = card["attachments"][0]["content"]
    assert {block["type"] for block in content["body"]} == {"RichTextBlock"}
    assert {run["type"] for block in content["body"] for run in block["inlines"]} == {"TextRun"}
    assert set(content["msteams"]) == {"width"}, "an entity would make a mention"
    assert content["actions"]
    for action in content["actions"]:
        assert action["type"] == "Action.OpenUrl"
        assert web_address(action["url"]) == action["url"]


def test_pagerduty_gets_links_to_the_web_alone_and_pictures_over_https() -> None:
    event: Any = render_pagerduty(hostile())
    assert [link["href"] for link in event["links"]] == ["https://plots.example/p.png?x=%3Cy%3E&z"]
    assert [image["src"] for image in event["images"]] == ["https://plots.example/p.png?x=%3Cy%3E&z"]


def test_alertmanager_gets_no_link_that_is_not_of_the_web() -> None:
    (alert,) = json.loads(json.dumps(render_alertmanager(hostile(), now=NOW)))
    assert "runbook_url" not in alert["annotations"]
    assert alert["generatorURL"].startswith("https://plots.example/")


class Page(html.parser.HTMLParser):
    """Which tags a page has, and where its links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.hrefs: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.hrefs += [value for name, value in attrs if name == "href"]
        assert {name for name, _ in attrs} <= {"lang", "style", "cellpadding", "align", "valign", "href"}


def test_a_mail_has_no_tag_and_no_link_of_a_stranger() -> None:
    page = Page()
    page.feed(render_html(hostile()))
    assert page.tags == {"html", "body", "h2", "table", "tr", "th", "td", "br", "a"}
    assert page.hrefs == ["https://plots.example/p.png?x=%3Cy%3E&z"]


def test_a_mail_gets_no_header_from_a_stranger() -> None:
    message = render_mail(hostile(), sender="a@example.com", recipients=["b@example.com"], now=NOW)
    raw = message.as_bytes()
    head = raw.partition(b"\r\n\r\n")[0].decode("ascii")
    names = [line.partition(":")[0] for line in head.split("\r\n") if not line.startswith((" ", "\t"))]
    assert names == [
        *("Subject", "From", "To", "Date", "Message-ID", "In-Reply-To", "References", "Auto-Submitted"),
        *("MIME-Version", "Content-Type"),
    ]
    assert "Bcc" not in message
    assert HOSTILE[:20] in str(message["Subject"])


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://wiki.example/a?b=c&d#e", "https://wiki.example/a?b=c&d#e"),
        ("http://wiki.example/\u202eé", "http://wiki.example/%E2%80%AE%C3%A9"),
        ('https://wiki.example/"onmouseover=', "https://wiki.example/%22onmouseover="),
        ("HTTPS://wiki.example", None),
        ("javascript:alert(1)", None),
        ("data:text/html,x", None),
        ("https://wiki.example/\nx", None),
        ("https://" + "x" * 1_000, None),
        ("", None),
    ],
)
def test_only_a_short_address_of_the_web_becomes_a_link(url: str, address: str | None) -> None:
    assert web_address(url) == address
