"""What an answer of a server means for a delivery: the rules that all sinks over HTTP share."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from alerts.http_gate import HttpFailure
from alerts.sinks import Delivery

if TYPE_CHECKING:
    from collections.abc import Collection

    from alerts.http_gate import HttpAnswer

_RETRIED: Final = frozenset({408, 425, 429})
_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500


def delivery_of(
    answer: HttpAnswer | HttpFailure, *, taken: Collection[int], too_many_wait_s: float | None = None
) -> Delivery:
    """Return what an answer means: what may pass is retried, other refusals are dead.

    Parameters
    ----------
    taken
        The statuses that mean the message is there.
    too_many_wait_s
        How long to wait after a 429 that does not say.
    """
    if isinstance(answer, HttpFailure):
        dead = answer.reason == "private_address"
        return Delivery.dead(answer.reason) if dead else Delivery.retry(answer.reason)
    if answer.status in taken:
        return Delivery.delivered()
    reason = f"http_{answer.status}"
    if answer.status not in _RETRIED and answer.status < _SERVER_ERROR:
        return Delivery.dead(reason)
    asked_s = _asked_s(answer)
    if asked_s is None and answer.status == _TOO_MANY:
        asked_s = too_many_wait_s
    return Delivery.retry(reason, after_s=asked_s)


def _asked_s(answer: HttpAnswer) -> float | None:
    """Return the wait the server asks for: the header, else `retry_after` in a JSON body."""
    if answer.retry_after_s is not None:
        return answer.retry_after_s
    try:
        asked = json.loads(answer.body)["retry_after"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return float(asked) if isinstance(asked, int | float) and not isinstance(asked, bool) else None
