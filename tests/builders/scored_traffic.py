"""Events of a binary model with scores, labels that come late or never, and what becomes of them in a replay."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from builders.part_traffic import MINUTE_MS, NOON_MS, Outcome

from consumers.plan import plan_model
from detectors.profile import ReferenceProfile
from detectors.profile_build import ProfileBuilder
from detectors.profile_values import Answers, RowBatch
from schemas.settings import Settings
from watchkeeper.event_files import EventBatch
from watchkeeper.policy import policies
from watchkeeper.replay import Replay, ReplayResult
from watchkeeper.report.past import Past

Floats = npt.NDArray[np.float64]

SETTINGS: Final = Settings.model_validate(
    {
        "models": {
            "fraud": {
                "task": "binary",
                "positive_class": "fraud",
                "classes": {"fraud": ["fraud"], "ok": ["ok"]},
                "allowed_lateness": "30s",
                "label_horizon": "3h",
                "cohort_window": "10m",
            }
        }
    }
)
PER_MINUTE: Final = 200


def sigmoid(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-x)))


class World(NamedTuple):
    """What one minute is like: how wide the feature spreads, and how steeply truth follows it.

    The score is right where the steepness is 2.
    """

    spread: float = 1.5
    steepness: float = 2.0


USUAL: Final = World()
UNSURE: Final = World(spread=0.6)
"""Inputs move to where the model is unsure; scores mean what they meant."""
CHANGED: Final = World(steepness=0.5)
"""The world changes; scores promise more than they hold."""


def drawn(
    rng: np.random.Generator, n: int, world: World = USUAL
) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """Return features, scores and truths."""
    x = rng.normal(0, world.spread, n)
    return x, sigmoid(2 * x), rng.random(n) < sigmoid(world.steepness * x)


def names(flags: npt.NDArray[np.bool_]) -> list[str]:
    return ["fraud" if flag else "ok" for flag in flags.tolist()]


@cache
def reference(rows: int = 20_000, seed: int = 7) -> ReferenceProfile:
    """Return the profile of usual rows, spread over the two days before the stream."""
    rng = np.random.default_rng(seed)
    x, score, truth = drawn(rng, rows)
    times = NOON_MS - np.sort(rng.integers(1, 2 * 1440 * MINUTE_MS, rows))[::-1]
    said = names(score >= 0.5)
    answers = Answers(truth=list(names(truth)), predicted=list(said), value=score)
    batch = RowBatch(rows, {"x": x.tolist()}, answers, times)
    builder = ProfileBuilder.of(SETTINGS.models["fraud"])
    builder.sample(batch)
    builder.count(batch)
    return builder.finish()


@dataclass(slots=True)
class Traffic:
    """What comes in each minute.

    Parameters
    ----------
    world
        By minute.
    lag
        Minutes until a label comes; None for never.
    """

    world: Callable[[int], World] = lambda _: USUAL
    lag: int | None = None
    per_minute: int = PER_MINUTE
    seed: int = 1

    def minutes(self, count: int) -> Iterator[tuple[list[bytes], list[bytes], list[str], list[str]]]:
        """Yield predictions and labels with their ids, minute by minute."""
        rng = np.random.default_rng(self.seed)
        waiting: list[list[tuple[str, bytes]]] = []
        for minute in range(count):
            x, score, truth = drawn(rng, self.per_minute, self.world(minute))
            predictions, labels, ids = [], [], []
            for n, (value, share, true) in enumerate(
                zip(x.tolist(), score.tolist(), names(truth), strict=True)
            ):
                at = NOON_MS + minute * MINUTE_MS + n * MINUTE_MS // self.per_minute
                base: dict[str, Any] = {"prediction_id": f"{minute}-{n}", "model": "fraud", "time": at}
                said = "fraud" if share >= 0.5 else "ok"
                event = {"version": "7", "features": {"x": value}, "output": {"label": said, "score": share}}
                predictions.append(json.dumps(base | event).encode())
                ids.append(f"{minute}-{n}")
                if self.lag is not None:
                    label = base | {"time": at + self.lag * MINUTE_MS, "label": true}
                    labels.append((f"{minute}-{n}", json.dumps(label).encode()))
            waiting.append(labels)
            due = waiting[minute - self.lag] if self.lag is not None and minute >= self.lag else []
            yield predictions, [line for _, line in due], ids, [name for name, _ in due]


def run(
    traffic: Traffic,
    minutes: int,
    profile: ReferenceProfile | None = None,
    *,
    partitions: int = 1,
    batch: int = 1,
) -> tuple[Outcome, ReplayResult, Past]:
    """Run the minutes, some to a batch, through partitions and an evaluator that live in memory."""
    plans = {"fraud": plan_model(SETTINGS.models["fraud"], profile or reference())}
    replay = Replay(plans, partitions=partitions, policies=policies(SETTINGS, plans))
    result = replay.run(_batches(traffic, minutes, partitions, batch))
    return Outcome(result.events, result.windows), result, replay.pasts()["fraud"]


def _batches(traffic: Traffic, minutes: int, partitions: int, size: int) -> Iterator[EventBatch]:
    held: list[tuple[list[bytes], list[bytes], list[str], list[str]]] = []
    for minute, found in enumerate(traffic.minutes(minutes)):
        held.append(found)
        if len(held) == size or minute == minutes - 1:
            predictions, labels, ids, label_ids = (
                [v for part in column for v in part] for column in zip(*held, strict=True)
            )
            yield EventBatch(
                predictions,
                labels,
                _parts(ids, partitions),
                _parts(label_ids, partitions),
                NOON_MS + minute * MINUTE_MS,
            )
            held = []


def _parts(ids: list[str], partitions: int) -> npt.NDArray[np.int64]:
    return np.array([zlib.crc32(name.encode()) % partitions for name in ids], dtype=np.int64)
