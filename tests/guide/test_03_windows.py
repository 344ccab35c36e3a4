"""Chapter 3, windows: sums that merge, and the moment at which event time closes them."""

from __future__ import annotations

import json

import numpy as np
from builders.pipeline import Pipeline

from alerts.announce import AlertContext
from consumers.evaluator import ModelEvaluator
from consumers.fold import COLUMN
from consumers.memory_store import MemoryModels
from consumers.plan import plan_model
from detectors.layout import ErrorLayout
from detectors.summary import Summary
from schemas.finding import Stream
from schemas.model_settings import ModelSettings
from watchkeeper.policy import AlertPolicy

PLANS = {
    "fraud": plan_model(
        ModelSettings.model_validate(
            {
                "name": "fraud",
                "task": "binary",
                "positive_class": "fraud",
                "window": "1m",
                "allowed_lateness": "30s",
            }
        ),
        None,
    )
}
NOON_MS = 1_793_534_400_000


def prediction(number: int, *, second: int) -> tuple[bytes, bytes]:
    """Return key and value of an event so many seconds after noon."""
    event = {"prediction_id": str(number), "model": "fraud", "output": {"label": "ok"}}
    return str(number).encode(), json.dumps({**event, "time": NOON_MS + second * 1000}).encode()


class Watch:
    """Partitions over a store in memory, and one evaluator that pulls from all of them."""

    def __init__(self, *, partitions: int = 1) -> None:
        self.pipeline = Pipeline(PLANS, partitions=partitions)
        policy = AlertPolicy("guide", AlertContext(app="guide"))  # chapter 4
        self.evaluator = ModelEvaluator(
            PLANS["fraud"], partitions, windows=self.pipeline.store, states=MemoryModels(), policy=policy
        )

    def see(self, *predictions: tuple[bytes, bytes]) -> None:
        self.pipeline.feed(predictions, [])

    def closed(self, *, final: bool = False) -> list[tuple[int, int]]:
        """Return (seconds after noon, events) of the windows that can be closed now."""
        records = self.evaluator.evaluate(final=final).closed
        return [((r.start_ms - NOON_MS) // 1000, r.n) for r in records if r.stream != Stream.LABELS]


def test_a_summary_is_a_vector_and_merging_is_adding() -> None:
    layout = ErrorLayout("binary")
    rng = np.random.default_rng(1)
    a, b, c = (Summary(layout, rng.integers(0, 9, layout.size), {("ok", "fraud"): 1}) for _ in range(3))
    assert a.merge(b).merge(c) == a.merge(b.merge(c))
    assert a.merge(b) == b.merge(a)
    assert a.merge(Summary.empty(layout)) == a


def test_a_window_closes_when_event_time_has_passed_its_end_and_the_lateness() -> None:
    watch = Watch()
    watch.see(prediction(1, second=10), prediction(2, second=50), prediction(3, second=89))
    assert watch.closed() == []  # noon's window ended at 60 s, and waits until 90 s
    watch.see(prediction(4, second=90))
    assert watch.closed() == [(0, 2)]
    assert watch.closed() == []  # each window is closed once


def test_an_event_may_be_late_within_bounds_and_beyond_them_it_is_counted_apart() -> None:
    watch = Watch()
    watch.see(prediction(1, second=10), prediction(2, second=80), prediction(3, second=20))
    watch.see(prediction(4, second=95))
    assert watch.closed() == [(0, 2)]
    watch.see(prediction(5, second=30))  # its window has closed: nothing changes it any more
    counts = watch.pipeline.lives()["fraud"].counters["0"]
    assert (counts[COLUMN["predictions"]], counts[COLUMN["late_events"]]) == (5, 1)
    assert watch.closed(final=True) == [(60, 2)]


def test_every_partition_is_waited_for() -> None:
    watch = Watch(partitions=2)
    watch.see(*(prediction(n, second=n) for n in range(40)))
    watch.see(prediction(100, second=200))  # crc32 puts this id into partition 0 ...
    assert watch.closed() == []  # ... and partition 1 might still hold events of noon
    watch.see(prediction(104, second=200))
    assert watch.closed() == [(0, 40)]


def test_any_number_of_partitions_gives_the_same_windows() -> None:
    events = [prediction(n, second=n) for n in range(300)]
    windows = []
    for partitions in (1, 3, 7):
        watch = Watch(partitions=partitions)
        watch.see(*events)
        windows.append(watch.closed(final=True))
    assert windows[0] == windows[1] == windows[2] == [(60 * i, 60) for i in range(5)]
