"""Champion and challenger: versions compared id by id where they answered the same ids, or at the same time where they share the traffic."""

from __future__ import annotations

import math
from collections.abc import Sequence
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
from schemas.finding import Finding, Hysteresis, Kind, Severity, Stream, Verdict

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
_told_decoder = msgspec.msgpack.Decoder(list[tuple[str, str, str, str]])

Record = PairRecord | SplitRecord
Told = tuple[str, str, str, str]
"""Check, action, champion and challenger of what has been told."""


def over(finding: Finding, verdict: Verdict) -> Finding:
    """Return the finding that ends what another one said."""
    return replace(finding, verdict=verdict, score=min(finding.score, 0.0), onset_ms=None)


def _told_of(check: str, records: Sequence[Record]) -> list[Told]:
    return [
        (check, pair.told, pair.second if pair.told_of == pair.first else pair.first, pair.told_of)
        for pair in records
        if pair.told
    ]


def _lost(window: ErrorWindow, told: Told) -> Finding:
    """Return the finding that ends what was told where the comparison has started over."""
    check, action, champion, challenger = told
    return Finding(
        kind=Kind.VERSION_REGRESSION,
        check=check,
        model=window.model,
        window=window.span,
        verdict=Verdict.CLEAR,
        score=0.0,
        fire=0.0,
        clear=0.0,
        version=challenger,
        severity=_SEVERITY[action],
        hysteresis=Hysteresis(1, 1, 1),
        evidence={"decision": action, "champion": champion, "challenger": challenger},
    )


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
        self._lost: list[Told] = []
        """What was told by other costs, times or losses than those of now."""

    def take_due(self, window: ErrorWindow) -> None:
        """Take in what has fallen due in a window, and say nothing yet."""
        if self._split is not None:
            self._shared.add(window, self._split)

    def update(self, window: ErrorWindow) -> list[Finding]:
        """Take one window in; a finding per comparison that calls for something."""
        self._records.add(window)
        self.take_due(window)
        counts = {id(record) for record in self._counting()}
        found = [_lost(window, told) for told in self._lost]
        self._lost = []
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
        lost = {"lost": msgspec.msgpack.encode(self._lost)} if self._lost else {}
        return {"pairs": msgspec.msgpack.encode(self._records), **shared, **lost}

    def restore(self, state: State) -> None:
        """Take up a remembered state; one that was counted in other cells, with other costs, starts over.

        What had been told by these is over with the next window.

        Raises
        ------
        ValueError
            If the state is not one of this detector.
        """
        try:
            records = _decoder.decode(value_in(state, "pairs", bytes))
            shared = _split_decoder.decode(value_in(state, "shared", bytes)) if "shared" in state else None
            lost = _told_decoder.decode(value_in(state, "lost", bytes)) if "lost" in state else []
        except msgspec.DecodeError as error:
            raise ValueError(f"expected pairs of versions, got bytes that are not such ({error})") from error
        if not all(action in _SEVERITY for _, action, *_ in lost):
            raise ValueError("expected what was told of versions as one of the actions")
        last = PairLayout.GAINS + 2 * self._layout.steps
        if records.layout != self._layout.hash:
            lost += _told_of(COMPARE, records.pairs)
            records = PairRecords(self._layout.hash, [], records.live)
        if any(not 0 <= cell <= last for pair in records.pairs for cell in pair.cells):
            raise ValueError(f"expected cells from 0 to {last}")
        self._records = records
        if shared is not None and shared.layout == self._shared.layout:
            self._shared = shared
        elif shared is not None:
            lost += _told_of(COMPARE_SPLIT, shared.pairs)
        self._lost = lost
