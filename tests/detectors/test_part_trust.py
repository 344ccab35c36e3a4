"""What labels of segments and versions say of their estimates: since when, in bounded memory, and back from bytes."""

from __future__ import annotations

import numpy as np
import pytest
from builders.scored_traffic import CHANGED, SETTINGS, USUAL, World, drawn, reference

from consumers.plan import plan_model
from detectors.betting.part_trust import CHANGES_KEPT, LABELS_KEPT, PARTS_MAX, PartTrust
from detectors.codec import encode_summary
from detectors.detector import ClosedWindow, ErrorWindow
from detectors.estimation.reality import Surprises, surprises_of
from detectors.layout import WINDOW_SCORE_BINS, ErrorLayout, prediction_layout
from detectors.summary import Summary
from schemas.finding import Stream, WindowSpan

LAYOUT = ErrorLayout("binary")


def surprises() -> Surprises:
    found = surprises_of(reference(), LAYOUT, least=SETTINGS.models["fraud"].min_effect)
    assert found is not None
    return found


def counted(world: World, n: int, seed: int = 1) -> Summary[ErrorLayout]:
    _, scores, truth = drawn(np.random.default_rng(seed), n, world)
    cells = ErrorLayout.SCORES + np.minimum((scores * WINDOW_SCORE_BINS).astype(int), WINDOW_SCORE_BINS - 1)
    summary = Summary.empty(LAYOUT)
    np.add.at(summary.vector, cells + WINDOW_SCORE_BINS * truth, 1)
    return summary


def window(end_ms: int, **segments: Summary[ErrorLayout]) -> ErrorWindow:
    span = WindowSpan(end_ms - 60_000, end_ms, 1)
    return ClosedWindow("m", Stream.ERRORS, span, Summary.empty(LAYOUT), {}, segments)


def test_a_segment_is_judged_by_its_own_labels_from_when_they_are_enough() -> None:
    trust = PartTrust(surprises())
    for minute in range(1, 21):
        web, shop = counted(USUAL, 100, minute), counted(CHANGED, 100, 50 + minute)
        trust.take(window(minute * 60_000, web=web, shop=shop))
    for name, holds in (("web", True), ("shop", False)):
        assert trust.holds(("segment", name), 60_000) is None
        assert trust.holds(("segment", name), 20 * 60_000) is holds
    assert trust.holds(("version", "web"), 20 * 60_000) is None


def test_old_labels_fade_so_that_a_part_may_be_reliable_again() -> None:
    trust = PartTrust(surprises())
    for minute in range(1, 121):
        trust.take(window(minute * 60_000, shop=counted(CHANGED if minute <= 20 else USUAL, 500, minute)))
    assert trust.holds(("segment", "shop"), 20 * 60_000) is False
    assert trust.holds(("segment", "shop"), 120 * 60_000) is True


def test_it_comes_back_from_its_bytes() -> None:
    trust, again = PartTrust(surprises()), PartTrust(surprises())
    for minute in range(1, 13):
        trust.take(window(minute * 60_000, shop=counted(CHANGED, 500, minute)))
    again.restore(trust.to_bytes())
    assert again.to_bytes() == trust.to_bytes()
    for each in (trust, again):
        each.take(window(20 * 60_000, shop=counted(USUAL, 500)))
    assert again.to_bytes() == trust.to_bytes()
    assert again.holds(("segment", "shop"), 12 * 60_000) is False
    again.restore(b"")
    assert again.to_bytes() == PartTrust(surprises()).to_bytes()


@pytest.mark.parametrize("data", [b"x", b"\x91\x95\xa1a\xa1b\x91\xcd\xff\xff\x91\x01\x90"])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="expected the labels of parts"):
        PartTrust(surprises()).restore(data)


def test_memory_is_bounded_whatever_comes() -> None:
    trust, size = PartTrust(surprises()), 0
    for minute in range(1, 60):
        names = [f"shop-{(minute * 40 + n) % 700}" for n in range(40)]
        world = CHANGED if minute % 2 else USUAL
        trust.take(window(minute * 60_000, **dict.fromkeys(names, counted(world, 3 * LABELS_KEPT, minute))))
        size = len(trust.to_bytes())
    assert size < PARTS_MAX * (12 * 2 * WINDOW_SCORE_BINS + 16 * CHANGES_KEPT + 20)


def test_a_segment_window_that_an_older_release_counted_without_answers_loads_and_has_none() -> None:
    plan = plan_model(SETTINGS.models["fraud"], reference())
    older = Summary.empty(prediction_layout(None))
    older.vector[:4] = (7, 5, 1, 1)
    found = plan.window(Stream.PREDICTIONS, "channel=web", encode_summary(older))
    assert found.layout == plan.service
    assert found.vector[:4].tolist() == [7, 5, 1, 1]
    assert not found.vector[plan.service.answer_cells].any()
