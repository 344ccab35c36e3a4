"""The report: figures by hand, a half year that says what happened, and names that can do no harm."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from typing import Any, Final

import msgspec
import pytest
from builders.life import DAYS, cohort, day_ms, half_year, life, plan
from builders.summaries import profile_of, regressed

from consumers.cohorts import Cohort
from consumers.incidents import Incident
from consumers.plan import plan_model
from consumers.rollup import DAY_MS
from detectors.confidence import difference, wilson
from detectors.summary import Summary
from schemas.errors import Stop
from schemas.model_settings import ModelSettings
from watchkeeper.report.build import build_report
from watchkeeper.report.content import Report, Row, report_json
from watchkeeper.report.page import report_page
from watchkeeper.report.past import Past, past_from_json, past_to_json
from watchkeeper.report.text import report_text

HALF_YEAR_MS: Final = 181 * DAY_MS
RIGHT: Final = {("fraud", "fraud"): 30, ("ok", "ok"): 60, ("fraud", "ok"): 10}


@cache
def half_year_report() -> Report:
    model = plan()
    return build_report(model, half_year(model), since_ms=HALF_YEAR_MS)


def report_of(past: Past, *, since_days: int = 181, **more: Any) -> Report:
    return build_report(plan(**more), past, since_ms=since_days * DAY_MS)


def sentences(report: Report) -> str:
    return "\n".join(statement.text for statement in report.statements)


def words_of_page(page: str) -> str:
    """Return the text of a page, tags left out, blanks as one."""
    found: list[str] = []

    class Reader(HTMLParser):
        def handle_data(self, data: str) -> None:
            found.append(data)

    Reader().feed(page)
    return " ".join(" ".join(found).split())


class TestHalfYear:
    @pytest.mark.parametrize("form", [report_text, report_page])
    def test_it_says_in_words_what_happened(self, form: Any) -> None:
        words = " ".join(form(half_year_report()).split())
        words = words_of_page(words) if form is report_page else words
        assert re.search(r"Accuracy has been falling slowly: lost \d\.\d points since", words)
        assert "Version 8 came on 15 Feb 2026, after 7: accuracy" in words
        assert "Version 9 came on 1 May 2026, after 8: accuracy" in words
        assert (
            "Labels stopped from 1 Mar 2026 to 14 Mar 2026: of 28,000 predictions none has a label." in words
        )
        assert "Segment channel=web makes 31% of the errors with 25% of the labels" in words
        assert "2 alerts in this time, 1 of them errors or worse" in words

    def test_the_decay_is_dated_within_two_weeks_and_its_interval_holds_the_three_points(self) -> None:
        trend = half_year_report().trends[0]
        assert (trend.metric, trend.found, trend.jumps) == ("accuracy", True, ())
        assert "2026-03-18" <= trend.since <= "2026-04-15"
        assert trend.since_low <= "2026-04-01" <= trend.since_high
        assert trend.change.low is not None
        assert trend.change.high is not None
        assert trend.change.low <= -0.03 <= trend.change.high < 0

    def test_a_difference_across_a_switch_that_the_decay_explains_is_not_blamed_on_the_version(self) -> None:
        third = next(s for s in half_year_report().statements if s.text.startswith("Version 9 came"))
        assert third.tone == "plain"
        assert "no jump at the switch" in third.text

    def test_periods_say_what_is_not_final_and_why(self) -> None:
        standing = {period.name: period.rows[0].standing for period in half_year_report().periods}
        assert standing == {
            "Jan 2026": "final",
            "Feb 2026": "final",
            "Mar 2026": "few labelled",
            "Apr 2026": "final",
            "May 2026": "final",
            "Jun 2026": "horizon open",
        }
        assert half_year_report().final_until == "2026-06-16"

    def test_now_is_set_against_the_first_full_month(self) -> None:
        (found,) = half_year_report().comparisons
        assert (found.kind, found.before.name) == ("first period", "its first full month, Jan 2026")
        assert (found.now.first, found.now.last) == ("2026-05-18", "2026-06-16")
        assert found.differences["accuracy"].value == pytest.approx(-0.024, abs=0.006)
        assert "Accuracy is worse than in its first full month, Jan 2026: 91.9% then" in sentences(
            half_year_report()
        )

    def test_incidents_say_which_periods_they_touch(self) -> None:
        first, second = half_year_report().incidents
        assert (first.periods, first.duration_ms) == (("Feb 2026", "Mar 2026"), 73 * 3_600_000 + 30 * 60_000)
        assert (second.periods, second.until) == (("Jun 2026",), None)

    def test_lines_of_text_fit_100_characters(self) -> None:
        assert max(map(len, report_text(half_year_report()).splitlines())) <= 100

    def test_the_page_asks_nobody_for_anything(self) -> None:
        page = report_page(half_year_report())
        assert not re.search(r"<script|<link|<img|url\(|@import|https?://", page)
        assert page.count("<svg") == page.count("</svg>") == 2

    def test_json_is_the_report(self) -> None:
        text = report_json(half_year_report())
        assert msgspec.json.decode(text, type=Report) == half_year_report()
        assert json.loads(text)["format"] == "watchkeeper.report/1"


class TestByHand:
    def test_a_period_has_the_counts_and_intervals_of_its_days(self) -> None:
        model = plan()
        past = Past({day_ms(0): {("7", ""): cohort(model, 125, RIGHT)}}, (), day_ms(40))
        (period,) = report_of(past).periods
        row = period.rows[0]
        assert (row.predictions, row.labelled, row.coverage, row.standing) == (125, 100, 0.8, "final")
        assert row.metrics["accuracy"] == wilson(90, 100)
        assert row.metrics["recall"] == wilson(30, 30)
        assert row.metrics["precision"] == wilson(30, 40)

    def test_answers_of_the_fallback_have_a_row_and_are_no_part_of_the_whole(self) -> None:
        model = plan()
        day = {
            ("7", ""): cohort(model, 100, RIGHT),
            ("7+fallback", ""): cohort(model, 50, {("ok", "fraud"): 40}),
        }
        (period,) = report_of(Past({day_ms(0): day}, (), day_ms(40))).periods
        assert [row.version for row in period.rows] == [None, "7", "7+fallback"]
        assert [row.predictions for row in period.rows] == [100, 100, 50]
        assert period.rows[2].metrics["accuracy"].value == 0.0

    def test_below_thirty_labels_there_is_no_figure(self) -> None:
        past = Past({day_ms(0): {("7", ""): cohort(plan(), 29, {("ok", "ok"): 29})}}, (), day_ms(40))
        report = report_of(past)
        row = report.periods[0].rows[0]
        assert (row.standing, row.metrics) == ("too few labels", {})
        assert "too few labels" in report_text(report)

    def test_a_version_with_fewer_labels_than_it_usually_has_is_provisional(self) -> None:
        usual, few = cohort(plan(), 125, RIGHT), cohort(plan(), 250, RIGHT)
        days = {day_ms(d): {("7", ""): usual} for d in range(31)} | {day_ms(31): {("7", ""): few}}
        january, february = (p.rows[0] for p in report_of(Past(days, (), day_ms(60))).periods)
        assert (january.standing, february.standing) == ("final", "few labelled")
        assert february.usual == 0.8

    def test_the_profile_is_compared_by_its_own_counts(self) -> None:
        confusion = (("fraud", "fraud", 300), ("ok", "fraud", 20), ("ok", "ok", 680))
        profile = profile_of({}, n=1000, labelled=1000, metrics={"accuracy": 0.98}, confusion=confusion)
        days = {day_ms(d): {("7", ""): cohort(plan(), 125, RIGHT)} for d in range(30)}
        report = build_report(plan(profile), Past(days, (), day_ms(60)), since_ms=HALF_YEAR_MS)
        found = next(c for c in report.comparisons if c.kind == "profile")
        assert found.differences["accuracy"] == difference(wilson(2700, 3000), wilson(980, 1000))
        assert "Accuracy is worse than in the profile: 98.0% then, 90.0% now" in sentences(report)

    def test_a_regression_is_told_by_its_absolute_error(self) -> None:
        model = plan_model(
            ModelSettings.model_validate({"name": "fraud", "task": "regression", "learn": False}), None
        )
        plain = regressed([2.0, 4.0] * 50, [1.0, 5.0] * 50)
        figures = Summary.empty(model.errors)
        figures.vector[:4] = plain.vector[:4]
        figures.vector[figures.layout.counts : figures.layout.known] = plain.vector[plain.layout.counts :]
        past = Past({day_ms(d): {("7", ""): Cohort(100, figures)} for d in range(70)}, (), day_ms(90))
        report = build_report(model, past, since_ms=HALF_YEAR_MS)
        row: Row = report.periods[0].rows[0]
        assert (report.headlines, row.metrics["mae"].value, row.metrics["bias"].value) == (("mae",), 1.0, 0.0)
        assert (row.metrics["rmse"].low, row.metrics["r2"].low) == (None, None)

    def test_a_short_report_goes_by_weeks_with_a_curve_of_days(self) -> None:
        days = {day_ms(d): {("7", ""): cohort(plan(), 125, RIGHT)} for d in range(30)}
        report = report_of(Past(days, (), day_ms(30)), since_days=20)
        assert (report.unit, report.first, len(report.points)) == ("week", "2026-01-11", 20)
        assert [period.name for period in report.periods] == ["2026-W02", "2026-W03", "2026-W04", "2026-W05"]
        assert sum(period.rows[0].predictions for period in report.periods) == 20 * 125

    def test_limits_of_the_settings_make_a_metric_a_headline(self) -> None:
        past = Past({day_ms(0): {("7", ""): cohort(plan(), 125, RIGHT)}}, (), day_ms(40))
        assert report_of(past, metrics={"roc_auc": {"min": 0.8}}).headlines == (
            "accuracy",
            "recall",
            "roc_auc",
        )


class TestSudden:
    def test_a_bad_version_is_told_as_a_jump_that_came_with_it(self) -> None:
        past = life(plan(), lambda d: "7" if d < 90 else "8", lambda d: 0.92 if d < 90 else 0.88)
        report = report_of(past)
        trend = report.trends[0]
        assert not trend.found
        assert [jump.version for jump in trend.jumps] == ["8"]
        assert re.search(
            r"Accuracy fell by [34]\.\d points at once .* when version 8 came", sentences(report)
        )
        third = next(s for s in report.statements if s.text.startswith("Version 8 came"))
        assert third.tone == "bad"

    def test_a_steady_model_is_not_said_to_be_worse(self) -> None:
        report = report_of(life(plan(), lambda _: "7", lambda _: 0.92, seed=1))
        assert "Accuracy shows no slow change since 1 Jan 2026" in sentences(report)
        assert {statement.tone for statement in report.statements} <= {"plain", "good"}


class TestLittle:
    def test_a_model_without_events_has_an_empty_report_in_every_form(self) -> None:
        report = report_of(Past({}, (), day_ms(0)))
        assert sentences(report) == "No prediction in this time."
        assert "No prediction in this time." in report_text(report)
        assert "No prediction in this time." in report_page(report)
        assert msgspec.json.decode(report_json(report), type=Report) == report

    def test_one_day_alone_has_figures_and_no_verdict(self) -> None:
        report = report_of(Past({day_ms(0): {("7", ""): cohort(plan(), 125, RIGHT)}}, (), day_ms(40)))
        assert (report.trends, report.comparisons) == ((), ())
        assert [life.switch for life in report.versions] == [None]
        assert "90.0 (82.6 to 94.5)" in report_text(report)
        assert "<svg" in report_page(report)

    def test_a_model_whose_labels_never_come_is_not_called_good(self) -> None:
        days = {day_ms(d): {("7", ""): cohort(plan(), 125, {})} for d in range(40)}
        report = report_of(Past(days, (), day_ms(60)))
        assert "No label has come for 5,000 predictions: the quality is not known." in sentences(report)
        assert report.trends == ()

    def test_labels_that_stay_away_until_now_are_told(self) -> None:
        past = life(
            plan(), lambda _: "7", lambda _: 0.92, coverage=lambda d: 0.0 if d >= 140 else 0.95, days=DAYS
        )
        report = report_of(past)
        (gap,) = report.gaps
        assert (gap.first, gap.last, gap.ongoing) == ("2026-05-21", "2026-06-16", True)


class TestHostileNames:
    NAMES: Final = (
        "<script>alert(1)</script>\"'&",
        "\x1b[31mred\u202e",
        "a\nb\tc",
        "v" * 128,
        "]]>--><!--",
        "",
    )

    def hostile(self) -> Report:
        days = {}
        for d in range(40):
            cohorts = {(n, ""): cohort(plan(), 125, RIGHT) for n in self.NAMES}
            cohorts |= {
                (n, f"channel={n}"): cohort(plan(), 50, {("fraud", "ok"): 40, ("ok", "ok"): 5})
                for n in self.NAMES
            }
            days[day_ms(d)] = cohorts
        incident = Incident(
            "v1:ab:1", "firing", "<b>", "k", "c", self.NAMES[0], "2026-01-05T00:00:00.000Z", ""
        )
        return report_of(Past(days, (incident,), day_ms(60)), owner={"team": "<i>", "contact": "&amp;"})

    def test_they_are_escaped_in_the_page(self) -> None:
        page = report_page(self.hostile())
        known = "html|head|meta|title|style|body|h1|h2|p|ul|li|b|span|div|table|tr|th|td|svg|line|text|rect|polygon"
        known += "|polyline|circle"
        assert set(re.findall(r"<([a-zA-Z]+[0-9]?)", page)) <= set(known.split("|"))
        assert page.count("<b>") == page.count("</b>") == len(self.hostile().statements)
        assert "<i>" not in page
        assert "&amp;amp;" in page
        assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", page)

    def test_they_are_printable_in_the_text_and_keep_it_narrow(self) -> None:
        lines = report_text(self.hostile()).split("\n")
        assert all(line.isprintable() for line in lines)
        assert max(map(len, lines)) <= 100

    def test_they_are_whole_in_the_json(self) -> None:
        text = report_json(self.hostile())
        assert msgspec.json.decode(text, type=Report) == self.hostile()
        versions = {row["version"] for row in json.loads(text)["periods"][0]["rows"]}
        assert versions == {None, *self.NAMES}


class TestFile:
    def test_a_past_comes_back_from_its_file_as_it_was(self) -> None:
        model = plan()
        past = half_year(model)
        again = past_from_json(past_to_json({"fraud": past}, until_ms=past.now_ms), model, source="x")
        assert list(again.incidents) == list(past.incidents)
        assert build_report(model, again, since_ms=HALF_YEAR_MS) == half_year_report()

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"format": "watchkeeper.past/9"}, "expected the format watchkeeper.past/1"),
            ({"models": {}}, "knows no model 'fraud'"),
            (
                {"until": "yesterday", "models": {"fraud": {"days": {}, "incidents": []}}},
                "expected a past that",
            ),
            (
                {"models": {"fraud": {"days": {"2026-01-01T00:00:00Z": "!"}, "incidents": []}}},
                "expected a past that",
            ),
            (
                {"models": {"fraud": {"days": {"2026-01-01T00:00:00Z": "AAAA"}, "incidents": []}}},
                "stored cohort",
            ),
        ],
    )
    def test_a_file_that_is_no_past_is_refused_with_the_mend(
        self, change: dict[str, Any], message: str
    ) -> None:
        file = {"format": "watchkeeper.past/1", "until": "2026-07-01T00:00:00Z", "models": {}, **change}
        with pytest.raises(Stop, match=message):
            past_from_json(json.dumps(file), plan(), source="x")


def test_days_after_the_time_that_is_known_are_left_out() -> None:
    past = life(plan(), lambda _: "7", lambda _: 0.92, days=40)
    cut = replace(past, now_ms=day_ms(30) - 1)
    assert report_of(cut).last == "2026-01-30"
