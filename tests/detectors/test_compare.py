"""Champion and challenger: what is said of versions that answered the same ids, and how often it is wrong."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest
from builders.summaries import error_counts, error_window

from detectors.compare import ALPHA, VersionComparison
from detectors.pair_layout import PairCell, PairLayout, pair_layout
from detectors.paired_bets import STAKES, Decision, PairedBets
from detectors.state_codec import states_from_bytes, states_to_bytes
from detectors.summary import Summary
from schemas.finding import Finding, Kind, Severity, Topic, Verdict

if TYPE_CHECKING:
    from detectors.detector import ErrorWindow

GOLDEN = Path(__file__).parents[1] / "golden" / "detectors"
GRID = np.array([-1.0, 0.0, 1.0])
DAY = 1_440


def pair(lost: int, tied: int, won: int, *, live: tuple[int, int] = (1, 0)) -> Summary[PairLayout]:
    """Return ids on which only the first, neither or both, and only the second version was right."""
    n = lost + tied + won
    counts = [n, n * live[0], n * live[1], won, lost, lost, tied, won]
    return Summary(PairLayout(), np.array(counts, dtype=np.int64))


def window(index: int, *, own: dict[str, int] | None = None, **pairs: Summary[PairLayout]) -> ErrorWindow:
    """Return minute `index`; a keyword AB is of the versions A and B."""
    found = error_window(error_counts(100, 10), index)
    versions = {name: error_counts(n, 0) for name, n in (own or {"A": 100}).items()}
    return replace(found, versions=versions, pairs={(name[0], name[1]): p for name, p in pairs.items()})


def detector(**how: float | str) -> VersionComparison:
    return VersionComparison(PairLayout(), **({"min_gain": 0.005} | how))  # type: ignore[arg-type]  # as given


def said(found: list[Finding]) -> list[tuple[str | None, str, Verdict, Severity]]:
    return [(f.version, str(f.evidence.get("decision", "")), f.verdict, f.severity) for f in found]


class TestBets:
    def test_the_capital_is_what_a_calculation_by_hand_gives(self) -> None:
        bets = PairedBets(GRID, np.array([1.0, 2.0, 3.0]))
        by_hand = [(1 - 1.1 * s) * (1 - 0.1 * s) ** 2 * (1 + 0.9 * s) ** 3 for s in STAKES.tolist()]
        assert math.exp(bets.log_evidence(0.1, above=True)) == pytest.approx(sum(by_hand) / len(by_hand))

    def test_no_stake_is_ruined_by_any_gain_at_any_mean(self) -> None:
        for gain, mean in ((-1.0, 1.0), (1.0, -1.0)):
            for above in (True, False):
                assert math.isfinite(
                    PairedBets(np.array([gain]), np.array([9.0])).log_evidence(mean, above=above)
                )

    def test_the_bounds_are_where_the_evidence_reaches_the_bar(self) -> None:
        bets = PairedBets(GRID, np.array([30.0, 900.0, 70.0]))
        low, high = bets.interval()
        assert low < 0.04 < high
        assert bets.log_evidence(low, above=True) == pytest.approx(bets.bar)
        assert bets.log_evidence(high, above=False) == pytest.approx(bets.bar)

    @pytest.mark.parametrize(
        ("counts", "decision"),
        [
            ([0, 0, 0], Decision.WATCH),
            ([10, 400, 12], Decision.WATCH),
            ([8, 352, 40], Decision.BETTER),
            ([40, 352, 8], Decision.WORSE),
            ([300, 60_000, 300], Decision.EQUIVALENT),
        ],
        ids=str,
    )
    def test_what_is_known_follows_from_the_counts(self, counts: list[int], decision: Decision) -> None:
        assert PairedBets(GRID, np.array(counts, dtype=np.float64)).decision(0.005) is decision

    def test_the_pairs_foretold_are_those_that_it_takes(self) -> None:
        counts = np.array([10.0, 480.0, 25.0])
        further = PairedBets(GRID, counts).further(0.005)
        assert further is not None
        n = counts.sum()
        assert PairedBets(GRID, counts * (1 + 0.98 * further / n)).decision(0.005) is Decision.WATCH
        assert PairedBets(GRID, counts * (1 + 1.02 * further / n)).decision(0.005) is Decision.BETTER
        assert PairedBets(GRID, np.zeros(3)).further(0.005) is None
        assert PairedBets(GRID, np.array([8.0, 352.0, 40.0])).further(0.005) == 0


def first_decisions(
    shares: tuple[float, float, float], *, runs: int, pairs: int, every: int, seed: int
) -> list[tuple[Decision, int]]:
    """Return, for each run, the first decision that is no waiting and after how many pairs, looking `every` so often."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(runs):
        counts = np.cumsum(rng.multinomial(every, shares, size=pairs // every), axis=0).astype(np.float64)
        done = (Decision.WATCH, pairs)
        for place, row in enumerate(counts):
            decision = PairedBets(GRID, row).decision(0.005)
            if decision is not Decision.WATCH:
                done = (decision, (place + 1) * every)
                break
        found.append(done)
    return found


class TestGuarantee:
    """Seeded simulations; the bound of each is that of the guarantee, and what was seen stands in docs/versions.md."""

    @pytest.mark.parametrize("discordant", [0.02, 0.1, 0.6])
    def test_whoever_looks_after_every_pair_is_misled_at_most_as_often_as_stated(
        self, discordant: float
    ) -> None:
        """At the edge of the margin, by the formula alone, which another test compares with the code."""
        rng, runs, margin = np.random.default_rng(7), 300, 0.005

        def crossed(gain: float, runs: int) -> int:
            shares = ((discordant - gain) / 2, 1 - discordant, (discordant + gain) / 2)
            gains = rng.choice(GRID, size=(runs, 2_000), p=shares)
            capital = sum(np.exp(np.cumsum(np.log1p(s * (gains - margin)), axis=1)) for s in STAKES.tolist())
            return int((np.max(capital, axis=1) / len(STAKES) >= 1 / ALPHA).sum())

        assert crossed(margin, runs) <= ALPHA * runs
        assert crossed(discordant, 20) >= 15, "what is there is found"

    @pytest.mark.parametrize("wrong", [Decision.BETTER, Decision.WORSE])
    def test_at_the_edge_of_no_difference_a_verdict_is_wrong_at_most_as_often_as_stated(
        self, wrong: Decision
    ) -> None:
        edge = 0.005 if wrong is Decision.BETTER else -0.005
        shares = (0.05 - edge / 2, 0.90, 0.05 + edge / 2)
        found = first_decisions(shares, runs=100, pairs=4_000, every=100, seed=7)
        assert sum(decision is wrong for decision, _ in found) <= ALPHA * len(found)

    def test_versions_that_are_alike_are_next_to_never_called_different(self) -> None:
        found = first_decisions((0.05, 0.90, 0.05), runs=100, pairs=4_000, every=100, seed=8)
        assert sum(decision in (Decision.BETTER, Decision.WORSE) for decision, _ in found) <= 2

    def test_a_challenger_better_by_three_points_is_found_within_four_thousand_pairs(self) -> None:
        found = first_decisions((0.035, 0.90, 0.065), runs=60, pairs=8_000, every=100, seed=9)
        assert {decision for decision, _ in found} == {Decision.BETTER}
        assert np.median([n for _, n in found]) <= 2_000
        assert np.quantile([n for _, n in found], 0.9) <= 4_000

    def test_a_live_challenger_worse_by_three_points_is_found_as_soon(self) -> None:
        found = first_decisions((0.065, 0.90, 0.035), runs=60, pairs=8_000, every=100, seed=10)
        assert {decision for decision, _ in found} == {Decision.WORSE}
        assert np.quantile([n for _, n in found], 0.9) <= 4_000


class TestWhatIsSaid:
    def test_a_shadow_that_is_better_is_to_be_promoted_and_the_figures_say_by_how_much(self) -> None:
        watch = detector()
        assert watch.update(window(0, AB=pair(1, 97, 2))) == []
        [found] = watch.update(window(1, AB=pair(7, 255, 38)))
        assert said([found]) == [("B", "promote", Verdict.BREACH, Severity.INFO)]
        evidence = found.evidence
        assert (evidence["champion"], evidence["challenger"], evidence["pairs"]) == ("A", "B", 400)
        assert (evidence["champion_loss"], evidence["challenger_loss"]) == (0.1, 0.02)
        assert evidence["gain"] == pytest.approx(0.08)
        assert 0.005 < float(str(evidence["gain_low"])) < 0.08 < float(str(evidence["gain_high"]))

    def test_a_live_challenger_that_is_worse_is_to_be_rolled_back(self) -> None:
        watch = detector()
        watch.update(window(0, own={"A": 100}))
        found = watch.update(window(1, own={"A": 5, "B": 95}, AB=pair(40, 352, 8, live=(0, 1))))
        assert said(found) == [("B", "roll_back", Verdict.BREACH, Severity.ERROR)]

    def test_a_shadow_that_is_worse_harms_nobody(self) -> None:
        assert said(detector().update(window(0, AB=pair(40, 352, 8)))) == [
            ("B", "keep", Verdict.BREACH, Severity.INFO)
        ]

    def test_a_shadow_that_is_worse_and_goes_live_is_told_as_worse_than_before(self) -> None:
        watch = detector()
        watch.update(window(0, AB=pair(40, 352, 8)))
        [found] = watch.update(window(1, AB=pair(4, 35, 1, live=(1, 1))))
        assert said([found]) == [("B", "roll_back", Verdict.BREACH, Severity.ERROR)]

    def test_a_better_challenger_that_has_taken_over_needs_nothing_more(self) -> None:
        watch = detector()
        watch.update(window(0, AB=pair(8, 352, 40)))
        quiet = [
            f for i in (DAY + 1, DAY + 2) for f in watch.update(window(i, AB=pair(0, 5, 1, live=(0, 1))))
        ]
        assert [f.verdict for f in quiet] == [Verdict.CLEAR]

    def test_what_was_told_stands_without_further_words_until_the_gain_is_gone(self) -> None:
        watch = detector()
        watch.update(window(0, AB=pair(8, 352, 40)))
        [again] = watch.update(window(1, AB=pair(12, 80, 0)))
        assert (again.verdict, again.evidence) == (Verdict.BREACH, {})
        assert again.score >= again.fire
        assert watch.update(window(2)) == [], "a window without pairs says nothing"
        [over] = watch.update(window(3, AB=pair(20, 80, 0)))
        assert (over.verdict, over.evidence["decision"]) == (Verdict.CLEAR, "promote")
        assert over.score < over.clear
        assert watch.update(window(4, AB=pair(0, 80, 0))) == []

    def test_a_pair_that_nobody_answers_any_more_is_over(self) -> None:
        watch = detector()
        watch.update(window(0, AB=pair(8, 352, 40)))
        assert watch.update(window(3 * DAY)) == []
        [gone] = watch.update(window(3 * DAY + 1))
        assert gone.verdict is Verdict.GONE
        assert watch.comparisons() == []

    def test_the_champion_of_the_settings_is_the_one(self) -> None:
        found = detector(champion="B").update(window(0, AB=pair(8, 352, 40)))
        assert said(found) == [("A", "roll_back", Verdict.BREACH, Severity.ERROR)]
        assert detector(champion="C").update(window(0, AB=pair(8, 352, 40))) == []

    @pytest.mark.parametrize("named", ["B", "C"])
    def test_what_was_told_is_over_once_the_settings_name_another_champion(self, named: str) -> None:
        """As after a promotion: what was said of the challenger is not said of anybody any more."""
        watch, again = detector(), detector(champion=named)
        watch.update(window(0, AB=pair(8, 352, 40)))
        again.restore(watch.state())
        over, *other = said(again.update(window(1)))
        assert over == ("B", "promote", Verdict.CLEAR, Severity.INFO)
        assert other == []
        found = again.update(window(2, AB=pair(0, 1, 0, live=(0, 1))))
        assert [f.version for f in found] == (["A"] if named == "B" else [])

    def test_a_challenger_is_compared_with_the_newest_version_that_was_live_before_it(self) -> None:
        watch = detector()
        watch.update(window(0, own={"A": 100}))
        watch.update(window(1, own={"B": 100}, AB=pair(5, 90, 5, live=(1, 1))))
        watch.update(window(2, own={"B": 100}, AC=pair(5, 90, 5), BC=pair(5, 90, 5)))
        [b, c] = watch.comparisons()
        assert [(x.champion, x.challenger) for x, *_ in (b, c)] == [("A", "B"), ("B", "C")]

    def test_an_opinion_of_a_pair_that_does_not_count_any_more_is_over(self) -> None:
        watch = detector()
        watch.update(window(0, AC=pair(8, 352, 40)))
        assert said(watch.update(window(1, own={"A": 50, "B": 50}, BC=pair(5, 90, 5)))) == [
            ("C", "promote", Verdict.CLEAR, Severity.INFO)
        ]

    def test_a_champion_that_has_outlived_many_versions_is_still_the_older_one(self) -> None:
        watch = detector()
        for i in range(100):
            watch.update(window(i, own={"zz": 90, f"v{i}": 5}))
        made = replace(window(100, own={"zz": 90, "a": 5}), pairs={("a", "zz"): pair(1, 9, 1, live=(1, 1))})
        watch.update(made)
        assert [(x.champion, x.challenger) for x, *_ in watch.comparisons()] == [("zz", "a")]

    def test_a_window_whose_pairs_count_no_more_is_passed_over(self) -> None:
        watch = detector()
        assert watch.update(window(0, AB=pair(0, 0, 0))) == []
        assert watch.comparisons() == []

    def test_how_windows_are_cut_does_not_matter(self) -> None:
        whole, parts = detector(), detector()
        whole.update(window(9, AB=pair(20, 900, 30)))
        for i in range(10):
            parts.update(window(i, AB=pair(2, 90, 3)))
        assert whole.comparisons()[0][0].gain == parts.comparisons()[0][0].gain
        assert whole.comparisons()[0][1:] == parts.comparisons()[0][1:]


class TestState:
    def test_it_goes_on_from_its_bytes_as_if_never_stopped(self) -> None:
        straight, stored = detector(), detector()
        rng = np.random.default_rng(3)
        for i in range(60):
            lost, tied, won = rng.multinomial(30, (0.02, 0.9, 0.08)).tolist()
            now = window(i, AB=pair(lost, tied, won), AC=pair(won, tied, lost, live=(1, i % 2)))
            assert stored.update(now) == straight.update(now)
            again = detector()
            states_from_bytes([again], states_to_bytes([stored]))
            stored = again
        assert states_to_bytes([stored]) == states_to_bytes([straight])

    def test_its_memory_is_bounded(self) -> None:
        watch = detector()
        layout = PairLayout()
        for i in range(300):
            own = {f"v{i}": 5}
            made = replace(window(i, own=own), pairs={("A", f"v{i}"): pair(1, 1, 1)})
            watch.update(made)
        assert layout.size == len(PairCell) + 3
        assert len(states_to_bytes([watch])) < 10_000

    def test_what_was_stored_then_loads_and_is_what_is_stored_now(self) -> None:
        watch = detector()
        watch.update(window(0, own={"A": 100, "B": 3}, AB=pair(8, 352, 40), AC=pair(1, 9, 2)))
        path = GOLDEN / "compare-v1.msgpack"
        if os.environ.get("UPDATE_GOLDEN"):
            path.write_bytes(states_to_bytes([watch]))
        assert states_to_bytes([watch]) == path.read_bytes()
        again = detector()
        states_from_bytes([again], path.read_bytes())
        assert again.comparisons()[0][0].gain == watch.comparisons()[0][0].gain == pytest.approx(0.08)

    @pytest.mark.parametrize(
        ("costs", "compares"),
        [
            ({"c": {"d": 1.0}, "a": {"b": 3, "c": 0.0}}, True),
            ({"a": {"b": 3.0}, "c": {"d": 2.0}}, False),
            ({"a": {"b": 1.0}, "c": {"d": 3.0}}, False),
        ],
    )
    def test_costs_of_the_same_range_are_others_where_any_of_them_is(
        self, costs: dict[str, dict[str, float]], *, compares: bool
    ) -> None:
        layout, other = (pair_layout("binary", c) for c in ({"a": {"b": 3.0}, "c": {"d": 1.0}}, costs))
        assert (layout.low, layout.span) == (other.low, other.span)
        watch, again = (VersionComparison(one, min_gain=0.005) for one in (layout, other))
        gains = {PairCell.N: 400, layout.GAINS + layout.steps: 360, layout.GAINS + layout.steps + 300: 40}
        counts = Summary.empty(layout)
        for cell, n in gains.items():
            counts.vector[cell] = n
        watch.update(replace(window(0), pairs={("A", "B"): counts}))
        again.restore(watch.state())
        assert [c.n for c, *_ in again.comparisons()] == ([400] if compares else [])
        assert (
            pair_layout("binary", {"a": {"b": 0.0}}).hash
            == pair_layout("binary", None).hash
            == "pairs-error-1-0.0-1.0"
        )

    def test_other_costs_start_over_and_damage_is_refused(self) -> None:
        watch = detector()
        watch.update(window(0, AB=pair(8, 352, 40)))
        costs = VersionComparison(pair_layout("binary", {"a": {"b": 3.0}}), min_gain=0.005)
        costs.restore(watch.state())
        assert costs.comparisons() == []
        assert watch.standing == [Topic(Kind.VERSION_REGRESSION, "compare", version="B")]
        assert costs.standing == [], "its alert ends"
        for bad in (
            b"",
            b"\x93",
            msgspec.msgpack.encode([PairLayout().hash, [["A", "B", {9_999: 1}, 0, 0]]]),
        ):
            with pytest.raises(ValueError, match="expected"):
                detector().restore({"pairs": bad})
