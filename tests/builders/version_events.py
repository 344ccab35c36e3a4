"""Events of models that have several versions, and their labels."""

from __future__ import annotations

import json
from typing import Any, Final

import numpy as np

from consumers.plan import ModelPlan, plan_model
from schemas.model_settings import ModelSettings

NOON: Final = 1_772_452_800_000
MINUTE: Final = 60_000
Events = list[tuple[str, tuple[bytes, bytes]]]
SILENT: Final = {"implicit": {"class": "ok", "after": "30m"}}
"""Labels where silence means a class."""


def plan(task: str = "binary", **more: Any) -> ModelPlan:
    raw: dict[str, Any] = {"name": "fraud", "task": task, "label_horizon": "1h", **more}
    if task == "binary":
        raw["positive_class"] = "fraud"
    return plan_model(ModelSettings.model_validate(raw), None)


def prediction(name: str, at: int, said: object, **more: Any) -> tuple[str, tuple[bytes, bytes]]:
    output = {"label": said} if isinstance(said, str) else {"value": said}
    event = {"prediction_id": name, "model": "fraud", "time": at, "version": "A", "output": output, **more}
    return "prediction", (name.encode(), json.dumps(event).encode())


def truth(name: str, at: int, label: object, **more: Any) -> tuple[str, tuple[bytes, bytes]]:
    said = {"label": label} if isinstance(label, str) else {"value": label}
    event = {"prediction_id": name, "model": "fraud", "time": at, **said, **more}
    return "label", (name.encode(), json.dumps(event).encode())


def stream(seed: int) -> Events:
    """Three versions that answer half of the ids each, one in the shadow, and labels, in no order at all."""
    rng = np.random.default_rng(seed)
    events: Events = []
    for i in range(60):
        at = NOON + int(rng.integers(0, 3 * MINUTE))
        for version, shadow in (("A", False), ("B", True), ('"~,', False)):
            if rng.random() < 0.7:
                said = "fraud" if rng.random() < 0.5 else "ok"
                events.append(prediction(f"p{i}", at, said, version=version, shadow=shadow))
        if rng.random() < 0.8:
            events.append(
                truth(f"p{i}", at + int(rng.integers(0, MINUTE)), "fraud" if rng.random() < 0.5 else "ok")
            )
    return [events[place] for place in rng.permutation(len(events)).tolist()]
