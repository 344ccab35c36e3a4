"""What a window costs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from builders.bets import SETTINGS, drawn, layout_of, number
from builders.summaries import prediction_window

from detectors.causes.explainer import Explainer
from detectors.profile import ReferenceProfile
from detectors.registry import detectors_for
from detectors.rhythm import Rhythm
from detectors.summary import Summary
from schemas.finding import Stream
from schemas.model_settings import ModelSettings

if TYPE_CHECKING:
    from collections.abc import Callable

FEATURES, WINDOWS, WARM_UP = 200, 40, 10
MICROSECONDS_MAX = 500.0
"""A hundred times what it takes on an idle core: what is asserted is that nothing goes badly wrong."""

SEASON = tuple(np.round(np.sin(np.arange(24) / 24 * 2 * np.pi) / 1_000, 5).tolist())
REFERENCES = {
    "known inertia": Rhythm(inflation=(1.0,) * 10, rate=1e-3),
    "a cycle": Rhythm(season=SEASON, smooth=True, inflation=(1.0,) * 10, rate=1e-3),
    "no times": None,
}
DEFAULT = ModelSettings.model_validate({"name": "fraud", "task": "binary", "positive_class": "1"})


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("settings", [SETTINGS, DEFAULT], ids=["bets alone", "defaults"])
def test_a_feature_costs_little_in_every_window(
    name: str, settings: ModelSettings, record_property: Callable[[str, object], None]
) -> None:
    columns = [number(f"x{place}", [300] * 66, rhythm=REFERENCES[name]) for place in range(FEATURES)]
    layout = layout_of(*columns)
    profile = ReferenceProfile("fraud", "binary", 20_000, tuple(columns))
    watching = [d for d in detectors_for(settings, profile) if d.stream is Stream.PREDICTIONS]
    vectors = drawn(np.random.default_rng(1), layout, WARM_UP + WINDOWS)
    windows = [prediction_window(Summary(layout, vector), index) for index, vector in enumerate(vectors)]
    for detector in watching:
        for window in windows[:WARM_UP]:
            detector.update(window)
        before = time.process_time()
        for window in windows[WARM_UP:]:
            detector.update(window)
        microseconds = (time.process_time() - before) / FEATURES / WINDOWS * 1e6
        record_property(f"{detector.name}: microseconds per feature and window", round(microseconds, 2))
        assert microseconds < MICROSECONDS_MAX


def test_remembering_what_features_did_costs_little_in_every_window(
    record_property: Callable[[str, object], None],
) -> None:
    columns = [number(f"x{place}", [300] * 66, rhythm=REFERENCES["a cycle"]) for place in range(FEATURES)]
    layout = layout_of(*columns)
    explainer = Explainer(DEFAULT, layout, ReferenceProfile("fraud", "binary", 20_000, tuple(columns)))
    vectors = drawn(np.random.default_rng(1), layout, WINDOWS)
    windows = [prediction_window(Summary(layout, vector), index) for index, vector in enumerate(vectors)]
    before = time.process_time()
    for window in windows:
        explainer.take(window)
        explainer.settle(window.span.end_ms)
    microseconds = (time.process_time() - before) / FEATURES / WINDOWS * 1e6
    record_property("causes: microseconds per feature and window", round(microseconds, 2))
    assert microseconds < MICROSECONDS_MAX
