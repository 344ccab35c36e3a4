"""Which parts of a model are bet on, and what they have of its budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from detectors.betting.budget import SEGMENTS_SHARE, VERSIONS_MAX, VERSIONS_SHARE, bars, kept_for_labels
from detectors.betting.calendar import HOUR_MS
from detectors.betting.column_findings import ColumnFindings
from detectors.betting.columns import BudgetedColumns
from detectors.betting.error_cells import ErrorCells
from detectors.betting.error_findings import ErrorFindings
from detectors.betting.errors import BudgetedErrors
from detectors.betting.estimate_findings import EstimateFindings
from detectors.betting.estimate_setup import EstimateDetectors
from detectors.betting.part_cells import ColumnPartCells, ErrorPartCells, EstimatePartCells
from detectors.betting.part_signals import (
    segment_columns,
    segment_errors,
    segment_profile,
    version_columns,
    version_errors,
)
from detectors.betting.parts import BudgetedParts, PartKind
from detectors.betting.promptness import Promptness
from detectors.betting.roster import Rules
from detectors.betting.seats import Part
from detectors.betting.watched import Watched
from detectors.classes import ClassNames
from detectors.detector import Detector
from detectors.layout import ErrorLayout, PredictionLayout, answer_layout, prediction_layout
from detectors.profile import ReferenceProfile
from detectors.reference import Reference
from schemas.model_settings import ModelSettings

Places = npt.NDArray[np.intp]

VERSION_GONE_MS: Final = HOUR_MS
SEGMENT_GONE_MS: Final = 7 * 24 * HOUR_MS
"""A version without traffic for an hour is gone, a segment for a week: some sleep at night and at weekends."""


@dataclass(frozen=True, slots=True)
class Bets:
    """What is bet on about a part on both streams, and what it is compared with."""

    profile: ReferenceProfile | None
    columns: list[Watched]
    errors: list[Watched]
    estimates: list[Watched] = field(default_factory=list)

    @property
    def every(self) -> list[Watched]:
        """All bets, in the order in which the budget is dealt out to them."""
        return [*self.columns, *self.errors, *self.estimates]


class PartSetup:
    """Makes the detectors of a model's versions and segments.

    Parameters
    ----------
    cells
        What is counted of errors.
    budget
        What all that is compared with the reference has of the model's budget.
    of_version
        Whether the reference is that of one version: then its segments alone are parts.
    estimates
        What is bet on about the estimate of the whole model.

    Attributes
    ----------
    share
        What is reserved of that budget for all parts, those included that have not come yet.
    """

    def __init__(  # noqa: PLR0913 - what parts are made of
        self,
        settings: ModelSettings,
        reference: Reference,
        cells: ErrorCells,
        names: ClassNames,
        promptness: Promptness,
        *,
        budget: float = 1.0,
        of_version: bool = False,
        estimates: Sequence[Watched] = (),
    ) -> None:
        profile = reference.profile
        self._settings, self._cells, self._names, self._budget = settings, cells, names, budget
        self._zone = "UTC" if profile is None else profile.timezone
        self._inputs = "" if profile is None else profile.inputs_hash
        self._everything = "" if profile is None else profile.errors_hash
        self._reserved = kept_for_labels(profile)
        self._service = prediction_layout(None)
        self._predictions = reference.predictions
        self._answers, self._places = answer_layout(self._predictions)
        self._error_cells = ErrorPartCells(cells, promptness, zone=self._zone)
        self._version = Bets(profile, [], [])
        if not of_version:
            columns = version_columns(settings, profile, self._answers)
            errors = version_errors(settings, profile, cells, prompt=self._error_cells.prompt)
            self._version = Bets(profile, columns, errors, list(estimates))
        declared = tuple(f"{key}=" for key in settings.segments)
        known = () if profile is None else profile.segments
        self._known = [name for name in known if name.startswith(declared)][: settings.max_segments]
        self._unknown = segment_columns(settings, None, None, 1) if settings.segments else []
        self._made: dict[str, Bets] = {}
        every = (self._segment(name) for name in (*self._known, ""))
        self._has_segments = settings.max_segments > 0 and any(self._speaks(bets) for bets in every)
        self.share = VERSIONS_SHARE * self._speaks(self._version) + SEGMENTS_SHARE * self._has_segments

    def _speaks(self, bets: Bets) -> bool:
        """Return whether something of a part has a share of the budget."""
        weights = self._settings.false_alarm_budget.weights.by_group()
        return any(weights[item.signal.group] > 0 for item in bets.every)

    def _segment(self, name: str) -> Bets:
        """Return the bets on a segment, worked out when it is first asked for."""
        profile = self._version.profile
        if profile is None or name not in self._known:
            return Bets(None, self._unknown, [])
        if name not in self._made:
            settings, found = self._settings, profile.segments[name]
            own = segment_profile(profile, found, self._names)
            columns = segment_columns(settings, own, found, len(self._known))
            errors = segment_errors(settings, own, self._cells, len(self._known))
            self._made[name] = Bets(own, columns, errors)
        return self._made[name]

    def detectors(
        self, columns: BudgetedColumns | None, errors: BudgetedErrors | None, estimates: EstimateDetectors
    ) -> list[Detector[Any]]:
        """Return the detectors of the parts, given those of the whole model on each stream."""
        found: list[Detector[Any]] = []
        rules = Rules(VERSIONS_MAX, frozenset(), VERSION_GONE_MS, yields=True)
        if self._version.columns:
            found.append(self._on_columns("version", self._answers, self._places, rules, columns))
        if self._version.errors:
            found.append(self._on_errors("version", rules, errors))
        if self._version.estimates:
            found += self._on_estimates(rules, estimates)
        if not self._has_segments:
            return found
        known, most = frozenset(self._known), self._settings.max_segments
        if self._unknown or any(self._segment(name).columns for name in self._known):
            rules = Rules(most, known, SEGMENT_GONE_MS, yields=False)
            every = np.arange(self._service.size)
            found.append(self._on_columns("segment", self._service, every, rules, columns))
        if any(self._segment(name).errors for name in self._known):
            rules = Rules(len(known), known, SEGMENT_GONE_MS, yields=False)
            found.append(self._on_errors("segment", rules, errors))
        return found

    def _on_columns(
        self,
        kind: PartKind,
        layout: PredictionLayout,
        places: Places,
        rules: Rules,
        whole: BudgetedColumns | None,
    ) -> Detector[PredictionLayout]:
        def make(name: str) -> Part[PredictionLayout]:
            bets, levels = self._dealt(kind, name)
            findings = ColumnFindings(layout, bets.profile, bets.columns)
            return Part(name, bets.columns, levels[: len(bets.columns)], findings)

        cells = ColumnPartCells(layout, places, zone=self._zone)
        return BudgetedParts(
            kind,
            cells,
            make,
            rules,
            whole=whole,
            reference=self._inputs,
            window_ms=self._settings.window_ms,
        )

    def _on_errors(self, kind: PartKind, rules: Rules, whole: BudgetedErrors | None) -> Detector[ErrorLayout]:
        def make(name: str) -> Part[ErrorLayout]:
            bets, levels = self._dealt(kind, name)
            findings = ErrorFindings(
                bets.profile, self._cells, bets.errors, positive=self._names.positive, of_part=True
            )
            return Part(
                name, bets.errors, levels[len(bets.columns) : len(bets.columns) + len(bets.errors)], findings
            )

        return BudgetedParts(
            kind,
            self._error_cells,
            make,
            rules,
            whole=whole,
            reference=self._everything,
            window_ms=self._settings.window_ms,
        )

    def _on_estimates(self, rules: Rules, whole: EstimateDetectors) -> list[Detector[Any]]:
        profile, layout = self._version.profile, self._predictions
        if profile is None or profile.calibration is None or layout.answers is None:
            return []
        calibration, answers, place = profile.calibration, layout.answers, layout.answer_cells
        cells = np.arange(answers.size, dtype=np.intp)
        own = [replace(w, signal=replace(w.signal, cells=cells)) for w in self._version.estimates]

        def make(name: str) -> Part[PredictionLayout]:
            _, levels = self._dealt("version", name)
            findings = EstimateFindings(calibration, answers, place, own)
            return Part(name, own, levels[-len(own) :], findings)

        detector = BudgetedParts(
            "version",
            EstimatePartCells(place, zone=self._zone),
            make,
            rules,
            whole=whole.bets,
            is_refuted=whole.distrust,
            reference=profile.content_hash,
            window_ms=self._settings.window_ms,
        )
        return [detector]

    def _dealt(self, kind: PartKind, name: str) -> tuple[Bets, list[float]]:
        """Return the bets on a part, and the log evidence at which each fires: columns first."""
        budget = self._settings.false_alarm_budget
        if kind == "version":
            bets, share = self._version, VERSIONS_SHARE / VERSIONS_MAX
        else:
            bets = self._segment(name)
            share = SEGMENTS_SHARE / self._settings.max_segments
        levels = bars(
            [item.signal for item in bets.every],
            false_alarms=budget.false_alarms,
            per_ms=budget.per_ms,
            window_ms=self._settings.window_ms,
            weights=budget.weights.by_group(),
            reserved=self._reserved,
            share=self._budget * share,
        )
        return bets, levels
