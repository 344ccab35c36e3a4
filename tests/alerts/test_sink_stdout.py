from __future__ import annotations

import io
import json

import pytest
from alert_builders import fired

from alerts.render_text import render_text
from alerts.sink_stdout import StdoutSink
from alerts.sinks import Delivery
from schemas.alert import parse_alert_event


def test_text_is_followed_by_an_empty_line() -> None:
    stream = io.StringIO()
    sink = StdoutSink(stream)
    assert sink.deliver(fired()) == Delivery.delivered()
    assert stream.getvalue() == render_text(fired()) + "\n"


def test_colour_is_passed_on() -> None:
    stream = io.StringIO()
    StdoutSink(stream, colour=True).deliver(fired())
    assert stream.getvalue() == render_text(fired(), colour=True) + "\n"


def test_json_is_one_event_a_line() -> None:
    stream = io.StringIO()
    sink = StdoutSink(stream, style="json")
    for feature in ("amount", "two\nlines"):
        sink.deliver(fired(feature=feature))
    lines = stream.getvalue().splitlines()
    assert [parse_alert_event(line.encode()).data.feature for line in lines] == ["amount", "two\nlines"]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_stream_of_another_encoding_gets_escapes(encoding: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    event = fired(feature="größe 😀")
    assert StdoutSink(stream, style="json").deliver(event) == Delivery.delivered()
    assert parse_alert_event(raw.getvalue()) == event
    assert json.loads(raw.getvalue())["data"]["feature"] == "größe 😀"
    assert StdoutSink(stream).deliver(event) == Delivery.delivered()
    assert rb"\U0001f600" in raw.getvalue()


class Broken(io.StringIO):
    def write(self, _text: str) -> int:
        raise BrokenPipeError


def test_a_broken_stream_is_dead() -> None:
    assert StdoutSink(Broken()).deliver(fired()) == Delivery.dead("stream_failed")


def test_close_leaves_the_callers_stream_open() -> None:
    stream = io.StringIO()
    StdoutSink(stream).close()
    assert not stream.closed
