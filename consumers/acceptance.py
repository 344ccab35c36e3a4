"""A model's owner takes what is now for usual: the learned reference is given up, and another one learned.

It is one commit under the fence: whoever evaluates the model meanwhile is fenced, and takes it over anew as it stands
then. Workers hear of it as they hear of a reference that the store has lost: between two batches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import msgspec

from consumers.evaluation import StoredEvaluation
from consumers.incidents import incidents_of
from consumers.learner import StoredLearning
from consumers.store import NO_PROFILE, CommitStatus, ModelCommit
from detectors.registry import detectors_for
from detectors.state_codec import states_from_bytes, states_to_bytes
from schemas.errors import Stop
from schemas.finding import Stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.plan import ModelPlan
    from consumers.store import ModelStore

BookT = TypeVar("BookT")

_OF_THE_STREAM: Final = frozenset({"volume", "compare"})
"""Detectors that go by what they have seen themselves, beside those of how labels come."""


class Acceptance(Protocol[BookT]):
    """What becomes of the alerts of a model whose reference is given up; pure."""

    def load(self, data: bytes | None) -> BookT:
        """Return the alert states."""

    def dump(self, book: BookT) -> bytes:
        """Return the bytes to store."""

    def accept(self, book: BookT, *, at_ms: int) -> tuple[BookT, list[bytes]]:
        """Return the states after, and the events to publish."""


@dataclass(frozen=True, slots=True)
class Relearning:
    """What was done: up to when windows were compared with the old reference, from when on the new one is learned."""

    at_ms: int
    from_ms: int
    events: int


def learn_anew(
    plan: ModelPlan,
    states: ModelStore,
    policy: Acceptance[Any],
    *,
    from_ms: int = 0,
    check: Callable[[StoredEvaluation], object] = lambda _: None,
) -> Relearning:
    """Let a model learn its reference again, from the first window that is not evaluated yet or later.

    Parameters
    ----------
    plan
        As the settings have it: without what was learned.
    from_ms
        Nothing is learned from before; event time.
    check
        Raises `Stop` where the model is not to start over as it stands; nobody else can change that then.

    Raises
    ------
    Stop
        Nothing has been learned yet, or somebody else took the model over at the same moment.
    Retry
        If the store does not answer.
    """
    claimed = states.claim(plan.name)
    state = learned_state(plan.name, claimed.state, claimed.profile)
    check(state)
    closed_ms = state.closed_ms.get(Stream.PREDICTIONS, -1)
    at_ms = closed_ms + plan.window_ms
    begins_ms = max(at_ms, from_ms)
    book, events = policy.accept(policy.load(state.book), at_ms=at_ms)
    state.learning = StoredLearning(after_ms=begins_ms - 1, again_ms=begins_ms)
    state.detectors = _states_of_the_stream(plan, state.detectors)
    state.book = policy.dump(book)
    status = states.commit(
        ModelCommit(
            model=plan.name,
            token=claimed.token,
            sequence=claimed.sequence,
            state=msgspec.msgpack.encode(state),
            events=events,
            history=(),
            closed_ms=closed_ms,
            profile=NO_PROFILE,
            past=incidents_of(events),
        )
    )
    if status not in (CommitStatus.COMMITTED, CommitStatus.ALREADY):
        raise Stop(
            f"model {plan.name} was taken over at the same moment: nothing was changed; try again",
            exit_code=1,
        )
    return Relearning(at_ms, begins_ms, len(events))


def learned_state(model: str, state: bytes | None, profile: str | bytes | None) -> StoredEvaluation:
    """Return the stored state of a model that has learned its reference.

    Raises
    ------
    Stop
        It has not.
    """
    if profile is None or state is None:
        raise Stop(
            f"model {model} is learning its reference already; `watchkeeper status` shows how far it is"
        )
    return msgspec.msgpack.decode(state, type=StoredEvaluation)


def _states_of_the_stream(plan: ModelPlan, stored: bytes) -> bytes:
    """Return the states of the detectors that no reference matters to: evidence against the old one is worth nothing."""
    found = detectors_for(plan.settings, None)
    kept = [d for d in found if d.stream is Stream.LABELS or d.name in _OF_THE_STREAM]
    states_from_bytes(kept, stored)
    return states_to_bytes(kept)
