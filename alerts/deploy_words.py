"""Says which announced deploy came before trouble: a fact about the time, and no proof that it is the cause."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from alerts.plain_text import short
from alerts.sizes import duration

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from schemas.alert import AlertData
    from schemas.deploy import Deploy

LIKELY_FOR: Final = timedelta(days=1)
"""Trouble that began so long after a deploy at most may come of it."""

_MS: Final = timedelta(milliseconds=1)


def with_deploy(data: AlertData, deploys: Iterable[Deploy], *, now: datetime) -> AlertData:
    """Return an alert that names the newest deploy of its model among its likely causes.

    First where the trouble began within a day of it; last where it is older than that, or came only after the trouble
    began. A deploy that is yet to come is not named.
    """
    mine = [deploy for deploy in deploys if deploy.model == data.model and deploy.at <= now]
    before = [deploy for deploy in mine if deploy.precedes(data)]
    newest = max(before or mine, key=lambda deploy: (deploy.at, deploy.id), default=None)
    if newest is None:
        return data
    named = f"{_named(newest)}, {_when(newest, data)}{_remarks(newest)}"
    is_likely = bool(before) and data.since - newest.at <= LIKELY_FOR
    causes = (named, *data.likely_causes) if is_likely else (*data.likely_causes, f"last deploy: {named}")
    return data.model_copy(update={"likely_causes": causes})


def headline_of_deploy(deploy: Deploy) -> str:
    """Return a deploy in one line."""
    note = "" if deploy.note is None else f": {short(deploy.note, 500)}"
    return f"{short(deploy.model, 200)}: version {short(deploy.version, 200)} goes live{note}"


def _named(deploy: Deploy) -> str:
    return f"version {short(deploy.version)} was deployed {deploy.at:%Y-%m-%d %H:%M} UTC"


def _when(deploy: Deploy, data: AlertData) -> str:
    if not deploy.precedes(data):
        return f"{duration((deploy.at - data.since) // _MS)} after this began"
    apart = duration(max(0, (data.since - deploy.at) // _MS))
    return "as this began" if apart == "0 s" else f"{apart} before this began"


def _remarks(deploy: Deploy) -> str:
    told = (deploy.note, deploy.ticket, None if deploy.by is None else f"by {deploy.by}")
    remarks = ", ".join(short(text, 120) for text in told if text)
    return f" ({remarks})" if remarks else ""
