"""The words for features that the profile does not list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from alerts.phrasebook import Phrases
from alerts.plain_text import short
from alerts.sizes import number_in, percent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue

_NAME_CHARS: Final = 24

SCHEMA: Final[Mapping[str, Phrases]] = {
    "unlisted_features": Phrases(
        up="features that the profile does not list",
        down="features that the profile does not list",
        changed="features that the profile does not list",
        impact="Nobody watches these features: the profile does not say how they usually are.",
        causes=(
            "a version was released that uses more features",
            "a feature was renamed; then the old name is missing",
            "a producer was released with another schema",
        ),
        first_step="Ask the owner of the producer whether the names are meant. If so, make a new profile, or list them under features "
        "with ignore; if not, roll the producer back.",
        ignored="what goes wrong in these features goes unseen",
        fallback_helps=False,
    ),
}


def unlisted_size(evidence: Mapping[str, JsonValue]) -> str | None:
    """Return which names came and in how many events; None of other evidence.

    Examples
    --------
    >>> unlisted_size({"names": ["zip", "age_band", "x"], "value": 0.98, "versions": ["8"]})
    'zip and 2 more in 98% of events'
    """
    names, share = evidence.get("names"), number_in(evidence, "value")
    if not isinstance(names, list) or not names or share is None:
        return None
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{short(str(names[0]), _NAME_CHARS)}{more} in {percent(share)} of events"
