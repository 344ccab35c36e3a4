"""Rows in memory that reference profiles are built from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from detectors.profile import ReferenceProfile
from detectors.profile_build import ProfileBuilder
from detectors.profile_values import Answers, RowBatch


def batch(n: int, answers: Answers | None = None, **features: Any) -> RowBatch:
    return RowBatch(n, features, answers or Answers())


def build(
    batches: Iterable[RowBatch], *, task: Any = "regression", positive: Any = None, **options: Any
) -> tuple[ReferenceProfile, list[str]]:
    builder = ProfileBuilder(
        "m", task, positive=positive, feature_rules=options.pop("feature_rules", {}), **options
    )
    batches = list(batches)
    for rows in batches:
        builder.sample(rows)
    for rows in batches:
        builder.count(rows)
    return builder.finish(), builder.warnings()


def mixed_rows(n: int, seed: int = 3) -> list[dict[str, Any]]:
    random = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        row: dict[str, Any] = {
            "amount": float(random.lognormal()),
            "count": int(random.integers(0, 5)),
            "country": str(random.choice(["DE", "FR", "IT"])),
            "id": f"u{i}",
            "mixed": "none" if random.random() < 0.1 else int(random.integers(0, 2000)),
        }
        if random.random() < 0.2:
            row["amount"] = None
        if i > n // 2:
            row["late"] = bool(random.random() < 0.3)
        rows.append(row)
    return rows


def batches_of(rows: Sequence[Mapping[str, Any]], sizes: Sequence[int]) -> list[RowBatch]:
    """Cut rows with a `score`, a `predicted` and a `truth` each into batches of these sizes, in turns."""
    random = np.random.default_rng(4)
    scores = random.random(len(rows))
    truth = ["fraud" if u < s else "ok" for u, s in zip(random.random(len(rows)), scores, strict=True)]
    found, start, turn = [], 0, 0
    while start < len(rows):
        stop = start + sizes[turn % len(sizes)]
        part = rows[start:stop]
        names = list(dict.fromkeys(name for row in part for name in row))
        answers = Answers(
            truth=truth[start:stop],
            predicted=["fraud" if s >= 0.5 else "(negative)" for s in scores[start:stop]],
            value=scores[start:stop],
        )
        found.append(RowBatch(len(part), {n: [row.get(n) for row in part] for n in names}, answers))
        start, turn = stop, turn + 1
    return found
