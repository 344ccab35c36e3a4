"""What the commands share that give orders: the time, how long, and the record that goes to the control topic."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from consumers.kafka_client import check_topics
from consumers.kafka_sink import EventSink
from schemas.clock import parse_time_ms
from schemas.duration import parse_duration_ms
from schemas.errors import Retry, Stop
from schemas.setting_types import nearest
from schemas.settings_tree import shown

if TYPE_CHECKING:
    from schemas.control import ControlRecord
    from schemas.model_settings import ModelSettings
    from schemas.settings import Settings


def now_utc() -> datetime:
    """Return the time, to the millisecond."""
    return utc(time.time_ns() // 1_000_000)


def utc(epoch_ms: int) -> datetime:
    """Return the time of epoch milliseconds."""
    return datetime.fromtimestamp(epoch_ms / 1000, tz=UTC)


def epoch_ms(moment: datetime) -> int:
    """Return a time in epoch milliseconds."""
    return round(moment.timestamp() * 1000)


def span_of(text: str, option: str) -> timedelta:
    """Return the length of time that somebody typed.

    Raises
    ------
    Stop
        It is none; the message names the option.
    """
    try:
        return timedelta(milliseconds=parse_duration_ms(text))
    except ValueError as error:
        raise Stop(f"{option}: {error}") from None


def time_of(text: str, option: str) -> datetime:
    """Return the time that somebody typed.

    Raises
    ------
    Stop
        It is none; the message names the option.
    """
    try:
        return utc(parse_time_ms(int(text) if text.isascii() and text.isdigit() else text))
    except ValueError as error:
        raise Stop(f"{option}: {error}") from None


def model_named(settings: Settings, name: str) -> ModelSettings:
    """Return a model of the settings.

    Raises
    ------
    Stop
        There is none of that name; the message names the nearest one.
    """
    if name not in settings.models:
        raise Stop(f'--model: no model "{shown(name)}"; {nearest(name, settings.models)}')
    return settings.models[name]


def write_order(settings: Settings, record: ControlRecord) -> None:
    """Write an order to the control topic.

    Raises
    ------
    Stop
        Kafka does not take it.
    """
    kafka = settings.kafka
    try:
        check_topics(kafka.properties, [kafka.control])
        with closing(EventSink(kafka.properties)) as sink:
            sent = sink.publish(
                kafka.control, [(record.key.encode(), record.to_json_bytes())], partition=None
            )
    except Retry as error:
        raise Stop(f"{error}; start Kafka, or correct kafka.bootstrap.servers", exit_code=1) from error
    if not sent:
        raise Stop(f"kafka: {kafka.control} did not take the order in time; try again", exit_code=1)
