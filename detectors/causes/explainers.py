"""Explanations where versions have references of their own: by what the versions of one reference met and lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from detectors.causes.explainer import Explainer, Explanation
from detectors.causes.facts import Fact
from detectors.detector import OTHERS, ClosedWindow
from detectors.reference import Reference
from schemas.finding import Finding, Stream
from schemas.model_settings import ModelSettings


class Explainers:
    """An `Explainer` of all versions, or one for the versions of each reference.

    Parameters
    ----------
    main
        The model's reference.
    versions
        References of versions that have one of their own.
    set_apart
        Returns under which of these names a version's windows are set apart, or `OTHERS`.

    Attributes
    ----------
    each
        All of them, for their states.
    """

    def __init__(
        self,
        settings: ModelSettings,
        main: Reference,
        versions: Mapping[str, Reference],
        set_apart: Callable[[str], str],
    ) -> None:
        self._set_apart = set_apart
        self._by_version = {
            version: Explainer(settings, reference.predictions, reference.profile, version=version)
            for version, reference in {OTHERS: main, **versions}.items()
        }
        self.each = tuple(self._by_version.values())

    def take(self, window: ClosedWindow[Any]) -> None:
        """Take a closed window in."""
        for version, explainer in self._by_version.items():
            own = window.apart.get(version, window)
            if own.span.n > 0 or not window.apart:
                explainer.take(own)
            elif own.stream is Stream.ERRORS:
                explainer.settle(own.span.end_ms)

    def settle(self, until_ms: int) -> None:
        """Say that every window of labels that ends up to a time has been taken in."""
        for explainer in self.each:
            explainer.settle(until_ms)

    def note(self, facts: Iterable[Fact]) -> None:
        """Take in what else has happened."""
        known = list(facts)
        for explainer in self.each:
            explainer.note(known)

    def explain(self, finding: Finding, since_ms: int) -> Explanation | None:
        """Return what changed around the begin of what a finding shows, as `Explainer.explain`."""
        version = OTHERS if finding.version is None else self._set_apart(finding.version)
        return self._by_version[version].explain(finding, since_ms)
