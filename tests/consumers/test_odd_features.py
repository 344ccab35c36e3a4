"""Features may hold anything that is JSON: a value that is no good spoils that value, never the event or the worker."""

from __future__ import annotations

import pytest
from builders.summaries import profile_of

from consumers.columns import DecodedBatch, Records
from consumers.decode import BatchDecoder
from consumers.envelope import decode_prediction
from consumers.features import FeatureReader
from consumers.interning import Interner
from consumers.plan import plan_model
from detectors.layout import prediction_layout
from detectors.profile_values import INVALID
from schemas.model_settings import ModelSettings

PROFILE = profile_of({"amount": [1.0, 2.0, 3.0], "country": ["DE", "FR", "DE"]})
EVENT = b'{"prediction_id":"a","model":"m","time":1762000000000,"output":{"label":"yes"},"features":{%s}}'
NINES = b"9" * 5_000
"""Too long a number for Python to read as an integer."""


def read(features: bytes) -> tuple[float, bool, str]:
    """Return the number, whether it is invalid, and the category."""
    reader = FeatureReader("m", prediction_layout(PROFILE), frozenset(), Interner())
    columns = reader.read([decode_prediction(EVENT % features)])
    return columns.numbers[0, 0], bool(columns.invalid), columns.categories[0][0]


def test_a_number_too_long_for_python_is_one_invalid_value() -> None:
    number, invalid, country = read(b'"amount":%s,"country":"DE"' % NINES)
    assert (number != number, invalid, country) == (True, True, "DE")  # noqa: PLR0124 - NaN differs from itself
    assert read(b'"amount":2,"country":%s' % NINES) == (2.0, False, INVALID)


@pytest.mark.parametrize(
    "features", [b'"amount":1,"country":"\xff"', b'"amount":1,"\xff":1', b'"new":"\xed\xa0\x80"']
)
def test_bytes_that_are_no_text_refuse_the_event_wherever_they_stand(features: bytes) -> None:
    settings = ModelSettings.model_validate({"name": "m", "task": "binary", "positive_class": "yes"})
    plans = {"m": plan_model(settings, None)}
    batch: DecodedBatch = BatchDecoder(plans, Interner()).decode(Records([EVENT % features]), Records([]))
    assert [rejected.reason.value for rejected in batch.prediction_rejects] == ["decode"]
