"""What goes wrong at three in the morning: one line that says what, where and the mend, the right exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from servers.redis import LocalRedis, store_binary

from detectors.profile import ReferenceProfile
from watchkeeper.output_files import check_outputs, write_text

LIMIT_S = 15.0
NOBODY = "127.0.0.1:9"  # the discard port: nothing listens there
SETTINGS = """\
app: failures
kafka: {{bootstrap.servers: "{kafka}", predictions: {predictions}, ground_truth: {labels}, alerts: {alerts},
  dead_letters: {letters}}}
redis: {{url: "{redis}"}}
models:
  fraud: {{task: binary, positive_class: fraud{more}}}
"""
PROFILE_OF_ANOTHER = {
    "format": "watchkeeper.profile/1", "model": "other", "task": "binary", "n": 0, "columns": [], "labelled": 0,
    "metrics": {}, "classes": [], "error_sd": 0.0, "importances": {},
}  # fmt: skip


def write_settings(folder: Path, **values: str) -> Path:
    filled = {
        "kafka": NOBODY, "redis": f"redis://{NOBODY}/0", "predictions": "p", "labels": "l", "alerts": "a",
        "letters": "d", "more": "", **values,
    }  # fmt: skip
    config = folder / "watchkeeper.yaml"
    config.write_text(SETTINGS.format(**filled))
    return config


def fails(*arguments: str) -> tuple[int, str]:
    """Run a command that must fail; returns its exit code and its one line."""
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "watchkeeper", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert time.monotonic() - begun < LIMIT_S
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    return done.returncode, done.stderr


def run(config: Path) -> tuple[int, str]:
    return fails("run", "--config", str(config), "--metrics-address", "off")


def test_bad_settings_name_file_line_key_and_the_nearest_known_one(tmp_path: Path) -> None:
    config = write_settings(tmp_path, more=", windw: 1m")
    code, line = run(config)
    assert code == 2
    assert f"{config}:6" in line
    assert 'did you mean "window"' in line


def test_a_missing_settings_file_is_one_line(tmp_path: Path) -> None:
    code, line = run(tmp_path / "nothing.yaml")
    assert code == 2
    assert "nothing.yaml: cannot read a settings file" in line


def test_a_profile_of_another_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text(ReferenceProfile("other", "binary", 0, ()).to_json())
    config = write_settings(tmp_path, more=", profile: other.json")
    for arguments in (
        ("run", "--config", str(config)),
        ("replay", "--config", str(config), "--predictions", "x", "--alerts", "-"),
        ("check", "--config", str(config), "--offline"),
    ):
        code, line = fails(*arguments)
        assert code == 2
        assert "models.fraud.profile" in line
        assert "'other'" in line


def test_a_damaged_profile_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cut.json").write_text(json.dumps(PROFILE_OF_ANOTHER)[:-20])
    code, line = run(write_settings(tmp_path, more=", profile: cut.json"))
    assert code == 2
    assert "cut.json" in line
    assert "watchkeeper profile" in line


def test_an_unreachable_redis_is_one_line(tmp_path: Path) -> None:
    code, line = run(write_settings(tmp_path))
    assert code == 1
    assert f"redis redis://{NOBODY}" in line
    assert "start Redis" in line


@pytest.mark.servers
def test_a_wrong_redis_password_is_one_line_and_stays_secret(tmp_path: Path, redis_url: str) -> None:
    config = write_settings(tmp_path, redis=redis_url.replace("redis://", "redis://nobody:hunter2@"))
    code, line = run(config)
    assert code == 1
    assert "password" in line
    assert "hunter2" not in line


@pytest.mark.servers
def test_an_unreachable_broker_is_one_line(tmp_path: Path, redis_url: str) -> None:
    code, line = run(write_settings(tmp_path, redis=redis_url))
    assert code == 1
    assert "kafka: no broker answers" in line
    assert "bootstrap.servers" in line


@pytest.mark.servers
def test_a_missing_topic_is_named_with_the_command_that_makes_it(
    tmp_path: Path, redis_url: str, kafka_server: Any, topics: Callable[..., str]
) -> None:
    config = write_settings(
        tmp_path,
        redis=redis_url,
        kafka=kafka_server.address,
        predictions=topics("p", partitions=2),
        labels="gone",
    )
    code, line = run(config)
    assert code == 1
    assert "topic 'gone' does not exist" in line
    assert "kafka-topics.sh --create --topic gone" in line


@pytest.mark.servers
def test_unequal_partition_counts_are_refused(
    tmp_path: Path, redis_url: str, kafka_server: Any, topics: Callable[..., str]
) -> None:
    names = {name: topics(name) for name in ("alerts", "letters")}
    config = write_settings(
        tmp_path, redis=redis_url, kafka=kafka_server.address, predictions=topics("p", partitions=3),
        labels=topics("l", partitions=2), **names,
    )  # fmt: skip
    code, line = run(config)
    assert code == 1
    assert "3 partitions" in line
    assert "has 2" in line


@pytest.mark.servers
def test_a_redis_that_evicts_is_refused_with_the_command_that_mends_it(tmp_path: Path) -> None:
    folder = tmp_path / "redis"
    folder.mkdir()
    store = LocalRedis(binary=store_binary(), directory=folder, settings={"maxmemory-policy": "allkeys-lru"})
    store.start()
    try:
        code, line = run(write_settings(tmp_path, redis=store.url))
    finally:
        store.stop()
    assert code == 1
    assert "maxmemory-policy is allkeys-lru" in line
    assert "config set maxmemory-policy noeviction" in line


def test_unreadable_events_are_one_line(tmp_path: Path) -> None:
    config = write_settings(tmp_path)
    missing = str(tmp_path / "gone.jsonl")
    code, line = fails("replay", "--config", str(config), "--predictions", missing, "--alerts", "-")
    assert code == 2
    assert "gone.jsonl" in line
    broken = tmp_path / "broken.jsonl.gz"
    broken.write_bytes(b"\x1f\x8b\x08 this is no gzip")
    code, line = fails("replay", "--config", str(config), "--predictions", str(broken), "--alerts", "-")
    assert code == 2
    assert "broken.jsonl.gz" in line


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--roles", "join,evalute"), "--roles: expected some of join, evaluate, notify"),
        (("--roles", ""), "--roles: expected some of"),
    ],
)
def test_unknown_roles_are_refused(tmp_path: Path, arguments: tuple[str, ...], expected: str) -> None:
    code, line = fails("run", "--config", str(write_settings(tmp_path)), *arguments)
    assert code == 2
    assert expected in line


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ("--reason", "unknwn_model"),
            '--reason: unknown reason "unknwn_model"; did you mean "unknown_model"?',
        ),
        (("--reason", "decode,"), '--reason: unknown reason ""'),
        (("--topic", "q"), '--topic: expected an input topic of the settings, got "q"; known here: l, p'),
    ],
)
def test_unknown_filters_of_a_redrive_are_refused(
    tmp_path: Path, arguments: tuple[str, ...], expected: str
) -> None:
    code, line = fails("redrive", "--config", str(write_settings(tmp_path)), *arguments)
    assert code == 2
    assert expected in line


def test_a_redrive_with_no_broker_to_ask_says_which_key_is_missing(tmp_path: Path) -> None:
    config = tmp_path / "watchkeeper.yaml"
    config.write_text("models: {fraud: {task: binary, positive_class: fraud}}")
    code, line = fails("redrive", "--config", str(config))
    assert code == 2
    assert "kafka.bootstrap.servers: expected" in line


def test_a_redrive_without_its_broker_is_one_line(tmp_path: Path) -> None:
    code, line = fails("redrive", "--config", str(write_settings(tmp_path)))
    assert code == 1
    assert "kafka: no broker answers" in line
    assert "bootstrap.servers" in line


@pytest.mark.servers
def test_a_redrive_without_its_topic_names_it(
    tmp_path: Path, kafka_server: Any, topics: Callable[..., str]
) -> None:
    inputs = {name: topics(name) for name in ("predictions", "labels")}
    config = write_settings(tmp_path, kafka=kafka_server.address, letters="nowhere", **inputs)
    code, line = fails("redrive", "--config", str(config))
    assert code == 1
    assert "topic 'nowhere' does not exist" in line


@pytest.mark.parametrize(
    "options",
    [
        ("replay", "--predictions", "in", "--alerts", "in"),
        ("replay", "--predictions", "other", "--labels", "in", "--alerts", "-", "--report", "./in"),
        ("replay", "--predictions", "other", "--alerts", "out", "--past", "folder/../out"),
        ("replay", "--predictions", "other", "--alerts", "-", "--report", "-"),
        ("profile", "--input", "in", "--model", "fraud", "--out", "in"),
        ("profile", "--input", "other", "--model", "fraud", "--bins-of", "in", "--out", "in"),
        ("profile", "--input", "other", "--model", "fraud", "--importances", "in", "--out", "in"),
        ("report", "--model", "fraud", "--past", "in", "--out", "in"),
    ],
    ids=" ".join,
)
def test_no_output_takes_the_place_of_an_input_or_of_another_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    config = write_settings(tmp_path)
    monkeypatch.chdir(tmp_path)
    for name in ("in", "other"):
        Path(name).write_text("kept", "utf-8")
    Path("folder").mkdir()
    code, line = fails(options[0], "--config", str(config), *options[1:])
    assert (code, "is read or written already" in line) == (2, True)
    assert Path("in").read_text("utf-8") == "kept"


def test_what_is_no_file_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    """Such as /dev/null, whose place only root can take."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    check_outputs({"--alerts": pipe, "--report": pipe}, [])
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_text(pipe, "told")
    assert os.read(reader, 10) == b"told"
    os.close(reader)
    assert pipe.is_fifo()
