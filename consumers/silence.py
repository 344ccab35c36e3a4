"""When silence speaks: implicit labels on their way into error windows.

A cohort whose predictions have all waited as long as the settings say becomes labels that arrive at that moment. Labels that
were due before it have all been read then, so the windows are the same whoever reads them and when.
"""

from __future__ import annotations

from typing import Final

from consumers.cohorts import Cohorts, read_cohorts
from consumers.plan import ModelPlan
from consumers.store import PartitionStore
from consumers.windows import WindowBlob
from detectors.codec import encode_summary
from detectors.detector import SHADOW_SUFFIX
from schemas.finding import Stream

COHORTS_MAX: Final = 200
"""Cohorts that are read at once at most."""


class Silence:
    """Finds the cohorts of one model that fall due.

    Parameters
    ----------
    plan
        The model; one for which silence means a class.
    store
        Where the cohorts are.
    partitions
        Number of partitions of the topics.
    """

    def __init__(self, plan: ModelPlan, store: PartitionStore, partitions: int) -> None:
        self._plan = plan
        self._store = store
        self._numbers = range(partitions)
        self._length_ms = plan.settings.cohort_window_ms

    def cohorts_of(self, window_ms: int) -> int:
        """Return the start of the last cohort that falls due in the window that starts then, or before."""
        over_ms = window_ms + self._plan.window_ms - 1 - self._plan.implicit_ms
        return over_ms // self._length_ms * self._length_ms - self._length_ms

    def windows(self, *, after_ms: int, until_ms: int) -> tuple[dict[int, list[WindowBlob]], int]:
        """Return the implicit labels of the error windows with after_ms < start <= until_ms.

        Returns
        -------
        tuple
            Start of a window to what falls due in it, and the start up to which that is all.
        """
        first, last = self.cohorts_of(after_ms) + self._length_ms, self.cohorts_of(until_ms)
        if last < first:
            return {}, until_ms
        found: dict[int, list[bytes]] = {}
        for number in self._numbers:
            stored = self._store.cohorts(number, self._plan.name, from_ms=first, until_ms=last)
            for start, deltas in stored.items():
                found.setdefault(start, []).extend(deltas)
        starts = sorted(found)
        if len(starts) > COHORTS_MAX:
            until_ms = self._window_of(starts[COHORTS_MAX]) - 1
        windows: dict[int, list[WindowBlob]] = {}
        for start in starts[:COHORTS_MAX]:
            window = self._window_of(start)
            if window <= until_ms:
                windows.setdefault(window, []).extend(
                    self._blobs(window, read_cohorts(self._plan, found[start]))
                )
        return {start: blobs for start, blobs in windows.items() if blobs}, until_ms

    def _window_of(self, start: int) -> int:
        due_ms = start + self._length_ms + self._plan.implicit_ms
        return due_ms // self._plan.window_ms * self._plan.window_ms

    def _blobs(self, window: int, cohorts: Cohorts) -> list[WindowBlob]:
        blobs: list[WindowBlob] = []
        for (version, segment), cohort in sorted(cohorts.items()):
            due = cohort.fallen_due()
            if due is not None and due.vector.any() and SHADOW_SUFFIX not in version:
                blobs.append(
                    WindowBlob(self._plan.name, Stream.ERRORS, window, version, segment, encode_summary(due))
                )
        return blobs
