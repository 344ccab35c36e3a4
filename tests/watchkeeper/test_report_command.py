"""The report command: over a replay's file, and over Redis; both say the same of the same events."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest

from consumers.columns import Records
from consumers.evaluation import StoredEvaluation
from consumers.partition import Partition
from consumers.redis_gate import RedisGate
from consumers.redis_models import RedisModels
from consumers.redis_partitions import RedisPartitions
from consumers.store import CommitStatus, ModelCommit, Position
from detectors.estimation.calibration import Calibration
from detectors.profile import Learned, ReferenceProfile
from detectors.profile_calibration import LEARNED_SCORES
from schemas.errors import Stop
from watchkeeper.cli import build_parser
from watchkeeper.loading import load_plans, load_settings

FIRST_MS = 1_767_225_600_000
"""1 January 2026."""
DAY_MS = 86_400_000
SETTINGS = """\
app: report
redis: {{url: "{url}"}}
models:
  fraud:
    task: binary
    positive_class: fraud
    label_horizon: 2d
    window: 1d
    learn: false
    max_clock_skew: 365d
    owner: {{team: payments-ml, contact: "@payments-ml"}}
"""


def events() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Seventy days of fifty predictions, labelled a day later, with a second version from day 40 on."""
    rng = random.Random(5)
    predictions, labels = [], []
    for number in range(70 * 50):
        day = number // 50
        time_ms = FIRST_MS + number * DAY_MS // 50
        base = {"prediction_id": str(number), "model": "fraud", "time": time_ms}
        answer = rng.choice(["fraud", "ok"])
        truth = answer if rng.random() < 0.9 else "ok"
        version = "1" if day < 40 else "2"
        predictions.append({**base, "version": version, "output": {"label": answer, "score": 0.5}})
        labels.append({**base, "time": time_ms + DAY_MS, "label": truth})
    return predictions, labels


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "watchkeeper.yaml").write_text(SETTINGS.format(url="redis://127.0.0.1:1/0"))
    for name, side in zip(("predictions", "labels"), events(), strict=True):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(e) + "\n" for e in side))
    return tmp_path


def run(*arguments: str) -> int:
    parsed = build_parser().parse_args(arguments)
    code: int = parsed.command(parsed)
    return code


def replayed(folder: Path, *, partitions: int = 1) -> Path:
    past = folder / f"past-{partitions}.json"
    given = [str(folder / f"{name}.jsonl") for name in ("predictions", "labels", "alerts")]
    files = ["--predictions", given[0], "--labels", given[1], "--alerts", given[2], "--past", str(past)]
    config = str(folder / "watchkeeper.yaml")
    assert run("replay", "--config", config, *files, "--partitions", str(partitions)) == 0
    return past


def reported(folder: Path, form: str, *more: str) -> str:
    out = folder / f"report.{form}"
    config = str(folder / "watchkeeper.yaml")
    given = ("--config", config, "--model", "fraud", "--format", form, "--out", str(out))
    assert run("report", *given, *more) == 0
    return out.read_text("utf-8")


def test_a_replays_past_is_reported_without_a_server(folder: Path) -> None:
    past = replayed(folder)
    report = json.loads(reported(folder, "json", "--past", str(past)))
    assert [(p["name"], p["rows"][0]["predictions"]) for p in report["periods"]] == [
        ("Jan 2026", 31 * 50),
        ("Feb 2026", 28 * 50),
        ("Mar 2026", 11 * 50),
    ]
    predictions, labels = events()
    january = range(31 * 50)
    right = sum(predictions[i]["output"]["label"] == labels[i]["label"] for i in january)
    accuracy = report["periods"][0]["rows"][0]["metrics"]["accuracy"]
    assert accuracy["value"] == pytest.approx(right / len(january))
    assert [life["version"] for life in report["versions"]] == ["1", "2"]
    assert "Version 2 came on 10 Feb 2026, after 1" in reported(folder, "text", "--past", str(past))
    assert reported(folder, "html", "--past", str(past)).startswith("<!doctype html>")


def test_the_report_does_not_depend_on_the_number_of_partitions(folder: Path) -> None:
    one, three = (replayed(folder, partitions=count) for count in (1, 3))
    assert reported(folder, "json", "--past", str(one)) == reported(folder, "json", "--past", str(three))


def test_it_reads_days_from_redis_too(folder: Path, redis_url: str) -> None:
    config = folder / "watchkeeper.yaml"
    config.write_text(SETTINGS.format(url=redis_url))
    plans = load_plans(load_settings(config), folder)
    gate = RedisGate(redis_url)
    store = RedisPartitions(gate, "report")
    partition = Partition(plans, 0, store.claim(0), start=Position(0, 0, 0), guarded=True)
    predictions, labels = ([json.dumps(e).encode() for e in side] for side in events())
    decoded = partition.decode(Records(predictions), Records(labels))
    applied = partition.apply(decoded, store.fetch(0, decoded.ids()), to=(len(predictions), len(labels)))
    assert store.commit(applied.commit) is CommitStatus.COMMITTED
    gate.close()
    live = json.loads(reported(folder, "json", "--since", "3650d"))
    from_file = json.loads(reported(folder, "json", "--past", str(replayed(folder))))
    assert [p["rows"] for p in live["periods"][:2]] == [p["rows"] for p in from_file["periods"][:2]]


def test_what_the_model_has_learned_is_read_from_redis_too(folder: Path, redis_url: str) -> None:
    """Scores of 0.5 come true in 40 %, so answers "fraud" are right in 40 %, and others in 60 %."""
    config = folder / "watchkeeper.yaml"
    config.write_text(SETTINGS.format(url=redis_url).replace("learn: false", "learn: true"))
    bins = len(LEARNED_SCORES) + 1
    calibration = Calibration(LEARNED_SCORES, (10,) * 2 * bins, (10,) * bins, (4,) * bins)
    learned = Learned(100, 0, 1, calibrated_ms=2)
    profile = ReferenceProfile("fraud", "binary", 100, (), learned=learned, calibration=calibration)
    gate = RedisGate(redis_url)
    store, models = RedisPartitions(gate, "report"), RedisModels(gate, "report")
    plans = load_plans(load_settings(config), folder)
    partition = Partition(plans, 0, store.claim(0), start=Position(0, 0, 0), guarded=True)
    predictions = [json.dumps(e).encode() for e in events()[0]]
    decoded = partition.decode(Records(predictions), Records([]))
    store.commit(partition.apply(decoded, store.fetch(0, decoded.ids()), to=(len(predictions), 0)).commit)
    text = profile.to_json().encode()
    token, state = models.claim("fraud").token, msgspec.msgpack.encode(StoredEvaluation())
    commit = ModelCommit("fraud", token, 0, state, [], [], 0, (profile.content_hash, text))
    assert models.commit(commit) is CommitStatus.COMMITTED
    gate.close()
    report = json.loads(reported(folder, "json", "--since", "3650d"))
    [row] = [row for row in report["periods"][0]["rows"] if row["version"] is None]
    answers = [event["output"]["label"] for event in events()[0][: 31 * 50]]
    expected = (0.4 * answers.count("fraud") + 0.6 * answers.count("ok")) / len(answers)
    assert row["estimated"]["accuracy"]["value"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model", "nobody"), "--model: expected one of fraud, got 'nobody'"),
        (("--model", "fraud", "--since", "soon"), "--since: expected a duration"),
        (("--model", "fraud", "--since", "0s"), "--since: expected a duration above 0s"),
        (("--model", "fraud", "--past", "nowhere.json"), "cannot read a past"),
        (("--model", "fraud"), "start Redis"),
    ],
)
def test_what_cannot_be_reported_is_one_line_with_the_mend(
    folder: Path, arguments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(Stop, match=message):
        run("report", "--config", str(folder / "watchkeeper.yaml"), *arguments)
