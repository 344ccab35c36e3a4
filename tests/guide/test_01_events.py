"""Chapter 1, events: what serving sends, what a labeller sends, and what becomes of each message.

Read the chapters in order; each runs on the real modules, in memory.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from consumers.columns import DecodedBatch, Records
from consumers.decode import BatchDecoder
from consumers.interning import Interner
from consumers.plan import plan_model
from detectors.profile import CategoricalColumn, NumericColumn, ReferenceProfile
from schemas.events import GroundTruth, Prediction
from schemas.model_settings import ModelSettings

PREDICTION: dict[str, Any] = {
    "prediction_id": "order-1",
    "model": "fraud",
    "version": "7",
    "time": "2026-11-01T12:00:00Z",
    "features": {"amount": 12.5, "country": "DE"},
    "output": {"score": 0.93},
}
LABEL = {"prediction_id": "order-1", "model": "fraud", "time": "2026-11-08T09:00:00Z", "label": "ok"}

# A profile says which features there are, and on which bins their values are counted.
AMOUNT = NumericColumn(
    "amount", edges=(10.0, 20.0), counts=(40, 40, 20), mean=14.0, sd=6.0, low=1.0, high=40.0, median=12.0
)
COUNTRY = CategoricalColumn("country", categories=("DE", "FR"), counts=(70, 30))
PROFILE = ReferenceProfile("fraud", "binary", n=100, columns=(AMOUNT, COUNTRY))
SETTINGS = ModelSettings.model_validate({"name": "fraud", "task": "binary", "positive_class": "fraud"})


def decode(*predictions: dict[str, Any] | bytes) -> DecodedBatch:
    decoder = BatchDecoder({"fraud": plan_model(SETTINGS, PROFILE)}, Interner())
    values = [p if isinstance(p, bytes) else json.dumps(p).encode() for p in predictions]
    return decoder.decode(Records(values), Records([]))


def test_the_contract_is_published_as_two_models() -> None:
    assert Prediction.model_validate(PREDICTION).time_ms == 1_793_534_400_000
    assert GroundTruth.model_validate(LABEL).label == "ok"


def test_a_batch_becomes_columns() -> None:
    columns = decode(PREDICTION, {**PREDICTION, "prediction_id": "order-2"}).predictions["fraud"]
    assert len(columns) == 2
    assert columns.value.tolist() == [0.93, 0.93]
    assert len(columns.ids[0]) == 12, "an id is known by a short digest from here on"


def test_each_value_becomes_the_cell_it_is_counted_in() -> None:
    # Cells of amount: 3 bins, missing, invalid. Cells of country: DE, FR, unseen, missing, invalid.
    odd = {**PREDICTION, "features": {"amount": "twelve", "country": "XX"}}
    bare = {**PREDICTION, "features": {}}
    cells = decode(PREDICTION, odd, bare).predictions["fraud"].cells
    assert np.array_equal(cells, [[1, 5], [4, 7], [3, 8]])


def test_a_bad_feature_is_an_invalid_value_and_never_a_lost_event() -> None:
    literal_nan = json.dumps({**PREDICTION, "features": {"amount": float("nan")}}).encode()
    batch = decode(literal_nan)
    assert len(batch.predictions["fraud"]) == 1
    assert batch.prediction_rejects == []


def test_what_cannot_be_used_is_listed_with_its_reason_and_stops_nobody() -> None:
    batch = decode(
        b"not json", {**PREDICTION, "model": "unknown"}, {**PREDICTION, "time": "yesterday"}, PREDICTION
    )
    assert [(r.index, r.reason.value) for r in batch.prediction_rejects] == [
        (0, "decode"),
        (1, "unknown_model"),
        (2, "contract"),
    ]
    assert batch.predictions["fraud"].index.tolist() == [3]
