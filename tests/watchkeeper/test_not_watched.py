"""What becomes of an alert when a restart with other settings leaves nobody to say that it is over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from builders.part_traffic import (
    NOON_MS,
    Outcome,
    Traffic,
    minute_batches,
    profile,
)

from consumers.evaluation import StoredEvaluation
from consumers.evaluator import ModelEvaluator
from consumers.incidents import read_incidents
from consumers.partition import Partition
from consumers.plan import ModelPlan, plan_model
from consumers.store import Position
from schemas.clock import parse_time_ms
from schemas.finding import Stream
from schemas.settings import Settings
from watchkeeper.accept_command import check_calm
from watchkeeper.policy import policies
from watchkeeper.replay import Replay, report

REFERENCE = profile({"channel=web": 0.1, "channel=shop": 0.1})
BEGIN, RESTART, END = 8, 20, 32
"""Minutes of the trouble, of the restart, and of the stream."""
BASE = {
    "task": "binary",
    "positive_class": "fraud",
    "segments": ["channel"],
    "allowed_lateness": "30s",
    "label_horizon": "1h",
}
Changes = Mapping[str, Any]
Told = list[tuple[int, str, str | None, str]]


def settings(changes: Changes) -> Settings:
    return Settings.model_validate({"models": {"fraud": {**BASE, **changes}}})


def traffic(*, until: int = END, failing: float = 0.0, wrong: float = 0.1, shop: float = 0.1) -> Traffic:
    """Return traffic with a trouble: its shares of errors, of wrong answers, and of these in one segment of a tenth."""

    def bad(minute: int) -> bool:
        return BEGIN <= minute < until

    return Traffic(
        lambda _: {"web": 0.9, "shop": 0.1},
        failing=lambda minute, _channel, _version: failing if bad(minute) else 0.0,
        wrong=lambda minute, channel, _version: (
            (shop if channel == "shop" else wrong) if bad(minute) else 0.1
        ),
        per_minute=120,
    )


class Service(Replay):
    """A replay that is stopped, and started again with other settings."""

    def restart(self, configured: Settings, plan: ModelPlan) -> None:
        plans, count = {"fraud": plan}, len(self._partitions)
        for number in range(count):
            partition = Partition(
                plans, number, self._store.claim(number), start=Position(0, 0, 0), guarded=True
            )
            for stream in Stream:
                since_ms = partition.time.open_from_ms("fraud", stream)
                partition.load(self._store.windows(number, "fraud", stream, from_ms=since_ms))
            self._partitions[number] = partition
        policy = policies(configured, plans)["fraud"]
        self._evaluators = [
            ModelEvaluator(plan, count, windows=self._store, states=self._models, policy=policy)
        ]


def service_of(
    before: Changes,
    after: Changes,
    events: Traffic,
    *,
    partitions: int = 1,
) -> Service:
    first, second = settings(before), settings(after)
    plans = [plan_model(one.models["fraud"], REFERENCE) for one in (first, second)]
    service = Service(
        {"fraud": plans[0]}, partitions=partitions, policies=policies(first, {"fraud": plans[0]})
    )
    for number, batch in enumerate(minute_batches(events.minutes(END), partitions)):
        if number == RESTART:
            service.restart(second, plans[1])
        service._take(batch)
        service._evaluate(lambda _: None, final=False)
    service._evaluate(lambda _: None, final=True)
    return service


def restarted(before: Changes, after: Changes, events: Traffic, *, partitions: int = 1) -> Outcome:
    """Return what is told of a stream, by one service and then by another one with other settings."""
    result = service_of(before, after, events, partitions=partitions).result
    return Outcome(result.events, result.windows)


def told(found: Outcome, check: str) -> Told:
    """Return the minute, status, part and reason of all that is told of a check but that it became worse."""
    return [
        (a["minute"], a["status"], a["segment"] or a["version"], a["evidence"]["reason"])
        for a in found.alerts
        if a["check"] == check and "severity" not in a["evidence"]["reason"]
    ]


LIMIT = {"metrics": {"accuracy": {"min": 0.85}}}
RIVER = {"river": "HDDMA", "signal": "error", "alert": True, "clears": 50}
CASES: Mapping[str, tuple[str, Changes, Changes, Traffic]] = {
    "a limit is removed": ("accuracy_min", LIMIT, {}, traffic(wrong=0.4)),
    "a tuned limit is removed": (
        "accuracy_min",
        {**LIMIT, "monitors": {"performance": {"min_events": 100}}},
        {},
        traffic(wrong=0.4),
    ),
    "a monitor is switched off": (
        "error_rate",
        {},
        {"monitors": {"error_rate": False}},
        traffic(failing=0.2),
    ),
    "a tuned monitor is switched off": (
        "error_rate",
        {"monitors": {"error_rate": {"threshold": 0.05}}},
        {"monitors": {"error_rate": False}},
        traffic(failing=0.2),
    ),
    "a dimension is not a segment any more": ("performance", {}, {"segments": []}, traffic(shop=0.4)),
    "a detector of river's is removed": (
        "err_hddm",
        {"monitors": {"err_hddm": RIVER}},
        {},
        traffic(wrong=0.6),
    ),
    "a detector of river's may not alert any more": (
        "err_hddm",
        {"monitors": {"err_hddm": RIVER}},
        {"monitors": {"err_hddm": {**RIVER, "alert": False}}},
        traffic(wrong=0.6),
    ),
    "a limit is added just when the trouble ends, and evidence starts over": (
        "accuracy_min",
        LIMIT,
        {"metrics": {"accuracy": {"min": 0.85}, "precision": {"min": 0.2}}},
        traffic(wrong=0.4, until=RESTART),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_nothing_watches_any_more_is_closed_with_the_next_window_and_never_as_recovered(
    case: str,
) -> None:
    check, before, after, events = CASES[case]
    found = restarted(before, after, events)
    fired, closed = told(found, check)
    assert fired[1] == "firing"
    assert fired[0] < RESTART
    assert closed == (closed[0], "resolved", fired[2], "not_watched")
    assert RESTART <= closed[0] <= RESTART + 1


def test_trouble_that_goes_on_while_its_evidence_starts_over_is_told_again() -> None:
    more = {"metrics": {"accuracy": {"min": 0.85}, "precision": {"min": 0.2}}}
    found = told(restarted(LIMIT, more, traffic(wrong=0.4)), "accuracy_min")
    assert [(status, reason) for _, status, _, reason in found] == [
        ("firing", "first"),
        ("resolved", "not_watched"),
        ("firing", "first"),
    ]


@pytest.mark.parametrize("quiet", [False, True])
def test_what_is_watched_as_before_stays_open_over_a_restart_even_where_windows_say_nothing_of_it(
    *, quiet: bool
) -> None:
    """As of a segment without events for a while: only its detector knows."""
    events = traffic(shop=0.6)
    if quiet:
        events.channels = lambda m: {"web": 1.0} if RESTART - 2 <= m < END - 2 else {"web": 0.9, "shop": 0.1}
    change = {"monitors": {"latency": False}}
    found = told(restarted({}, change, events), "performance")
    assert ("firing", "channel=shop", "first") in [one[1:] for one in found]
    assert "not_watched" not in {reason for *_, reason in found}


def test_an_alert_that_is_closed_so_says_why_in_words_and_keeps_the_end_that_was_last_seen() -> None:
    found = restarted(LIMIT, {}, traffic(wrong=0.4))
    closed = next(a for a in found.alerts if a["evidence"]["reason"] == "not_watched")
    assert closed["title"].startswith("fraud: closed, not watched any more: accuracy ")
    assert "The settings or the reference changed" in closed["impact"]
    assert "recovered" not in closed["impact"]
    last_bad, told_at = parse_time_ms(closed["until"]), parse_time_ms(closed["detected_at"])
    assert NOON_MS + BEGIN * 60_000 < last_bad < told_at


@pytest.mark.parametrize("case", ["a limit is removed", "a dimension is not a segment any more"])
def test_any_number_of_partitions_tells_the_same(case: str) -> None:
    _, before, after, events = CASES[case]
    one, three = (restarted(before, after, events, partitions=n) for n in (1, 3))
    assert sorted(one.events) == sorted(three.events)


def test_it_is_over_in_reports_too_and_does_not_stand_in_the_way_of_a_new_normal() -> None:
    off = {"monitors": {"performance": False}}
    service = service_of(LIMIT, off, traffic(wrong=0.4))
    incidents = read_incidents(service._models.past("fraud"))
    assert {one.check for one in incidents} == {"performance", "accuracy_min"}
    assert all((one.status, one.until is None) == ("resolved", False) for one in incidents)
    counts = report(service.result)["alerts"]
    assert counts["firing"] == counts["resolved"] == len(incidents)
    stored = service._models.state("fraud")
    assert stored is not None
    policy = policies(settings(off), service._plans)["fraud"]
    assert check_calm("fraud", policy, msgspec.msgpack.decode(stored, type=StoredEvaluation)) == []
