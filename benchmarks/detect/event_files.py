"""A real table as the product's files, and the alerts of a replay read back."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.detect.real import Cell, RealTable

LABEL_DELAY_MS: Final = 60_000
TRAINING: Final = "training.csv"
PREDICTIONS: Final = "predictions.jsonl"
LABELS: Final = "labels.jsonl"
BOOLEANS: Final[dict[Cell, Cell | bool]] = {"True": True, "False": False}
"""What a CSV file calls so is a boolean for the product, and so it is in the events."""
TIME, LABEL, ANSWER, SCORE = "wk_time", "wk_label", "wk_answer", "wk_score"
"""Columns of the training file besides the features: what `watchkeeper profile` is told by its options."""


@dataclass(frozen=True, slots=True)
class AlertLine:
    """One alert event of a replay.

    Parameters
    ----------
    time_ms
        End of the window that caused it, epoch milliseconds.
    status
        `firing`, `updated` or `resolved`.
    """

    time_ms: int
    kind: str
    feature: str | None
    status: str
    check: str = ""


def write(table: RealTable, folder: Path, *, model: str, label_delay_ms: int = LABEL_DELAY_MS) -> None:
    """Write the reference as `training.csv`, the other rows as `predictions.jsonl` and `labels.jsonl`.

    Parameters
    ----------
    label_delay_ms
        A label comes so long after its prediction.
    """
    _write_training(table, folder / TRAINING)
    names = list(table.columns)
    answers, scores = table.answers, table.scores.tolist()
    with (folder / PREDICTIONS).open("w") as predictions, (folder / LABELS).open("w") as labels:
        for place in range(table.reference_rows, len(table.times)):
            time_ms = int(table.times[place])
            event: dict[str, Any] = {"prediction_id": str(place), "model": model, "time": time_ms}
            features = {
                name: BOOLEANS.get(cell, cell) for name in names for cell in [table.columns[name][place]]
            }
            output = {"label": answers[place], "score": scores[place]}
            predictions.write(json.dumps({**event, "features": features, "output": output}) + "\n")
            if table.labels[place] is not None:
                label = {**event, "time": time_ms + label_delay_ms, "prediction_time": time_ms}
                labels.write(json.dumps({**label, "label": table.labels[place]}) + "\n")


def _write_training(table: RealTable, path: Path) -> None:
    names = list(table.columns)
    answers, scores = table.answers, table.scores.tolist()
    stamps = np.datetime_as_string(table.times[: table.reference_rows].astype("datetime64[ms]")).tolist()
    with path.open("w", newline="", encoding="utf-8") as out:
        rows = csv.writer(out)
        rows.writerow([TIME, *names, LABEL, ANSWER, SCORE])
        for place, stamp in enumerate(stamps):
            cells = [table.columns[name][place] for name in names]
            rows.writerow([f"{stamp}Z", *cells, table.labels[place], answers[place], scores[place]])


def read_alerts(path: Path) -> Iterator[AlertLine]:
    """Yield the alert events of a replay's output; records of windows are passed over."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            event = json.loads(line)
            if ".alert." in event["type"]:
                data = event["data"]
                time_ms = int(np.datetime64(event["time"].rstrip("Z"), "ms").astype(np.int64))
                yield AlertLine(
                    time_ms, data["kind"], data["feature"], event["type"].rsplit(".", 1)[-1], data["check"]
                )
