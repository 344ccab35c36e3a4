"""Two versions of a model that were trained on different data, their profiles, and what becomes of their traffic in a replay."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from builders.part_traffic import MINUTE_MS, NOON_MS, Outcome

from consumers.plan import ModelPlan, plan_model
from detectors.profile import ReferenceProfile
from detectors.profile_build import ProfileBuilder
from detectors.profile_values import Answers, RowBatch
from schemas.settings import Settings
from watchkeeper.event_files import EventBatch
from watchkeeper.policy import policies
from watchkeeper.replay import Replay

SETTINGS: Final = Settings.model_validate(
    {
        "models": {
            "fraud": {
                "task": "binary",
                "positive_class": "fraud",
                "classes": {"fraud": ["fraud"], "ok": ["ok"]},
                "segments": ["channel"],
                "monitors": {"compare": False},
                "allowed_lateness": "30s",
                "label_horizon": "1h",
            }
        }
    }
)
PER_MINUTE: Final = 200
Shares = Mapping[str, float]


class Data(NamedTuple):
    """What a version meets.

    Parameters
    ----------
    shift, spread
        Of the feature `x`, which the score follows.
    east
        Share of the country `east`.
    missing
        Share of rows without the feature `y`.
    wrong
        Share of wrong answers; three times as many near the threshold as elsewhere.
    """

    shift: float = 0.0
    spread: float = 1.0
    east: float = 0.3
    missing: float = 0.02
    wrong: float = 0.1


OLD: Final = Data()
NEW: Final = Data(shift=0.8, spread=1.3, east=0.6, missing=0.15, wrong=0.2)
"""What version 8 was trained on."""


def rows(
    rng: np.random.Generator, n: int, data: Data
) -> tuple[dict[str, list[Any]], npt.NDArray[np.float64], list[str], list[str]]:
    """Return features, scores, answers and truths."""
    x = rng.normal(data.shift, data.spread, n)
    y = np.where(rng.random(n) < data.missing, np.nan, rng.exponential(1.0, n))
    country = np.where(rng.random(n) < data.east, "east", "west").tolist()
    score = 1 / (1 + np.exp(-x))
    said = score >= 0.5
    true = said ^ (rng.random(n) < data.wrong * np.where(np.abs(score - 0.5) < 0.2, 1.5, 0.5))
    features = {"x": x.tolist(), "y": [None if np.isnan(v) else v for v in y.tolist()], "country": country}
    answers, truths = ([("ok", "fraud")[flag] for flag in flags.tolist()] for flags in (said, true))
    return features, score, answers, truths


@cache
def profile(data: Data, bins_of: Data | None = None, n: int = 20_000) -> ReferenceProfile:
    """Return the profile of such data over the two days before noon, on the bins of other data or on its own."""
    rng = np.random.default_rng(7)
    features, score, said, true = rows(rng, n, data)
    times = NOON_MS - np.sort(rng.integers(1, 2 * 1440 * MINUTE_MS, n))[::-1]
    channels = [f"channel={'web' if u < 0.7 else 'shop'}" for u in rng.random(n)]
    answers = Answers(truth=list(true), predicted=list(said), value=score)
    batch = RowBatch(n, features, answers, times, status=np.zeros(n, dtype=np.int64), segments=(channels,))
    other = None if bins_of is None else profile(bins_of)
    builder = ProfileBuilder.of(SETTINGS.models["fraud"], bins_of=other)
    builder.sample(batch)
    builder.count(batch)
    return builder.finish()


@dataclass(slots=True)
class Traffic:
    """What comes in each minute: the share of each version, and what it meets."""

    versions: Callable[[int], Shares]
    data: Callable[[int, str], Data] = lambda _, version: NEW if version == "8" else OLD
    per_minute: int = PER_MINUTE
    seed: int = 1
    labels: bool = True

    def minutes(self, count: int) -> Iterator[tuple[list[bytes], list[bytes], list[str]]]:
        """Yield predictions, their labels and ids, minute by minute."""
        rng = np.random.default_rng(self.seed)
        for minute in range(count):
            shares = self.versions(minute)
            drawn = rng.choice(list(shares), self.per_minute, p=list(shares.values()))
            predictions, labels, ids = [], [], []
            for version in shares:
                places = np.flatnonzero(drawn == version)
                features, score, said, true = rows(rng, len(places), self.data(minute, version))
                for i, place in enumerate(places.tolist()):
                    name, at = (
                        f"{minute}-{place}",
                        NOON_MS + minute * MINUTE_MS + place * MINUTE_MS // self.per_minute,
                    )
                    base = {"prediction_id": name, "model": "fraud", "time": at}
                    event: dict[str, Any] = base | {
                        "version": version,
                        "segments": {"channel": "web" if rng.random() < 0.7 else "shop"},
                        "features": {key: values[i] for key, values in features.items()},
                        "output": {"label": said[i], "score": float(score[i])},
                    }
                    predictions.append(json.dumps(event).encode())
                    labels.append(json.dumps(base | {"label": true[i]}).encode())
                    ids.append(name)
            yield predictions, labels if self.labels else [], ids


def plan(*versions: str, settings: Settings = SETTINGS) -> ModelPlan:
    """Return the model, some versions of which have the profile of the new data."""
    own = {version: profile(NEW, OLD) for version in versions}
    return plan_model(settings.models["fraud"], profile(OLD), own)


@dataclass(slots=True)
class Story:
    """A replay that may be looked at between two parts."""

    model: ModelPlan
    partitions: int = 1
    replay: Replay = field(init=False)

    def __post_init__(self) -> None:
        plans = {"fraud": self.model}
        self.replay = Replay(plans, partitions=self.partitions, policies=policies(SETTINGS, plans))

    def run(self, traffic: Traffic, minutes: int) -> Outcome:
        result = self.replay.run(_batches(traffic.minutes(minutes), self.partitions))
        return Outcome(result.events, result.windows)


def _batches(
    minutes: Iterator[tuple[list[bytes], list[bytes], list[str]]], partitions: int
) -> Iterator[EventBatch]:
    for minute, (predictions, labels, ids) in enumerate(minutes):
        parts = np.array([zlib.crc32(name.encode()) % partitions for name in ids], dtype=np.int64)
        yield EventBatch(predictions, labels, parts, parts[: len(labels)], NOON_MS + minute * MINUTE_MS)
