"""The demo's data: a real model, its patients, and an upstream system that changes a unit.

The model is a logistic regression on scikit-learn's breast-cancer data, fitted on one half of its 569
patients. The other half is the population of production and of the reference profile alike: patients are
drawn from it again and again, and every draw is measured anew, with an error of `MEASUREMENT_SD`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Final, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from schemas.clock import format_time

Floats: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.bool_]

MODEL: Final = "biopsy"
VERSION: Final = "3"
FEATURES: Final = (
    "worst area",
    "worst texture",
    "worst smoothness",
    "worst compactness",
    "worst concavity",
    "worst concave points",
    "worst symmetry",
    "worst fractal dimension",
)
"""Without radius and perimeter, which repeat the area: accuracy 0.965, and 0.968 with all thirty features."""

CHANGED: Final = "worst area"
FACTOR: Final = 0.01
"""What the changed unit does to the number: square centimetres where square millimetres were agreed."""

MEASUREMENT_SD: Final = 0.02
"""Relative error of one measurement of one patient."""

START_MS: Final = 1_768_204_800_000  # 2026-01-12T08:00Z, a Monday; any past time does
MINUTE_MS: Final = 60_000
MINUTES: Final = 60
PER_MINUTE: Final = 200
INCIDENT_MINUTE: Final = 36
INCIDENT_MS: Final = START_MS + INCIDENT_MINUTE * MINUTE_MS
END_MS: Final = START_MS + MINUTES * MINUTE_MS
REFERENCE_MINUTES: Final = 40

_DAY_MS: Final = 1440 * MINUTE_MS
_SPLIT_SEED: Final = 0
_PRODUCTION, _REFERENCE = 0, 1
_CLASSES: Final = ("benign", "malignant")
_CLINICS: Final = ("north", "south")
_LABEL_DELAY_MS: Final = (5 * MINUTE_MS, 15 * MINUTE_MS)
_UNLABELLED, _LABELLED_TWICE, _MISTAKEN, _SENT_TWICE = 0.04, 0.02, 0.005, 0.005


@dataclass(frozen=True, slots=True)
class Line:
    """One event as it goes to a topic or a file.

    Parameters
    ----------
    sent_ms
        Event time at which it is sent, epoch milliseconds; both topics are in this order.
    """

    sent_ms: int
    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class _Population:
    """The patients of production, and the model that answers for them."""

    measurements: Floats
    malignant: Flags
    model: Any


@dataclass(frozen=True, slots=True)
class _Cases:
    """Predictions and what was true, in order of time; every array has one entry per prediction."""

    ids: list[str]
    time_ms: Integers
    features: Floats
    score: Floats
    malignant: Flags
    clinic: Integers
    latency_ms: Floats


def events(seed: int, *, incident: bool) -> tuple[list[Line], list[Line]]:
    """Return production's predictions and labels; with the incident, from `INCIDENT_MS` on in another unit.

    The two streams of a seed differ in nothing else. Both end at `END_MS`, with labels still to come.
    """
    draw = np.random.default_rng([_PRODUCTION, seed])
    cases = _cases(draw, START_MS, MINUTES, changed_from_ms=INCIDENT_MS if incident else END_MS)
    labels = [line for line in _labels(draw, cases) if line.sent_ms < END_MS]
    return _predictions(draw, cases), labels


def reference_events() -> tuple[list[Line], list[Line]]:
    """Return predictions of an earlier time and all their labels: what the profile is built from."""
    draw = np.random.default_rng([_REFERENCE, 0])
    cases = _cases(draw, START_MS - _DAY_MS, REFERENCE_MINUTES, changed_from_ms=END_MS)
    return _predictions(draw, cases), _labels(draw, cases)


def settings_text(
    *, bootstrap_servers: str = "localhost:9092", redis_url: str = "redis://localhost:6379/0"
) -> str:
    """Return the `watchkeeper.yaml` of the demo; its profile is expected beside it."""
    return f"""\
app: demo
kafka: {{bootstrap.servers: "{bootstrap_servers}"}}
redis: {{url: "{redis_url}"}}
models:
  {MODEL}:
    task: binary
    positive_class: malignant
    profile: profile.json
    window: 1m
    label_horizon: 2h
    segments: [clinic]
    metrics: {{recall: {{min: 0.85}}}}
    owner: {{team: pathology-ml, contact: "@pathology-ml", escalation: [pathology-oncall]}}
    runbook: https://wiki.example/biopsy-model
    fallback: second-reader
    updates: {{who: pathology-ml, cadence: yearly, trigger: performance}}
"""


@cache
def _population() -> _Population:
    from sklearn.datasets import load_breast_cancer  # noqa: PLC0415 - takes long to import
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from sklearn.model_selection import train_test_split  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    data = load_breast_cancer()
    columns = [data.feature_names.tolist().index(name) for name in FEATURES]
    malignant = data.target == data.target_names.tolist().index("malignant")
    train, held_out, train_malignant, held_out_malignant = train_test_split(
        data.data[:, columns], malignant, test_size=0.5, stratify=malignant, random_state=_SPLIT_SEED
    )
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(train, train_malignant)
    return _Population(held_out, held_out_malignant, model)


def _cases(draw: np.random.Generator, start_ms: int, minutes: int, *, changed_from_ms: int) -> _Cases:
    population = _population()
    n = minutes * PER_MINUTE
    time_ms = start_ms + np.arange(n) * (MINUTE_MS // PER_MINUTE)
    patients = draw.integers(len(population.malignant), size=n)
    features = population.measurements[patients] * draw.normal(1.0, MEASUREMENT_SD, (n, len(FEATURES)))
    features[time_ms >= changed_from_ms, FEATURES.index(CHANGED)] *= FACTOR
    return _Cases(
        ids=_ids(draw, time_ms),
        time_ms=time_ms,
        features=features.round(6),
        score=population.model.predict_proba(features)[:, 1].round(6),
        malignant=population.malignant[patients],
        clinic=draw.integers(len(_CLINICS), size=n),
        latency_ms=draw.lognormal(2.0, 0.4, n).round(2),
    )


def _ids(draw: np.random.Generator, time_ms: Integers) -> list[str]:
    """Return ids of UUIDv7's form: the time, the version and the variant, and drawn bits."""
    firsts = draw.integers(1 << 12, size=len(time_ms)).tolist()
    seconds = draw.integers(1 << 62, size=len(time_ms)).tolist()
    ids = []
    for at, first, second in zip(time_ms.tolist(), firsts, seconds, strict=True):
        text = f"{at:012x}7{first:03x}{(1 << 63) | second:016x}"
        ids.append(f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}")
    return ids


def _predictions(draw: np.random.Generator, cases: _Cases) -> list[Line]:
    """Return one event per prediction, and a second copy of a few, as a sender that retries makes them."""
    lines = [_prediction(cases, place, row) for place, row in enumerate(cases.features.tolist())]
    for place in np.flatnonzero(draw.random(len(lines)) < _SENT_TWICE).tolist():
        again = lines[place]
        lines.append(Line(again.sent_ms + int(draw.integers(100, 2_000)), again.key, again.value))
    return sorted(lines, key=_sent)


def _prediction(cases: _Cases, place: int, features: list[float]) -> Line:
    at, score = int(cases.time_ms[place]), float(cases.score[place])
    event = {
        "prediction_id": cases.ids[place],
        "model": MODEL,
        "version": VERSION,
        "time": format_time(at),
        "features": dict(zip(FEATURES, features, strict=True)),
        "output": {"label": _CLASSES[score >= 0.5], "score": score},
        "segments": {"clinic": _CLINICS[cases.clinic[place]]},
        "latency_ms": float(cases.latency_ms[place]),
        "status": "ok",
    }
    return Line(at, cases.ids[place].encode(), msgspec.json.encode(event))


def _labels(draw: np.random.Generator, cases: _Cases) -> list[Line]:
    """Return the pathologists' reports: late, some never, some twice, a few mistaken and then corrected."""
    n = len(cases.ids)
    arrival_ms = cases.time_ms + draw.integers(*_LABEL_DELAY_MS, size=n)
    repeat_ms = arrival_ms + draw.integers(1_000, 2 * MINUTE_MS, size=n)
    kinds = draw.random((n, 3)) < np.array([_UNLABELLED, _LABELLED_TWICE, _MISTAKEN])
    lines: list[Line] = []
    for place, (never, twice, mistaken) in enumerate(kinds.tolist()):
        truth, first, later = bool(cases.malignant[place]), int(arrival_ms[place]), int(repeat_ms[place])
        if never:
            continue
        lines.append(_label(cases, place, first, malignant=truth != mistaken))
        if mistaken:
            lines.append(_label(cases, place, later, malignant=truth, revision=1))
        elif twice:
            lines.append(_label(cases, place, later, malignant=truth))
    return sorted(lines, key=_sent)


def _label(cases: _Cases, place: int, at: int, *, malignant: bool, revision: int = 0) -> Line:
    event = {
        "prediction_id": cases.ids[place],
        "model": MODEL,
        "time": format_time(at),
        "label": _CLASSES[malignant],
        "revision": revision,
        "prediction_time": format_time(int(cases.time_ms[place])),
    }
    return Line(at, cases.ids[place].encode(), msgspec.json.encode(event))


def _sent(line: Line) -> int:
    return line.sent_ms
