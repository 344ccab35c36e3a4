"""Models that get no predictions any more, by the wall clock: event time stands still with them.

Silence is counted in what was observed, while a broker answers for every partition. Before anybody is told, everything
that Kafka has must have been read: so a consumer that was away is never the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from consumers.evaluation import StoredEvaluation
from consumers.partition_time import decode_clocks
from consumers.plan import ModelPlan
from consumers.source import Topics
from consumers.store import ModelStore, PartitionStore, Progress
from detectors.betting.calendar import hour_of_week, local_ms
from detectors.betting.usual_volume import UsualVolume
from detectors.betting.volume_signals import VOLUME
from detectors.state_codec import state_in
from detectors.state_values import value_in
from schemas.errors import Stop
from schemas.finding import JsonValue

LOOK_S: Final = 10.0
OBSERVED_S_MAX: Final = 2 * LOOK_S
"""A process that was stopped, or waited for a server, has seen nothing meanwhile: one look counts no more."""
SILENT_MS_MIN: Final = 15 * 60_000
WINDOWS_MIN: Final = 3
EXPECTED_MIN: Final = 20.0
"""So many predictions must have been due by what is usual: none has come by chance in one of 500 million cases."""
STRETCH_WINDOWS_MAX: Final = 3_000
"""Of a longer silence only the last so many windows are asked what is usual."""

_NEVER: Final = -1


@dataclass(slots=True)
class _Heard:
    """The latest event time of a model, and the observed seconds since it moved."""

    last_ms: int = _NEVER
    quiet_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Silence:
    """A model that is silent.

    Parameters
    ----------
    since_ms
        Time of its latest prediction.
    """

    since_ms: int
    detail: dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class _Look:
    """What one look sees: how far the partitions are, how long it has watched since the last one, and the time."""

    progress: list[Progress]
    observed_s: float
    wall_ms: int


class SilenceWatch:
    """Looks every ten seconds which models have gone silent.

    Parameters
    ----------
    plans
        The models.
    windows, states
        The two stores.
    watch
        Asked where Kafka's logs end, before a silence is told.
    """

    def __init__(
        self, plans: Mapping[str, ModelPlan], *, windows: PartitionStore, states: ModelStore, watch: Topics
    ) -> None:
        self._plans = {name: plan for name, plan in plans.items() if plan.settings.silence.enabled}
        self._windows, self._states, self._watch = windows, states, watch
        self._heard: dict[str, _Heard] = {}
        self._looked_s = float("-inf")
        self._silent: dict[str, Silence] = {}

    def forget(self) -> None:
        """Begin anew: somebody else looks now."""
        self._heard, self._silent, self._looked_s = {}, {}, float("-inf")

    def look(
        self, partitions: int, *, clock_s: float, wall_ms: int, led: bool, told: Mapping[str, int]
    ) -> dict[str, Silence]:
        """Return the models that are silent, by name.

        Parameters
        ----------
        clock_s, wall_ms
            Monotonic seconds, and epoch milliseconds.
        led
            Whether a broker answers for every partition.
        told
            Models whose silence people have been told of, and since when it is.
        """
        passed_s = clock_s - self._looked_s
        if passed_s < LOOK_S:
            return self._silent
        self._looked_s = clock_s
        progress = [self._windows.progress(number) for number in range(partitions)]
        now = _Look(progress, min(passed_s, OBSERVED_S_MAX) if led else 0.0, wall_ms)
        found: dict[str, Silence] = {}
        for name, last_ms in _latest_ms(progress).items():
            plan = self._plans.get(name)
            silence = None if plan is None else self._look(plan, last_ms, now, told_ms=told.get(name))
            if silence is not None:
                found[name] = silence
        self._silent = found
        return found

    def _look(self, plan: ModelPlan, last_ms: int, now: _Look, *, told_ms: int | None) -> Silence | None:
        heard = self._heard.setdefault(plan.name, _Heard())
        if heard.last_ms != last_ms:
            heard.last_ms, heard.quiet_s = last_ms, 0.0
        else:
            heard.quiet_s += now.observed_s
        if told_ms == last_ms:
            return Silence(last_ms, {})
        quiet_ms, after_ms = int(1_000 * heard.quiet_s), plan.settings.silence.after_ms
        least_ms = max(SILENT_MS_MIN, WINDOWS_MIN * plan.window_ms) if after_ms is None else after_ms
        if quiet_ms < least_ms:
            return None
        due = self._due(plan, now.wall_ms - quiet_ms, now.wall_ms)
        if after_ms is None and (due is None or due < EXPECTED_MIN):
            return None
        detail: dict[str, JsonValue] = {"silent_s": quiet_ms / 1_000, "predictions_due": due}
        return Silence(last_ms, detail) if self._all_read(now.progress) else None

    def _due(self, plan: ModelPlan, from_ms: int, until_ms: int) -> float | None:
        """Return how many predictions are usual between two times; None where that is not known."""
        state = self._states.state(plan.name)
        if state is None:
            return None
        usual = UsualVolume(plan.window_ms)
        try:
            kept = state_in(msgspec.msgpack.decode(state, type=StoredEvaluation).detectors, VOLUME)
            usual.restore(value_in(kept, "usual", bytes))
        except (ValueError, Stop):
            return None
        count = min((until_ms - from_ms) // plan.window_ms, STRETCH_WINDOWS_MAX)
        middles = until_ms - plan.window_ms * (np.arange(count, dtype=np.int64) + 1) + plan.window_ms // 2
        hours = hour_of_week(local_ms(middles, plan.settings.timezone)).tolist()
        expected = [usual.expected(hour) for hour in hours]
        known = [events for events in expected if events is not None]
        return sum(known) if len(known) == len(expected) else None

    def _all_read(self, progress: list[Progress]) -> bool:
        """Return whether everything that Kafka has of the predictions has been read; False where nobody answers."""
        ends = self._watch.ends()
        if ends is None or len(ends) < len(progress):
            return False
        return all(now.predictions >= ends[number] for number, now in enumerate(progress))


def _latest_ms(progress: list[Progress]) -> dict[str, int]:
    """Return the latest event time of predictions by model, over all partitions."""
    latest: dict[str, int] = {}
    for now in progress:
        models = {} if now.clocks is None else decode_clocks(now.clocks).predictions.models
        for name, clock in models.items():
            latest[name] = max(latest.get(name, _NEVER), clock.mark_ms)
    return {name: mark_ms for name, mark_ms in latest.items() if mark_ms > _NEVER}
