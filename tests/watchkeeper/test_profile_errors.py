"""Every kind of input that `watchkeeper profile` cannot use, with the very line that a user reads."""

from __future__ import annotations

import argparse
import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builders.profile_tables import model

from schemas.errors import Stop
from schemas.model_settings import ModelSettings
from schemas.settings import Settings
from watchkeeper.cli_profile import add_profile_arguments
from watchkeeper.profile_command import build_profile, run_profile
from watchkeeper.profile_labels import LABELS_MAX

HOLDS_LABEL = {"label": "y"}
EVENT = {"prediction_id": "a", "model": "fraud", "time": 1, "features": {"x": 1}, "output": {"score": 0.5}}
TRUTH = {"prediction_id": "a", "model": "fraud", "time": 1, "label": "ok"}


def lines(*values: Any) -> bytes:
    return b"".join(
        value if isinstance(value, bytes) else json.dumps(value).encode() + b"\n" for value in values
    )


def problem(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, settings: ModelSettings, **options: Any
) -> str:
    monkeypatch.chdir(folder)
    with pytest.raises(Stop) as caught:
        build_profile(settings, Path(name), **options)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


TABLES: list[tuple[str, bytes, dict[str, Any], str]] = [
    ("t.txt", b"x\n1\n", {}, "t.txt: expected a name that ends in .parquet, .csv, .csv.gz, .jsonl or .jsonl.gz; rename it"),
    ("t.parquet.gz", b"", {}, "t.parquet.gz: expected a name that ends in .parquet, .csv, .csv.gz, .jsonl or .jsonl.gz; rename it"),
    ("t.csv", b"", {}, "t.csv:1: expected a header with the names of the columns, found none; add it"),
    ("t.csv", b"x,y\n", {}, "t.csv: expected rows, found none; give the data that the model was good on"),
    ("t.csv", b"x,y\n1,2\n3\n", {}, "t.csv:3: expected 2 cells as in the header, found 1; mend the line"),
    ("t.csv", b"x,x\n1,2\n", {}, "t.csv:1: expected each column once, found 'x' twice; rename one"),
    ("t.csv", b"x;y\n1;2\n", {}, "t.csv:1: expected commas between the columns, found 'x;y'; save it with commas"),
    ("t.csv", b'x,y\n1,"2\n', {}, "t.csv:2: expected CSV with quotes as in RFC 4180, but unexpected end of data; mend the line"),
    ("t.csv", b"x\n\xff\n", {}, "t.csv: after line 0: expected UTF-8, but invalid start byte; save it as UTF-8"),
    ("t.csv", b"x,target\n1,2\n", HOLDS_LABEL, "t.csv: no column 'y' for --label; known here: target, x"),
    ("t.csv", b"x,repaid\n1,2\n", {"label": "repayed"}, "t.csv: no column 'repayed' for --label; did you mean \"repaid\"?"),
    ("t.csv", b"x,p\n1,2\n", {"time": "at"}, "t.csv: no column 'at' for --time; known here: p, x"),
    ("t.csv", b"x,p\n1,0.2\n1,37.5\n", {"score": "p"}, "t.csv:3: expected a probability of the positive class, from 0 to 1 in column p, found 37.5"),
    ("t.csv", b"x,p\n1,high\n", {"score": "p"}, "t.csv:2: expected a finite number in column p, found 'high'"),
    ("t.csv", b"output.label,x\n1,2\n", {}, "t.csv: column 'output.label' has the name of an output; name it with --prediction, --score or --label, or rename it"),
    ("t.csv", b"joint.x,x\n1,2\n", {}, "t.csv: column 'joint.x' has the name of a figure of all features together; rename it"),
    ("t.csv", b"x\n1\n", {"labels_path": Path("y.jsonl")}, "t.csv: --labels goes with prediction events, which have prediction_id, model and features; found a table: name its column of labels with --label"),
    ("t.csv.gz", gzip.compress(b"x\n" + b"1\n" * 9, mtime=0)[:-6], {}, "t.csv.gz: expected a readable file, but: Compressed file ended before the end-of-stream marker was reached; check the path and the file"),
    ("t.jsonl", b"", {}, "t.jsonl: expected rows, found none"),
    ("t.jsonl", b"[1, 2]\n", {}, "t.jsonl:1: expected a JSON object, found list; write one object per line"),
    ("t.jsonl", b'{"x": 1\n', {}, "t.jsonl:1: expected a JSON object in UTF-8: Expecting ',' delimiter: line 2 column 1 (char 8); write one object per line"),
    ("t.jsonl", lines(*[{"x": 1}] * 17, b"oops\n", b"1\n", {"x": 2}), {}, ""),
    ("t.jsonl", lines(*[{"x": 1}] * 8, b"oops\n", {"x": 2}), {}, ""),
    ("t.jsonl", lines(*[{"x": 1}] * 7, b"oops\n", b"1\n", {"x": 2}), {}, "t.jsonl: 2 of 10 lines cannot be used, expected at most 10 %; first line 8: expected a JSON object in UTF-8: Expecting value: line 1 column 1 (char 0); mend or remove them"),
    ("t.jsonl", lines({"x": 1}, {"x": 2, "z": 0}), HOLDS_LABEL, "t.jsonl: no column 'y' for --label; known here: x, z"),
    ("t.jsonl", lines({"x": 1, "y": "ok"}, {"x": 2, "y": 0.5}), HOLDS_LABEL, "t.jsonl:2: expected a class (text, whole number, boolean) in column y, found 0.5; name probabilities with --score"),
    ("t.jsonl", lines({"x": 1, "y": [1]}), HOLDS_LABEL, "t.jsonl:1: expected a class (text, whole number, boolean) in column y, found [1]; name probabilities with --score"),
    ("t.jsonl", lines({f"u{i}": 1 for i in range(4097)}), {}, "t.jsonl: expected at most 4,096 features, found more, such as 'u4096': are ids used as names?"),
    ("t.jsonl", lines(*({"y": f"u{i}"} for i in range(1001))), HOLDS_LABEL, "t.jsonl: expected at most 1,000 classes among labels and predictions, found more, such as 'u0': is it a column of numbers or ids?"),
    ("t.jsonl", lines(EVENT), HOLDS_LABEL, "t.jsonl: --label y: names a column of a table, found prediction events; their outputs are read as they are, and ground truth comes with --labels FILE"),
    ("t.jsonl", lines(EVENT | {"model": "churn"}), {}, "t.jsonl: expected events of the model 'fraud', found only others, such as 'churn' at line 1; mend --model or the path"),
    ("t.jsonl", lines(EVENT | {"time": "noon"}), {}, "t.jsonl: 1 of 1 lines cannot be used, expected at most 10 %; first line 1: time: expected RFC 3339 with an offset, or epoch milliseconds; mend or remove them"),
    ("t.parquet", b"nothing", {}, "t.parquet: expected a readable Parquet file, but: Parquet file size is 7 bytes, smaller than the minimum file footer (8 bytes); check the path and the file"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "data", "options", "expected"), TABLES)
def test_an_input_that_cannot_be_used_stops_with_one_line(  # noqa: PLR0917 - a table and two fixtures
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    data: bytes,
    options: dict[str, Any],
    expected: str,
) -> None:
    (tmp_path / name).write_bytes(data)
    if expected:
        assert problem(tmp_path, monkeypatch, name, model(), **options) == expected
    else:
        profile, warnings = build_profile(model(), tmp_path / name, **options)
        assert profile.n
        assert "lines; first line" in warnings[0]


@pytest.mark.parametrize("name", ["gone.csv", "gone.jsonl", "gone.parquet"])
def test_a_file_that_is_not_there_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    what = "Parquet file" if name.endswith("parquet") else "file"
    assert problem(tmp_path, monkeypatch, name, model()) == (
        f"{name}: expected a readable {what}, but: No such file or directory; check the path and the file"
    )


def test_a_value_in_parquet_is_named_by_its_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(pa.table({"x": [1, 2, 3], "p": [0.1, 0.2, -0.3]}), tmp_path / "t.parquet")
    assert problem(tmp_path, monkeypatch, "t.parquet", model(), score="p") == (
        "t.parquet: row 3: expected a probability of the positive class, from 0 to 1 in column p, found -0.3"
    )


TASKS: list[tuple[dict[str, Any], bytes, dict[str, Any], str]] = [
    ({"task": "multiclass"}, b"x,p\n1,0.5\n", {"score": "p"}, "--score p: expected a binary model, fraud is of the task multiclass; use --prediction"),
    ({"task": "regression"}, b"x,p\n1,0.5\n", {"score": "p"}, "--score p: expected a binary model, fraud is of the task regression; use --prediction"),
    ({"task": "regression"}, b"x,y\n1,2.5\n1,inf\n", HOLDS_LABEL, "t.csv:3: expected a finite number in column y, found inf"),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "data", "options", "expected"), TASKS)
def test_an_option_that_does_not_fit_the_task_stops(  # noqa: PLR0917 - a table and two fixtures
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
    data: bytes,
    options: dict[str, Any],
    expected: str,
) -> None:
    (tmp_path / "t.csv").write_bytes(data)
    found = model(positive_class=None, **settings)
    assert problem(tmp_path, monkeypatch, "t.csv", found, **options) == expected


LABELS: list[tuple[bytes, str]] = [
    (lines(TRUTH | {"model": "churn"}), "y.jsonl: expected events of the model 'fraud', found only others, such as 'churn' at line 1; mend --model or the path"),
    (lines(TRUTH | {"label": None, "value": 3}), "y.jsonl: 1 of 1 lines cannot be used, expected at most 10 %; first line 1: model fraud classifies: expected a class in label; mend or remove them"),
    (b"\x1f\x8b\x01" + bytes(30), "y.jsonl: expected a readable file, but: Unknown compression method; check the path and the file"),
    (lines(TRUTH, TRUTH | {"prediction_id": "b"}, TRUTH | {"prediction_id": "c"}), "y.jsonl: expected at most 2 labels, found more; take a shorter period"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "expected"), LABELS)
def test_labels_that_cannot_be_used_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, expected: str
) -> None:
    assert LABELS_MAX == 10_000_000
    monkeypatch.setattr("watchkeeper.profile_labels.LABELS_MAX", 2)
    (tmp_path / "x.jsonl").write_bytes(lines(EVENT))
    (tmp_path / "y.jsonl").write_bytes(data)
    found = problem(tmp_path, monkeypatch, "x.jsonl", model(), labels_path=Path("y.jsonl"))
    assert found == expected


MEND = 'write an object such as {"amount": 0.7, "country": 0.3}'
IMPORTANCES = [
    (b"[1]", f"i.json: expected an object, found list; {MEND}"),
    (b'{"x": -1}', f"i.json: expected a number of 0 or more for 'x', found -1; {MEND}"),
    (b'{"x": true}', f"i.json: expected a number of 0 or more for 'x', found True; {MEND}"),
    (b'{"x": NaN}', f"i.json: expected a number of 0 or more for 'x', found nan; {MEND}"),
    (b"{", f"i.json: expected JSON, but: Expecting property name enclosed in double quotes: line 1 column 2 (char 1); {MEND}"),
    (b'{"amuont": 1}', "i.json: no feature 'amuont' in the reference; did you mean \"amount\"?"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "expected"), IMPORTANCES)
def test_importances_that_cannot_be_used_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, expected: str
) -> None:
    (tmp_path / "t.csv").write_bytes(b"amount,x\n1,2\n")
    (tmp_path / "i.json").write_bytes(data)
    assert problem(tmp_path, monkeypatch, "t.csv", model(), importances=Path("i.json")) == expected


def run(*words: str, settings: Settings | None) -> str:
    parser = argparse.ArgumentParser()
    add_profile_arguments(parser)
    with pytest.raises(Stop) as caught:
        run_profile(parser.parse_args(words), settings)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_options_that_are_missing_are_named() -> None:
    assert run("--model", "fraud", settings=None) == (
        "profile: expected --config, --input, --out (or --compare A.json B.json), found none; add what is missing"
    )


def test_a_model_that_the_settings_lack_gets_the_nearest_name() -> None:
    settings = Settings.model_construct(models={"fraud": model()})
    assert run("--model", "frud", "--input", "t.csv", "--out", "p.json", settings=settings) == (
        '--model frud: no such model in the settings; did you mean "fraud"?'
    )


def test_a_profile_that_cannot_be_compared_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("--compare", "a.json", "b.json", settings=None) == (
        "a.json: cannot read a reference profile: No such file or directory; check the path"
    )


def test_a_place_that_cannot_be_written_stops_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_bytes(b"x\n1\n")
    Path("p.json").mkdir()
    settings = Settings.model_construct(models={"fraud": model()})
    assert run("--model", "fraud", "--input", "t.csv", "--out", "p.json", settings=settings) == (
        "p.json: cannot write: Is a directory; check the path and its rights"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.json", "t.csv"]


def test_the_old_profile_stays_when_the_new_one_cannot_be_built(tmp_path: Path) -> None:
    out = tmp_path / "p.json"
    out.write_text("old", encoding="utf-8")
    (tmp_path / "t.csv").write_bytes(b"x\n")
    settings = Settings.model_construct(models={"fraud": model()})
    run("--model", "fraud", "--input", str(tmp_path / "t.csv"), "--out", str(out), settings=settings)
    assert out.read_text(encoding="utf-8") == "old"
