"""What the notifier asks of a store: its state of a partition, under an owner's token, with the topic's offset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class NotifyClaimed:
    """What a new owner finds.

    Parameters
    ----------
    offset
        Next offset of the alerts topic; -1 if nothing was ever stored.
    """

    token: str
    sequence: int
    offset: int
    fields: Mapping[str, bytes]


class NotifyStore(Protocol):
    """State of partitions of the alerts topic. Calls may block for the store's timeout and raise `Retry`."""

    def claim(self, partition: int) -> NotifyClaimed:
        """Take a partition over: from now on every earlier owner is fenced."""

    def commit(  # noqa: PLR0913 - a place and what changes there
        self,
        partition: int,
        *,
        token: str,
        sequence: int,
        offset: int,
        changed: Mapping[str, bytes],
        forgotten: Sequence[str],
    ) -> bool:
        """Write fields and offset as a whole; False if somebody else owns the partition or it has gone back."""
