"""Champion and challenger: versions that answered the same ids, compared id by id."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import msgspec

from detectors.detector import ErrorWindow, Evidence, State
from detectors.pair_layout import PairLayout
from detectors.paired_bets import Decision
from detectors.state_values import value_in
from detectors.version_pairs import GONE_MS, Comparison, PairRecord, PairRecords, comparison_of
from schemas.finding import Finding, Hysteresis, Kind, Severity, Stream, Verdict

COMPARE: Final = "compare"
ALPHA: Final = 0.05
"""A version that is not better is ever called so with this probability at most, and one that is not worse so."""

_SEVERITY: Final = {"roll_back": Severity.ERROR, "promote": Severity.INFO, "keep": Severity.INFO}
_LOG_10: Final = math.log(10.0)
_decoder = msgspec.msgpack.Decoder(PairRecords)


def over(finding: Finding, verdict: Verdict) -> Finding:
    """Return the finding that ends what another one said."""
    return replace(finding, verdict=verdict, score=min(finding.score, 0.0), onset_ms=None)


class VersionComparison:
    """Compares versions that answered the same ids, and says which to promote and which to roll back.

    Speaks of trouble only (see `detectors.detector.Detector`). What it says may be read after every window: the error holds for all of
    them together (`detectors.paired_bets`).

    Parameters
    ----------
    layout
        How pairs are counted.
    min_gain
        Differences up to this are none.
    champion
        The version that others are compared with; None for the one that was live before each.
    alpha
        Error of each of the two sides of a comparison.
    """

    name: Final = COMPARE
    stream: Final = Stream.ERRORS

    def __init__(
        self, layout: PairLayout, *, min_gain: float, champion: str | None = None, alpha: float = ALPHA
    ) -> None:
        self._layout, self._min_gain, self._champion, self._alpha = layout, min_gain, champion, alpha
        self._records = PairRecords(layout.hash)

    def update(self, window: ErrorWindow) -> list[Finding]:
        """Take one window in; a finding per comparison that calls for something."""
        records = self._records
        records.add(window)
        found: list[Finding] = []
        told = {id(pair) for pair in records.told_pairs(self._champion)}
        for pair in list(records.pairs):
            champion = records.champion_of(pair, self._champion)
            if window.span.start_ms - pair.last_ms > GONE_MS:
                records.pairs.remove(pair)
                if pair.told and champion is not None:
                    compared = self._compared(pair, champion)
                    finding = self._finding(window, compared, pair.told, since_ms=pair.since_ms)
                    found.append(over(finding, Verdict.GONE))
            elif champion is not None and (pair.last_ms == window.span.start_ms or id(pair) not in told):
                found += self._judged(window, pair, champion, counts=id(pair) in told)
        return found

    def comparisons(self) -> list[tuple[Comparison, Decision, int | None]]:
        """Return how every challenger stands, what is known, and how many further pairs it takes to know (see `PairedBets.further`)."""
        found = []
        for pair in self._records.told_pairs(self._champion):
            champion = self._records.champion_of(pair, self._champion)
            if champion is not None:
                compared = self._compared(pair, champion)
                bets = compared.bets
                found.append((compared, bets.decision(self._min_gain), bets.further(self._min_gain)))
        return found

    def _compared(self, pair: PairRecord, champion: str) -> Comparison:
        return comparison_of(self._layout, pair, champion, alpha=self._alpha)

    def _judged(self, window: ErrorWindow, pair: PairRecord, champion: str, *, counts: bool) -> list[Finding]:
        """Return what a pair calls for, and that it is over once it does not any more."""
        if not counts and not pair.told:
            return []
        compared = self._compared(pair, champion)
        before, pair.told = pair.told, self._action(compared, pair) if counts else ""
        if not pair.told and not before:
            return []
        finding = self._finding(window, compared, pair.told or before, since_ms=pair.since_ms)
        if not pair.told:
            return [over(finding, Verdict.CLEAR)]
        return [finding if pair.told != before else replace(finding, evidence={})]

    def _action(self, compared: Comparison, pair: PairRecord) -> str:
        """Return what to do; what has been told stands while the gain so far is still beyond the margin."""
        decision = compared.bets.decision(self._min_gain)
        if decision is Decision.WATCH and pair.told:
            better = pair.told == "promote"
            if (compared.gain if better else -compared.gain) > self._min_gain:
                decision = Decision.BETTER if better else Decision.WORSE
        return compared.action(decision)

    def _finding(self, window: ErrorWindow, compared: Comparison, action: str, *, since_ms: int) -> Finding:
        """Return what calls for an action; the score stays at the bar while what was told stands."""
        better, bets = action == "promote", compared.bets
        score = bets.log_evidence(self._min_gain if better else -self._min_gain, above=better) / _LOG_10
        fire = bets.bar / _LOG_10
        return Finding(
            kind=Kind.VERSION_REGRESSION,
            check=COMPARE,
            model=window.model,
            window=window.span,
            verdict=Verdict.BREACH,
            score=max(score, fire),
            fire=fire,
            clear=fire,
            version=compared.challenger,
            severity=_SEVERITY[action],
            hysteresis=Hysteresis(1, 1, 1),
            onset_ms=since_ms,
            evidence=self._evidence(compared, action, score, fire),
        )

    def _evidence(self, compared: Comparison, action: str, score: float, fire: float) -> Evidence:
        low, high = compared.bets.interval()
        return {
            "statistic": "log10_e_value",
            "value": score,
            "threshold": fire,
            "reference": compared.champion_loss,
            "effect": compared.gain,
            "direction": "down" if action == "promote" else "up",
            "budgeted": False,
            "decision": action,
            "champion": compared.champion,
            "challenger": compared.challenger,
            "loss": compared.loss,
            "champion_loss": compared.champion_loss,
            "challenger_loss": compared.challenger_loss,
            "gain": compared.gain,
            "gain_low": low,
            "gain_high": high,
            "pairs": compared.n,
        }

    def state(self) -> State:
        """Return the pairs and which versions were live first."""
        return {"pairs": msgspec.msgpack.encode(self._records)}

    def restore(self, state: State) -> None:
        """Take up a remembered state; one that was counted in other cells, with other costs, starts over.

        Raises
        ------
        ValueError
            If the state is not one of this detector.
        """
        try:
            records = _decoder.decode(value_in(state, "pairs", bytes))
        except msgspec.DecodeError as error:
            raise ValueError(f"expected pairs of versions, got bytes that are not such ({error})") from error
        last = PairLayout.GAINS + 2 * self._layout.steps
        if records.layout != self._layout.hash:
            records = PairRecords(self._layout.hash, [], records.live)
        if any(not 0 <= cell <= last for pair in records.pairs for cell in pair.cells):
            raise ValueError(f"expected cells from 0 to {last}")
        self._records = records
