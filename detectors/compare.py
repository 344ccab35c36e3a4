"""Champion and challenger: versions compared id by id where they answered the same ids, or at the same time where they share the traffic."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final, cast

import msgspec

from detectors.detector import ErrorWindow, Evidence, State
from detectors.pair_layout import PairCell, PairLayout
from detectors.paired_bets import Decision
from detectors.split_layout import SplitLayout
from detectors.split_versions import SplitRecord, SplitRecords
from detectors.state_values import value_in
from detectors.version_pairs import GONE_MS, Comparison, PairRecord, PairRecords, comparison_of
from schemas.finding import Finding, Hysteresis, Kind, Severity, Stream, Topic, Verdict

COMPARE, COMPARE_SPLIT = "compare", "compare_split"
"""Checks: on the same ids, and on different ones."""
ALPHA: Final = 0.05
"""A version that is not better is ever called so with this probability at most, and one that is not worse so."""

_SEVERITY: Final = {"roll_back": Severity.ERROR, "promote": Severity.INFO, "keep": Severity.INFO}
PAIRED_SHARE: Final = 0.1
"""Versions that answer this share of their ids together are compared by these alone."""
_LOG_10: Final = math.log(10.0)
_decoder = msgspec.msgpack.Decoder(PairRecords)
_split_decoder = msgspec.msgpack.Decoder(SplitRecords)

Record = PairRecord | SplitRecord


def over(finding: Finding, verdict: Verdict) -> Finding:
    """Return the finding that ends what another one said."""
    return replace(finding, verdict=verdict, score=min(finding.score, 0.0), onset_ms=None)


def _has_news(record: Record, window: ErrorWindow) -> bool:
    """Return whether anything has come since a comparison was last judged."""
    if isinstance(record, PairRecord):
        return record.last_ms == window.span.start_ms
    news, record.news = record.news, False
    return news


class VersionComparison:
    """Compares versions, and says which to promote and which to roll back.

    Speaks of trouble only (see `detectors.detector.Detector`). What it says may be read after every window: the error holds for all of
    them together (`detectors.paired_bets`, `detectors.split_bets`).

    Parameters
    ----------
    layout
        How pairs are counted.
    split
        How the labels of versions that share the traffic are; None where they are not.
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
        self,
        layout: PairLayout,
        split: SplitLayout | None = None,
        *,
        min_gain: float,
        champion: str | None = None,
        alpha: float = ALPHA,
    ) -> None:
        self._layout, self._split = layout, split
        self._min_gain, self._champion, self._alpha = min_gain, champion, alpha
        self._records = PairRecords(layout.hash)
        self._shared = SplitRecords("" if split is None else split.hash)

    @property
    def standing(self) -> list[Topic]:
        """See `detectors.detector.Detector`."""
        return [
            Topic(Kind.VERSION_REGRESSION, check, version=version)
            for check, records in ((COMPARE, self._records.pairs), (COMPARE_SPLIT, self._shared.pairs))
            for record in records
            if record.told
            for version in ([record.told_of] if record.told_of else [record.first, record.second])
        ]

    def take_due(self, window: ErrorWindow) -> None:
        """Take in what has fallen due in a window, and say nothing yet."""
        if self._split is not None:
            self._shared.add(window, self._split)

    def update(self, window: ErrorWindow) -> list[Finding]:
        """Take one window in; a finding per comparison that calls for something."""
        self._records.add(window)
        self.take_due(window)
        counts = {id(record) for record in self._counting()}
        found: list[Finding] = []
        records: list[Record] = [*self._records.pairs, *self._shared.pairs]
        for record in records:
            champion = self._records.champion_of(record, self._champion)
            found += self._taken_back(window, record, champion)
            if window.span.start_ms - record.last_ms > GONE_MS:
                self._forget(record)
                if record.told and champion is not None:
                    compared = self._compared(record, champion)
                    finding = self._finding(window, compared, record.told, since_ms=record.since_ms)
                    found.append(over(finding, Verdict.GONE))
            elif champion is not None and (_has_news(record, window) or id(record) not in counts):
                found += self._judged(window, record, champion, counts=id(record) in counts)
        return found

    def _taken_back(self, window: ErrorWindow, record: Record, champion: str | None) -> list[Finding]:
        """Return that what was told is over where it was told of a version that is no challenger any more."""
        if not record.told or (champion is not None and record.told_of != champion):
            return []
        before = record.second if record.told_of == record.first else record.first
        compared = self._compared(record, before)
        finding = self._finding(window, compared, record.told, since_ms=record.since_ms)
        record.told = record.told_of = ""
        return [over(finding, Verdict.CLEAR)]

    def _forget(self, record: Record) -> None:
        if isinstance(record, PairRecord):
            self._records.pairs.remove(record)
        else:
            self._shared.pairs.remove(record)

    def comparisons(self) -> list[tuple[Comparison, Decision, int | None]]:
        """Return how every challenger stands, what is known, and how many further ids it takes to know (see `GainBets.further`)."""
        found = []
        for record in self._counting():
            champion = self._records.champion_of(record, self._champion)
            if champion is not None:
                compared = self._compared(record, champion)
                bets = compared.bets
                found.append((compared, bets.decision(self._min_gain), bets.further(self._min_gain)))
        return sorted(found, key=lambda one: (one[0].challenger, not one[0].same_ids))

    def _counting(self) -> list[Record]:
        """Return the records that count: versions that answer the same ids are compared by these."""
        pairs = {(pair.first, pair.second): pair.cells.get(PairCell.N, 0) for pair in self._records.pairs}
        shared = [
            record
            for record in self._shared.pairs
            if pairs.get((record.first, record.second), 0) < PAIRED_SHARE * min(record.cases)
        ]
        records = self._records
        return [
            *records.told_pairs(records.pairs, self._champion),
            *records.told_pairs(shared, self._champion),
        ]

    def _compared(self, record: Record, champion: str) -> Comparison:
        if isinstance(record, PairRecord) or self._split is None:  # which has no records of the other kind
            return comparison_of(self._layout, cast("PairRecord", record), champion, alpha=self._alpha)
        return record.comparison(self._split, champion, alpha=self._alpha)

    def _judged(self, window: ErrorWindow, pair: Record, champion: str, *, counts: bool) -> list[Finding]:
        """Return what a pair calls for, and that it is over once it does not any more."""
        if not counts and not pair.told:
            return []
        compared = self._compared(pair, champion)
        before, pair.told = pair.told, self._action(compared, pair) if counts else ""
        pair.told_of = compared.challenger if pair.told else ""
        if not pair.told and not before:
            return []
        finding = self._finding(window, compared, pair.told or before, since_ms=pair.since_ms)
        if not pair.told:
            retired = not compared.same_ids and not compared.challenger_live
            return [over(finding, Verdict.GONE if retired else Verdict.CLEAR)]
        return [finding if pair.told != before else replace(finding, evidence={})]

    def _action(self, compared: Comparison, pair: Record) -> str:
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
            check=COMPARE if compared.same_ids else COMPARE_SPLIT,
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
            **({} if compared.same_ids else {"ids": "different", "champion_cases": compared.cases[0]}),
        }

    def state(self) -> State:
        """Return the versions that were compared, and which were live first."""
        shared = {"shared": msgspec.msgpack.encode(self._shared)} if self._shared.pairs else {}
        return {"pairs": msgspec.msgpack.encode(self._records), **shared}

    def restore(self, state: State) -> None:
        """Take up a remembered state; one that was counted in other cells, with other costs, starts over.

        Raises
        ------
        ValueError
            If the state is not one of this detector.
        """
        try:
            records = _decoder.decode(value_in(state, "pairs", bytes))
            shared = _split_decoder.decode(value_in(state, "shared", bytes)) if "shared" in state else None
        except msgspec.DecodeError as error:
            raise ValueError(f"expected pairs of versions, got bytes that are not such ({error})") from error
        last = PairLayout.GAINS + 2 * self._layout.steps
        if records.layout != self._layout.hash:
            records = PairRecords(self._layout.hash, [], records.live)
        if any(not 0 <= cell <= last for pair in records.pairs for cell in pair.cells):
            raise ValueError(f"expected cells from 0 to {last}")
        self._records = records
        if shared is not None and shared.layout == self._shared.layout:
            self._shared = shared
