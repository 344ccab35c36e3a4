"""A short life of a model in one run: a slow decay, two weeks without labels and two new versions, all of it told."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.half_year import HalfYear, day_of, watched, write

LIFE = HalfYear(
    seed=1, days=120, per_hour=14, switches=(25, 85), outage=(35, 48), decay=60, lost=0.07, window="12h", cohort="12h"
)  # fmt: skip
"""Less traffic and a steeper decay than the half year of the benchmark."""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    folder = tmp_path_factory.mktemp("half-year")
    write(LIFE, folder)
    return watched(folder)


def test_the_decay_and_the_outage_are_alerted_and_dated(told: Any) -> None:
    alerts, _ = told
    first: dict[str, dict[str, Any]] = {}
    for alert in alerts:
        first.setdefault(alert["check"], alert)
    assert abs(day_of(first["label_coverage"]["since"]) - LIFE.outage[0]) <= 1
    assert day_of(first["label_coverage"]["detected_at"]) < LIFE.outage[0] + 3
    assert first["performance"]["kind"] == "performance"
    assert LIFE.decay < day_of(first["performance"]["detected_at"]) < LIFE.decay + 40
    assert abs(day_of(first["performance"]["since"]) - LIFE.decay) <= 14
    assert all(day_of(alert["detected_at"]) > LIFE.outage[0] for alert in alerts), "a calm month is calm"


def test_the_report_says_all_three(told: Any) -> None:
    _, report = told
    trend = report["trends"][0]
    assert (trend["metric"], trend["found"], trend["jumps"]) == ("accuracy", True, [])
    assert abs(day_of(trend["since"]) - LIFE.decay) <= 14
    assert day_of(trend["since_low"]) <= LIFE.decay <= day_of(trend["since_high"])
    (gap,) = report["gaps"]
    assert (day_of(gap["first"]), day_of(gap["last"])) == (LIFE.outage[0] - 1, LIFE.outage[1] - 1)
    assert {v["version"]: day_of(v["first"]) for v in report["versions"]} == {"7": 0, "8": 25, "9": 85}
    words = " ".join(statement["text"] for statement in report["statements"])
    for said in (
        "Accuracy has been falling slowly",
        "Labels stopped from",
        "Version 8 came",
        "Version 9 came",
    ):
        assert said in words
