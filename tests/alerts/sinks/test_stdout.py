from __future__ import annotations

import io
import json

import pytest
from alert_builders import fired

from alerts.compose import alone
from alerts.render_text import render_text
from alerts.sinks import Delivery
from alerts.sinks.stdout import StdoutSink
from schemas.notification import NotificationEvent


def test_text_is_followed_by_an_empty_line() -> None:
    stream = io.StringIO()
    sink = StdoutSink(stream)
    assert sink.deliver(alone(fired())) == Delivery.delivered()
    assert stream.getvalue() == render_text(alone(fired())) + "\n"


def test_colour_is_passed_on() -> None:
    stream = io.StringIO()
    StdoutSink(stream, colour=True).deliver(alone(fired()))
    assert stream.getvalue() == render_text(alone(fired()), colour=True) + "\n"


def test_json_is_one_notification_a_line() -> None:
    stream = io.StringIO()
    sink = StdoutSink(stream, style="json")
    for feature in ("amount", "two\nlines"):
        sink.deliver(alone(fired(feature=feature)))
    lines = stream.getvalue().splitlines()
    heard = [NotificationEvent.model_validate_json(line).data for line in lines]
    assert [notification.lead.feature for notification in heard] == ["amount", "two\nlines"]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_stream_of_another_encoding_gets_escapes(encoding: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    event = fired(feature="größe 😀")
    assert StdoutSink(stream, style="json").deliver(alone(event)) == Delivery.delivered()
    assert NotificationEvent.model_validate_json(raw.getvalue()).data == alone(event)
    assert json.loads(raw.getvalue())["data"]["lead"]["feature"] == "größe 😀"
    assert StdoutSink(stream).deliver(alone(event)) == Delivery.delivered()
    assert rb"\U0001f600" in raw.getvalue()


class Broken(io.StringIO):
    def write(self, _text: str) -> int:
        raise BrokenPipeError


def test_a_broken_stream_is_dead() -> None:
    assert StdoutSink(Broken()).deliver(alone(fired())) == Delivery.dead("stream_failed")


def test_close_leaves_the_callers_stream_open() -> None:
    stream = io.StringIO()
    StdoutSink(stream).close()
    assert not stream.closed
