"""Versions that share the traffic: what is said of them, and how often it is wrong."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from builders.summaries import error_counts, error_window

from detectors.compare import ALPHA, VersionComparison
from detectors.pair_layout import PairCell, PairLayout
from detectors.paired_bets import STAKES, Decision
from detectors.split_bets import REACH, SplitBets, SplitSums
from detectors.split_layout import SplitCell, SplitLayout, split_layout_of
from detectors.split_versions import SplitRecord
from detectors.state_codec import states_from_bytes, states_to_bytes
from detectors.summary import Summary
from schemas.finding import Finding, Kind, Severity, Topic, Verdict
from schemas.model_settings import ModelSettings

if TYPE_CHECKING:
    from detectors.detector import ErrorWindow

MINUTE, HOUR = 60_000, 3_600_000
SETTINGS = ModelSettings.model_validate({"name": "m", "task": "multiclass", "label_horizon": "3d"})


def known(layout: SplitLayout | None) -> SplitLayout:
    assert layout is not None
    return layout


LAYOUT = known(split_layout_of(SETTINGS, None))


def labels(*groups: tuple[int, int]) -> Summary[SplitLayout]:
    """Return (labels, wrong ones) by class of delays."""
    counts = np.zeros((len(LAYOUT.delays), len(SplitCell)), dtype=np.int64)
    for place, (n, wrong) in enumerate(groups):
        counts[place] = n, wrong, wrong
    return Summary(LAYOUT, counts.ravel())


def window(index: int, **due: Summary[SplitLayout]) -> ErrorWindow:
    """Return minute `index`, in which A is the older version, and B came in minute 1."""
    found = error_window(error_counts(100, 10), index)
    versions = {name: error_counts(50, 0) for name in ("A", "B")[: index + 1]}
    return replace(found, versions=versions, due=due)


def detector(**how: float | str) -> VersionComparison:
    return VersionComparison(PairLayout(), LAYOUT, **({"min_gain": 0.005} | how))  # type: ignore[arg-type]  # as given


def said(found: list[Finding]) -> list[tuple[str, str | None, str, Verdict, Severity]]:
    return [(f.check, f.version, str(f.evidence.get("decision", "")), f.verdict, f.severity) for f in found]


class TestWhenLabelsFallDue:
    def test_delays_double_up_to_the_horizon_and_stretches_are_half_as_long_up_to_a_cohort(self) -> None:
        minutes = [ms // MINUTE for ms in LAYOUT.delays]
        assert minutes == [*(2**k for k in range(13)), 3 * 24 * 60]
        assert [ms // MINUTE for ms in LAYOUT.lengths] == [1, 1, 2, 4, 8, 16, 32, *[60] * 7]

    def test_a_window_holds_one_stretch_of_each_class_and_no_label_comes_after_it(self) -> None:
        rng = np.random.default_rng(1)
        time, delay = rng.integers(0, 50 * HOUR, 5_000), rng.integers(0, 4 * HOUR + 1, 5_000)
        start, group = LAYOUT.due(time, delay)
        length = np.array(LAYOUT.lengths)[group]
        assert (time + delay < start + MINUTE).all()
        assert (start % MINUTE == 0).all()
        assert (time // length * length == start + MINUTE - np.array(LAYOUT.delays)[group] - length).all()
        assert (start - time - delay <= np.maximum(2 * delay, 2 * MINUTE)).all(), "it does not wait for long"

    def test_windows_longer_than_a_cohort_are_stretches_of_their_own(self) -> None:
        days = known(split_layout_of(SETTINGS.model_copy(update={"window_ms": 24 * HOUR}), None))
        assert [ms // (24 * HOUR) for ms in (*days.delays, *days.lengths)] == [1, 2, 3, 1, 1, 1]

    def test_a_regression_without_a_reference_is_not_compared(self) -> None:
        assert split_layout_of(SETTINGS.model_copy(update={"task": "regression"}), None) is None


class TestBets:
    def test_the_sums_are_those_of_single_ids_at_any_mean(self) -> None:
        rng, sums, level, xs = np.random.default_rng(2), SplitSums(), 0.3, {-0.2: 0.0, 0.0: 0.0, 0.4: 0.0}
        squares = dict(xs)
        for _ in range(20):
            a, b = rng.random(int(rng.integers(1, 9))), rng.random(int(rng.integers(1, 9)))
            sides = [(float(len(y)), float(y.sum()), float((y * y).sum())) for y in (a, b)]
            sums.add(sides[0], sides[1], level=level)
            share = len(b) / (len(a) + len(b))
            for mean in xs:
                x = np.concatenate([share * (a - level - mean / 2), -(1 - share) * (b - level + mean / 2)])
                assert np.abs(x).max() <= REACH
                xs[mean] += x.sum()
                squares[mean] += (x * x).sum()
        for mean, total in xs.items():
            assert sums.gain - mean * sums.weight == pytest.approx(total)
            square = sums.squares - mean * sums.slope + mean * mean * sums.weight / 4
            assert square == pytest.approx(squares[mean])

    def test_what_is_added_up_is_never_above_the_product_of_the_bets(self) -> None:
        x, stakes = np.linspace(-1, 1, 201), STAKES[:, None] * REACH
        psi = -np.log1p(-stakes) - stakes
        assert (stakes * x - psi * x * x <= np.log1p(stakes * x) + 1e-12).all()

    def test_the_bounds_are_where_the_evidence_reaches_the_bar(self) -> None:
        bets = SplitBets(2_000, 1_600, 60, 150, 2)
        low, high = bets.interval()
        assert low < bets.mean < high
        assert bets.log_evidence(low, above=True) == pytest.approx(bets.bar)
        assert bets.log_evidence(high, above=False) == pytest.approx(bets.bar)


def told_of(
    rng: np.random.Generator, gain: float, *, minutes: int, daily: bool = False, level: float = 0.1
) -> tuple[Decision, int]:
    """Return what is known first, looking every minute, of a fifth of 100 labels a minute; and of how many of the challenger's."""
    record = SplitRecord("A", "B", 0, 0)
    for i in range(minutes):
        n = int(rng.binomial(100, 0.2))
        wrong = level * (1 + 0.8 * math.sin(i / 10)) if daily else level
        one, other = rng.binomial(100 - n, wrong), rng.binomial(n, max(wrong - gain, 0.0))
        if n in (0, 100):
            continue
        record.add(i * MINUTE, LAYOUT, labels((100 - n, one)).vector, labels((n, other)).vector)
        bets = record.comparison(LAYOUT, "A", alpha=ALPHA).bets
        decision = bets.decision(0.005)
        if decision is not Decision.WATCH:
            return decision, record.cases[1]
    return Decision.WATCH, record.cases[1]


class TestGuarantee:
    """Seeded simulations; what was seen in longer ones stands in docs/versions.md."""

    @pytest.mark.parametrize("gain", [0.005, -0.005])
    @pytest.mark.parametrize("daily", [False, True])
    def test_at_the_edge_of_no_difference_a_verdict_is_wrong_at_most_as_often_as_stated(
        self, gain: float, daily: bool
    ) -> None:
        rng = np.random.default_rng(11)
        found = [told_of(rng, gain, minutes=60, daily=daily)[0] for _ in range(60)]
        assert sum(decision in (Decision.BETTER, Decision.WORSE) for decision in found) <= ALPHA * len(found)

    @pytest.mark.parametrize(("gain", "decision"), [(0.06, Decision.BETTER), (-0.06, Decision.WORSE)])
    def test_what_is_there_is_found_though_all_traffic_moves(self, gain: float, decision: Decision) -> None:
        rng = np.random.default_rng(12)
        found = [told_of(rng, gain, minutes=200, daily=True, level=0.2) for _ in range(20)]
        assert {said for said, _ in found} == {decision}
        assert np.median([n for _, n in found]) < 1_500

    def test_delays_that_depend_on_the_class_make_no_difference_of_versions_that_are_alike(self) -> None:
        """Frauds are labelled within a minute and often answered wrongly, the rest after hours; B came two hours before the end."""
        rng, end = np.random.default_rng(13), 12 * HOUR
        time = rng.integers(0, end, 60_000)
        fraud = rng.random(len(time)) < 0.1
        wrong = rng.random(len(time)) < np.where(fraud, 0.4, 0.05)
        delay = np.where(fraud, 20_000, rng.integers(HOUR, 4 * HOUR, len(time)))
        new = (time > end - 2 * HOUR) & (rng.random(len(time)) < 0.2)
        here = time + delay < end
        naive = wrong[here & new].mean() - wrong[here & ~new].mean()
        assert naive > 0.1, "by arrival alone the new version looks bad"
        watch = detector()
        start, group = LAYOUT.due(time, delay)
        for index in range(end // MINUTE):
            due = {}
            for name, own in (("A", ~new), ("B", new)):
                counts = np.zeros((len(LAYOUT.delays), len(SplitCell)), dtype=np.int64)
                mine = own & (start == index * MINUTE)
                np.add.at(
                    counts,
                    group[mine],
                    np.column_stack([np.ones(mine.sum()), wrong[mine], wrong[mine]]).astype(int),
                )
                if mine.any():
                    due[name] = Summary(LAYOUT, counts.ravel())
            assert watch.update(window(index, **due)) == []
        [(compared, decision, _)] = watch.comparisons()
        assert decision is Decision.WATCH
        assert compared.cases[1] > 100
        assert abs(compared.gain) < 0.1


BAD = {"A": labels((80, 8)), "B": labels((20, 8))}


class TestWhatIsSaid:
    def test_a_version_that_is_worse_at_the_same_time_is_to_be_rolled_back(self) -> None:
        watch = detector()
        found = [f for i in range(12) for f in watch.update(window(i, **BAD))]
        assert said(found[:1]) == [("compare_split", "B", "roll_back", Verdict.BREACH, Severity.ERROR)]
        evidence = found[0].evidence
        assert (evidence["ids"], evidence["champion"], evidence["challenger"]) == ("different", "A", "B")
        assert evidence["champion_loss"] == pytest.approx(0.1)
        assert evidence["challenger_loss"] == pytest.approx(0.4)
        assert float(str(evidence["gain_high"])) < -0.005
        assert found[1].evidence == {}, "what was told stands without further words"

    def test_what_falls_due_between_two_windows_with_labels_is_told_with_the_next_ones(self) -> None:
        watch, straight = detector(), detector()
        watch.update(window(0))
        straight.update(window(0))
        for i in range(1, 12):
            watch.take_due(window(i, **BAD))
            straight.update(window(i, **BAD))
        [found] = watch.update(window(12))
        assert found.evidence["pairs"] == 220
        assert watch.comparisons()[0][0].gain == straight.comparisons()[0][0].gain
        assert watch.update(window(13)) == [], "a window without news says nothing"

    def test_labels_of_other_delays_are_not_held_against_each_other(self) -> None:
        watch = detector()
        for i in range(12):
            assert watch.update(window(i, A=labels((80, 8)), B=labels((0, 0), (20, 8)))) == []
        assert watch.comparisons() == []

    def test_versions_that_answer_the_same_ids_are_compared_by_these_alone(self) -> None:
        watch = detector()
        n = np.array([400, 400, 400, 40, 40, 20, 360, 20], dtype=np.int64)
        for i in range(12):
            pairs = {("A", "B"): Summary(PairLayout(), n)} if i == 0 else {}
            assert watch.update(replace(window(i, **BAD), pairs=pairs)) == []
        [(compared, _, _)] = watch.comparisons()
        assert compared.same_ids

    def test_a_few_ids_that_both_answered_are_not_enough_for_that(self) -> None:
        watch = detector()
        n = np.array([2, 2, 2, 0, 0, 0, 2, 0], dtype=np.int64)
        for i in range(12):
            pairs = {("A", "B"): Summary(PairLayout(), n)} if i == 0 else {}
            watch.update(replace(window(i, **BAD), pairs=pairs))
        assert [compared.same_ids for compared, *_ in watch.comparisons()] == [True, False]
        assert n[PairCell.N] == 2

    def test_a_version_that_gets_no_traffic_any_more_is_retired_after_an_hour(self) -> None:
        watch = detector()
        for i in range(12):
            watch.update(window(i, **BAD))
        alone = [watch.update(window(i, A=labels((80, 8)))) for i in range(12, 73)]
        assert {verdict for found in alone[:-1] for *_, verdict, _ in said(found)} == {Verdict.BREACH}
        assert [verdict for *_, verdict, _ in said(alone[-1])] == [Verdict.GONE]
        old = [(0, 0)] * 5
        late = watch.update(window(73, A=labels((80, 8), *old, (80, 8)), B=labels((0, 0), *old, (20, 8))))
        assert late == [], "labels of old answers say nothing new"
        [(compared, decision, _)] = watch.comparisons()
        assert (compared.challenger_live, decision) == (False, Decision.WORSE)

    def test_a_version_of_little_traffic_is_not_missed_before_it_would_have_come(self) -> None:
        watch = detector()
        for i in range(12):
            watch.update(window(i, A=labels((80, 8)), B=labels((20, 8))))
        found = [f for i in range(12, 90) for f in watch.update(window(i, A=labels((1, 0))))]
        assert {f.verdict for f in found} == {Verdict.BREACH}

    def test_it_is_over_three_days_after_the_last_cell_of_both(self) -> None:
        watch = detector()
        for i in range(12):
            watch.update(window(i, **BAD))
        [gone] = watch.update(window(3 * 24 * 60 + 12))
        assert (gone.check, gone.verdict) == ("compare_split", Verdict.GONE)
        assert watch.comparisons() == []

    def test_the_champion_of_the_settings_is_the_one(self) -> None:
        watch = detector(champion="B")
        found = [f for i in range(12) for f in watch.update(window(i, **BAD))]
        assert said(found[:1]) == [("compare_split", "A", "promote", Verdict.BREACH, Severity.INFO)]


class TestState:
    def test_it_goes_on_from_its_bytes_as_if_never_stopped(self) -> None:
        straight, stored = detector(), detector()
        rng = np.random.default_rng(3)
        for i in range(40):
            due = {
                name: labels((n, int(rng.binomial(n, p)))) for name, n, p in (("A", 80, 0.1), ("B", 20, 0.4))
            }
            now = window(i, **due)
            for watch in (stored, straight):
                watch.take_due(window(i, **due))
            assert stored.update(now) == straight.update(now)
            again = detector()
            states_from_bytes([again], states_to_bytes([stored]))
            stored = again
        assert states_to_bytes([stored]) == states_to_bytes([straight])

    def test_other_times_start_over(self) -> None:
        watch = detector()
        watch.update(window(0, **BAD))
        longer = known(split_layout_of(SETTINGS.model_copy(update={"label_horizon_ms": 9 * HOUR}), None))
        again = VersionComparison(PairLayout(), longer, min_gain=0.005)
        again.restore(watch.state())
        assert again.comparisons() == []
        with pytest.raises(ValueError, match="expected"):
            detector().restore({**watch.state(), "shared": b"\x93"})

    def test_costs_of_the_same_range_are_others_where_any_of_them_is(self) -> None:
        def layout(**more: object) -> SplitLayout:
            model = {
                "name": "m",
                "task": "binary",
                "classes": {"a": ["a"], "b": ["b"]},
                "positive_class": "a",
            }
            found = split_layout_of(ModelSettings.model_validate(model | more), None)
            assert found is not None
            return found

        same, other = ({"a": {"b": 3.0}, "b": {"a": cost}} for cost in (1.0, 2.0))
        assert layout(costs=same).hash == layout(costs=same).hash != layout(costs=other).hash
        assert layout().hash.startswith("split-error-1-0.0-1.0-")
        assert layout().hash.count("-") == layout(costs=same).hash.count("-") - 1, "without costs as ever"

    def test_what_was_told_is_over_where_there_is_nothing_to_compare_by_any_more(self) -> None:
        """As where a regression's reference is given up, which told how large errors are."""
        watch, without = detector(), VersionComparison(PairLayout(), None, min_gain=0.005)
        told = [f for i in range(12) for f in watch.update(window(i, **BAD))]
        assert told
        without.restore(watch.state())
        assert watch.standing == [Topic(Kind.VERSION_REGRESSION, "compare_split", version="B")]
        assert without.standing == []

    def test_its_memory_is_bounded(self) -> None:
        watch = detector()
        for i in range(100):
            due = {"A": labels((80, 8)), f"v{i}": labels((20, 2))}
            watch.update(replace(window(1, **due), span=window(i).span))
        assert len(states_to_bytes([watch])) < 10_000
