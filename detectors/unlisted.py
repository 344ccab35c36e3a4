"""Features that events carry and the profile does not list: a schema that is not the profile's any more."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import msgspec

from detectors.bounds import divergence
from detectors.detector import Evidence, PredictionWindow, State, is_own
from detectors.state_values import value_in
from schemas.clock import format_time
from schemas.finding import Finding, Hysteresis, Kind, Severity, Stream, verdict_of

THRESHOLD: Final = 0.01
EVENTS_MIN: Final = 100
HYSTERESIS: Final = Hysteresis(breaches=1, windows=1, clears=3)
"""A name is there or it is not: one judgement is enough."""
CHANCE: Final = 1e-6
"""In a judgement a name that half as many events carry is taken for one to be told with this probability at most."""
NAMES_MAX: Final = 32
"""Names that are told and remembered; of more those that most events carry."""


class _Pool(msgspec.Struct, array_like=True):
    """Events since the last judgement, and what has been seen.

    Parameters
    ----------
    events
        By version.
    carrying
        By version and name.
    since_ms
        By name that was told last time: start of the window in which it was first seen.
    """

    events: dict[str, int] = {}
    carrying: dict[str, dict[str, int]] = {}
    since_ms: dict[str, int] = {}


class UnlistedFeatures:
    """Names of features outside the profile, by the share of a version's events that carry them.

    The share is that of the version which carries most, so a new version with little traffic is told of as well. A name is told if so
    many carry it, and more than chance would make of half the threshold: a single strange event is not told, and neither
    is a name too rare to be in a learned profile. It stays told until fewer than half the threshold carry it.

    Parameters
    ----------
    threshold
        Share of a version's events from which on a name is told.
    events_min
        Events that a judgement needs; windows are added up until there are so many.
    hysteresis
        Judgements to fire and to resolve.

    Examples
    --------
    >>> from detectors.detector import ClosedWindow
    >>> from detectors.layout import prediction_layout
    >>> from detectors.summary import Summary
    >>> from schemas.finding import WindowSpan
    >>> summary = Summary.empty(prediction_layout(None))
    >>> summary.vector[0], summary.pairs["zip_code", ""] = 500, 490
    >>> span = WindowSpan(0, 60_000, 500)
    >>> window = ClosedWindow("fraud", Stream.PREDICTIONS, span, summary, versions={"8": summary})
    >>> [finding] = UnlistedFeatures().update(window)
    >>> finding.verdict, finding.score, finding.evidence["names"], finding.evidence["versions"]
    (<Verdict.BREACH: 'breach'>, 0.98, ['zip_code'], ['8'])
    """

    name: Final = "unlisted_features"
    stream: Final = Stream.PREDICTIONS
    standing: Final = ()

    def __init__(
        self,
        *,
        threshold: float = THRESHOLD,
        events_min: int = EVENTS_MIN,
        hysteresis: Hysteresis = HYSTERESIS,
    ) -> None:
        self._threshold = threshold
        self._events_min = events_min
        self._hysteresis = hysteresis
        self._pool = _Pool()

    def update(self, window: PredictionWindow) -> list[Finding]:
        """Take one window in; one finding."""
        pool = self._pool
        for version, summary in (window.versions or {"": window.overall}).items():
            if not is_own(version):
                continue
            pool.events[version] = pool.events.get(version, 0) + int(summary.vector[0])
            carrying = pool.carrying.setdefault(version, {})
            for name, _ in summary.pairs:
                carrying[name] = carrying.get(name, 0) + summary.pairs[name, ""]
                pool.since_ms.setdefault(name, window.span.start_ms)
        n = sum(pool.events.values())
        if n < self._events_min:
            return [self._finding(window, {}, n)]
        shares = self._shares()
        finding = self._finding(window, shares, n)
        kept = {name: pool.since_ms[name] for name in shares}
        self._pool = _Pool(since_ms=kept)
        return [finding]

    def _shares(self) -> dict[str, float]:
        """Return the share of each name's events in the version that carries it most, the most frequent names first.

        One that chance may have made counts as just below the threshold.
        """
        found: dict[str, float] = {}
        highest = math.nextafter(self._threshold, 0.0)
        for version, carrying in self._pool.carrying.items():
            n = self._pool.events[version]
            for name, carried in carrying.items():
                share = carried / max(n, 1)
                is_sure = n * float(divergence(share, self._threshold / 2)) >= -math.log(CHANCE)
                found[name] = max(found.get(name, 0.0), share if is_sure else min(share, highest))
        ranked = sorted(found.items(), key=lambda item: (-item[1], item[0]))
        return dict(ranked[:NAMES_MAX])

    def _finding(self, window: PredictionWindow, shares: Mapping[str, float], n: int) -> Finding:
        told = {name: share for name, share in shares.items() if share >= self._threshold}
        score = max(shares.values(), default=0.0)
        since_ms = [self._pool.since_ms[name] for name in told]
        return Finding(
            kind=Kind.SCHEMA,
            check=self.name,
            model=window.model,
            window=window.span,
            verdict=verdict_of(
                score, fire=self._threshold, clear=self._threshold / 2, enough=n >= self._events_min
            ),
            score=score,
            fire=self._threshold,
            clear=self._threshold / 2,
            severity=Severity.WARNING,
            hysteresis=self._hysteresis,
            onset_ms=min(since_ms, default=None),
            evidence=self._evidence(told, score, n),
        )

    def _evidence(self, told: Mapping[str, float], score: float, n: int) -> Evidence:
        evidence: Evidence = {
            "statistic": "share_of_events",
            "value": score,
            "threshold": self._threshold,
            "direction": "up",
            "budgeted": False,
            "n": n,
        }
        if not told:
            return evidence
        pool = self._pool
        carriers = [v for v, names in pool.carrying.items() if any(names.get(name) for name in told)]
        carried: Evidence = {
            "names": [*told],
            "shares": dict(told),
            "first_seen": {name: format_time(pool.since_ms[name]) for name in told},
            "versions": [*sorted(filter(None, carriers))],
        }
        return evidence | carried

    def state(self) -> State:
        """Return the events since the last judgement, and since when names have been there."""
        return {"pool": msgspec.msgpack.encode(self._pool)}

    def restore(self, state: State) -> None:
        """Take up a remembered state.

        Raises
        ------
        ValueError
            If the state is not one of this detector.
        """
        try:
            self._pool = msgspec.msgpack.decode(value_in(state, "pool", bytes), type=_Pool)
        except msgspec.DecodeError as error:
            raise ValueError(f"state of {self.name}: {error}") from error
