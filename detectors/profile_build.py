"""Builds a reference profile from rows that are read twice, in bounded memory.

The first pass finds types, takes samples and collects candidate categories; the second counts every row
exactly. The result is a function of the rows and their order: how they come in batches changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from detectors.betting.rhythm_fit import Grid
from detectors.block_sums import TimeSpan
from detectors.classes import ClassValue
from detectors.deviance import deviance_power
from detectors.profile import CategoricalColumn, Column, ReferenceProfile, is_feature
from detectors.profile_count import CategoryCount, NumericCount
from detectors.profile_joint import JointColumns
from detectors.profile_latency import LatencyCount
from detectors.profile_outputs import OutputColumns
from detectors.profile_scan import ColumnScan
from detectors.profile_segments import SegmentCounts
from detectors.profile_values import RowBatch
from schemas.errors import Stop
from schemas.metric_settings import Task
from schemas.model_parts import FeatureRule, Loss
from schemas.model_settings import ModelSettings
from schemas.setting_types import nearest

COLUMNS_MAX: Final = 4096
SAMPLE_VALUES_MAX: Final = 8_000_000
"""Sampled numbers of all columns together; many columns share them."""
FEW_ROWS: Final = 1_000
LEFT_OUT_SHOWN: Final = 5


class ProfileBuilder:
    """Feed every batch to `sample`, then every batch again to `count`, then call `finish`.

    Parameters
    ----------
    positive, classes
        As in the model's settings; class names in the batches follow them.
    feature_rules
        Types and features to ignore, by name.
    seed
        Of the sample that gives quantiles where a column has more than `sample_max` numbers.
    sample_max
        Largest number of sampled values per column.
    timezone, seasonality
        As in the model's settings: the clock of the cycles, and which cycles are looked for.
    importances
        By feature, 0 or more; they also choose the features that are looked at together.
    max_segments
        So many segments have a reference of their own.
    loss
        Of a regression, as in the model's settings; None for one that is no deviance.
    bins_of
        A reference of the same model, for a profile of one version: its features are counted, on its cells.

    Notes
    -----
    Memory, whatever the number of rows: 160 MB of sampled numbers and 80 MB of sampled rows; for every categorical column at most
    20,000 names of up to 512 characters; 24 MB of distinct scores; and one batch.
    """

    def __init__(  # noqa: PLR0913 - one keyword per setting
        self,
        model: str,
        task: Task,
        *,
        positive: ClassValue | None,
        feature_rules: Mapping[str, FeatureRule],
        classes: Mapping[str, Sequence[ClassValue]] | None = None,
        seed: int = 0,
        sample_max: int = 200_000,
        timezone: str = "UTC",
        seasonality: str = "auto",
        importances: Mapping[str, float] | None = None,
        max_segments: int = 50,
        loss: Loss | None = None,
        bins_of: ReferenceProfile | None = None,
    ) -> None:
        self._model = model
        self._task: Task = task
        self._rules = feature_rules
        self._sample_max = sample_max
        self._random, self._random_again = (np.random.default_rng(seed) for _ in range(2))
        self._scans: dict[str, ColumnScan] = {}
        self._timezone, self._seasonality = timezone, seasonality
        self._span = TimeSpan()
        self._latency = LatencyCount()
        self._grid: Grid | None = None
        self._power = None if loss is None else deviance_power(loss)
        self._outputs = OutputColumns(
            task,
            positive=positive,
            classes=classes,
            sample_max=sample_max,
            power=self._power,
            bins_of=bins_of,
        )
        self._joint = JointColumns()
        self._segments = SegmentCounts(most=max_segments)
        self._importances = dict(importances or {})
        self._counts: dict[str, NumericCount | CategoryCount] | None = None
        self._oddities: list[str] = []
        self._rows_counted = 0
        self.rows = 0
        self._bins_of = bins_of
        self._cells: dict[str, Column] = {}
        self._left_out: dict[str, None] = {}
        if bins_of is not None:
            self._begin_on(bins_of)

    @classmethod
    def of(
        cls,
        settings: ModelSettings,
        *,
        importances: Mapping[str, float] | None = None,
        bins_of: ReferenceProfile | None = None,
    ) -> ProfileBuilder:
        """Return a builder by a model's settings."""
        return cls(
            settings.name,
            settings.task,
            positive=settings.positive_class,
            classes=settings.classes,
            feature_rules=settings.features,
            timezone=settings.timezone,
            seasonality=settings.seasonality,
            importances=importances,
            max_segments=settings.max_segments,
            loss=settings.loss,
            bins_of=bins_of,
        )

    def _begin_on(self, other: ReferenceProfile) -> None:
        """Look at the features of another reference, each as what it is there, and at no others."""
        self._cells = {column.name: column for column in other.columns if is_feature(column.name)}
        for name, column in self._cells.items():
            self._scans[name] = ColumnScan(name, declared=column.type, sample_max=self._sample_max)
        self._share_memory()

    def sample(self, batch: RowBatch) -> None:
        """Take a batch in, first pass.

        Raises
        ------
        Stop
            More columns or classes than a model can have.
        """
        keys = self._random.random(batch.n)
        self.rows += batch.n
        self._span.add(batch.time_ms)
        self._latency.sample(batch.latency_ms)
        known = len(self._scans)
        for name, values in batch.features.items():
            rule = self._rules.get(name, FeatureRule())
            if rule.ignore:
                continue
            if self._bins_of is not None and name not in self._cells:
                self._left_out[name] = None
                continue
            self._scan(name, rule).add(values, keys)
        numeric = [name for name in batch.features if name in self._scans and self._scans[name].has_numbers]
        self._joint.sample(batch.features, numeric, keys)
        self._outputs.sample(batch.answers, keys)
        self._segments.sample(batch)
        if len(self._scans) > known:
            self._share_memory()

    def _scan(self, name: str, rule: FeatureRule) -> ColumnScan:
        found = self._scans.get(name)
        if found is not None:
            return found
        if not is_feature(name):
            raise Stop(f"feature {name[:64]!r} has the name of a column that is not a feature; rename it")
        if len(self._scans) == COLUMNS_MAX:
            raise Stop(
                f"expected at most {COLUMNS_MAX:,} features, found more, such as {name[:64]!r}: are ids used as "
                "names?"
            )
        self._scans[name] = ColumnScan(name, declared=rule.type, sample_max=self._sample_max)
        return self._scans[name]

    def _share_memory(self) -> None:
        share = SAMPLE_VALUES_MAX // (len(self._scans) + 1)
        self._outputs.limit(share)
        for scan in self._scans.values():
            scan.limit(share)

    def count(self, batch: RowBatch) -> None:
        """Take a batch in, second pass: the same rows in the same order."""
        self._rows_counted += batch.n
        counts = self._started()
        keys = self._random_again.random(batch.n)
        places = None
        if self._grid is not None and batch.time_ms is not None:
            places = self._grid.places(batch.time_ms)
        for name, count in counts.items():
            values = batch.features.get(name)
            if values is None:
                count.add_missing(batch.n, places)
            else:
                count.add(values, places)
        self._latency.count(batch.latency_ms, places)
        self._joint.count(batch.features, keys, places)
        answers = self._outputs.named(batch.answers)
        self._outputs.count(answers, batch.n, places)
        self._segments.count(batch, answers)

    def _started(self) -> dict[str, NumericCount | CategoryCount]:
        """Turn what the first pass saw into bins and candidates, once, and let its samples go."""
        if self._counts is None:
            self._grid = self._span.grid(zone=self._timezone, seasonality=self._seasonality)
            self._counts = {
                name: _column_count(scan, self._grid, self._cells.get(name))
                for name, scan in self._scans.items()
            }
            oddities = [scan.oddity() for scan in self._scans.values()]
            self._oddities = [text for text in oddities if text]
            self._joint.start(self._numeric(), self._grid, bins_of=self._bins_of)
            self._scans = {}
            self._latency.start(self._grid)
            self._outputs.start(self._grid)
            self._segments.start(self._outputs.error_edges, self._outputs.same)
        return self._counts

    def _numeric(self) -> list[str]:
        """Return the numeric features, the most important ones first, equals in order."""
        names = [name for name, scan in self._scans.items() if scan.type == "numeric"]
        return sorted(names, key=lambda name: -self._importances.get(name, 0.0))

    def finish(self) -> ReferenceProfile:
        """Return the profile.

        Raises
        ------
        Stop
            The passes did not see the same number of rows.
        """
        counts = self._started()
        if self._rows_counted != self.rows:
            raise Stop(
                f"expected the same {self.rows:,} rows in both passes, found {self._rows_counted:,} in the second: "
                "did the input change meanwhile? Run it again"
            )
        quality, deviance = self._outputs.quality, self._outputs.deviance()
        return ReferenceProfile(
            model=self._model,
            task=self._task,
            n=self.rows,
            columns=(
                *(c.column() for c in counts.values()),
                *self._joint.columns(),
                *self._outputs.columns(),
            ),
            labelled=quality.labelled,
            metrics=quality.metrics(),
            classes=self._outputs.classes() if self._task != "regression" else (),
            error_sd=quality.error_sd,
            importances=self._importances,
            timezone=self._timezone,
            span_ms=self._span.length_ms,
            confusion=quality.confusion(),
            error_rhythms=quality.rhythms(),
            error=self._outputs.error(),
            score_cells=quality.score_cells(),
            latency=self._latency.cells(),
            latency_rhythms=self._latency.rhythms(),
            joint=self._joint.joint,
            segments=self._segments.references(),
            deviance=deviance,
            deviance_power=None if deviance is None else self._power,
            calibration=self._outputs.calibration(),
        )

    def warnings(self) -> list[str]:
        """Return what the user should know, one sentence each; complete after `count`."""
        found = list(self._oddities)
        if self._left_out:
            shown, more = (
                ", ".join(list(self._left_out)[:LEFT_OUT_SHOWN]),
                len(self._left_out) - LEFT_OUT_SHOWN,
            )
            rest = f" and {more} more" if more > 0 else ""
            found.append(f"left out, as the profile whose bins are used lacks them: {shown}{rest}")
        names = self._counts or {}
        for name, rule in self._rules.items():
            if name not in names and not rule.ignore:
                hint = nearest(name, names, otherwise="remove the rule or add the column")
                found.append(
                    f"the settings have a rule for a feature {name} that the reference lacks; {hint}"
                )
        if self.rows < FEW_ROWS:
            found.append(f"the reference has {self.rows:,} rows: expect wide limits below {FEW_ROWS:,}")
        return found + self._outputs.warnings()


def _column_count(scan: ColumnScan, grid: Grid | None, known: Column | None) -> NumericCount | CategoryCount:
    """Return what counts a column, on the cells of a known one where there is one."""
    if isinstance(known, CategoricalColumn):
        return CategoryCount(scan.name, known.categories, known.categories, grid, fixed=True)
    if known is not None:
        return NumericCount(scan.name, scan.sample.ordered(), scan.largest, grid, edges=known.edges)
    if scan.type == "categorical":
        return CategoryCount(scan.name, scan.candidates(), scan.frequent.most(), grid)
    return NumericCount(scan.name, scan.sample.ordered(), scan.largest, grid)
