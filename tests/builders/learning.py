"""Events of a model that has no profile, and a way to run them."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from consumers.clocks import NEVER
from consumers.plan import plan_model
from schemas.settings import Settings
from schemas.settings_text import parse_settings
from watchkeeper.event_files import EventBatch
from watchkeeper.policy import policies
from watchkeeper.replay import Replay, ReplayResult
from watchkeeper.report.past import Past

START_MS = 1_772_409_600_000
STEP_MS = 3_000
"""Twenty events a window of a minute."""

Event = dict[str, Any]


@dataclass(frozen=True)
class Events:
    """Predictions, and labels two minutes later; both in order of time."""

    predictions: list[Event]
    labels: list[Event]


def binary_events(
    n: int, *, seed: int = 1, change: Callable[[int, Event], None] = lambda _place, _event: None
) -> Events:
    """Return the events of a fair model of two classes; `change` may alter a prediction before it is labelled."""
    rng = np.random.default_rng(seed)
    predictions, labels = [], []
    for place in range(n):
        score = float(rng.uniform(0.02, 0.98))
        event: Event = {
            "prediction_id": f"p{place}",
            "model": "m",
            "time": START_MS + STEP_MS * place,
            "version": "1",
            "features": {"a": float(rng.normal()), "b": str(rng.choice(["x", "y", "z"]))},
            "output": {"score": score},
            "latency_ms": float(rng.lognormal(3, 0.4)),
        }
        truth = bool(rng.uniform() < score)
        event["truth"] = truth
        change(place, event)
        truth = event.pop("truth")
        predictions.append(event)
        at = event["time"] + 120_000
        labels.append({"prediction_id": f"p{place}", "model": "m", "time": at, "label": truth})
    return Events(predictions, labels)


def learning_settings(more: str = "", *, events: int = 400, task: str = "binary") -> Settings:
    """Return settings of the model `m`, which learns."""
    positive = "    positive_class: true\n" if task == "binary" else ""
    text = f"app: t\nmodels:\n  m:\n    task: {task}\n{positive}    learn: {{events: {events}}}\n{more}"
    return parse_settings(text, source="settings", env={}, read_secret=str)


def run(
    settings: Settings, events: Events, *, partitions: int = 1, batch_ms: int = 600_000, labelled: bool = True
) -> ReplayResult:
    """Replay events in batches of so much event time."""
    return run_with_pasts(settings, events, partitions=partitions, batch_ms=batch_ms, labelled=labelled)[0]


def run_with_pasts(
    settings: Settings, events: Events, *, partitions: int = 1, batch_ms: int = 600_000, labelled: bool = True
) -> tuple[ReplayResult, dict[str, Past]]:
    """Return what a replay finds, and the past of each model."""
    plans = {name: plan_model(model, None) for name, model in settings.models.items()}
    replay = Replay(plans, partitions=partitions, policies=policies(settings, plans))
    labels = events.labels if labelled else []
    found = replay.run(batches(events.predictions, labels, partitions=partitions, batch_ms=batch_ms))
    return found, replay.pasts()


def batches(
    predictions: Sequence[Event], labels: Sequence[Event], *, partitions: int, batch_ms: int
) -> list[EventBatch]:
    """Return events in batches of so much event time, dealt out by id."""
    found: dict[int, tuple[list[Event], list[Event]]] = {}
    for side, events in enumerate((predictions, labels)):
        for event in events:
            found.setdefault(event["time"] // batch_ms, ([], []))[side].append(event)
    made: list[EventBatch] = []
    for number in sorted(found):
        first, second = found[number]
        passed_ms = number * batch_ms if made else NEVER
        made.append(
            EventBatch(
                _lines(first),
                _lines(second),
                _parts(first, partitions),
                _parts(second, partitions),
                passed_ms,
            )
        )
    return made


def _lines(events: Sequence[Event]) -> list[bytes]:
    return [json.dumps(event).encode() for event in events]


def _parts(events: Sequence[Event], partitions: int) -> Any:
    return np.array([zlib.crc32(e["prediction_id"].encode()) % partitions for e in events], dtype=np.int64)


def firing(result: ReplayResult) -> list[Mapping[str, Any]]:
    """Return the data of the alerts that fired, in order."""
    events = [json.loads(event) for event in result.events]
    return [e["data"] | {"at": e["time"]} for e in events if e["type"].endswith(".firing")]
