"""Which row of a table an event belongs to: by window, version and segment, from a partition's codes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from consumers.columns import FALLBACK
from consumers.interning import Tables
from consumers.plan import ModelPlan
from detectors.detector import FALLBACK_SUFFIX, SHADOW_SUFFIX
from detectors.layout import LayoutT
from detectors.summary import SummaryTable

Integers = npt.NDArray[np.int64]
Rows = npt.NDArray[np.intp]
Segments = tuple[Integers, list[str]]
"""Each event's place in a list of segment names."""
RowKey = tuple[str, str, str]
"""(start in epoch milliseconds as text, version, segment or "")."""

_CODES = 1 << 18
"""More than there are codes of versions (four of each) or segments."""
_FALLBACK, _SHADOW = 1, 2


class RowNames:
    """Names rows of tables.

    Parameters
    ----------
    plan
        The model.
    tables
        The partition's names behind codes.
    """

    def __init__(self, plan: ModelPlan, tables: Tables) -> None:
        self._plan = plan
        self._tables = tables

    def version(self, code: int) -> str:
        """Return the name of a version's code."""
        return self._tables.versions[code][1]

    @staticmethod
    def manner_codes(
        version: Integers, status: Integers, shadow: npt.NDArray[np.bool_] | None = None
    ) -> Integers:
        """Return codes that tell a version's answers by the fallback, and its shadow ones, from its own."""
        codes: Integers = version * 4 + _FALLBACK * (status == FALLBACK)
        return codes if shadow is None else codes + _SHADOW * shadow

    def manner(self, code: int) -> str:
        """Return the name of such a code: `7`, `7+fallback`, `7+shadow`."""
        name = self.version(code >> 2)
        if code & _SHADOW:
            name += SHADOW_SUFFIX
        return name + FALLBACK_SUFFIX if code & _FALLBACK else name

    def parts(self, segment: Integers) -> Iterator[Segments | None]:
        """Yield None for the whole, then each declared dimension's names of these events."""
        yield None
        yield from self.segments(segment)

    def segments(self, segment: Integers) -> Iterator[Segments]:
        """Yield, per declared dimension, each event's place in a list of segment names."""
        rows = self._tables.segments.get(self._plan.name, [])
        for dimension in range(len(self._plan.settings.segments)):
            labels = sorted({row[dimension] for row in rows})
            place = {label: i for i, label in enumerate(labels)}
            codes = np.array([place[row[dimension]] for row in rows], dtype=np.int64)
            yield codes[segment], labels

    def keys(
        self,
        start: Integers,
        version: Integers,
        names: Segments | None,
        name_of: Callable[[int], str],
        *,
        length_ms: int,
    ) -> tuple[list[RowKey], Rows]:
        """Return the distinct keys of events, and the place of each event's among them.

        Parameters
        ----------
        start
            Shape (n,), n > 0: number of their window since the epoch.
        version
            Shape (n,): codes that `name_of` names.
        names
            Their segments; None for the whole.
        length_ms
            Of a window.
        """
        codes, labels = names if names is not None else (np.zeros_like(version), [""])
        first = int(start.min())
        key = ((start - first) * _CODES + version) * _CODES + codes
        distinct, inverse = np.unique(key, return_inverse=True)
        found: list[RowKey] = []
        for code in distinct.tolist():
            rest, segment = divmod(code, _CODES)
            window, version_code = divmod(rest, _CODES)
            found.append((str((first + window) * length_ms), name_of(version_code), labels[segment]))
        return found, inverse

    def rows(  # noqa: PLR0913 - a row has so many names
        self,
        table: SummaryTable[RowKey, LayoutT],
        start: Integers,
        version: Integers,
        names: Segments | None,
        name_of: Callable[[int], str],
        *,
        length_ms: int,
    ) -> Rows:
        """Return each event's row in a table, opening those that are new; parameters as in `keys`."""
        keys, inverse = self.keys(start, version, names, name_of, length_ms=length_ms)
        opened: Rows = np.array(table.rows(keys), dtype=np.intp)
        return opened[inverse]
