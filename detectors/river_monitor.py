"""River's drift detectors as monitors of ours: one detector on one signal, as the settings ask for it."""

from __future__ import annotations

import math
from typing import Final

import msgspec

from detectors.detector import ErrorWindow, Evidence, PredictionWindow, State
from detectors.reference import Reference
from detectors.river_change import Change, RiverChange
from detectors.river_signals import Signal, signal_of
from detectors.state_values import value_in
from schemas.errors import Stop
from schemas.finding import Finding, Severity, Verdict, WindowSpan
from schemas.model_settings import ModelSettings
from schemas.river_settings import RiverSettings

_NONE: Final = -1


class RiverMonitor:
    """One of river's drift detectors on one signal, outside the budget of false alarms.

    Events are added up until there are `min_events` of them; that is one reading. The finding of a reading in
    which the detector finds a change breaches, every other one is clear: a change is told once, with the means
    before and after it.

    Parameters
    ----------
    name
        The monitor's name in the settings.
    settings
        Detector, signal and direction; with `alert` a change fires, else it is evidence.
    signal
        What it watches, found in the profile.

    Examples
    --------
    >>> from detectors.detector import ClosedWindow
    >>> from detectors.summary import Summary
    >>> from schemas.finding import Stream
    >>> from detectors.layout import ErrorLayout, prediction_layout
    >>> errors = ErrorLayout("binary")
    >>> settings = RiverSettings(river="DDM", signal="error", alert=True)
    >>> signal = signal_of(settings, Reference(None, prediction_layout(None), errors))
    >>> monitor = RiverMonitor("err_ddm", settings, signal)
    >>> for minute in range(60):
    ...     summary = Summary.empty(errors)
    ...     summary.vector[:2] = 100, (10 + minute % 2 if minute < 40 else 20)
    ...     span = WindowSpan(minute * 60_000, (minute + 1) * 60_000, 100)
    ...     [finding] = monitor.update(ClosedWindow("fraud", Stream.ERRORS, span, summary))
    ...     if finding.verdict is Verdict.BREACH:
    ...         print(minute, finding.onset_ms // 60_000, finding.evidence["rate_before"], finding.evidence["rate_now"])
    44 40 0.105 0.2

    References
    ----------
    Montiel and others, "River: machine learning for streaming data in Python", Journal of Machine Learning
    Research 22 (2021); the papers of the detectors are named in `docs/detectors.md`.
    """

    standing: Final = ()

    def __init__(self, name: str, settings: RiverSettings, signal: Signal) -> None:
        self.name = name
        self.stream = signal.stream
        self._settings, self._signal = settings, signal
        self._reset()

    def _reset(self) -> None:
        settings, signal = self._settings, self._signal
        self._change = RiverChange(
            settings.river,
            settings.parameters,
            direction=settings.heeded,
            scale=math.sqrt(settings.min_events) / signal.spread,
        )
        self._begin()

    def _begin(self) -> None:
        self._n, self._total, self._start_ms = 0, 0.0, _NONE

    def update(self, window: ErrorWindow | PredictionWindow) -> list[Finding]:
        """Take one window in; one finding."""
        n, total = self._signal.measure(window.overall.vector)
        if self._start_ms == _NONE:
            self._start_ms = window.span.start_ms
        self._n, self._total = self._n + n, self._total + total
        span = WindowSpan(self._start_ms, window.span.end_ms, self._n)
        if self._n < self._settings.min_events:
            reason = f"not enough data: {self._n} events so far"
            return [self._finding(window.model, span, Verdict.UNKNOWN, {"reason": reason})]
        change = self._change.update(self._n, self._total, self._start_ms)
        self._begin()
        note, self._change.note = self._change.note, None
        told: Evidence = {} if note is None else {"note": note}
        if change is None:
            return [self._finding(window.model, span, Verdict.CLEAR, told)]
        told = self._told(change) | told
        return [self._finding(window.model, span, Verdict.BREACH, told, onset_ms=change.onset_ms)]

    def _told(self, change: Change) -> Evidence:
        signal = self._signal
        before, now = (signal.offset + signal.scale * mean for mean in (change.before, change.now))
        return {
            "direction": "up" if now > before else "down",
            f"{signal.figure}_before": before,
            f"{signal.figure}_now": now,
            "readings": change.readings,
        }

    def _finding(
        self, model: str, span: WindowSpan, verdict: Verdict, told: Evidence, *, onset_ms: int | None = None
    ) -> Finding:
        settings, name = self._settings, self._settings.signal_name
        evidence: Evidence = {"statistic": settings.river, "signal": settings.signal, "budgeted": False}
        if name.category is not None:
            evidence["top_category"] = name.category
        if name.kind == "error":
            evidence["metric"] = "mae" if self._signal.figure == "mae" else "error_rate"
        return Finding(
            kind=self._signal.kind,
            check=self.name,
            model=model,
            feature=name.feature,
            window=span,
            verdict=verdict,
            score=1.0 if verdict is Verdict.BREACH else 0.0,
            fire=1.0,
            clear=1.0,
            severity=Severity.WARNING if settings.alert else Severity.INFO,
            hysteresis=settings.hysteresis,
            onset_ms=onset_ms,
            evidence=evidence | told,
            evidence_only=not settings.alert,
        )

    @property
    def _recipe(self) -> str:
        """What a state depends on: with another detector, signal or profile it would mean something else."""
        settings, signal = self._settings, self._signal
        parts = (
            settings.river,
            settings.signal,
            settings.heeded,
            settings.min_events,
            signal.basis,
            signal.spread,
        )
        return msgspec.json.encode([*parts, sorted(settings.parameters.items())]).decode()

    def state(self) -> State:
        """Return the detector's memory and the events that are still too few for a reading."""
        return {
            "recipe": self._recipe,
            "river": self._change.to_bytes(),
            "n": self._n,
            "total": self._total,
            "start_ms": self._start_ms,
        }

    def restore(self, state: State) -> None:
        """Take up a remembered state; one of other settings or another profile starts over.

        Raises
        ------
        ValueError
            If the state is not one of this detector.
        """
        self._reset()
        if value_in(state, "recipe", str) != self._recipe:
            self._change.note = "started over: its settings or the profile changed"
            return
        self._change.restore(value_in(state, "river", bytes))
        self._n, self._total = value_in(state, "n", int), value_in(state, "total", float)
        self._start_ms = value_in(state, "start_ms", int)


def river_monitors(settings: ModelSettings, reference: Reference) -> list[RiverMonitor]:
    """Return river's detectors that a model's settings ask for, in their order.

    Those that a reference which is learned does not serve, or not yet, are left out.

    Raises
    ------
    Stop
        If the user's profile does not have what one of them watches.
    """
    profile = reference.profile
    found: list[RiverMonitor] = []
    for name, monitor in settings.river_monitors.items():
        try:
            signal = signal_of(monitor, reference)
        except Stop as error:
            if settings.learning is not None and (profile is None or profile.learned is not None):
                continue
            raise Stop(f"models.{settings.name}.monitors.{name}.signal: {error}") from error
        found.append(RiverMonitor(name, monitor, signal))
    return found
