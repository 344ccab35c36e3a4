"""How versions that answered the same ids compare, for people: from what the evaluator has stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from consumers.evaluation import StoredEvaluation
from detectors.paired_bets import Decision
from detectors.registry import version_comparison
from detectors.state_codec import states_from_bytes
from detectors.version_pairs import Comparison
from schemas.model_settings import ModelSettings
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


def describe_pairs(settings: ModelSettings, stored: bytes | None) -> list[dict[str, Any]]:
    """Return every challenger's comparison in the form of a report, by the challengers' names.

    Parameters
    ----------
    stored
        The model's stored evaluation; None before the first one.
    """
    watch = version_comparison(settings)
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
        "pairs": compared.n,
        "loss": compared.loss,
        "champion_loss": compared.champion_loss,
        "challenger_loss": compared.challenger_loss,
        "gain": compared.gain,
        "low": low,
        "high": high,
        "verdict": compared.action(decision) or _VERDICTS[decision],
        "further_pairs": further,
    }


def pair_lines(pairs: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield a line for people per comparison."""
    for pair in pairs:
        names = {key: shown(pair[key]) for key in ("champion", "challenger")}
        verdict = _WORDS[pair["verdict"]].format_map(names)
        if pair["verdict"] == "keep_watching":
            further = pair["further_pairs"]
            verdict += f", about {further:,} more" if further is not None else ", no end in sight"
        yield (
            f"{names['challenger']} against {names['champion']}, {pair['pairs']:,} ids:  "
            f"{pair['loss']} {pair['challenger_loss']:.4g} against {pair['champion_loss']:.4g}  "
            f"gain {pair['gain']:+.4f} ({pair['low']:+.4f} to {pair['high']:+.4f})  {verdict}"
        )
