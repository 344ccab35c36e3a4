"""Bets that a user's limit of a metric is broken; the limit itself is the null.

A model that sits at its limit breaks the budget no more often than one far inside. Three kinds of metrics have an honest
bet on what windows count:

* shares of wrong answers (accuracy, recall, precision);
* quantiles of errors: that a quantile lies beyond a value says that more than its share of the errors does;
* means of losses that are never below 0 (log loss, Brier score): a bet that a mean is above the limit loses no more
  than the limit on any event, however large losses may be.

Windows count errors and losses in bins. Each counts as its end nearer to where all is well, so that bins never make an
alarm; what they hide is at most their width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from detectors.betting.error_cells import ErrorCells, Mask, Places
from detectors.betting.feature_signals import RATE_SIZES, rate_signal
from detectors.betting.signal import UP, Signal, Wager
from detectors.betting.watched import Watched
from detectors.class_cells import BRIER, LOG_LOSS
from detectors.error_quantiles import QUANTILES
from detectors.metric_limits import Limit, limits_of
from schemas.finding import Kind
from schemas.metric_settings import MetricRule

SHARES: Final = ("accuracy", "recall", "precision")
LOSSES: Final = (LOG_LOSS, BRIER)
_AT_ONCE: Final = np.full((1, 2), np.finfo(np.float64).eps)
"""The limit itself is the end of what counts as unchanged."""
_LOSS_MAX: Final = 5.0
"""Stakes are for losses that hardly exceed this, and spread as far as such losses of one mean can be."""
_SIZES: Final = (0.05, *RATE_SIZES)


def limit_signals(
    cells: ErrorCells, rules: Mapping[str, MetricRule], reference: Mapping[str, float]
) -> list[Watched]:
    """Return bets on the limits that have one; the others are left to `detectors.metric_limits`.

    Parameters
    ----------
    reference
        The profile's metrics, which `drop` counts from.
    """
    made = [(limit, _signal(cells, limit)) for limit in limits_of(rules, reference)]
    return [
        Watched(signal, Kind.PERFORMANCE, signal.name, limit=limit.value)
        for limit, signal in made
        if signal is not None
    ]


def _signal(cells: ErrorCells, limit: Limit) -> Signal | None:
    for metrics, bet in _BETS:
        if limit.metric in metrics and limit.value is not None:
            return bet(cells, limit, limit.value)
    return None


def _of_share(cells: ErrorCells, limit: Limit, value: float) -> Signal | None:
    places = {
        "accuracy": cells.all,
        "precision": cells.called_positive,
        "recall": cells.positive_place,
    }
    place = places[limit.metric]
    return None if place is None else _rate(limit, *cells.row(place), share=min(max(1 - value, 0.0), 1.0))


def _of_quantile(cells: ErrorCells, limit: Limit, value: float) -> Signal | None:
    """Return the bet that more errors than the quantile's share lie beyond the limit; None beyond all bins."""
    found = cells.errors()
    if found is None:
        return None
    places, edges = found
    share, is_absolute = QUANTILES[limit.metric]
    lowest, highest = np.append(-np.inf, edges), np.append(edges, np.inf)
    above, below = lowest >= value, highest < (-value if is_absolute else value)
    bad = above | below if is_absolute else above if limit.upward else below
    if not bad.any():
        return None
    return _rate(limit, places, bad, share=1 - share if limit.upward else share)


def _of_loss(cells: ErrorCells, limit: Limit, value: float) -> Signal | None:
    """Return the bet that the mean of a loss is above the limit."""
    places, least = cells.losses(limit.metric)
    if not 0 < value < least.max():
        return None
    most = min(float(least.max()), _LOSS_MAX)
    return Signal(
        name=f"{limit.metric}_{limit.key}",
        group="performance",
        cells=places,
        values=(least - value)[:, None],
        sds=np.sqrt([value * (most - value) if value < most / 2 else most * most / 4]),
        slack=_AT_ONCE,
        minimum=np.array([value / 10]),
        wagers=(Wager(0, UP, _SIZES),),
        rhythms=(None,),
    )


def _rate(limit: Limit, places: Places, bad: Mask, *, share: float) -> Signal:
    return rate_signal(
        f"{limit.metric}_{limit.key}",
        "performance",
        places,
        bad,
        share=share,
        slack=_AT_ONCE,
        minimum=max(share / 10, 0.001),
    )


_BETS: Final[tuple[tuple[tuple[str, ...], Callable[[ErrorCells, Limit, float], Signal | None]], ...]] = (
    (SHARES, _of_share),
    (tuple(QUANTILES), _of_quantile),
    (LOSSES, _of_loss),
)
