"""Which keys the settings know at a place: read from the models themselves, for the mend of a typo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args, get_origin

from pydantic import BaseModel

from schemas.monitor_settings import MonitorSettings
from schemas.river_settings import RiverSettings
from schemas.settings import Settings
from schemas.sink_settings import SINK_MODELS

if TYPE_CHECKING:
    from schemas.setting_types import Place


def known_keys(place: Place, *, sink_type: object = None, is_river: bool = False) -> list[str]:
    """Return the keys that can stand in the mapping at a place; none for a mapping of free keys.

    Parameters
    ----------
    sink_type
        The `type` of the sink at the place: each type has its own keys.
    is_river
        Whether the monitor at the place is one of river's detectors.
    """
    models: list[type[BaseModel]] = [Settings]
    is_entry = False  # the next part of the place is a free key or a list position
    for part in place:
        if is_entry:
            is_entry = False
            continue
        annotation = _annotation_of(str(part), models)
        models = _models_in(annotation)
        is_entry = get_origin(annotation) in {dict, list}
    if place[:1] == ("sinks",) and isinstance(sink_type, str) and sink_type in SINK_MODELS:
        models = [SINK_MODELS[sink_type]]
    if MonitorSettings in models:
        models = [RiverSettings if is_river else MonitorSettings]
    keys = {field.alias or name for model in models for name, field in model.model_fields.items()}
    is_model = len(place) == 2 and place[0] == "models"
    return sorted(keys - {"name"} if is_model else keys)


def _annotation_of(key: str, models: list[type[BaseModel]]) -> Any:
    for model in models:
        for name, field in model.model_fields.items():
            if key == (field.alias or name):
                return field.annotation
    return None


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]
