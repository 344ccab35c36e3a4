"""Tables and events that reference profiles are built from, and files of them."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.model_settings import ModelSettings

Row = dict[str, Any]


def model(**settings: Any) -> ModelSettings:
    found = {"name": "fraud", "task": "binary", "positive_class": "fraud", **settings}
    return ModelSettings.model_validate(found)


def table(n: int, seed: int = 0, shift: float = 0.0) -> list[Row]:
    """Return rows of a model that is right about as often as its score says."""
    source = random.Random(seed)
    rows: list[Row] = []
    for _ in range(n):
        score = round(source.random(), 3)
        rows.append(
            {
                "amount": source.lognormvariate(3.0 + shift, 1.0),
                "age": None if source.random() < 0.05 else source.randrange(18, 90),
                "country": source.choices(["DE", "FR", "IT"], [5, 3, 2])[0],
                "zip": source.randrange(10, 15),
                "is_new": source.random() < 0.3,
                "code": source.choice(["007", "12", "x"]),
                "score": score,
                "predicted": "fraud" if score >= 0.5 else "ok",
                "truth": "fraud" if source.random() < score else "ok",
            }
        )
    return rows


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return write_bytes(path, text.getvalue().encode())


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    return write_bytes(path, "".join(json.dumps(row) + "\n" for row in rows).encode())


def write_bytes(path: Path, data: bytes) -> Path:
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def write_parquet(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(list(rows)), path, row_group_size=1_700)
    return path


ZIP_RULE = {"zip": {"type": "categorical"}}
NAMED: dict[str, Any] = {"label": "truth", "prediction": "predicted", "score": "score"}


def events(rows: Sequence[Row]) -> list[Row]:
    names = ("amount", "age", "country", "zip", "is_new", "code")
    return [
        {
            "prediction_id": f"p{i}",
            "model": "fraud",
            "time": 1_700_000_000_000 + i,
            "features": {name: row[name] for name in names},
            "output": {"label": row["predicted"], "score": row["score"]},
        }
        for i, row in enumerate(rows)
    ]


def truths(rows: Sequence[Row]) -> list[Row]:
    return [
        {"prediction_id": f"p{i}", "model": "fraud", "time": 1_700_000_100_000 + i, "label": row["truth"]}
        for i, row in enumerate(rows)
    ]
