"""The words for figures of an event's features together, which no system upstream supplies and nobody can look up.

Names are those of the profile's joint columns (see `docs/events.md`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from alerts.phrasebook import Phrases
from alerts.plain_text import short
from alerts.sizes import figure, number_in, text_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import JsonValue

_IDS_SHOWN: Final = 3
JOINT: Final[Mapping[str, Phrases]] = {
    "joint.residual": Phrases(
        up="features go together in ways that the training data do not have",
        down="features go together more strictly than in the training data",
        changed="features go together differently",
        impact="Each feature may look as ever while their combination is new to the model; "
        "its quality on such cases is not known yet.",
        causes=(
            "one of the features is stale, shifted in time or of another entity",
            "a new group of customers or products",
            "a join or a computed feature changed",
        ),
        first_step="Look at the pair of features named under How bad, if there is one, and ask the owner of their sources "
        "what changed at the time given under Since.",
        ignored="errors may rise and will show only when labels arrive",
    ),
}
"""By feature; cases unlike the reference have a kind, and with it words, of their own."""


def joint_facts(evidence: Mapping[str, JsonValue]) -> tuple[str, ...]:
    """Return the pair of features that goes together least as before, and the ids of the most unfamiliar events."""
    lines: list[str] = []
    pair = text_in(evidence, "pair")
    before, now = number_in(evidence, "correlation_before"), number_in(evidence, "correlation_now")
    if pair is not None and before is not None and now is not None:
        lines.append(f"correlation of {pair}: {figure(before)} to {figure(now)}")
    ids = evidence.get("worst_ids")
    if isinstance(ids, list | tuple) and ids:
        lines.append(f"most unfamiliar predictions: {_listed(ids)}")
    return tuple(lines)


def _listed(ids: Sequence[JsonValue]) -> str:
    return ", ".join(short(str(name)) for name in ids[:_IDS_SHOWN])
