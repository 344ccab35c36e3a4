"""The exported JSON Schemas, against their golden copies.

A changed contract shows up here. When the change is meant, write the copies anew and commit them:

    UPDATE_GOLDEN=1 pytest tests/schemas/test_export.py
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from schemas.export import json_schemas

GOLDEN = Path(__file__).parent.parent / "golden" / "schemas"
NAMES = [
    "accept.json",
    "ack.json",
    "alert.json",
    "deploy.json",
    "ground-truth.json",
    "notification.json",
    "prediction.json",
    "settings.json",
    "silence.json",
    "undelivered.json",
    "window-complete.json",
]


def written(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def test_there_is_a_golden_copy_of_each_schema_and_no_other() -> None:
    assert list(json_schemas()) == NAMES
    if "UPDATE_GOLDEN" in os.environ:
        for name, schema in json_schemas().items():
            (GOLDEN / name).write_text(written(schema))
    assert sorted(path.name for path in GOLDEN.glob("*.json")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_equals_its_golden_copy(name: str) -> None:
    golden = (GOLDEN / name).read_text()
    assert written(json_schemas()[name]) == golden, (
        f"the contract in {name} has changed; if it is meant: UPDATE_GOLDEN=1 pytest tests/schemas/test_export.py"
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_one_of_the_draft_that_it_names(name: str) -> None:
    schema = json_schemas()[name]
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema)


def test_the_settings_schema_accepts_the_example_of_the_contract() -> None:
    text = (GOLDEN / "watchkeeper.yaml").read_text().replace("[...]", "[]").replace("{...}", "{}")
    Draft202012Validator(json_schemas()["settings.json"]).validate(yaml.safe_load(text))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"models": {"m": {}}},
        {"models": {"m": {"task": "binari"}}},
        {"models": {"m": {"task": "binary", "windw": "1m"}}},
        {"models": {"m": {"task": "binary", "window": "soon"}}},
        {"models": {"m": {"task": "binary", "name": "m"}}},
        {"models": {"m": {"task": "regression"}}, "kafka": {"predictons": "p"}},
        {"models": {"m": {"task": "regression"}}, "sinks": {"a": {"type": "slak"}}},
    ],
)
def test_the_settings_schema_refuses_what_an_editor_should_underline(settings: dict[str, Any]) -> None:
    assert not Draft202012Validator(json_schemas()["settings.json"]).is_valid(settings)


def test_defaults_of_durations_are_shown_as_they_are_written() -> None:
    model = json_schemas()["settings.json"]["$defs"]["ModelSettings"]["properties"]
    assert (model["window"]["default"], model["label_horizon"]["default"]) == ("1m", "14d")
