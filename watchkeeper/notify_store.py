"""Lets the notifier keep its delivery log where evaluators keep their state: a slot for each partition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from alerts.notify_store import NotifyClaimed
from consumers.store import CommitStatus, ModelCommit, ModelStore
from schemas.integrity import ALL_MODELS

_SLOT: Final = f"{ALL_MODELS}notify"
"""No model has a name that begins so."""


class _Offset(msgspec.Struct):
    offset: int


class StoredDeliveries:
    """`alerts.notify_store.NotifyStore` on the store of models."""

    def __init__(self, states: ModelStore) -> None:
        self._states = states

    def claim(self, partition: int) -> NotifyClaimed:
        """See `NotifyStore.claim`."""
        slot = _slot(partition)
        claimed = self._states.claim(slot)
        offset = -1 if claimed.state is None else msgspec.msgpack.decode(claimed.state, type=_Offset).offset
        return NotifyClaimed(claimed.token, claimed.sequence, offset, self._states.past(slot))

    def peek(self, partition: int) -> Mapping[str, bytes]:
        """Return what is stored of a partition, without claiming it."""
        return self._states.past(_slot(partition))

    def commit(  # noqa: PLR0913 - the protocol's
        self,
        partition: int,
        *,
        token: str,
        sequence: int,
        offset: int,
        changed: Mapping[str, bytes],
        forgotten: Sequence[str],
    ) -> bool:
        """See `NotifyStore.commit`."""
        state = msgspec.msgpack.encode(_Offset(offset))
        commit = ModelCommit(
            _slot(partition), token, sequence, state, events=(), history=(), past=changed, forgotten=forgotten
        )
        return self._states.commit(commit) in (CommitStatus.COMMITTED, CommitStatus.ALREADY)


def _slot(partition: int) -> str:
    return f"{_SLOT}:{partition}"
