"""`replay` refuses a line that is too long as the service refuses a record, and reads the next one whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from watchkeeper.cli import main
from watchkeeper.event_files import SKIP_BYTES, read_events

SETTINGS = """\
kafka: {max_message_bytes: 1000}
models: {fraud: {task: binary, positive_class: fraud}}
"""


def event(name: str, size_bytes: int = 0) -> bytes:
    fields = {"prediction_id": name, "model": "fraud", "time": 1_762_000_000_000, "output": {"score": 0.5}}
    return json.dumps(fields).encode().ljust(size_bytes)


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
@pytest.mark.parametrize(
    ("size_bytes", "accepted"),
    [(999, 3), (1000, 3), (1001, 2), (1002, 2), (1003, 2), (1000 + SKIP_BYTES, 2), (3 * SKIP_BYTES, 2)],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_line_counts_once_whatever_its_length_and_its_neighbours_are_whole(
    tmp_path: Path, size_bytes: int, accepted: int, ending: bytes, place: int
) -> None:
    lines = [event("a"), event("b"), event("c")]
    lines[place] = event("long", size_bytes)
    (tmp_path / "watchkeeper.yaml").write_text(SETTINGS)
    (tmp_path / "p.jsonl").write_bytes(ending.join(lines))
    report, config = tmp_path / "report.json", str(tmp_path / "watchkeeper.yaml")
    events = ["--predictions", str(tmp_path / "p.jsonl"), "--alerts", str(tmp_path / "alerts.jsonl")]
    assert main(["replay", "--config", config, *events, "--report", str(report)]) == 0
    found = json.loads(report.read_text())
    assert found["models"]["fraud"]["versions"]["0"]["predictions"] == accepted
    refused = {} if accepted == 3 else {"oversize": 1}
    assert found["rejected"] == {"total": 3 - accepted, "reasons": refused}


def test_of_a_line_that_is_too_long_only_the_beginning_is_kept(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_bytes(event("long", 5_000_000) + b"\n" + event("a") + b"\n")
    (batch,) = read_events(str(tmp_path / "p.jsonl"), None, partitions=1, message_bytes_max=1000)
    assert [len(line) for line in batch.predictions] == [1002, len(event("a"))]
