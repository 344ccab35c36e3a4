"""JSON Schemas (draft 2020-12) of what users read and write, by file name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from schemas.alert import AlertEvent, WindowComplete
from schemas.control import AcceptEvent, AckEvent, DeployEvent, SilenceEvent
from schemas.duration import DURATION_DESCRIPTION, format_duration
from schemas.events import GroundTruth, Prediction
from schemas.notification import NotificationEvent
from schemas.settings import Settings
from schemas.undelivered import UndeliveredEvent

if TYPE_CHECKING:
    from pydantic import BaseModel

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_WRITTEN_BY_USERS: Final[dict[str, type[BaseModel]]] = {
    "prediction.json": Prediction,
    "ground-truth.json": GroundTruth,
    "settings.json": Settings,
}
_WRITTEN_BY_US: Final[dict[str, type[BaseModel]]] = {
    "alert.json": AlertEvent,
    "notification.json": NotificationEvent,
    "undelivered.json": UndeliveredEvent,
    "window-complete.json": WindowComplete,
    "silence.json": SilenceEvent,
    "accept.json": AcceptEvent,
    "ack.json": AckEvent,
    "deploy.json": DeployEvent,
}


def json_schemas() -> dict[str, dict[str, Any]]:
    """Return the schemas by file name.

    What users write is described as it may come in, what we write as it goes out. A JSON Schema says
    less than the models do: checks between fields of the settings are missing in it.
    """
    schemas = {name: model.model_json_schema(mode="validation") for name, model in _WRITTEN_BY_USERS.items()}
    schemas |= {name: model.model_json_schema(mode="serialization") for name, model in _WRITTEN_BY_US.items()}
    return {name: {"$schema": _DIALECT, **_tidy(schemas[name])} for name in sorted(schemas)}


def _tidy(schema: Any) -> Any:
    """Return a schema without generated titles, with short descriptions and defaults as they are written.

    Of a docstring the first paragraph is kept: what follows is about the code.
    """
    if isinstance(schema, list):
        return [_tidy(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    tidy = {key: _tidy(value) for key, value in schema.items() if key != "title" or isinstance(value, dict)}
    description = tidy.get("description")
    if isinstance(description, str):
        tidy["description"] = " ".join(description.split("\n\n")[0].split())
    if description == DURATION_DESCRIPTION and "default" in tidy:
        tidy["default"] = format_duration(tidy["default"])
    return tidy
