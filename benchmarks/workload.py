"""The events that the benchmark runs on: seeded, realistic in shape, the same for every contestant."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

START_MS = 1_761_955_200_000
NUMERIC, CATEGORICAL, SEGMENTS = 20, 5, 10
COUNTRIES = ("DE", "FR", "PL", "ES", "IT", "NL")


@dataclass(frozen=True)
class Workload:
    """One row of the benchmark.

    Parameters
    ----------
    time_ordered_ids
        UUIDv7 with `prediction_time` on the labels; else UUIDv4 without.
    nan_share
        Share of the predictions with a NaN literal among their features.
    horizon_s
        Labels arrive evenly over this long after their predictions.
    rate_per_s
        Predictions per second of event time.
    """

    name: str
    predictions: int
    time_ordered_ids: bool = True
    nan_share: float = 0.0
    horizon_s: float = 14 * 86_400.0
    rate_per_s: float = 0.0

    @property
    def pace_per_s(self) -> float:
        """Events per second of event time: by default as long a stream as the horizon."""
        return self.rate_per_s or self.predictions / self.horizon_s


Message = tuple[int, bytes, bytes]
"""(event time in milliseconds, key, value)."""


def make(workload: Workload, *, seed: int = 1) -> tuple[list[Message], list[Message]]:
    """Return predictions and labels in order of event time."""
    rng = np.random.default_rng(seed)
    n = workload.predictions
    times = START_MS + np.sort(rng.integers(0, math.ceil(n / workload.pace_per_s * 1000), n))
    delays = rng.uniform(0, workload.horizon_s * 1000, n).astype(np.int64)
    numbers = np.round(rng.normal(50, 15, (n, NUMERIC)), 4)
    words = rng.integers(0, len(COUNTRIES), (n, CATEGORICAL))
    scores = np.round(rng.beta(0.5, 2.0, n), 6)
    truths = rng.random(n) < scores
    versions = rng.random(n) < 0.3
    segments = rng.integers(0, SEGMENTS, n)
    nans = rng.random(n) < workload.nan_share
    ids = _ids(rng, times, ordered=workload.time_ordered_ids)
    predictions: list[Message] = []
    labels: list[Message] = []
    for i in range(n):
        key = ids[i].encode()
        features: dict[str, Any] = {f"n{j}": v for j, v in enumerate(numbers[i].tolist())}
        features |= {f"c{j}": COUNTRIES[w] for j, w in enumerate(words[i].tolist())}
        if nans[i]:
            features["n3"] = math.nan
        time_ms = int(times[i])
        event = {
            "prediction_id": ids[i],
            "model": "bench",
            "version": "8" if versions[i] else "7",
            "time": _text(time_ms),
            "features": features,
            "output": {"score": float(scores[i])},
            "segments": {"channel": f"s{segments[i]}"},
            "latency_ms": 12.1,
        }
        predictions.append((time_ms, key, json.dumps(event, separators=(",", ":")).encode()))
        label_ms = time_ms + int(delays[i])
        label: dict[str, Any] = {
            "prediction_id": ids[i],
            "model": "bench",
            "time": _text(label_ms),
            "label": "yes" if truths[i] else "no",
        }
        if workload.time_ordered_ids:
            label["prediction_time"] = _text(time_ms)
        labels.append((label_ms, key, json.dumps(label, separators=(",", ":")).encode()))
    labels.sort(key=lambda message: message[0])
    return predictions, labels


def write(messages: list[Message], path: Path) -> None:
    """Write values one a line."""
    with path.open("wb") as out:
        out.writelines(value + b"\n" for _, _, value in messages)


def _ids(rng: np.random.Generator, times: np.ndarray[Any, Any], *, ordered: bool) -> list[str]:
    random = rng.integers(0, 1 << 62, (len(times), 2))
    found = []
    for time_ms, (high, low) in zip(times.tolist(), random.tolist(), strict=True):
        head = time_ms << 80 | 7 << 76 if ordered else high << 66 | 4 << 76
        digits = f"{(head | (low & ((1 << 62) - 1))) & ((1 << 128) - 1):032x}"
        found.append("-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])))
    return found


def _text(time_ms: int) -> str:
    return f"{np.datetime64(time_ms, 'ms')}Z"
