"""A version goes live, as somebody announces it: what moves right after it is expected, and held back for a while."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from schemas.alert import AlertData, Wire
from schemas.alert_wire import Name, UtcTime
from schemas.finding import Kind

HOLD_MAX: Final = timedelta(days=7)
HELD_KINDS: Final = frozenset({Kind.DATA_DRIFT, Kind.PREDICTION_DRIFT, Kind.LABEL_DRIFT, Kind.OOD_RATE})
"""Kinds that say that something is not as it was, which a deploy may mean to be so. What breaks, or is wrong more often, is
never meant."""

_ID_DIGITS: Final = 16


class Deploy(Wire):
    """A version of a model goes live.

    Parameters
    ----------
    id
        A function of app, model, version and time: who announces a deploy twice has announced it once.
    at, holds_until
        When it goes live, and until when alerts of drift that began with it are held back, both event time.
    teams
        Owners of the model and its features, which routes may match.
    """

    id: Annotated[Name, Field(min_length=1)]
    app: Name
    model: Annotated[Name, Field(min_length=1)]
    version: Annotated[Name, Field(min_length=1)]
    at: UtcTime
    holds_until: UtcTime
    by: Name | None = None
    note: Name | None = None
    ticket: Name | None = None
    teams: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _is_bounded(self) -> Self:
        if self.holds_until < self.at:
            raise ValueError("expected a deploy to hold alerts back until after it, or not at all")
        if self.holds_until - self.at > HOLD_MAX:
            raise ValueError(
                f"expected alerts to be held back for at most {HOLD_MAX.days} days; silence them for longer"
            )
        return self

    def precedes(self, data: AlertData) -> bool:
        """Return whether trouble began with the deploy or after it; its begin is known to one window."""
        return self.at - (data.window.end - data.window.start) < data.since

    def holds(self, data: AlertData) -> bool:
        """Return whether an alert is of what may be meant to change with the deploy, and began while it settles."""
        is_mine = data.model == self.model and data.kind in HELD_KINDS
        return is_mine and self.precedes(data) and data.since < self.holds_until


def deploy_id(app: str, model: str, version: str, at: datetime) -> str:
    """Return the id of a deploy."""
    name = "\x1f".join((app, model, version, str(round(at.timestamp() * 1000))))
    return hashlib.sha256(name.encode()).hexdigest()[:_ID_DIGITS]
