"""Prompt labels speak for all only where nearly every prediction gets one, or where none has come later for a horizon."""

from __future__ import annotations

import numpy as np
import pytest
from builders.label_flow import HOUR_MS, LAYOUT, START_MS

from detectors.betting.promptness import Promptness
from detectors.detector import ClosedWindow, LabelWindow
from detectors.label_layout import LabelCell, LabelLayout
from detectors.sketch import LABEL_LAG_S
from detectors.summary import Summary
from schemas.finding import Stream, WindowSpan

DAY = 24


def hour(index: int, *, predictions: int, prompt: int, late: int = 0) -> LabelWindow:
    vector = np.zeros(LAYOUT.size, dtype=np.int64)
    vector[LabelCell.PREDICTIONS], vector[LabelCell.FIRST] = predictions, prompt + late
    for seconds, n in ((600.0, prompt), (14 * 86_400.0, late)):
        vector[LabelLayout.LAG + int(LABEL_LAG_S.index(np.array([seconds]))[0])] += n
    span = WindowSpan(START_MS + index * HOUR_MS, START_MS + (index + 1) * HOUR_MS, predictions)
    return ClosedWindow("fraud", Stream.LABELS, span, Summary(LAYOUT, vector))


def watch(*, implicit: bool = False, strict: bool = True) -> Promptness:
    return Promptness(3_600.0, 14 * DAY * HOUR_MS, implicit=implicit, strict=strict)


def fair_after(
    promptness: Promptness, hours: int, *, predictions: int, prompt: int, late_from: int = 10**6
) -> bool:
    for index in range(hours):
        late = predictions - prompt if index >= late_from else 0
        promptness.update(hour(index, predictions=predictions, prompt=prompt, late=late))
    return promptness.fair


def test_where_nearly_every_prediction_has_a_prompt_label_they_speak_for_all_at_once() -> None:
    assert not fair_after(watch(), 1, predictions=200, prompt=190), (
        "the labels of the newest hour may still come"
    )
    assert fair_after(watch(), 2, predictions=200, prompt=190)


def test_where_only_some_have_one_it_takes_a_horizon_to_know_that_no_other_comes() -> None:
    assert not fair_after(watch(), 14 * DAY - 1, predictions=200, prompt=20)
    assert fair_after(watch(), 14 * DAY, predictions=200, prompt=20)


def test_frauds_at_once_and_the_rest_after_two_weeks_are_never_taken_for_all() -> None:
    assert not fair_after(watch(), 30 * DAY, predictions=200, prompt=20, late_from=14 * DAY - 1)


def test_silence_that_means_a_class_is_never_prompt() -> None:
    assert not fair_after(watch(implicit=True), 20 * DAY, predictions=200, prompt=200)


@pytest.mark.parametrize("strict", [True, False])
def test_before_anything_is_known_only_the_lenient_take_it_for_granted(strict: bool) -> None:
    assert watch(strict=strict).fair is not strict


def test_its_state_goes_on_and_another_is_refused() -> None:
    one, again = watch(), watch()
    fair_after(one, 5, predictions=200, prompt=195)
    again.restore(one.state())
    assert (again.state(), again.fair) == (one.state(), True)
    with pytest.raises(ValueError, match="expected"):
        again.restore({**one.state(), "prompt": float("nan")})
