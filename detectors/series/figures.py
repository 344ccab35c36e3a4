"""Which figure goes with which alert of a model."""

from __future__ import annotations

from functools import partial
from typing import Any

from detectors.betting.watching import OOD, UNFAMILIAR
from detectors.classes import ClassNames
from detectors.detector import Evidence
from detectors.layout import ErrorLayout, PredictionLayout
from detectors.profile import ReferenceProfile
from detectors.reference import Reference
from detectors.river_signals import Signal, signal_of
from detectors.series.figure import Figure, Point, number, text
from detectors.series.of_answers import answer_figure, estimate_figure, gain_figure
from detectors.series.of_columns import column_figure
from detectors.series.of_labels import label_figure
from detectors.series.of_traffic import traffic_figure
from detectors.summary import Summary
from schemas.finding import Finding, Kind, Stream, stream_of
from schemas.model_settings import ModelSettings


class Figures:
    """Finds the figure that shows what a finding says.

    Parameters
    ----------
    settings, profile
        Of the model.
    predictions, errors
        What its windows are counted on.
    names
        Of its classes.
    """

    def __init__(
        self,
        settings: ModelSettings,
        profile: ReferenceProfile | None,
        *,
        predictions: PredictionLayout,
        errors: ErrorLayout,
        names: ClassNames,
    ) -> None:
        self._settings, self._profile, self._names = settings, profile, names
        self._predictions, self._errors = predictions, errors
        self._columns = {cells.column.name: cells for cells in predictions.columns}

    def of(self, finding: Finding) -> Figure | None:
        """Return the figure in the units that the finding's evidence has; None where no window shows it."""
        kind, check, evidence = finding.kind, finding.check, dict(finding.evidence)
        river = self._settings.river_monitors.get(check)
        if river is not None:
            reference = Reference(self._profile, self._predictions, self._errors)
            return _of_signal(signal_of(river, reference), evidence)
        if finding.feature is not None:
            cells = self._columns.get(finding.feature)
            return None if cells is None else column_figure(self._predictions, cells, check, evidence)
        return self._of_all(kind, check, evidence)

    def _of_all(self, kind: Kind, check: str, evidence: Evidence) -> Figure | None:
        """Return the figure of an alert that names no feature."""
        stream = stream_of(kind, check)
        if kind is Kind.OOD_RATE:
            return self._unfamiliar(evidence)
        if kind is Kind.VERSION_REGRESSION:
            return gain_figure(evidence)
        if kind is Kind.ESTIMATED_PERFORMANCE:
            known = None if self._profile is None else self._profile.calibration
            return estimate_figure(known, self._predictions, evidence)
        if stream is Stream.LABELS:
            return label_figure(check, evidence)
        if stream is Stream.ERRORS:
            return answer_figure(kind, evidence, names=self._names, costs=self._settings.costs)
        return traffic_figure(kind, evidence)

    def _unfamiliar(self, evidence: Evidence) -> Figure | None:
        """Return the joint figure that an alert about unfamiliar cases rests on, which its reference tells."""
        for name in UNFAMILIAR:
            cells = self._columns.get(name)
            mean = getattr(None if cells is None else cells.column, "mean", None)
            if cells is not None and mean is not None and mean == evidence.get("profile_mean"):
                return column_figure(self._predictions, cells, OOD, evidence)
        return None


def _of_signal(signal: Signal, evidence: Evidence) -> Figure:
    """Return the figure that one of river's detectors watches."""
    return Figure(
        name=signal.figure,
        unit="share" if signal.figure in ("rate", "share") else "",
        of=text(evidence, "top_category"),
        read=partial(_measured, signal),
        reference=number(evidence, f"{signal.figure}_before"),
        of_columns=signal.stream is Stream.PREDICTIONS and bool(signal.basis),
    )


def _measured(signal: Signal, summary: Summary[Any], _hours: float) -> Point:
    n, total = signal.measure(summary.vector)
    return (signal.offset + signal.scale * total / n if n else None), n
