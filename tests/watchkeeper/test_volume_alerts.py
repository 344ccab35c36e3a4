"""An outage of the traffic, from its windows to what people hear."""

from __future__ import annotations

import numpy as np

from alerts.announce import AlertContext
from alerts.policy import AlertBook, step
from benchmarks.detect.volume import Traffic, Watch
from schemas.alert import AlertEvent, AlertType


def test_an_outage_is_one_alert_that_says_how_much_is_missing_and_ends_with_it() -> None:
    rng = np.random.default_rng(1)
    rates = Traffic(1_000, day_sd=0.0).rates(rng, 45, minutes=60)
    rates[42 * 24 + 10 : 43 * 24] *= 0.05
    watch, book, heard = Watch(), AlertBook(), []
    for count in rng.poisson(rates).tolist():
        book, events = step(book, watch.take(count), context=AlertContext(app="test"))
        heard += [event.data for event in events if isinstance(event, AlertEvent)]
        types = [event.type for event in events if isinstance(event, AlertEvent)]
        assert AlertType.UPDATED not in types
    firing, resolved = heard
    assert (firing.kind, firing.severity, resolved.status) == ("volume", "critical", "resolved")
    assert firing.title.startswith("fraud: less traffic than usual, ")
    assert " events an hour instead of " in firing.title
    assert firing.evidence["season"] == "weekly"
    assert resolved.title.startswith("fraud: over: less traffic than usual, lasted 1")
