"""The evidence of an event: what the detector supplied, with every key of the contract present."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.alert_wire import wire_evidence

if TYPE_CHECKING:
    from pydantic import JsonValue

    from schemas.finding import Finding


def evidence_of(finding: Finding) -> dict[str, JsonValue]:
    """Return a finding's evidence as it may be written and kept.

    Keys that the detector left out get their plain meaning: `statistic` is the check's name, `value` the
    score, `threshold` the score that fires, `direction` is "changed", `budgeted` false, the rest null.
    """
    plain: dict[str, object] = {
        "statistic": finding.check,
        "value": finding.score,
        "threshold": finding.fire,
        "reference": None,
        "effect": None,
        "direction": "changed",
        "budgeted": False,
    }
    return wire_evidence({**plain, **finding.evidence})
