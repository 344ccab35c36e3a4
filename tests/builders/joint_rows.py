"""Profiles and events of numbers that go together, for what watches them together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from detectors.profile import ReferenceProfile
from detectors.profile_build import ProfileBuilder
from detectors.profile_values import Answers, Numbers, RowBatch

Floats = npt.NDArray[np.float64]
NOON_MS = 1_793_534_400_000


def together(n: int, features: int, *, seed: int, correlation: float = 0.9) -> Floats:
    """Return rows of normal numbers, shape (n, features), of which the first two have this correlation."""
    rows = np.random.default_rng(seed).normal(size=(n, features))
    rows[:, 1] = correlation * rows[:, 0] + np.sqrt(1 - correlation**2) * rows[:, 1]
    return rows


def batch_of(rows: Floats, time_ms: npt.NDArray[np.int64] | None = None) -> RowBatch:
    features = {f"f{i}": Numbers(column, np.isnan(column)) for i, column in enumerate(rows.T.copy())}
    return RowBatch(len(rows), features, Answers(), time_ms)


def profile_of_rows(rows: Floats, sizes: Sequence[int] = (), **options: Any) -> ReferenceProfile:
    """Return the profile of rows that come in batches of these sizes, and the rest in one."""
    builder = ProfileBuilder("m", "regression", positive=None, feature_rules={}, **options)
    ends = np.cumsum([0, *sizes, len(rows)])
    parts = [rows[start:end] for start, end in pairwise(ends.tolist()) if start < len(rows)]
    for take in (builder.sample, builder.count):
        for part in parts:
            take(batch_of(part))
    return builder.finish()


def event(number: int, row: Sequence[float], **changes: Any) -> tuple[bytes, bytes]:
    """Return key and value of a prediction whose features are a row; NaN stands for a missing one."""
    features = {f"f{i}": value for i, value in enumerate(row) if not np.isnan(value)}
    name = f"id-{number}"
    plain = {
        "prediction_id": name,
        "model": "m",
        "version": str(number % 2),
        "time": NOON_MS + 100 * number,
        "features": features,
        "output": {"value": 1.0},
    }
    return name.encode(), json.dumps(plain | changes).encode()
