"""What the documents name exists: paths, modules, commands, flags, keys, defaults, metrics, reasons, targets."""

from __future__ import annotations

import ast
import contextlib
import importlib
import io
import os
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
import yaml
from pydantic import BaseModel

from consumers.fold import COUNTERS
from consumers.integrity_role import SEVERITIES
from consumers.plan import plan_model
from consumers.rejects import Reason
from consumers.totals import Life
from detectors import adwin_errors, adwin_features, drift, performance, quality, service, unlisted
from detectors.distance_table import DISTANCES
from schemas import (
    metric_settings,
    model_parts,
    monitor_settings,
    notify_settings,
    river_parameters,
    river_settings,
    sink_settings,
)
from schemas.duration import format_duration
from schemas.events import GroundTruth, Prediction
from schemas.finding import Hysteresis
from schemas.integrity import IntegrityCheck
from schemas.kafka_settings import KafkaSettings
from schemas.model_settings import ModelSettings
from schemas.redis_settings import RedisSettings
from schemas.settings import Settings
from watchkeeper.cli import build_parser
from watchkeeper.lives import Waiting, describe_lives
from watchkeeper.metrics import METRICS

ROOT: Final = Path(__file__).parents[1]
DOCUMENTS: Final = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
ROOMS: Final = ("schemas", "detectors", "consumers", "alerts", "watchkeeper")
PATH_ENDINGS: Final = (".py", ".md", ".toml", ".yml", ".lua")
SKIPPED_FOLDERS: Final = {
    ".git",
    ".venv",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".hypothesis",
    "__pycache__",
}
NOT_OURS: Final = re.compile(
    "|".join(
        [
            *(r"(?<![\w.~$}])/" + name + r"(?![\w-])" for name in ("wo" + "rk", "ro" + "ot")),
            *(re.escape(name) for name in ("../sha" + "red", "/tm" + "p/")),
            *(
                re.escape(host)
                for host in ("py" + "pi.org", "pythonho" + "sted", "maven.or" + "g", "npmj" + "s")
            ),
            *(re.escape(host) for host in ("maven.apa" + "che.org/maven2", "deb.deb" + "ian.org")),
        ]
    )
)
"""Paths of one machine, and hosts of package registries: whoever clones this has others."""


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def without_blocks(text: str) -> str:
    return re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)


def blocks(text: str, *languages: str) -> Iterator[str]:
    for found in re.finditer(r"^( *)```([\w -]*)\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL):
        if found[2] in languages:
            yield re.sub(rf"^{found[1]}", "", found[3], flags=re.MULTILINE)


def spans(path: Path) -> list[str]:
    """Return what stands in backticks in a document's prose, on one line each."""
    found = re.findall(r"(?<!`)`([^`]+)`(?!`)", without_blocks(text_of(path)))
    return [" ".join(span.split()) for span in found]


def tables(text: str) -> dict[str, list[list[str]]]:
    """Return the rows of each table by "heading / first column", backticks and header left out."""
    found: dict[str, list[list[str]]] = {}
    heading, name = "", None
    for line in without_blocks(text).splitlines():
        if line.startswith("#"):
            heading = line.strip("# ").replace("`", "")
        if not line.startswith("|"):
            name = None
            continue
        cells = [cell.strip().replace("`", "") for cell in line.split("|")[1:-1]]
        if name is None:
            name = f"{heading} / {cells[0]}"
            found.setdefault(name, [])
        elif set(cells[0]) != {"-"}:
            found[name].append(cells)
    return found


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def files_of_the_tree() -> Iterator[Path]:
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [
            name for name in folders if name not in SKIPPED_FOLDERS and not name.endswith(".egg-info")
        ]
        # In a further work tree `.git` is a file.
        yield from (Path(folder) / name for name in names if name not in SKIPPED_FOLDERS)


@cache
def commands_of_the_parser() -> dict[str, set[str]]:
    """Return the options of each command."""
    parser = build_parser()
    (subparsers,) = (action for action in parser._actions if hasattr(action, "_name_parser_map"))
    known: dict[str, Any] = subparsers._name_parser_map
    return {name: {o for a in sub._actions for o in a.option_strings} for name, sub in known.items()}


def parsed(command: str) -> None:
    """Fail unless the parser takes a command line."""
    words = shlex.split(command)
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors):
            build_parser().parse_args(words[1:])
    except SystemExit:
        pytest.fail(f"{command}: {errors.getvalue().splitlines()[-1]}")


class TestPlaces:
    @pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
    def test_links_lead_somewhere(self, path: Path) -> None:
        for target in re.findall(r"\]\(([^)\s]+)\)", without_blocks(text_of(path))):
            if target.startswith(("http://", "https://")):
                continue
            name, _, anchor = target.partition("#")
            file = (path.parent / name).resolve() if name else path
            assert file.exists(), f"{path.name} links to {target}"
            if anchor:
                headings = re.findall(r"^#+ (.+)$", without_blocks(text_of(file)), re.MULTILINE)
                assert anchor in {slug(heading) for heading in headings}, f"{path.name} links to {target}"

    @pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
    def test_paths_and_modules_exist(self, path: Path) -> None:
        top = {entry.name for entry in ROOT.iterdir()}
        for span in spans(path):
            if re.fullmatch(r"[\w.-]+(/[\w.*-]+)+/?", span) and span.split("/")[0] in top:
                assert list(ROOT.glob(span.rstrip("/"))), f"{path.name} names {span}"
            elif re.fullmatch(r"[\w.-]+", span) and span.endswith(PATH_ENDINGS):
                assert span in {file.name for file in files_of_the_tree()}, f"{path.name} names {span}"
            elif re.fullmatch(rf"({'|'.join(ROOMS)})(\.\w+)+", span) and not span.endswith(".yaml"):
                assert _resolves(span), f"{path.name} names {span}"

    def test_nothing_in_the_tree_names_a_place_of_one_machine(self) -> None:
        for path in files_of_the_tree():
            with contextlib.suppress(UnicodeDecodeError):
                found = NOT_OURS.search(path.read_text(encoding="utf-8"))
                assert not found, f"{path.relative_to(ROOT)}: {found[0] if found else ''}"


def _resolves(name: str) -> bool:
    module, _, attribute = name.rpartition(".")
    with contextlib.suppress(ImportError):
        importlib.import_module(name)
        return True
    with contextlib.suppress(ImportError):
        return hasattr(importlib.import_module(module), attribute)
    return False


class TestCommands:
    @pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
    def test_commands_in_blocks_are_ones_that_the_parser_takes(self, path: Path) -> None:
        for block in blocks(text_of(path), "console"):
            for line in block.replace("\\\n", " ").splitlines():
                if line.strip().startswith("watchkeeper "):
                    parsed(line)

    @pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
    def test_commands_and_flags_in_prose_exist(self, path: Path) -> None:
        known = commands_of_the_parser()
        flags = set().union(*known.values(), {"--version", "--verbose", "-v"})
        for span in spans(path):
            words = span.split()
            if words[0] == "watchkeeper" and len(words) > 1:
                assert words[1] in known, f"{path.name} names {span}"
                unknown = {w for w in words[2:] if w.startswith("-")} - known[words[1]]
                assert not unknown, f"{path.name} names {span}"
            elif re.fullmatch(r"--[a-z-]+", words[0]):
                assert words[0] in flags, f"{path.name} names {span}"

    def test_the_table_of_commands_lists_every_command(self) -> None:
        rows = tables(text_of(ROOT / "README.md"))["Commands / command"]
        for row in rows:
            parsed(row[0])
        assert {row[0].split()[1] for row in rows} == commands_of_the_parser().keys()

    @pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
    def test_make_targets_exist(self, path: Path) -> None:
        phony = re.search(r"^\.PHONY: (.+)$", text_of(ROOT / "Makefile"), re.MULTILINE)
        targets = set(phony[1].split()) if phony else set()
        console = "\n".join(blocks(text_of(path), "console"))
        named = {span.split()[1] for span in spans(path) if re.match(r"make [a-z]", span)}
        named |= set(re.findall(r"^make ([a-z]+)", console, re.MULTILINE))
        assert named <= targets

    def test_environment_variables_are_read_somewhere(self) -> None:
        named = {
            name
            for path in DOCUMENTS
            for name in re.findall(r"WATCHKEEPER_[A-Z_]+|UPDATE_GOLDEN", text_of(path))
        }
        code = "\n".join(
            text_of(path)
            for path in files_of_the_tree()
            if path.suffix in {".py", ".yml"} or path.name in {"Makefile", "run", "install"}
        )
        assert {name for name in named if name not in code} == set()


SECTIONS: Final[dict[str, dict[str, type[BaseModel]]]] = {
    "Top level": {"": Settings},
    "kafka": {"": KafkaSettings},
    "redis": {"": RedisSettings},
    "models.NAME": {
        "": ModelSettings,
        "compare.": model_parts.Compare,
        "learn.": model_parts.Learn,
        "features.NAME.": model_parts.FeatureRule,
        "labels.": model_parts.LabelRules,
        "labels.implicit.": model_parts.Implicit,
        "min_effect.": model_parts.MinEffect,
        "false_alarm_budget.": model_parts.FalseAlarmBudget,
        "false_alarm_budget.weights.": model_parts.BudgetWeights,
        "loss.": model_parts.Loss,
        "owner.": model_parts.Owner,
        "silence.": model_parts.Silence,
        "updates.": model_parts.Updates,
    },
    "models.NAME.metrics.METRIC": {"": metric_settings.MetricRule},
    "models.NAME.monitors.MONITOR": {"": monitor_settings.MonitorSettings},
    "models.NAME.monitors.NAME": {"": river_settings.RiverSettings},
    "routes": {"": sink_settings.Route},
    "notify": {
        "": notify_settings.NotifySettings,
        "repeat.": notify_settings.Repeat,
        "heartbeat.": notify_settings.HeartbeatSettings,
        "pictures.": notify_settings.PictureSettings,
    },
}


def default_text(name: str, value: Any) -> str:
    """Return a default as the table writes it."""
    if isinstance(value, BaseModel):
        return "see below"
    if value is None:
        return "none"
    if name.endswith("_ms"):
        return format_duration(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return "[]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def keys_of(models: dict[str, type[BaseModel]]) -> dict[str, str]:
    """Return key to default for every field of the models, except those that no file can have."""
    found = {}
    for prefix, model in models.items():
        for name, field in model.model_fields.items():
            if (model, name) in {(KafkaSettings, "properties"), (ModelSettings, "name")}:
                continue
            default = field.get_default(call_default_factory=True)
            found[prefix + (field.alias or name)] = (
                "required" if field.is_required() else default_text(name, default)
            )
    return found


def attributes_outside_schemas() -> set[str]:
    return {
        node.attr
        for room in ROOMS[1:]
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(text_of(path)))
        if isinstance(node, ast.Attribute)
    }


class TestSettings:
    TABLES: Final = tables(text_of(ROOT / "docs" / "settings.md"))

    @pytest.mark.parametrize("heading", SECTIONS)
    def test_every_key_stands_there_with_its_default(self, heading: str) -> None:
        rows = self.TABLES[f"{heading} / key"]
        assert {row[0]: row[1] for row in rows} == keys_of(SECTIONS[heading])

    @pytest.mark.parametrize("sink_type", sink_settings.SINK_MODELS)
    def test_every_key_of_every_sink_stands_there(self, sink_type: str) -> None:
        rows = self.TABLES[f"Sinks of type {sink_type} / key"]
        assert {row[0]: row[1] for row in rows} == keys_of({"": sink_settings.SINK_MODELS[sink_type]})

    def test_something_reads_every_key_of_a_model(self) -> None:
        through_methods = {"monitors"}
        assert set(ModelSettings.model_fields) - attributes_outside_schemas() == through_methods

    def test_every_monitor_stands_there_with_what_it_uses(self) -> None:
        usual, rows = (
            Hysteresis(),
            {row[0]: row[2:] for row in self.TABLES["models.NAME.monitors.MONITOR / monitor"]},
        )

        def told(threshold: float | str, events_min: int | str, rule: Hysteresis | None = usual) -> list[str]:
            counts = "none" if rule is None else f"{rule.breaches} of {rule.windows}, {rule.clears}"
            return [str(threshold), str(events_min), counts]

        expected: dict[str, list[str]] = {
            "psi": told(drift.THRESHOLD, drift.EVENTS_MIN),
            **{name: told("none", drift.EVENTS_MIN) for name in DISTANCES if name != "psi"},
            **{
                rate: told("from the profile", quality.EVENTS_MIN, rule)
                for rate, rule in quality.HYSTERESIS.items()
            },
            "error_rate": told(service.THRESHOLD, service.EVENTS_MIN),
            "fallback_rate": told(service.THRESHOLD, service.EVENTS_MIN),
            "unlisted_features": told(unlisted.THRESHOLD, unlisted.EVENTS_MIN, unlisted.HYSTERESIS),
            "performance": told("from the profile", performance.LABELS_MIN),
            **{name: told("none", "none", None) for name in monitor_settings.BUDGETED_ALONE},
            "adwin_features": told("none", adwin_features.VALUES_MIN, None),
            "adwin_errors": told("none", adwin_errors.LABELS_MIN, None),
        }
        assert rows == expected
        assert set(rows) == set(monitor_settings.MONITORS)

    def test_every_detector_and_signal_of_river_stands_there(self) -> None:
        rows = {row[0]: row[2] for row in self.TABLES["models.NAME.monitors.NAME / key"]}
        assert re.findall(r"\w+", rows["river"].replace(" or ", ", ")) == list(river_parameters.RIVER)
        assert rows["signal"].rstrip(".").replace(" or ", ", ").split(", ") == list(river_settings.SIGNALS)
        of_detectors = tables(text_of(ROOT / "docs" / "detectors.md"))
        assert {row[0] for row in of_detectors["All of them / detector"]} >= river_parameters.RIVER.keys()

    def test_every_field_that_a_route_can_match_stands_there(self) -> None:
        (match,) = (row[2] for row in self.TABLES["routes / key"] if row[0] == "match")
        listed = match.partition(": ")[2].partition(".")[0].split(", ")
        assert listed == list(sink_settings.ROUTE_KEYS)

    def test_every_metric_stands_there(self) -> None:
        rows = self.TABLES["models.NAME.metrics.METRIC / task"]
        assert {row[0]: tuple(row[1].split(", ")) for row in rows} == metric_settings.METRICS

    @pytest.mark.parametrize(
        "path", [*DOCUMENTS, ROOT / "examples" / "watchkeeper.yaml"], ids=lambda p: p.name
    )
    def test_settings_that_are_shown_are_valid(self, path: Path) -> None:
        shown = [text_of(path)] if path.suffix == ".yaml" else list(blocks(text_of(path), "yaml"))
        for text in shown:
            value = yaml.safe_load(text)
            value.setdefault("models", {"fraud": {"task": "binary", "positive_class": "fraud"}})
            settings = Settings.model_validate(_filled(value))
            assert settings.models


def _filled(value: dict[str, Any]) -> dict[str, Any]:
    """Put an example in the place of secrets, which only the loader of files expands."""
    examples: dict[str, object] = {
        "webhook_url": "https://hooks.example/x",
        "url": "https://hooks.example/x",
        "routing_key": "k" * 32,
        "api_key": "k",
        "password": "p",
        "secrets": [f"whsec_{'a' * 32}"],
    }
    for sink in value.get("sinks", {}).values():
        sink.update({key: examples[key] for key in sink if key in sink_settings.secret_keys(sink["type"])})
    return value


class TestTables:
    def test_every_metric_of_ours_stands_there_with_its_labels(self) -> None:
        rows = tables(text_of(ROOT / "docs" / "operations.md"))["Health and metrics / metric"]
        assert [(row[0], row[1]) for row in rows] == [(m.name, ", ".join(m.labels)) for m in METRICS]

    def test_metrics_named_elsewhere_exist(self) -> None:
        names = {metric.name for metric in METRICS}
        for path in DOCUMENTS:
            for span in spans(path):
                if found := re.match(r"watchkeeper_\w+", span):
                    assert found[0] in names, f"{path.name} names {span}"

    def test_every_script_is_explained(self) -> None:
        rows = tables(text_of(ROOT / "ARCHITECTURE.md"))["Stores / script"]
        named = {name for row in rows for name in row[0].split(", ")}
        assert named == {path.stem for path in (ROOT / "consumers" / "lua").glob("*.lua")}

    def test_every_reason_for_a_dead_letter_has_its_mend(self) -> None:
        rows = tables(text_of(ROOT / "docs" / "operations.md"))["Dead letters / reason"]
        assert [row[0] for row in rows] == [reason.value for reason in Reason]
        assert all(len(row) == 3 and row[2] for row in rows)

    def test_every_integrity_check_is_explained(self) -> None:
        rows = tables(text_of(ROOT / "docs" / "reliability.md"))["What is found while running / check"]
        assert [row[0] for row in rows] == [check.value for check in IntegrityCheck]
        assert [row[1] for row in rows] == [SEVERITIES[check].value for check in IntegrityCheck]

    def test_every_count_is_defined(self) -> None:
        settings = ModelSettings.model_validate({"name": "m", "task": "binary", "positive_class": "yes"})
        life = Life(counters={"7": np.zeros(len(COUNTERS), dtype=np.int64)})
        shown = describe_lives({"m": life}, {"m": plan_model(settings, None)}, Waiting())["m"]
        counts = {
            f"{name}.{part}" if part else name
            for name, value in shown["versions"]["7"].items()
            for part in (value if name == "duplicates" else [""])
        }
        rows = tables(text_of(ROOT / "docs" / "events.md"))["Counts / count"]
        assert {row[0] for row in rows} == counts
        assert set(shown) == {"versions", "orphan_labels"}

    def test_events_that_are_shown_are_valid(self) -> None:
        events = text_of(ROOT / "docs" / "events.md")
        (prediction,), (truth,) = blocks(events, "json prediction"), blocks(events, "json ground-truth")
        assert Prediction.model_validate_json(prediction).model == "fraud"
        assert GroundTruth.model_validate_json(truth).label == "ok"
        first, second = blocks(text_of(ROOT / "README.md"), "json")
        ids = (
            Prediction.model_validate_json(first).prediction_id,
            GroundTruth.model_validate_json(second).prediction_id,
        )
        assert ids[0] == ids[1]
