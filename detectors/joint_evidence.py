"""What a window says of its features together, for people: which events, and which two features."""

from __future__ import annotations

from detectors.detector import Evidence
from detectors.joint_pairs import changed_pair
from detectors.layout import PredictionLayout
from detectors.profile import ReferenceProfile
from detectors.summary import Summary

NAME_CHARS_MAX = 128


def joint_evidence(profile: ReferenceProfile, summary: Summary[PredictionLayout]) -> Evidence:
    """Return the evidence for a change of the joint figures; empty for a profile without them.

    Returns
    -------
    dict
        `worst_ids`: up to five ids of the most unfamiliar events, the farthest first. `pair`,
        `correlation_before`, `correlation_now`: the pair of features whose correlation changed most, where there
        are enough events to say so.
    """
    if profile.joint is None:
        return {}
    evidence: Evidence = {"worst_ids": [prediction_id for _, prediction_id in summary.worst]}
    change = changed_pair(summary.layout, summary.vector)
    if change is None:
        return evidence
    first, second = (name[:NAME_CHARS_MAX] for name in change.features)
    return evidence | {
        "pair": f"{first} ~ {second}",
        "correlation_before": round(change.before, 4),
        "correlation_now": round(change.now, 4),
    }
