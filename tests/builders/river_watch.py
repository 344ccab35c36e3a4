"""Every detector of river as a monitor on the days of `builders.watched`, tuned to see them break in forty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from builders.watched import SETTINGS, profile

from detectors.reference import reference_of
from detectors.river_monitor import river_monitors
from schemas.model_settings import ModelSettings

if TYPE_CHECKING:
    from detectors.detector import Detector

_EITHER: Final[dict[str, dict[str, Any]]] = {
    "amount_ph": {"river": "PageHinkley", "signal": "feature:amount", "alert": True},
    "errors_adwin": {"river": "ADWIN", "signal": "error", "alert": True},
}
_CLASSES: Final[dict[str, dict[str, Any]]] = {
    "amount_kswin": {
        "river": "KSWIN",
        "signal": "feature:amount",
        "parameters": {"window_size": 20, "stat_size": 8, "alpha": 0.0005},
    },
    "amount_dummy": {"river": "DummyDriftDetector", "signal": "feature:amount", "parameters": {"t_0": 35}},
    "amount_ddm": {"river": "DDM", "signal": "feature:amount"},
    "score_ph": {"river": "PageHinkley", "signal": "feature:output.score", "direction": "up"},
    "invalid_hddmw": {
        "river": "HDDMW",
        "signal": "invalid:amount",
        "parameters": {"lambda_val": 0.001},
        "alert": True,
    },
    "german_fhddm": {"river": "FHDDM", "signal": "share:country=DE", "direction": "down", "alert": True},
    "unseen_hddma": {"river": "HDDMA", "signal": "unseen:country", "alert": True},
    "failed_fhddm": {
        "river": "FHDDM",
        "signal": "error_rate",
        "parameters": {"sliding_window_size": 1000},
        "alert": True,
    },
    "fallback_eddm": {"river": "EDDM", "signal": "fallback_rate"},
    "errors_ddm": {"river": "DDM", "signal": "error", "parameters": {"warm_start": 500}, "alert": True},
}
_MODELS: Final[dict[str, dict[str, Any]]] = {
    "binary": {"positive_class": "fraud", "monitors": _EITHER | _CLASSES},
    "regression": {"monitors": _EITHER},
}

RIVER_SETTINGS: Final = {
    task: ModelSettings.model_validate({"name": SETTINGS[task].name, "task": task, **keys})
    for task, keys in _MODELS.items()
}

EVERY_RIVER: Final = [(task, name) for task, model in RIVER_SETTINGS.items() for name in model.monitors]
"""Every monitor of river, by task and name."""


def every_river(task: str) -> dict[str, Detector[Any]]:
    return {
        monitor.name: monitor
        for monitor in river_monitors(RIVER_SETTINGS[task], reference_of(RIVER_SETTINGS[task], profile(task)))
    }
