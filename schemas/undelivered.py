"""A message to people that was given up for a sink, as the dead-letter topic keeps it."""

from __future__ import annotations

import json
from typing import Final, Literal, Self

from pydantic import ValidationError

from schemas.alert import Record, Wire, source_of
from schemas.alert_wire import Name, UtcTime, utc_of_ms
from schemas.notification import Notification

UNDELIVERED: Final = "io.watchkeeper.undelivered"


class UndeliveredData(Wire):
    """What was given up, and why; never the sink's address or key.

    Parameters
    ----------
    sink
        Its name in the settings.
    step, reason
        How it ended (`refused`, `horizon_passed` or `attempts_spent`), and what the last try said, such as `http_404`.
    """

    sink: Name
    step: Name
    reason: Name
    delivery_id: str
    incident: str
    notification: Notification


class UndeliveredEvent(Record):
    """A record of the dead-letter topic about a message that did not arrive."""

    type: Literal["io.watchkeeper.undelivered"] = UNDELIVERED
    time: UtcTime
    datacontenttype: Literal["application/json"] = "application/json"
    data: UndeliveredData

    @classmethod
    def of(cls, notification: Notification, *, sink: str, step: str, reason: str, now_ms: int) -> Self:
        """Return the event of a message that is given up now."""
        data = UndeliveredData(
            sink=sink,
            step=step,
            reason=reason,
            delivery_id=notification.delivery_id,
            incident=notification.incident,
            notification=notification,
        )
        return cls(
            id=data.delivery_id, source=source_of(notification.model), time=utc_of_ms(now_ms), data=data
        )


def is_undelivered(value: bytes) -> bool:
    """Return whether a record of the dead-letter topic is about a message, and not about an input."""
    if UNDELIVERED.encode() not in value:
        return False
    try:
        found: object = json.loads(value)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.get("type") == UNDELIVERED


def read_undelivered(value: bytes) -> UndeliveredEvent | None:
    """Return the event of a record, None for any other record and for one of another release that is not understood."""
    if not is_undelivered(value):
        return None
    try:
        return UndeliveredEvent.model_validate_json(value)
    except ValidationError:
        return None
