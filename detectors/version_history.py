"""When each version of a model came: dated facts that stand beside what changed at that time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec

from detectors.detector import ClosedWindow, is_own
from schemas.clock import format_time
from schemas.finding import Finding, Kind, Verdict

VERSIONS_MAX: Final = 32
"""Versions that are remembered; of more, those that were seen last."""
ABSENT_MS: Final = 3_600_000
"""A version that has had no event for so long comes anew."""
LOOK_BACK_MS: Final = 86_400_000
"""A change is told of trouble that began so long after it at most."""


class VersionLife(msgspec.Struct, array_like=True):
    """One version's stay.

    Parameters
    ----------
    since_ms, last_ms
        Start of the first and of the last window with events of it.
    before
        The version that had most events in the window before it came; empty where the model itself was new.
    """

    version: str
    since_ms: int
    last_ms: int
    before: str = ""


class VersionHistory(msgspec.Struct, array_like=True):
    """The versions that one stream of windows has had.

    Parameters
    ----------
    leading
        The version with most events in the newest window that had any.
    """

    lives: list[VersionLife] = []
    leading: str = ""

    def add(self, window: ClosedWindow[Any]) -> None:
        """Take a window in; answers of the fallback and in the shadow do not count, and windows of labels have no versions."""
        counts = {name: int(s.vector[0]) for name, s in window.versions.items() if name and is_own(name)}
        present = sorted(name for name, n in counts.items() if n > 0)
        if not present:
            return
        start_ms, known = window.span.start_ms, {life.version: life for life in self.lives}
        for name in present:
            life = known.get(name)
            if life is None or (start_ms - life.last_ms > ABSENT_MS and self.leading != name):
                known[name] = VersionLife(name, start_ms, start_ms, self.leading)
            else:
                life.last_ms = start_ms
        self.lives = sorted(known.values(), key=lambda life: (life.last_ms, life.since_ms, life.version))
        self.lives = self.lives[-VERSIONS_MAX:]
        self.leading = max(present, key=lambda name: (counts[name], name))

    def changes(self, from_ms: int, until_ms: int) -> list[VersionLife]:
        """Return the versions that came with from_ms <= since_ms <= until_ms after others, oldest first."""
        found = [life for life in self.lives if life.before and from_ms <= life.since_ms <= until_ms]
        return sorted(found, key=lambda life: (life.since_ms, life.version))


def with_version_change(finding: Finding, history: VersionHistory) -> Finding:
    """Return bad news with the newest version that came before it began, if one did within a day.

    `version_change` of the evidence names the version, the one before it, and since when. It is a fact about the time, and no proof that
    the version is the cause.
    """
    if finding.verdict is not Verdict.BREACH or not finding.evidence:
        return finding
    if finding.kind is Kind.VERSION_REGRESSION:
        return finding  # it names both versions already
    # An onset is known to a window, and a version comes within one.
    onset_ms = finding.window.start_ms if finding.onset_ms is None else finding.onset_ms
    until_ms = onset_ms + finding.window.end_ms - finding.window.start_ms
    changes = history.changes(onset_ms - LOOK_BACK_MS, until_ms)
    return _told(finding, changes) if changes else finding


def _told(finding: Finding, changes: Sequence[VersionLife]) -> Finding:
    newest = changes[-1]
    change = {"version": newest.version, "before": newest.before, "since": format_time(newest.since_ms)}
    return replace(finding, evidence={**finding.evidence, "version_change": change})
