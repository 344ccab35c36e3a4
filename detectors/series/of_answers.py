"""The figures of how good answers are: wrong ones within a true class, metrics, estimates, and two versions beside each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from detectors.classes import ClassNames
from detectors.detector import Evidence
from detectors.estimation.calibration import Calibration
from detectors.estimation.figures import estimated
from detectors.layout import PredictionLayout
from detectors.metrics import metrics_of
from detectors.metrics_classes import Costs
from detectors.pair_layout import PairCell, PairLayout
from detectors.series.figure import Figure, Point, Unit, number, text
from detectors.summary import Summary
from schemas.finding import Kind

SHARES: Final = frozenset({"accuracy", "balanced_accuracy", "precision", "recall", "f1", "mape", "smape"})
"""Metrics that are shares."""
_WRONG: Final = "wrong:"
_REST: Final = "(rest)"


@dataclass(frozen=True, slots=True)
class _WrongAnswers:
    """The share of answers that are wrong, of those of one true class; of all for an empty name."""

    names: ClassNames
    true: str

    def __call__(self, summary: Summary[Any], _hours: float) -> Point:
        n = wrong = 0
        for (predicted, true), count in summary.pairs.items():
            if self.true in ("", true):
                n += count
                wrong += 0 if self.names.same(predicted, true) else count
        return (wrong / n if n else None), n


@dataclass(frozen=True, slots=True)
class _TrueShare:
    """The share of one true class."""

    true: str

    def __call__(self, summary: Summary[Any], _hours: float) -> Point:
        n = sum(summary.pairs.values())
        hits = sum(count for (_, true), count in summary.pairs.items() if true == self.true)
        return (hits / n if n else None), n


@dataclass(frozen=True, slots=True)
class _Metric:
    name: str
    positive: str | None
    costs: Costs | None

    def __call__(self, summary: Summary[Any], _hours: float) -> Point:
        found = metrics_of(summary, positive=self.positive, costs=self.costs)
        return found.get(self.name), int(summary.vector[0])


@dataclass(frozen=True, slots=True)
class _ErrorRate:
    def __call__(self, summary: Summary[Any], _hours: float) -> Point:
        n, wrong = (int(count) for count in summary.vector[:2])
        return (wrong / n if n else None), n


@dataclass(frozen=True, slots=True)
class _Estimate:
    calibration: Calibration
    layout: PredictionLayout
    metric: str

    def __call__(self, summary: Summary[Any], _hours: float) -> Point:
        if self.layout.answers is None:
            return None, 0
        counts = summary.vector[self.layout.answer_cells]
        found = estimated(self.calibration, self.layout.answers, counts).get(self.metric)
        return (None if found is None else found.value), int(counts.sum())


@dataclass(frozen=True, slots=True)
class _Gain:
    """By how much the challenger's mean loss is lower than the champion's."""

    sign: int

    def __call__(self, summary: Summary[PairLayout], _hours: float) -> Point:
        first, second, n = (
            int(summary.vector[cell]) for cell in (PairCell.LOSS_FIRST, PairCell.LOSS_SECOND, PairCell.N)
        )
        return (self.sign * (first - second) / summary.layout.steps / n if n else None), n


def answer_figure(kind: Kind, evidence: Evidence, *, names: ClassNames, costs: Costs | None) -> Figure | None:
    """Return the figure of an alert on labels."""
    signal = text(evidence, "signal") or ""
    if kind is Kind.LABEL_DRIFT:
        name = text(evidence, "top_category")
        if name is None or name == _REST:
            return None
        return Figure(
            name="share",
            unit="share",
            of=name,
            read=_TrueShare(name),
            reference=number(evidence, "share_before"),
        )
    if signal.startswith(_WRONG) and signal != f"{_WRONG}{_REST}":
        true = signal.removeprefix(_WRONG)
        return Figure(
            name="wrong_answers",
            unit="share",
            of=true or None,
            read=_WrongAnswers(names, true),
            reference=number(evidence, "wrong_before"),
        )
    if text(evidence, "statistic") == "error_rate":
        before, limit = number(evidence, "reference"), number(evidence, "threshold")
        return Figure(
            name="wrong_answers", unit="share", read=_ErrorRate(), reference=before, threshold=limit
        )
    metric = text(evidence, "metric")
    if metric is None:
        return None
    return Figure(
        name=metric,
        unit=unit_of(metric),
        read=_Metric(metric, names.positive, costs),
        reference=number(evidence, f"{metric}_before"),
        threshold=_limit(evidence),
    )


def estimate_figure(
    calibration: Calibration | None, layout: PredictionLayout, evidence: Evidence
) -> Figure | None:
    """Return the figure of an alert on estimates; None without what they rest on."""
    metric = text(evidence, "metric")
    if metric is None or calibration is None:
        return None
    return Figure(
        name=metric,
        unit=unit_of(metric),
        read=_Estimate(calibration, layout, metric),
        reference=number(evidence, f"{metric}_before"),
        of_columns=True,
    )


def gain_figure(evidence: Evidence) -> Figure | None:
    """Return how much better or worse a challenger is, id by id; None where they are compared on different ids."""
    champion, challenger = text(evidence, "champion"), text(evidence, "challenger")
    if champion is None or challenger is None or text(evidence, "ids") == "different":
        return None
    return Figure(name="gain", read=_Gain(1 if champion < challenger else -1), of=challenger, reference=0.0)


def pair_of(evidence: Mapping[str, Any]) -> tuple[str, str]:
    """Return the names of the two versions that an alert compares, in order."""
    first, second = sorted((str(evidence.get("champion")), str(evidence.get("challenger"))))
    return first, second


def unit_of(metric: str) -> Unit:
    """Return the unit of a metric."""
    return "share" if metric in SHARES else ""


def _limit(evidence: Evidence) -> float | None:
    """Return the limit of a metric that the user has set."""
    return number(evidence, "limit_value" if evidence.get("budgeted") else "threshold")
