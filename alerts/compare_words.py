"""The words for versions that were compared, by what the comparison calls for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from alerts.phrasebook import Phrases
from alerts.plain_text import short
from alerts.sizes import figure, number_in, percent, text_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue

_SMALL: Final = 1e-9
_LOSSES: Final = {"error": "error rate", "cost": "mean cost", "larger_error": "share of larger errors"}
"""What each loss comes to on average."""

COMPARED: Final[Mapping[str, Phrases]] = {
    "roll_back": Phrases(
        up="version {challenger} is worse than {champion} {cases}",
        down="version {challenger} is worse than {champion} {cases}",
        changed="version {challenger} is worse than {champion} {cases}",
        impact="Traffic on version {challenger} gets worse answers than version {champion} gives {over}.",
        causes=("the release itself", "other features or data in training than in serving"),
        first_step="Roll back to version {champion}: send the traffic of version {challenger} there.",
        ignored="the worse answers go on",
        fallback_helps=False,
    ),
    "keep": Phrases(
        up="version {challenger}, in the shadow, is worse than {champion}",
        down="version {challenger}, in the shadow, is worse than {champion}",
        changed="version {challenger}, in the shadow, is worse than {champion}",
        impact="Nobody gets the answers of version {challenger}; {cases} they are worse than those of version {champion}.",
        causes=(
            "version {challenger} is no improvement",
            "other features or data in training than in serving",
        ),
        first_step="Keep version {champion}; do not promote version {challenger}.",
        ignored="nothing breaks as long as version {challenger} stays in the shadow",
        fallback_helps=False,
    ),
    "promote": Phrases(
        up="version {challenger} is better than {champion} {cases}",
        down="version {challenger} is better than {champion} {cases}",
        changed="version {challenger} is better than {champion} {cases}",
        impact="Version {challenger} gives better answers than version {champion} {over}.",
        causes=("version {challenger} is an improvement",),
        first_step="Promote version {challenger}.",
        ignored="traffic goes on getting the answers of version {champion}",
        fallback_helps=False,
    ),
}
"""By decision."""


def compared(evidence: Mapping[str, JsonValue]) -> Phrases | None:
    """Return the words for a comparison, None where the evidence is of none."""
    decision = evidence.get("decision")
    return COMPARED.get(decision) if isinstance(decision, str) else None


def names_of(evidence: Mapping[str, JsonValue]) -> dict[str, str]:
    """Return what fills {champion} and {challenger}, and on what they were compared."""
    names = {name: short(text_in(evidence, name) or "in question", 20) for name in ("champion", "challenger")}
    if evidence.get("ids") == "different":
        return {**names, "cases": "at the same time", "over": "at the same time"}
    return {**names, "cases": "on the same cases", "over": "for the very same cases"}


def changed_version(evidence: Mapping[str, JsonValue]) -> tuple[str, ...]:
    """Return that a version came shortly before, nothing where none did.

    Examples
    --------
    >>> changed_version({"version_change": {"version": "8", "before": "7", "since": "2026-11-01T12:00:00.000Z"}})
    ('version 8 came at 2026-11-01T12:00:00.000Z, after 7',)
    """
    change = evidence.get("version_change")
    if not isinstance(change, dict):
        return ()
    version, before, since = (text_in(change, key) for key in ("version", "before", "since"))
    if version is None or before is None or since is None:
        return ()
    return (f"version {version} came at {since}, after {before}",)


def compared_size(evidence: Mapping[str, JsonValue]) -> str | None:
    """Return the losses of both versions, the champion's first.

    Examples
    --------
    >>> compared_size({"loss": "error", "champion_loss": 0.1, "challenger_loss": 0.02})
    'error rate 10% to 2%'
    """
    before, now = number_in(evidence, "champion_loss"), number_in(evidence, "challenger_loss")
    loss = text_in(evidence, "loss")
    if before is None or now is None or loss is None:
        return None
    style = figure if loss == "cost" else percent
    return f"{_LOSSES.get(loss, loss)} {style(before)} to {style(now)}"


def compared_facts(evidence: Mapping[str, JsonValue]) -> tuple[str, ...]:
    """Return the gain with its bounds and the number of cases; nothing where the evidence is of no comparison."""
    gain, pairs = number_in(evidence, "gain"), number_in(evidence, "pairs")
    low, high = number_in(evidence, "gain_low"), number_in(evidence, "gain_high")
    if gain is None or low is None or high is None or pairs is None:
        return ()
    names = names_of(evidence)
    told = [f"{'+' if value > _SMALL else ''}{percent(value)}" for value in (gain, low, high)]
    if evidence.get("ids") == "different":
        others = number_in(evidence, "champion_cases") or 0
        cases = f"{pairs:,.0f} labels of {names['challenger']} and {others:,.0f} of {names['champion']}, of different ids"
    else:
        cases = f"{pairs:,.0f} cases with a label that both answered"
    return (
        f"gain of {names['challenger']} over {names['champion']}: {told[0]} (between {told[1]} and {told[2]})",
        cases,
    )
