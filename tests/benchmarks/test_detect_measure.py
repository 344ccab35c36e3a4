"""What the detection benchmark counts, and that its contenders find what nobody could miss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks.detect.changes import change_row, moments, rate, share
from benchmarks.detect.contender import Maker, Run
from benchmarks.detect.documents import BEGIN, END, between_marks
from benchmarks.detect.event_files import AlertLine, read_alerts
from benchmarks.detect.injected import Score
from benchmarks.detect.measure import Table, Tally, count, delay, measure, tallies
from benchmarks.detect.month import CHANGES as MONTH_CHANGES
from benchmarks.detect.month import Month
from benchmarks.detect.month_sections import month_table
from benchmarks.detect.month_watch import DummyWatch, Pages, watch
from benchmarks.detect.month_watch import count as pages_of
from benchmarks.detect.peers import CONTENDERS, SLOW_NAMES, named
from benchmarks.detect.peers_scan import Dummy
from benchmarks.detect.results import Measured, Results, counted
from benchmarks.detect.streams import START_MS, STATIONARY, Row, Stream
from benchmarks.detect.tables import by_contender, change_cell, null_cell

OBVIOUS = {
    "error": change_row("errors 10 to 60 %", "error", rate(0.1, 0.6)),
    "numeric": change_row("mean +2 sd", "numeric", moments(2.0, 1.0)),
    "category": change_row("category share 35 points", "category", share(0.35)),
}
BY_NAME = {make().name: make for make in CONTENDERS if make().name not in SLOW_NAMES}


def measured(rows: Sequence[Row], makers: Sequence[Maker], seeds: int = 1) -> Table:
    results = Results()
    measure("rows", rows, makers, results, seeds=seeds)
    return tallies(results.of("rows"))


@pytest.mark.parametrize("make", BY_NAME.values(), ids=BY_NAME)
def test_every_contender_finds_an_obvious_change(make: Maker) -> None:
    for kind in make().kinds:
        table = measured([OBVIOUS[kind]], [make])
        (tally,) = table[OBVIOUS[kind].name].values()
        assert tally.missed == 0, kind
        assert tally.quantile(0.5) <= 5000


@pytest.mark.parametrize("make", BY_NAME.values(), ids=BY_NAME)
def test_a_constant_reference_breaks_nobody(make: Maker) -> None:
    if "numeric" not in make().kinds:
        return
    times = START_MS + np.arange(3000) * 30_000
    contender = make()
    contender.fit(Stream("numeric", times, np.full(3000, 4.0)))
    found = contender.alarms(Stream("numeric", times, np.repeat([4.0, 5.0], 1500)))
    assert (np.diff(found) > 0).all()


def test_the_dummys_row_is_what_arithmetic_says() -> None:
    table = measured([STATIONARY[0], OBVIOUS["error"]], [lambda: Dummy(500)], seeds=3)
    quiet, change = (tallies["dummy 500"] for tallies in table.values())
    assert quiet.false_alarms == 3 * 200
    assert null_cell(quiet) == "200"
    assert change.missed == 0
    assert 1 <= change.quantile(0.5) <= 500


def test_alarms_before_a_change_are_false_and_the_first_after_it_is_the_delay() -> None:
    runs = [Run(np.array(alarms, np.int64), 0.5, 2000) for alarms in ([10, 999, 1049, 1100], [])]
    tally = Tally(tuple(count(run, 1000) for run in runs))
    assert tally.delays == [50, math.inf]
    assert tally.false_per_100k == pytest.approx(100)
    assert tally.missed == 0.5
    assert change_cell(tally) == "50 / - (50% missed, 100 false)"


def test_an_alarm_at_the_first_changed_event_has_a_delay_of_one() -> None:
    assert delay(np.array([7]), 7) == 1


def test_a_table_has_a_column_for_those_who_ran() -> None:
    table = measured(STATIONARY[:1], [lambda: Dummy(500), lambda: Dummy(1000)])
    lines = by_contender(table, ["dummy 1000", "ADWIN", "dummy 500"], null_cell, corner="Errors").splitlines()
    assert lines[0] == "| Errors | dummy 1000 | dummy 500 |"
    assert lines[2] == "| errors 10 % | 100 | 200 |"


def test_an_unknown_contender_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ValueError, match=r"no contender adwim; there are watchkeeper,"):
        named("ADWIN,adwim")


def test_a_document_keeps_what_stands_around_its_marks() -> None:
    document = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert between_marks(document, "new") == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    with pytest.raises(ValueError, match="once each"):
        between_marks("no marks", "new")


class TestMonth:
    MONTH = Month("A", 1, MONTH_CHANGES, 42, 720_000)

    def test_pages_of_changed_features_after_the_change_are_right_and_all_others_are_not(self) -> None:
        at = self.MONTH.change_ms
        pages = Pages(
            np.array([at, at + 3_600_000, at + 7_200_000, at + 1, START_MS + 1]), np.array([0, 0, 0, 41, -1])
        )
        found = pages_of(pages, self.MONTH)
        assert found.pages == 3
        assert found.days_with_a_page == 3
        assert found.delays["+0.1 sd"] == [1000, *[math.inf] * 7]

    def test_the_dummy_pages_every_so_many_events(self) -> None:
        month = Month("A", 1, (), 2, 10_000)
        assert watch(month, [DummyWatch(1000)])["dummy 1000"].pages == 10


def test_a_months_table_has_the_means_and_quantiles_over_its_seeds() -> None:
    runs = [
        {"pages": pages, "days_with_a_page": 1, "delays": {"step": delays}, "us_per_value": 0.5}
        for pages, delays in ((0, [100.0, 200.0]), (1, [300.0, math.inf]))
    ]
    lines = month_table("B", {"ours": {1: runs[0], 2: runs[1]}}).splitlines()
    assert lines[0] == "| B | pages | days | step | us per value |"
    assert lines[2] == "| ours | 0.5 | 1 | 200 / - (25% missed) | 0.5 |"


class TestResults:
    def test_runs_add_up_in_a_file_and_a_later_figure_replaces_an_earlier_one(self, tmp_path: Path) -> None:
        path = tmp_path / "results.jsonl"
        Results(path).put("month", "A", "ours", 1, {"pages": 3, "delay": math.inf})
        Results(path).put("month", "A", "ours", 2, {"pages": 1})
        results = Results(path)
        results.put("month", "A", "ours", 1, {"pages": 0, "delay": math.inf})
        expected = {"A": {"ours": {1: {"pages": 0, "delay": math.inf}, 2: {"pages": 1}}}}
        assert results.of("month") == Results(path).of("month") == expected
        results.tidy()
        assert len(path.read_text().splitlines()) == 2
        assert Results(path).of("month") == expected

    def test_a_caption_says_who_ran_over_how_many_seeds(self) -> None:
        by_name = {"ours": (1, 2), "ADWIN": (1, 2), "KSWIN": (1,)}
        rows: Measured = {"A": {name: {seed: {} for seed in seeds} for name, seeds in by_name.items()}}
        assert counted(rows, "streams") == "2 streams (KSWIN: 1)"


def test_every_alarm_within_reach_of_an_injected_drift_is_right() -> None:
    score = Score()
    score.add(np.array([999, 1000, 3500, 3501]), 1000)
    score.add(np.array([], np.int64), 1000)
    assert (score.right, score.false, score.missed) == (2, 2, 1)
    assert score.f1 == pytest.approx(4 / 7)


def test_alerts_are_read_back_and_records_of_windows_passed_over(tmp_path: Path) -> None:
    golden = Path(__file__).parents[1] / "golden" / "alerts"
    names = ("alert-firing.json", "window-complete.json")
    (tmp_path / "out.jsonl").write_text("".join((golden / name).read_text().strip() + "\n" for name in names))
    assert list(read_alerts(tmp_path / "out.jsonl")) == [
        AlertLine(1_793_534_460_000, "data_drift", "amount", "firing", "rank")
    ]
