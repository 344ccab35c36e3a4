"""How much of what came lately had to be refused: per model in messages, over all models in bytes; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from consumers.rejects import Reason, Rejected

MEMORY_MESSAGES: Final = 2_000
"""Beyond this many messages of a model all its counts are halved: old ones count less and less."""

MEMORY_BYTES: Final = 16_000_000
JUDGED_FROM_MESSAGES: Final = 200
JUDGED_FROM_BYTES: Final = 1_000_000

FUTURE_SHARE: Final = 0.01
FUTURE_MESSAGES: Final = 20

UNDECODABLE_SHARE: Final = 0.5
"""Most bytes: a worker that goes on would only fill the dead-letter topic."""


@dataclass(slots=True)
class Recent:
    """A model's latest messages in one partition, both topics: how many, refused, ahead of their time."""

    messages: float = 0.0
    refused: float = 0.0
    future: float = 0.0

    def halve(self) -> None:
        """Let the past count half."""
        self.messages, self.refused, self.future = self.messages / 2, self.refused / 2, self.future / 2

    @property
    def share(self) -> float:
        """Refused messages among all, 0 without any."""
        return self.refused / self.messages if self.messages else 0.0

    def above(self, limit: float) -> bool | None:
        """Return whether the refused share is above a limit; None between it and half of it, or too early."""
        if self.messages < JUDGED_FROM_MESSAGES:
            return None
        if self.share > limit:
            return True
        return False if self.share < limit / 2 else None

    def ahead(self) -> bool | None:
        """Return whether event times are often in the future; None where that cannot be said."""
        if self.future >= FUTURE_MESSAGES and self.future >= FUTURE_SHARE * self.messages:
            return True
        known = self.messages >= JUDGED_FROM_MESSAGES
        return False if known and self.future < FUTURE_SHARE / 2 * self.messages else None


@dataclass(slots=True)
class RejectRates:
    """What one partition's batches were made of lately."""

    models: dict[str, Recent] = field(default_factory=dict)
    bytes_taken: float = 0.0
    bytes_undecodable: float = 0.0

    def take(self, accepted: Mapping[str, int], rejects: Iterable[Rejected]) -> None:
        """Count a batch: well-formed messages by model, and those that were refused."""
        for model, count in accepted.items():
            self._recent(model).messages += count
        for rejected in rejects:
            if rejected.model is None or rejected.reason is Reason.UNKNOWN_MODEL:
                continue
            recent = self._recent(rejected.model)
            recent.messages += 1
            recent.refused += 1
            recent.future += rejected.reason is Reason.TIME_IN_FUTURE
        for recent in self.models.values():
            while recent.messages > MEMORY_MESSAGES:
                recent.halve()

    def _recent(self, model: str) -> Recent:
        return self.models.setdefault(model, Recent())

    def take_bytes(self, taken: int, undecodable: int) -> None:
        """Count a batch's bytes, and those of messages that could not be decoded."""
        self.bytes_taken += taken
        self.bytes_undecodable += undecodable
        while self.bytes_taken > MEMORY_BYTES:
            self.bytes_taken, self.bytes_undecodable = self.bytes_taken / 2, self.bytes_undecodable / 2


def mostly_undecodable(rates: Iterable[RejectRates]) -> float | None:
    """Return the undecodable share of the bytes of several partitions if it is above half, else None."""
    taken = undecodable = 0.0
    for each in rates:
        taken += each.bytes_taken
        undecodable += each.bytes_undecodable
    if taken < JUDGED_FROM_BYTES or undecodable <= UNDECODABLE_SHARE * taken:
        return None
    return undecodable / taken
