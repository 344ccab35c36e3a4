"""What ADWIN adds beside the thresholds: when a change began, and how big it is. It never raises an alert."""

from __future__ import annotations

from detectors.adaptive_window import Cut
from detectors.detector import ErrorWindow, Evidence, PredictionWindow
from schemas.finding import Finding, Kind, Severity, Verdict, WindowSpan


def adwin_finding(  # noqa: PLR0913 - what both detectors have to say
    window: ErrorWindow | PredictionWindow,
    span: WindowSpan,
    check: str,
    kind: Kind,
    cut: Cut | None,
    *,
    feature: str | None = None,
    enough: bool = True,
    evidence: Evidence | None = None,
    note: str | None = None,
) -> Finding:
    """Return the finding that supports alerts with a cut, or that says there was none.

    Parameters
    ----------
    span
        The windows that made up the last reading.
    cut
        In the unit that people know; None without a change for the worse.
    enough
        Whether there was a reading at all.
    evidence
        What the detector has to add.
    note
        Why this ADWIN started over, if it did.
    """
    told: Evidence = {"statistic": "adwin", **(evidence or {})}
    verdict = Verdict.CLEAR if enough else Verdict.UNKNOWN
    if cut is not None:
        verdict = Verdict.BREACH
        told |= {
            "direction": "up" if cut.now > cut.before else "down",
            "mean_before": cut.before,
            "mean_now": cut.now,
            "readings_dropped": cut.dropped,
            "readings_kept": cut.kept,
        }
    if note is not None:
        told["note"] = note
    return Finding(
        kind=kind,
        check=check,
        model=window.model,
        feature=feature,
        window=span,
        verdict=verdict,
        score=0.0 if cut is None else float(cut.dropped),
        fire=1.0,
        clear=1.0,
        severity=Severity.INFO,
        onset_ms=None if cut is None else cut.onset_ms,
        evidence=told,
        evidence_only=True,
    )
