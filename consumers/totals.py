"""The figures of a partition's whole life, per model and version: counters and metric summaries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
import numpy as np
import numpy.typing as npt

from consumers.fold import COUNTERS
from consumers.interning import Interner
from consumers.plan import ModelPlan
from consumers.windows import ModelWindows
from detectors.codec import decode_summary, take_encoded
from detectors.layout import ErrorLayout
from detectors.summary import Summary
from schemas.keys import joined_fields, split_fields

COUNTED = "counters"
FIGURES = "figures"
ASSUMED = "assumed"
ORPHANS = "orphans"


class Totals:
    """Counters by version code and orphans by model, with a record of what changed.

    Parameters
    ----------
    interner
        The partition's tables.
    stored
        Fields of the store to their bytes, as `take_changed` gave them.
    windows
        Where the metric summaries of versions are kept; stored ones are put there.
    """

    def __init__(
        self,
        interner: Interner,
        stored: Mapping[str, bytes],
        windows: Mapping[str, ModelWindows],
        plans: Mapping[str, ModelPlan],
    ) -> None:
        self._interner = interner
        self._windows = windows
        self._counters: npt.NDArray[np.int64] = np.zeros((0, len(COUNTERS)), dtype=np.int64)
        self._orphans: dict[str, int] = {}
        self._touched: set[int] = set()
        self._touched_models: set[str] = set()
        for model, life in read_totals(stored, plans).items():
            for version, counts in life.counters.items():
                code = interner.version(model, version)
                self._grow(code + 1)
                self._counters[code] = counts
            for version, summary in life.figures.items():
                windows[model].totals.put((version,), summary)
            for version, summary in life.assumed.items():
                windows[model].assumed.put((version,), summary)
            self._orphans[model] = life.orphans

    def add(self, model: str, counters: npt.NDArray[np.int64], orphans: int) -> None:
        """Add a batch's changes; `counters` has a row per version code."""
        self._grow(len(counters))
        self._counters[: len(counters)] += counters
        self._touched |= set(np.flatnonzero(counters.any(axis=1)).tolist())
        if orphans:
            self._orphans[model] = self._orphans.get(model, 0) + orphans
            self._touched_models.add(model)

    def _grow(self, rows: int) -> None:
        missing = rows - len(self._counters)
        if missing > 0:
            blank = np.zeros((missing, len(COUNTERS)), dtype=np.int64)
            self._counters = np.concatenate([self._counters, blank])

    def take_changed(self) -> list[tuple[str, bytes]]:
        """Return (field, bytes) of everything changed since the last call, in a fixed order."""
        changed: list[tuple[str, bytes]] = []
        for code in sorted(self._touched):
            model, version = self._interner.tables.versions[code]
            data = msgspec.msgpack.encode(self._counters[code].tolist())
            changed.append((joined_fields(COUNTED, model, version), data))
        changed += [
            (joined_fields(ORPHANS, model), msgspec.msgpack.encode(self._orphans[model]))
            for model in sorted(self._touched_models)
        ]
        for model, windows in self._windows.items():
            for what, table in ((FIGURES, windows.totals), (ASSUMED, windows.assumed)):
                figures = take_encoded(table)
                changed += [(joined_fields(what, model, key[0]), data) for key, data in figures]
        self._touched.clear()
        self._touched_models.clear()
        return changed


@dataclass(slots=True)
class Life:
    """A model's totals in one partition, or merged over several.

    Parameters
    ----------
    counters
        Version to counts, in the order of `consumers.fold.COUNTERS`.
    figures
        Version (fallback answers apart) to the summary of its joined predictions.
    assumed
        The same of its predictions without a label, as if silence had spoken already; where it means something.
    """

    counters: dict[str, npt.NDArray[np.int64]] = field(default_factory=dict)
    figures: dict[str, Summary[ErrorLayout]] = field(default_factory=dict)
    assumed: dict[str, Summary[ErrorLayout]] = field(default_factory=dict)
    orphans: int = 0

    def add(self, other: Life) -> None:
        """Take another partition's totals in."""
        for version, counts in other.counters.items():
            self.counters[version] = counts + self.counters.get(version, 0)
        for mine, others in ((self.figures, other.figures), (self.assumed, other.assumed)):
            for version, summary in others.items():
                mine[version] = mine[version].merge(summary) if version in mine else summary
        self.orphans += other.orphans


def read_totals(stored: Mapping[str, bytes], plans: Mapping[str, ModelPlan]) -> dict[str, Life]:
    """Return per model of the settings what the stored fields hold."""
    lives = {model: Life() for model in plans}
    for name, data in stored.items():
        what, model, *versions = split_fields(name)
        if model not in plans:
            continue
        if what == COUNTED:
            counts = msgspec.msgpack.decode(data, type=list[int])
            known = np.array(counts, dtype=np.int64)
            lives[model].counters[versions[0]] = np.pad(known, (0, len(COUNTERS) - len(counts)))
        elif what == FIGURES:
            lives[model].figures[versions[0]] = decode_summary(plans[model].totals, data)
        elif what == ASSUMED:
            lives[model].assumed[versions[0]] = decode_summary(plans[model].totals, data)
        else:
            lives[model].orphans = msgspec.msgpack.decode(data, type=int)
    return lives
