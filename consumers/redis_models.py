"""Evaluators' state in Redis: one script per evaluation."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Final

from consumers.redis_gate import RedisGate
from consumers.store import CommitStatus, LearnedReference, ModelClaimed, ModelCommit
from schemas.keys import model_prefix

HISTORY_MAX: Final = 1000
"""Records of closed windows that are kept per model."""


class RedisModels:
    """`ModelStore` on Redis; parameters as `RedisPartitions`."""

    def __init__(self, gate: RedisGate, app: str) -> None:
        self._gate = gate
        self._app = app

    def _keys(self, model: str, *kinds: str) -> list[str]:
        return [model_prefix(self._app, model) + kind for kind in kinds]

    def claim(self, model: str) -> ModelClaimed:
        """See `ModelStore.claim`."""
        token = secrets.token_hex(16)
        sequence, state, profile = self._gate.script("model_claim", self._keys(model, "m"), [token])
        return ModelClaimed(token, int(sequence or 0), state, profile)

    def commit(self, commit: ModelCommit) -> CommitStatus:
        """See `ModelStore.commit`."""
        arguments = [
            commit.token,
            commit.sequence,
            commit.state,
            HISTORY_MAX,
            commit.closed_ms,
            *(commit.profile or ("", b"")),
            len(commit.events),
            *commit.events,
            *commit.history,
        ]
        answer = self._gate.script("model_commit", self._keys(commit.model, "m", "o", "h"), arguments)
        return CommitStatus(answer.decode())

    def verify(self, places: Sequence[tuple[str, str, int]]) -> list[str]:
        """See `ModelStore.verify`."""
        commands = [("HMGET", *self._keys(model, "m"), "token", "seq") for model, _, _ in places]
        stored = self._gate.pipeline(commands)
        return [
            model
            for (model, token, sequence), (held, counted) in zip(places, stored, strict=True)
            if (held or b"").decode() != token or int(counted or 0) != sequence
        ]

    def events(self, model: str, limit: int) -> list[bytes]:
        """See `ModelStore.events`."""
        return list(self._gate.call("LRANGE", *self._keys(model, "o"), 0, limit - 1))

    def drop_events(self, model: str, token: str, count: int) -> bool:
        """See `ModelStore.drop_events`."""
        return bool(self._gate.script("outbox_drop", self._keys(model, "m", "o"), [token, count]))

    def state(self, model: str) -> bytes | None:
        """See `ModelStore.state`."""
        value: bytes | None = self._gate.call("HGET", *self._keys(model, "m"), "state")
        return value

    def history(self, model: str, limit: int) -> list[bytes]:
        """See `ModelStore.history`."""
        return list(self._gate.call("LRANGE", *self._keys(model, "h"), 0, limit - 1))

    def learned(self, models: Sequence[str]) -> list[LearnedReference]:
        """See `ModelStore.learned`."""
        commands = [("HMGET", *self._keys(model, "m"), "closed", "reference") for model in models]
        return [
            LearnedReference(int(closed or -1), (reference or b"").decode())
            for closed, reference in self._gate.pipeline(commands)
        ]

    def profile(self, model: str) -> bytes | None:
        """See `ModelStore.profile`."""
        value: bytes | None = self._gate.call("HGET", *self._keys(model, "m"), "profile")
        return value
