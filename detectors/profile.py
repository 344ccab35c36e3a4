"""The reference profile: what a model's features, outputs and quality looked like when it was good.

A profile is a value with one JSON form (`to_json`, `from_json`), a format version and a content hash.
Its `binning_hash` names the cells that windows are counted on: summaries of different binnings must
never be added up.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, Final, Literal

from detectors.estimation.calibration import Calibration, calibration_from
from detectors.joint import FIGURES, Joint, joint_from
from detectors.rhythm import Rhythm, rhythms_from
from detectors.segments import SegmentReference, segments_from
from schemas.errors import Stop

FORMAT: Final = "watchkeeper.profile/2"
_FORMATS: Final = ("watchkeeper.profile/1", FORMAT)
"""The first form knows nothing of time, of confusions and of score cells."""
CATEGORIES_MAX: Final = 256
OUTPUT_PREFIX: Final = "output."
"""Columns of this prefix describe the model's answer (`output.score`, `output.label`, `output.value`)."""
JOINT_PREFIX: Final = "joint."
JOINT_COLUMNS: Final = tuple(f"{JOINT_PREFIX}{figure}" for figure in FIGURES)
"""Columns that are worked out of a row's numeric features together; see `detectors.joint`."""


def is_feature(name: str) -> bool:
    """Return whether a column of that name comes from the features of an event."""
    return not name.startswith((OUTPUT_PREFIX, JOINT_PREFIX))


@dataclass(frozen=True, slots=True)
class NumericColumn:
    """A number's reference: counts on quantile bins, moments, missing values.

    Parameters
    ----------
    edges
        Inner bin edges, strictly increasing, k of them for k + 1 bins; bin i holds
        edges[i-1] < x <= edges[i].
    counts
        Rows per bin, k + 1 of them.
    mean, sd
        Of the finite values; `sd` is 0 for a constant.
    low, high
        The 0.1 and 99.9 % quantiles.
    rhythms
        By functional of `detectors.betting.functionals`, and of `missing` and `invalid`; empty for a
        reference without times.
    """

    name: str
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    mean: float
    sd: float
    low: float
    high: float
    median: float
    missing: int = 0
    invalid: int = 0
    rhythms: Mapping[str, Rhythm] = field(default_factory=dict)
    type: Literal["numeric"] = "numeric"

    @property
    def n(self) -> int:
        """Rows of every kind, missing and invalid included."""
        return sum(self.counts) + self.missing + self.invalid


@dataclass(frozen=True, slots=True)
class CategoricalColumn:
    """A category's reference: rows per frequent category, and of all others together.

    Parameters
    ----------
    categories
        At most `CATEGORIES_MAX` names, most frequent first.
    counts
        Rows per category.
    other
        Rows of rarer categories, which at run time count as unseen.
    rhythms
        Of the shares of frequent categories (`=NAME`), and of `missing` and `invalid`; empty for a
        reference without times.
    """

    name: str
    categories: tuple[str, ...]
    counts: tuple[int, ...]
    other: int = 0
    missing: int = 0
    invalid: int = 0
    rhythms: Mapping[str, Rhythm] = field(default_factory=dict)
    type: Literal["categorical"] = "categorical"

    @property
    def n(self) -> int:
        """Rows of every kind, missing and invalid included."""
        return sum(self.counts) + self.other + self.missing + self.invalid


Column = NumericColumn | CategoricalColumn


@dataclass(frozen=True, slots=True)
class Learned:
    """Where a profile comes from that was learned from a model's own events.

    Parameters
    ----------
    events
        Predictions in the windows that it was learned from.
    from_ms, until_ms
        Start of the first of those windows and end of the last, epoch milliseconds.
    labels
        Labels that its figures of quality were learned from, 0 while there are too few.
    calibrated_ms
        End of the error window with which its scores were calibrated, 0 before.
    """

    events: int
    from_ms: int
    until_ms: int
    labels: int = 0
    calibrated_ms: int = 0


@dataclass(frozen=True)  # without slots: its hashes are worked out once
class ReferenceProfile:
    """Everything a model's windows are compared with.

    Parameters
    ----------
    model, task
        Whose profile this is; a profile of another model is refused.
    n
        Rows it was built from.
    columns
        Features first, in the order of the training data; then `JOINT_COLUMNS`, where there is a `joint`;
        then the outputs.
    labelled
        Rows that had ground truth.
    metrics
        Metric values on those rows, by the names of the settings.
    classes
        Classes seen, most frequent first.
    error_sd
        Standard deviation of a row's loss, for sizing (regression: of the absolute error).
    importances
        By feature, 0 or more.
    timezone
        The clock whose hours the rhythms' cycles are told by.
    span_ms
        Time from the first row to the last; 0 where rows have no time.
    confusion
        (predicted class, true class, labelled rows), of classifications.
    error_rhythms
        Of being wrong, by true class.
    error
        Of a regression: how its errors, prediction minus truth, lie; it has the rhythms of their clipped sizes
        (`absolute`) and squares (`squared`) too.
    deviance, deviance_power
        Of a regression whose loss is a deviance: how the deviances of its rows lie (`invalid` are those that
        the loss does not allow; the one rhythm, `deviance`, is that of the clipped deviance), and of which power.
    score_cells
        Of a classification with scores: labelled rows per cell of the score, first those of which what the
        score is the probability of did not come true, then those of which it did.
    latency
        (cell of `detectors.sketch.LATENCY_MS`, rows), where the reference is prediction events with latencies.
    latency_rhythms
        Of latencies, by functional.
    joint
        The numeric features together; None with fewer than two of them, or too few rows.
    learned
        None for a profile that a user built.
    segments
        What the declared segments are compared with, by name, the most frequent first.
    calibration
        What tells of the quality of answers without labels; None with too few labels. In a learned profile its labels may be
        lacking: then nothing is known yet, but the cells are.
    """

    model: str
    task: str
    n: int
    columns: tuple[Column, ...]
    labelled: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    error_sd: float = 0.0
    importances: Mapping[str, float] = field(default_factory=dict)
    timezone: str = "UTC"
    span_ms: int = 0
    confusion: tuple[tuple[str, str, int], ...] = ()
    error_rhythms: Mapping[str, Rhythm] = field(default_factory=dict)
    error: NumericColumn | None = None
    score_cells: tuple[int, ...] = ()
    latency: tuple[tuple[int, int], ...] = ()
    latency_rhythms: Mapping[str, Rhythm] = field(default_factory=dict)
    joint: Joint | None = None
    learned: Learned | None = None
    segments: Mapping[str, SegmentReference] = field(default_factory=dict)
    deviance: NumericColumn | None = None
    deviance_power: float | None = None
    calibration: Calibration | None = None

    @cached_property
    def binning_hash(self) -> str:
        """Hash of the cells alone: 16 hex digits, equal for profiles that count alike."""
        cells = [
            [c.name, c.type, list(c.edges) if isinstance(c, NumericColumn) else list(c.categories)]
            for c in self.columns
        ]
        scale = [[c.mean, c.sd] for c in self.columns if isinstance(c, NumericColumn)]
        joint = {} if self.joint is None else {"joint": asdict(self.joint)}
        return _digest({"task": self.task, "cells": cells, "scale": scale, **joint})[:16]

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of the profile's content, hex."""
        return _digest(self._content())

    @cached_property
    def inputs_hash(self) -> str:
        """Hash of what windows by prediction time are compared with: all but what labels say, SHA-256 in hex."""
        plain = replace(
            self,
            labelled=0,
            metrics={},
            error_sd=0.0,
            confusion=(),
            error_rhythms={},
            error=None,
            score_cells=(),
            learned=None,
            calibration=None,
            segments={name: segment.unlabelled for name, segment in self.segments.items()},
        )
        return plain.content_hash

    @cached_property
    def errors_hash(self) -> str:
        """Hash of what errors are compared with: of a learned profile all but its calibration, which comes later than the rest."""
        if self.learned is None or self.calibration is None:
            return self.content_hash
        return replace(self, calibration=None, learned=replace(self.learned, calibrated_ms=0)).content_hash

    def column(self, name: str) -> Column | None:
        """Return the column of that name, or None."""
        return next((c for c in self.columns if c.name == name), None)

    def _content(self) -> dict[str, Any]:
        content = {"format": FORMAT, **asdict(self)}
        for optional in ("joint", "segments", "learned", "deviance", "deviance_power", "calibration"):
            if not content[optional]:  # so that profiles without keep the hash that they have always had
                del content[optional]
        if self.learned is not None and not self.learned.calibrated_ms:
            del content["learned"]["calibrated_ms"]
        return content

    def to_json(self) -> str:
        """Return the profile's file text: readable JSON, its own hash included."""
        return json.dumps({**self._content(), "hash": self.content_hash}, indent=1, allow_nan=False) + "\n"


def from_json(text: str | bytes, *, source: str) -> ReferenceProfile:
    """Read a profile's file text.

    Parameters
    ----------
    text
        What `ReferenceProfile.to_json` wrote.
    source
        The file's name, for messages.

    Raises
    ------
    Stop
        Not JSON, another format version, a damaged or edited file: one line with the mend.
    """
    mend = f"build it again with `watchkeeper profile --out {source}`"
    try:
        raw = json.loads(text)
    except ValueError as error:
        raise Stop(f"{source}: expected a reference profile in JSON, but {error}; {mend}") from error
    if not isinstance(raw, dict) or raw.get("format") not in _FORMATS:
        found = raw.get("format") if isinstance(raw, dict) else type(raw).__name__
        raise Stop(f"{source}: expected a profile of format {FORMAT}, found {found!r}; {mend}")
    try:
        profile = _from_content(raw)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Stop(f"{source}: the profile is damaged ({error}); {mend}") from error
    if raw.get("hash") != _digest({key: value for key, value in raw.items() if key != "hash"}):
        raise Stop(f"{source}: the profile's hash does not match its content (edited or cut off?); {mend}")
    return profile


def _from_content(raw: Mapping[str, Any]) -> ReferenceProfile:
    error = _number(raw["error"]) if raw.get("error") is not None else None
    columns = tuple(_column(c) for c in raw["columns"])
    joint = joint_from(raw.get("joint"))
    derived = tuple(column.name for column in columns if column.name.startswith(JOINT_PREFIX))
    if derived != (() if joint is None else JOINT_COLUMNS):
        raise ValueError(f"columns {', '.join(derived) or 'of no name'} begin with {JOINT_PREFIX}")
    return ReferenceProfile(
        model=str(raw["model"]),
        task=str(raw["task"]),
        n=int(raw["n"]),
        columns=columns,
        labelled=int(raw["labelled"]),
        metrics={str(k): float(v) for k, v in raw["metrics"].items()},
        classes=tuple(raw["classes"]),
        error_sd=float(raw["error_sd"]),
        importances={str(k): float(v) for k, v in raw["importances"].items()},
        timezone=str(raw.get("timezone", "UTC")),
        span_ms=int(raw.get("span_ms", 0)),
        confusion=tuple((str(p), str(t), int(n)) for p, t, n in raw.get("confusion", ())),
        error_rhythms=rhythms_from(raw.get("error_rhythms", {})),
        error=error,
        score_cells=tuple(int(n) for n in raw.get("score_cells", ())),
        latency=tuple((int(cell), int(n)) for cell, n in raw.get("latency", ())),
        latency_rhythms=rhythms_from(raw.get("latency_rhythms", {})),
        joint=joint,
        learned=None
        if raw.get("learned") is None
        else Learned(**{k: int(v) for k, v in raw["learned"].items()}),
        segments=segments_from(raw.get("segments", {}), bins=0 if error is None else len(error.counts)),
        deviance=_number(raw["deviance"]) if raw.get("deviance") is not None else None,
        deviance_power=float(raw["deviance_power"]) if raw.get("deviance_power") is not None else None,
        calibration=calibration_from(raw.get("calibration"), task=str(raw["task"])),
    )


def _number(raw: Mapping[str, Any]) -> NumericColumn:
    column = _column(raw)
    if not isinstance(column, NumericColumn):
        raise TypeError("error: expected a column of numbers")
    return column


def _column(raw: Mapping[str, Any]) -> Column:
    fields: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in raw.items()
    }
    fields["rhythms"] = rhythms_from(raw.get("rhythms", {}))
    column: Column = NumericColumn(**fields) if raw["type"] == "numeric" else CategoricalColumn(**fields)
    if isinstance(column, NumericColumn):
        if len(column.counts) != len(column.edges) + 1:
            raise ValueError(f"column {column.name}: {len(column.edges)} edges need one count more")
        if not all(math.isfinite(e) for e in column.edges) or list(column.edges) != sorted(set(column.edges)):
            raise ValueError(f"column {column.name}: edges must be finite and increasing")
    elif len(column.counts) != len(column.categories):
        raise ValueError(f"column {column.name}: one count per category expected")
    return column


def _digest(value: object) -> str:
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
