"""What people have ordered, as the control topic tells it: what is silenced or planned, who looks after what."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from alerts.causes import cause_of
from schemas.control import (
    Acceptance,
    AckEvent,
    Acknowledgement,
    ControlRecord,
    DeployEvent,
    Silence,
    SilenceEvent,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from alerts.board import Incident
    from schemas.alert import AlertData
    from schemas.deploy import Deploy


DEPLOYS_KEPT: Final = timedelta(days=30)
"""A deploy of longer ago is not named any more."""

ANSWERS_KEPT: Final = timedelta(days=90)
"""An incident whose reference its owner keeps is looked after for its life, and for so long at most."""

QUIET_FOR: Final = timedelta(hours=1)
"""If no window ends any more, what a deploy holds back is told so long after it would have been."""


class Orders:
    """All silences, acknowledgements, deploys and answers to drift.

    Parameters
    ----------
    app
        Deploys and answers of other applications that share the topic are passed over; None for those of all.
    """

    def __init__(self, app: str | None = None) -> None:
        self._app = app
        self._deploys: dict[str, Deploy] = {}
        self._answers: dict[str, Acceptance] = {}
        self._silences: dict[str, Silence] = {}
        self._acks: dict[str, Acknowledgement] = {}
        self._undone: dict[str, datetime] = {}
        """By incident: when somebody took back what had been said of it."""

    def take(self, records: Iterable[ControlRecord], *, now_ms: int) -> None:
        """Take orders in; the newest of a key holds, and what is over is forgotten."""
        for record in records:
            if isinstance(record, SilenceEvent):
                self._silences[record.data.id] = record.data
            elif isinstance(record, AckEvent):
                self._acks[record.data.incident] = record.data
                if record.data.until <= record.data.at:
                    self._undone[record.data.incident] = record.data.at
            elif self._app not in (None, record.data.app):
                continue
            elif isinstance(record, DeployEvent):
                self._deploys[record.data.id] = record.data
            elif record.data.incident is not None:
                self._answers[record.data.incident] = record.data
        now = _time(now_ms)
        self._answers = {key: a for key, a in self._answers.items() if now - a.at < ANSWERS_KEPT}
        self._undone = {key: at for key, at in self._undone.items() if now - at < ANSWERS_KEPT}
        self._deploys = {key: d for key, d in self._deploys.items() if now - d.at < DEPLOYS_KEPT}
        self._silences = {key: s for key, s in self._silences.items() if s.ends > now}
        self._acks = {key: a for key, a in self._acks.items() if a.until > now}

    @property
    def silences(self) -> list[Silence]:
        """Silences that are not over, by their begin."""
        return sorted(self._silences.values(), key=lambda s: (s.starts, s.id))

    @property
    def deploys(self) -> list[Deploy]:
        """Deploys of the last month, and those to come, by their time."""
        return sorted(self._deploys.values(), key=lambda d: (d.at, d.id))

    def planned(self, data: AlertData, *, seen_ms: int, now_ms: int) -> Deploy | None:
        """Return the deploy that an alert may be meant by, as long as it settles; None for none.

        Parameters
        ----------
        seen_ms
            Event time up to which windows of the model have been evaluated.
        now_ms
            Wall clock: it counts only where windows have stopped.
        """
        seen, now = max(_time(seen_ms), data.detected_at), _time(now_ms)
        return next(
            (
                deploy
                for deploy in self.deploys
                if max(seen, now - QUIET_FOR) < deploy.holds_until and deploy.holds(data)
            ),
            None,
        )

    def silenced(self, data: AlertData, now_ms: int) -> bool:
        """Return whether somebody wants to hear nothing of this alert now."""
        now = _time(now_ms)
        return any(s.starts <= now < s.ends and mutes(s, data) for s in self._silences.values())

    def acknowledged(self, incident: Incident, now_ms: int) -> bool:
        """Return whether somebody looks after an incident that has not become worse since they said so."""
        return self.acknowledged_by(incident, now_ms) is not None

    def acknowledged_by(self, incident: Incident, now_ms: int) -> str | None:
        """Return who looks after an incident, None for nobody."""
        ack, answer = self._acks.get(incident.id), self._answers.get(incident.id)
        if ack is not None and ack.until > _time(now_ms) and ack.severity.rank >= incident.severity.rank:
            return ack.by
        undone = self._undone.get(incident.id)
        if answer is not None and answer.severity is not None and (undone is None or undone < answer.at):
            return answer.by if answer.severity.rank >= incident.severity.rank else None
        return None


def mutes(silence: Silence, data: AlertData) -> bool:
    """Return whether an alert meets every matcher of a silence."""
    found = {
        "model": data.model,
        "kind": data.kind.value,
        "check": data.check,
        "severity": data.severity.value,
        "version": data.version,
        "feature": data.feature,
        "segment": data.segment,
        "team": data.owner.team,
        "cause": data.cause or cause_of(data.kind, data.check).value,
    }
    return all(matcher.fits(found[matcher.field]) for matcher in silence.matchers)


def _time(epoch_ms: int) -> datetime:
    return datetime.fromtimestamp(epoch_ms / 1000, tz=UTC)
