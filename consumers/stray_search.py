"""Looks, now and then, whether labels that found no prediction would have found it in another partition."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from consumers.notices import of_all
from consumers.ownership import Owned
from consumers.store import PartitionStore
from consumers.strays import explain_partitioners, judge_strays
from schemas.errors import Retry
from schemas.integrity import IntegrityCheck

LOOK_S: Final = 10.0
_PREDICTIONS: Final = 0x0F
"""The bits of an entry's first byte that count its predictions (`consumers.pending`)."""


class StraySearch:
    """Asks the other partitions for a sample of ids.

    Parameters
    ----------
    clock, wall_ms
        Monotonic seconds, and epoch milliseconds.
    """

    def __init__(
        self, store: PartitionStore, *, clock: Callable[[], float], wall_ms: Callable[[], int]
    ) -> None:
        self._store = store
        self._clock = clock
        self._wall_ms = wall_ms
        self._due_s = clock() + LOOK_S

    def look(self, owned: Mapping[int, Owned], *, partitions: int) -> None:
        """Look if it is time to; costs one read of at most 64 ids per partition, for all partitions together.

        Parameters
        ----------
        partitions
            Number of partitions of the topic.
        """
        if self._clock() < self._due_s or not owned or partitions < 2:
            return
        self._due_s = self._clock() + LOOK_S
        number = min(owned, key=lambda n: (-len(owned[n].strays.ids), n))
        if not owned[number].strays.ids:
            return
        try:
            self._search(number, owned[number], partitions)
        except Retry:
            return  # it can wait: nothing depends on it

    def _search(self, number: int, owned: Owned, partitions: int) -> None:
        here = self._predicted(number, list(owned.strays.ids))
        asked = [key for key in owned.strays.ids if key not in here]
        found = {
            other: len(there)
            for other in range(partitions)
            if other != number and (there := self._predicted(other, asked))
        }
        said = judge_strays(len(asked), found)
        detail = explain_partitioners(
            owned.strays.prediction_keys, owned.strays.label_keys, partition=number, count=partitions
        )
        detail |= {"labels_asked_for": len(asked), "found_elsewhere": sum(found.values())}
        subject = of_all(IntegrityCheck.PARTITIONER_MISMATCH)
        owned.judge(subject, said, detail, self._wall_ms)
        owned.strays.ids.clear()

    def _predicted(self, partition: int, ids: list[bytes]) -> set[bytes]:
        found = self._store.fetch(partition, ids)
        return {key for key, entry in found.items() if entry[0] & _PREDICTIONS}
