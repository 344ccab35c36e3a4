"""How versions compare that answered the same ids or share the traffic, for people: from what the evaluator has stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from consumers.evaluation import StoredEvaluation
from consumers.plan import ModelPlan
from detectors.paired_bets import Decision
from detectors.registry import version_comparison
from detectors.state_codec import states_from_bytes
from detectors.version_pairs import Comparison
from schemas.settings_tree import shown

_VERDICTS: Final = {
    Decision.WATCH: "keep_watching",
    Decision.BETTER: "promoted",
    Decision.WORSE: "keep",
    Decision.EQUIVALENT: "equivalent",
}
"""What is said where nothing is to be done."""
_WORDS: Final = {
    "promote": "promote {challenger}",
    "promoted": "{challenger} is better, and live",
    "roll_back": "roll back to {champion}",
    "keep": "keep {champion}",
    "equivalent": "no difference that matters",
    "keep_watching": "keep watching",
}


def describe_pairs(plan: ModelPlan, stored: bytes | None) -> list[dict[str, Any]]:
    """Return every challenger's comparison in the form of a report, by the challengers' names.

    Parameters
    ----------
    plan
        The model, with the reference that it is compared with.
    stored
        The model's stored evaluation; None before the first one.
    """
    watch = version_comparison(plan.settings, plan.profile)
    if watch is None or stored is None:
        return []
    states_from_bytes([watch], msgspec.msgpack.decode(stored, type=StoredEvaluation).detectors)
    return [_described(*found) for found in watch.comparisons()]


def _described(compared: Comparison, decision: Decision, further: int | None) -> dict[str, Any]:
    low, high = compared.bets.interval()
    return {
        "champion": compared.champion,
        "challenger": compared.challenger,
        "live": {"champion": compared.champion_live, "challenger": compared.challenger_live},
        "ids": "same" if compared.same_ids else "different",
        "pairs": compared.n,
        "cases": {"champion": compared.cases[0], "challenger": compared.cases[1]},
        "loss": compared.loss,
        "champion_loss": compared.champion_loss,
        "challenger_loss": compared.challenger_loss,
        "gain": compared.gain,
        "low": low,
        "high": high,
        "verdict": compared.action(decision) or _VERDICTS[decision],
        "further_pairs": further,
    }


def is_split(pair: dict[str, Any]) -> bool:
    """Return whether a described comparison is on different ids; what an older release described never is."""
    return bool(pair.get("ids") == "different")


def pair_lines(pairs: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield a line for people per comparison."""
    for pair in pairs:
        names = {key: shown(pair[key]) for key in ("champion", "challenger")}
        verdict = _WORDS[pair["verdict"]].format_map(names)
        if pair["verdict"] == "keep_watching":
            further = pair["further_pairs"]
            verdict += f", about {further:,} more" if further is not None else ", no end in sight"
        ids = f"{pair['pairs']:,} ids"
        if is_split(pair):
            cases = pair["cases"]
            ids = f"different ids, {cases['challenger']:,} and {cases['champion']:,} labels"
        yield (
            f"{names['challenger']} against {names['champion']}, {ids}:  "
            f"{pair['loss']} {pair['challenger_loss']:.4g} against {pair['champion_loss']:.4g}  "
            f"gain {pair['gain']:+.4f} ({pair['low']:+.4f} to {pair['high']:+.4f})  {verdict}"
        )
