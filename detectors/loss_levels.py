"""The loss that performance is judged by, its usual level, and how far chance moves it.

Classification: the share of wrong answers. Regression: the mean absolute error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Protocol

from detectors.bounds import FAMILY_ALPHA, PROFILE_ALPHA, critical_rate, normal_quantile, upper_rate
from detectors.layout import ErrorLayout
from detectors.profile import ReferenceProfile
from detectors.summary import Summary
from detectors.tally import error_counts

ErrorSummary = Summary[ErrorLayout]

MEAN_ALPHA: Final = 1e-6
"""As `FAMILY_ALPHA`, but for a mean of errors: their tails are heavier than the normal law says."""

SEVERE_TIMES: Final = 3.0
"""So many times the highest good loss is critical."""

_HAIR: Final = 1 + 1e-9
_SMALLEST: Final = 1e-300
"""So that the loss that fires is above the good one even where nothing ever varied."""

SEVERE_RATE_MIN: Final = 0.1
"""A lower share of wrong answers is never critical."""


@dataclass(frozen=True, slots=True)
class Level:
    """A loss and what it is held against, all in the loss's own unit.

    Parameters
    ----------
    value
        The loss now.
    good
        The highest loss that still counts as unchanged.
    fire
        The loss that chance alone hardly reaches while the true one is `good`.
    severe
        The loss from which on it is critical.
    """

    value: float
    good: float
    fire: float
    severe: float

    @property
    def clear(self) -> float:
        """The loss below which all is well."""
        return (self.good + self.fire) / 2

    @property
    def excess(self) -> float:
        """How far the loss is on its way from good (0) to firing (1)."""
        return (self.value - self.good) / (self.fire - self.good)


class LossLevels(Protocol):
    """Measures one kind of loss; pure."""

    @property
    def reference(self) -> float | None:
        """The loss in the profile, None without one."""

    @property
    def n_reference(self) -> int:
        """Labelled rows of the profile."""

    def of(self, summary: ErrorSummary) -> Level:
        """Return the level of joined predictions, of which there is at least one."""


class WrongAnswers:
    """Share of wrong answers, by the bound of Chernoff.

    Parameters
    ----------
    threshold
        Highest share that is good; None for the upper end of the profile's, grown by `relative_error`.
    """

    def __init__(
        self, profile: ReferenceProfile | None, *, threshold: float | None, relative_error: float
    ) -> None:
        accuracy = None if profile is None else profile.metrics.get("accuracy")
        self.n_reference = 0 if profile is None else profile.labelled
        self.reference = None if accuracy is None else 1 - accuracy
        if threshold is not None:
            self._good = threshold
        else:
            wrong = round((self.reference or 0.0) * self.n_reference)
            upper = float(upper_rate(wrong, self.n_reference, alpha=PROFILE_ALPHA))
            self._good = min(upper * (1 + relative_error), 1.0)

    def of(self, summary: ErrorSummary) -> Level:
        """Return the level of a summary."""
        counts = error_counts(summary)
        fire = float(critical_rate(self._good, counts["n"], alpha=FAMILY_ALPHA))
        return Level(
            value=counts["wrong"] / counts["n"],
            good=self._good,
            fire=max(fire, self._good * _HAIR, _SMALLEST),
            severe=max(SEVERE_TIMES * self._good, SEVERE_RATE_MIN),
        )


class AbsoluteErrors:
    """Mean absolute error, by the normal law of means with the larger of the spreads then and now.

    Parameters
    ----------
    threshold
        Highest error that is good; None for the upper end of the profile's, grown by `relative_error`.
    """

    def __init__(
        self, profile: ReferenceProfile | None, *, threshold: float | None, relative_error: float
    ) -> None:
        self.reference = None if profile is None else profile.metrics.get("mae")
        self.n_reference = 0 if profile is None else profile.labelled
        self._sd = 0.0 if profile is None else profile.error_sd
        if threshold is not None:
            self._good = threshold
        else:
            doubt = normal_quantile(PROFILE_ALPHA) * self._sd / math.sqrt(max(self.n_reference, 1))
            self._good = (self.reference or 0.0) * (1 + relative_error) + doubt

    def of(self, summary: ErrorSummary) -> Level:
        """Return the level of a summary."""
        n = error_counts(summary)["n"]
        mean = summary.layout.sum(summary.vector, "absolute") / n
        square = summary.layout.sum(summary.vector, "squared") / n
        sd = max(self._sd, math.sqrt(max(square - mean * mean, 0.0)))
        fire = self._good + normal_quantile(MEAN_ALPHA) * sd / math.sqrt(n)
        return Level(
            value=mean,
            good=self._good,
            fire=max(fire, self._good * _HAIR, _SMALLEST),
            severe=SEVERE_TIMES * self._good,
        )
