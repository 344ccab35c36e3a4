"""`watchkeeper profile` as it is typed: what it writes, prints and compares."""

from __future__ import annotations

import argparse
import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest
from builders.profile_tables import NAMED, model, table, write_bytes, write_csv

from detectors.profile import ReferenceProfile, from_json
from detectors.shared_cells import difference
from schemas.errors import Stop
from schemas.model_settings import ModelSettings
from schemas.settings import Settings
from watchkeeper.cli_profile import add_profile_arguments
from watchkeeper.profile_command import build_profile, compare_profiles, run_profile

GOLDEN = Path(__file__).parents[1] / "golden" / "profile"


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_profile_arguments(parser)
    return parser.parse_args(words)


def settings_of(found: ModelSettings) -> Settings:
    return Settings.model_construct(models={found.name: found})


def test_the_command_writes_the_profile_and_says_what_it_holds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_csv(Path("t.csv"), table(2_000))
    words = ["--model", "fraud", "--input", "t.csv", "--out", "profiles/fraud.json"]
    words += ["--label", "truth", "--prediction", "predicted", "--score", "score"]
    assert run_profile(arguments(*words), settings_of(model())) == 0
    said = capsys.readouterr()
    profile = from_json(Path("profiles/fraud.json").read_text(), source="fraud.json")
    assert said.err == ""
    assert said.out == (GOLDEN / "summary.txt").read_text().replace("HASH", profile.content_hash)
    assert [path.name for path in Path("profiles").iterdir()] == ["fraud.json"]


def test_the_commands_machine_output_is_one_object(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_csv(tmp_path / "t.csv", table(100))
    out = tmp_path / "p.json"
    words = ["--model", "fraud", "--input", str(path), "--out", str(out), "--label", "truth", "--json"]
    assert run_profile(arguments(*words), settings_of(model())) == 0
    said = json.loads(capsys.readouterr().out)
    profile = from_json(out.read_text(), source="p.json")
    assert (said["rows"], said["path"], said["hash"]) == (100, str(out), profile.content_hash)
    assert said["columns"] == {column.name: column.type for column in profile.columns}
    assert said["warnings"] == ["the reference has 100 rows: expect wide limits below 1,000"]


def test_a_bar_is_drawn_on_a_terminal_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_csv(tmp_path / "t.csv", table(100))
    words = ["--model", "fraud", "--input", str(path), "--out", str(tmp_path / "p.json")]
    later = itertools.count(0.0, 10.0)
    monkeypatch.setattr("watchkeeper.profile_command.time.monotonic", lambda: next(later))
    run_profile(arguments(*words), settings_of(model()))
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    run_profile(arguments(*words), settings_of(model()))
    drawn = capsys.readouterr().err
    assert "reading, percent" in drawn
    assert "100%" in drawn


def test_a_profile_of_a_version_is_built_on_the_bins_of_another_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main, newer = tmp_path / "main.json", table(2_000, seed=2, shift=0.4)
    later = [{**row, "new": 1.0} for row in newer]
    paths = write_csv(tmp_path / "a.csv", table(2_000)), write_csv(tmp_path / "b.csv", later)
    words = ["--model", "fraud", "--label", "truth", "--prediction", "predicted", "--score", "score"]
    assert (
        run_profile(arguments(*words, "--input", str(paths[0]), "--out", str(main)), settings_of(model()))
        == 0
    )
    out = ["--input", str(paths[1]), "--out", str(tmp_path / "own.json"), "--bins-of", str(main)]
    capsys.readouterr()
    assert run_profile(arguments(*words, *out), settings_of(model())) == 0
    assert "left out, as the profile whose bins are used lacks them: new" in capsys.readouterr().out
    a, b = (from_json((tmp_path / name).read_text(), source=name) for name in ("main.json", "own.json"))
    assert difference(model(), a, b) is None
    assert a.columns != b.columns
    main.write_text(replace(a, model="churn").to_json())
    with pytest.raises(
        Stop, match="expected the profile of model 'fraud' \\(binary\\), found one of 'churn'"
    ):
        run_profile(arguments(*words, *out), settings_of(model()))


def two_profiles(tmp_path: Path) -> tuple[ReferenceProfile, ReferenceProfile]:
    before = table(4_000, seed=1)
    after = [dict(row) for row in table(3_000, seed=2, shift=0.4)]
    for i, row in enumerate(after):
        row["new"] = i % 3
        row["zip"] = f"Z{row['zip']}"
        row["country"] = "FR" if row["country"] == "DE" and i % 4 == 0 else row["country"]
        row["age"] = None if i % 10 == 0 else row["age"]
        del row["code"]
    paths = write_csv(tmp_path / "a.csv", before), write_csv(tmp_path / "b.csv", after)
    (a, _), (b, _) = (build_profile(model(), path, **NAMED) for path in paths)
    return a, b


def test_two_profiles_are_compared_a_line_per_thing(tmp_path: Path) -> None:
    a, b = two_profiles(tmp_path)
    assert "\n".join(compare_profiles(a, b)) + "\n" == (GOLDEN / "compare.txt").read_text()
    assert compare_profiles(a, a) == ["no difference in all 8 columns"]


def test_the_command_compares_files_without_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = two_profiles(tmp_path)
    paths = [
        str(write_bytes(tmp_path / name, p.to_json().encode())) for name, p in (("a.json", a), ("b.json", b))
    ]
    assert run_profile(arguments("--compare", *paths), None) == 0
    assert capsys.readouterr().out == (GOLDEN / "compare.txt").read_text()
    assert run_profile(arguments("--compare", *paths, "--json"), None) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["rows"], said["added"], said["removed"]) == ([4_000, 3_000], ["new"], ["code"])
    assert {column["name"] for column in said["columns"]} >= {"amount", "country", "zip"}
