"""What a sink is: one place where messages go, and what became of one delivery. One module here is one sink."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from schemas.deploy import Deploy
    from schemas.notification import Notification


class Outcome(StrEnum):
    """What became of one attempt."""

    DELIVERED = "delivered"
    RETRY = "retry"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Delivery:
    """The result of one attempt to deliver one event.

    Parameters
    ----------
    reason
        A word from a small set of the sink's own, fit for a metric label; never text from outside.
    after_s
        For a retry: how long the other side asked to be left alone; None if it did not say.
    """

    outcome: Outcome
    reason: str = ""
    after_s: float | None = None

    @classmethod
    def delivered(cls) -> Delivery:
        """Return: the message is there."""
        return cls(Outcome.DELIVERED)

    @classmethod
    def retry(cls, reason: str, *, after_s: float | None = None) -> Delivery:
        """Return: it may work later."""
        return cls(Outcome.RETRY, reason, after_s)

    @classmethod
    def dead(cls, reason: str) -> Delivery:
        """Return: trying again will not help."""
        return cls(Outcome.DEAD, reason)


class Sink(Protocol):
    """One place where messages go.

    A sink is called from one thread at a time.
    """

    @property
    def name(self) -> str:
        """The name that routes use for this sink."""

    @property
    def pace_s(self) -> float:
        """Seconds to leave between two messages, as the other side asks for; 0 for none."""

    @property
    def pages(self) -> bool:
        """Whether it wakes people: it is told what `alerts.telling` lets page, with a key per page tier."""

    @property
    def repeatable(self) -> bool:
        """Whether the other side tells a repeated delivery from a new one, so that repeating it does no harm."""

    @property
    def refresh_s(self) -> float | None:
        """How often it must be told again while an incident fires, and for a while after; None for never."""

    def deliver(self, notification: Notification) -> Delivery:
        """Try once to deliver a notification.

        May block for as long as the sink's own time limit (a network sink: 10 s), never longer by its own
        doing; does not sleep between attempts, because retries are the caller's. Does not raise for what
        can go wrong outside: that is a `Delivery`. No secret is in its result.
        """

    def close(self) -> None:
        """Give back connections; may be called twice, and no delivery follows."""


@runtime_checkable
class ChangeSink(Protocol):
    """A sink that keeps a record of changes beside what it is told of incidents."""

    def announce(self, deploy: Deploy) -> Delivery:
        """Try once to record a deploy; as `Sink.deliver`."""
