"""The evaluate role: evaluate the models whose home partition is ours, and publish what comes of it."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

import structlog

from consumers.evaluation import Policy
from consumers.evaluator import ModelEvaluator
from consumers.outbox import Outboxes
from consumers.plan import ModelPlan
from consumers.source import Callbacks
from consumers.stats import WorkerStats
from consumers.store import CommitStatus, ModelStore, PartitionStore
from schemas.errors import Retry

TURN_S: Final = 1.0
"""A model with a backlog of windows is evaluated for this long before the others, and the join, get their turn."""

VERIFY_S: Final = 1.0
"""Time between two looks whether what is stored of our models is still what we have in memory."""

_log = structlog.get_logger("watchkeeper.evaluate")


def home_partition(model: str, partitions: int) -> int:
    """Return the partition whose owner evaluates a model."""
    return zlib.crc32(model.encode()) % partitions


class Assignment:
    """A member of a group that only wants to know which partitions are its own.

    Used by processes that evaluate without joining: they have a group of their own.
    """

    def __init__(self, make_source: Callbacks) -> None:
        self.partitions: set[int] = set()
        self._source = make_source(on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked)

    def _assigned(self, partitions: list[int]) -> None:
        self.partitions |= set(partitions)

    def _revoked(self, partitions: list[int]) -> None:
        self.partitions -= set(partitions)

    def step(self, timeout_s: float) -> None:
        """Serve the group; nothing is ever fetched."""
        self._source.keep_alive(timeout_s)

    def close(self) -> None:
        """Leave the group."""
        self._source.close()


class EvaluateRole:
    """Evaluates models, each one while its home partition is ours.

    Parameters
    ----------
    plans
        The models.
    partitions
        Number of partitions of the topics.
    windows, states
        The two stores.
    policies
        Per model: what findings come to.
    """

    def __init__(  # noqa: PLR0913 - the composition root names each part once
        self,
        plans: Mapping[str, ModelPlan],
        partitions: int,
        *,
        windows: PartitionStore,
        states: ModelStore,
        policies: Mapping[str, Policy[Any]],
        outboxes: Outboxes,
        stats: WorkerStats,
        clock: Callable[[], float],
    ) -> None:
        self._plans = plans
        self._partitions = partitions
        self._windows = windows
        self._states = states
        self._policies = policies
        self._outboxes = outboxes
        self._stats = stats
        self._clock = clock
        self._evaluators: dict[str, ModelEvaluator[Any]] = {}
        self._verified_s = clock()

    def resize(self, partitions: int) -> None:
        """Take note that both topics have another number of partitions now."""
        if partitions != self._partitions:
            self._partitions = partitions
            self._evaluators.clear()

    def step(self, owned: Collection[int], *, held: Collection[str] = ()) -> int:
        """Evaluate every model that is ours now; returns the number of windows closed.

        Parameters
        ----------
        owned
            Our partitions.
        held
            Models in quarantine: their windows wait, and nothing is judged or lost.
        """
        ours = [m for m in self._plans if home_partition(m, self._partitions) in owned]
        for model in [m for m in self._evaluators if m not in ours]:
            del self._evaluators[model]
        if self._clock() - self._verified_s >= VERIFY_S:
            self._verified_s = self._clock()
            self._verify()
        return sum(self._evaluate(model, held=model in held) for model in ours)

    def _verify(self) -> None:
        places = [(name, e.token, e.sequence) for name, e in self._evaluators.items()]
        for model in self._asked(lambda: self._states.verify(places), default=[]):
            _log.warning("evaluation thrown away", model=model, reason="the store holds another state")
            self._stats.healed += 1
            del self._evaluators[model]

    def _asked(self, call: Callable[[], Sequence[str]], *, default: Sequence[str]) -> Sequence[str]:
        try:
            return call()
        except Retry as error:
            self._note_wait(error)
            return default

    def _note_wait(self, error: Retry, model: str = "") -> None:
        self._stats.retries += 1
        self._stats.last_error = str(error)
        _log.warning("waiting for a server", model=model, error=str(error))

    def _evaluate(self, model: str, *, held: bool) -> int:
        closed, until = 0, self._clock() + TURN_S
        try:
            evaluator = self._evaluators.get(model) or self._start(model)
            while not held and self._clock() < until:
                done = evaluator.evaluate()
                if done.status not in (CommitStatus.COMMITTED, CommitStatus.ALREADY):
                    _log.warning("evaluation thrown away", model=model, reason=done.status.value)
                    self._stats.fenced += 1
                    del self._evaluators[model]
                    break
                closed += len(done.closed)
                self._stats.windows_closed[model] += len(done.closed)
                if not done.closed:
                    break
                self._stats.progress_s = self._clock()
            if model in self._evaluators:
                self._outboxes.publish_alerts(self._states, model, evaluator.token)
        except Retry as error:
            self._note_wait(error, model)
            self._evaluators.pop(model, None)
        return closed

    def _start(self, model: str) -> ModelEvaluator[Any]:
        evaluator = ModelEvaluator(
            self._plans[model],
            self._partitions,
            windows=self._windows,
            states=self._states,
            policy=self._policies[model],
        )
        self._evaluators[model] = evaluator
        _log.info("model claimed", model=model)
        return evaluator
