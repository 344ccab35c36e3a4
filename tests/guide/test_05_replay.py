"""Chapter 5, replay: the whole of it over two files, with no server, and the same bytes every time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from watchkeeper.cli import build_parser

NOON_MS = 1_793_534_400_000
SETTINGS = """\
models:
  fraud:
    task: binary
    positive_class: fraud
    label_horizon: 1h
    monitors:
      error_rate: {breaches: 2, windows: 3, clears: 2}
    owner: {team: payments-ml, contact: "@payments-ml"}
"""


def events() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Ten minutes of a hundred predictions; in minutes 4 to 6 most requests end in an error."""
    predictions, labels = [], []
    for number in range(1000):
        minute, time_ms = number // 100, NOON_MS + number * 600
        base = {"prediction_id": str(number), "model": "fraud", "time": time_ms}
        if minute in (4, 5, 6) and number % 10:
            predictions.append({**base, "status": "error", "error": "timeout"})
        else:
            answer, truth = ("fraud" if number % 5 == 0 else "ok"), ("fraud" if number % 6 == 0 else "ok")
            predictions.append({**base, "output": {"label": answer}})
            labels.append({**base, "time": time_ms + 120_000, "label": truth})
    return predictions, labels


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "watchkeeper.yaml").write_text(SETTINGS)
    for name, side in zip(("predictions", "labels"), events(), strict=True):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(e) + "\n" for e in side))
    return tmp_path


def replay(folder: Path, *, partitions: int = 1) -> tuple[bytes, bytes]:
    """Return the alerts and the report."""
    parsed = build_parser().parse_args(
        [
            *("replay", "--config", str(folder / "watchkeeper.yaml"), "--partitions", str(partitions)),
            *("--predictions", str(folder / "predictions.jsonl"), "--labels", str(folder / "labels.jsonl")),
            *("--alerts", str(folder / "alerts.jsonl"), "--report", str(folder / "report.json")),
        ]
    )
    assert parsed.command(parsed) == 0
    return (folder / "alerts.jsonl").read_bytes(), (folder / "report.json").read_bytes()


def test_the_report_counts_what_was_sent(folder: Path) -> None:
    report = json.loads(replay(folder)[1])
    version = report["models"]["fraud"]["versions"]["0"]
    assert version["predictions"] == 1000
    assert version["status"] == {"ok": 730, "fallback": 0, "error": 270}
    assert version["joined"] == version["labels"] == 730
    assert version["predictions"] == version["joined"] + version["expired"] + version["pending"]
    assert version["metrics"]["accuracy"] == pytest.approx(_accuracy())
    assert report["rejected"] == {"total": 0, "reasons": {}}


def _accuracy() -> float:
    """Count by hand."""
    predictions, labels = events()
    answer = {p["prediction_id"]: p["output"]["label"] for p in predictions if "output" in p}
    right: list[bool] = [answer[x["prediction_id"]] == x["label"] for x in labels]
    return sum(right) / len(right)


def test_the_incident_is_told_once_from_its_first_minute_to_its_last(folder: Path) -> None:
    fired, resolved = (json.loads(line)["data"] for line in replay(folder)[0].splitlines())
    assert (fired["kind"], fired["status"], resolved["status"]) == ("error_rate", "firing", "resolved")
    assert fired["alert_id"] == resolved["alert_id"]
    assert fired["since"] == "2026-11-01T12:04:00.000Z"
    assert resolved["until"] == "2026-11-01T12:07:00.000Z"
    assert fired["owner"]["team"] == "payments-ml"


@pytest.mark.parametrize("partitions", [1, 2, 7])
def test_it_gives_the_same_bytes_again_with_any_number_of_partitions(folder: Path, partitions: int) -> None:
    assert replay(folder) == replay(folder, partitions=partitions)


def test_a_line_that_cannot_be_used_is_counted_and_stops_nothing(folder: Path) -> None:
    with (folder / "predictions.jsonl").open("a") as file:
        file.write("not json\n")
    report = json.loads(replay(folder)[1])
    assert report["rejected"] == {"total": 1, "reasons": {"decode": 1}}
    assert report["models"]["fraud"]["versions"]["0"]["predictions"] == 1000
