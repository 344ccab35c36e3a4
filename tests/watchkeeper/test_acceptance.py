"""The owner of a model accepts what is now: its reference is given up and learned again."""

from __future__ import annotations

import argparse
import json
from typing import Any

import pytest
from builders.learning import START_MS, Event, batches, binary_events, learning_settings

from alerts.board import Board
from consumers.acceptance import Relearning, learn_anew
from consumers.plan import plan_model
from consumers.store import CommitStatus
from detectors.profile import ReferenceProfile, from_json
from schemas.alert import AlertEvent
from schemas.clock import parse_time_ms
from schemas.errors import Stop
from schemas.finding import Stream
from watchkeeper.accept_command import check_calm, kept_by, learning_plan, new_normal
from watchkeeper.incidents import Seen
from watchkeeper.ordering import utc
from watchkeeper.policy import AlertPolicy, policies
from watchkeeper.replay import Replay

MINUTE_MS = 60_000
BATCH_MS = 90_000
"""So that every other batch ends within a window."""
LEARNED = 200
FIRST, SECOND = 600, 1_400
"""Events from which on feature a lies higher, and higher still."""


def moved(place: int, event: Event) -> None:
    event["features"]["a"] += 1.5 * ((place >= FIRST) + (place >= SECOND))


class Service:
    """A model that learns, batch by batch, with workers that hear of references after every few of them."""

    def __init__(
        self,
        more: str = "",
        *,
        change: Any = moved,
        n: int = 4_000,
        partitions: int = 2,
        hears_every: int = 3,
    ) -> None:
        self.settings = learning_settings(more, events=LEARNED)
        self.plan = plan_model(self.settings.models["m"], None)
        self.policy: AlertPolicy = policies(self.settings, {"m": self.plan})["m"]
        self.replay = Replay({"m": self.plan}, partitions=partitions, policies={"m": self.policy})
        self.models = self.replay._models
        events = binary_events(n, change=change)
        self.batches = batches(events.predictions, events.labels, partitions=partitions, batch_ms=BATCH_MS)
        self.told: list[dict[str, Any]] = []
        self._hears_every = hears_every
        self.taken = 0

    def until(self, minute: int) -> None:
        """Go on up to a minute of the stream."""
        while self.taken < min(minute * MINUTE_MS // BATCH_MS, len(self.batches)):
            self.replay._take(self.batches[self.taken])
            self.evaluate()
            if self.taken % self._hears_every == 0:
                self.hear()
            self.taken += 1

    def evaluate(self, *, final: bool = False) -> None:
        self.replay._evaluate(self._note, final=final)

    def _note(self, event: bytes) -> None:
        found = json.loads(event)
        if ".alert." in found["type"]:
            self.told.append(found)

    def hear(self) -> None:
        changed = self.replay._references.look()
        for partition in self.replay._partitions:
            self.replay._references.tell(partition, changed)

    def accept(self, *, from_ms: int = 0, **more: Any) -> Relearning:
        """Accept what is now, as the command does; whoever evaluates is fenced, and takes over anew."""
        try:
            done = learn_anew(self.plan, self.models, self.policy, from_ms=from_ms, **more)
        finally:
            for evaluator in self.replay._evaluators:
                evaluator.claim()
        self.closed = [json.loads(event) for event in self.models.events("m", 100_000)[-done.events :]]
        return done

    def firing(self) -> list[dict[str, Any]]:
        return [event["data"] for event in self.told if event["type"].endswith("firing")]

    @property
    def learned(self) -> ReferenceProfile:
        text = self.models.profile("m")
        assert text is not None
        return from_json(text, source="the store")


def drift(service: Service) -> list[tuple[str, str | None]]:
    return [(data["since"], data["feature"]) for data in service.firing() if data["kind"] == "data_drift"]


def test_a_drift_that_is_accepted_is_closed_and_the_next_one_is_found_against_what_was_accepted() -> None:
    service = Service()
    service.until(45)
    assert drift(service) == [("2026-03-02T00:30:00.000Z", "a")]
    done = service.accept()
    (closed,) = service.closed
    assert closed["type"] == "io.watchkeeper.alert.resolved"
    assert closed["data"]["evidence"]["reason"] == "accepted"
    assert closed["data"]["alert_id"] == service.firing()[0]["alert_id"]
    assert closed["data"]["title"].startswith("m: closed, accepted as the new normal: values of a moved up")
    service.until(90)
    service.evaluate(final=True)
    assert drift(service) == [
        ("2026-03-02T00:30:00.000Z", "a"),
        ("2026-03-02T01:10:00.000Z", "a"),
    ]
    evidence = service.firing()[1]["evidence"]
    assert parse_time_ms(evidence["learned_from"]) >= done.from_ms
    assert evidence["profile_median"] == pytest.approx(1.5, abs=0.2)


def test_a_stream_that_stays_as_it_was_accepted_raises_nothing_more() -> None:
    service = Service(change=lambda place, event: moved(min(place, SECOND - 1), event))
    service.until(45)
    service.accept()
    service.until(90)
    assert len(drift(service)) == 1
    assert [event["type"] for event in service.told if event["type"].endswith("updated")] == []


def test_nothing_is_learned_from_before_the_time_that_is_given() -> None:
    service = Service()
    service.until(45)
    from_ms = START_MS + 55 * MINUTE_MS
    assert service.accept(from_ms=from_ms).from_ms == from_ms
    service.until(90)
    assert service.learned.learned is not None
    assert service.learned.learned.from_ms == from_ms


@pytest.mark.parametrize(("hears_every", "partitions"), [(1, 1), (5, 1), (5, 4)])
def test_only_windows_whose_predictions_were_all_kept_are_learned_from(
    hears_every: int, partitions: int
) -> None:
    """Workers go on counting by the old reference until they hear that it is gone."""
    service = Service(hears_every=hears_every, partitions=partitions)
    service.until(45)
    before = service.learned.content_hash
    done = service.accept()
    service.until(90)
    found = service.learned
    assert found.content_hash != before
    assert found.learned is not None
    assert found.learned.from_ms >= done.from_ms
    assert found.learned.events == found.n == LEARNED


def test_a_worker_that_takes_over_meanwhile_marks_what_was_not_kept() -> None:
    service = Service(hears_every=1_000, partitions=1)
    service.hear()
    service.until(16)
    service.hear()
    service.until(45)
    service.accept()
    service.until(47)
    service.replay._references.look()
    replaced = service.replay._partitions[0]
    heir = type(replaced)(
        service.replay._references.plans,
        0,
        service.replay._store.claim(0),
        start=replaced.position,
        guarded=True,
    )
    for stream in Stream:
        since = heir.time.open_from_ms("m", stream)
        heir.load(service.replay._store.windows(0, "m", stream, from_ms=since))
    service.replay._partitions[0] = heir
    service.until(90)
    found = service.learned
    assert found.learned is not None
    assert found.learned.from_ms >= START_MS + 47 * MINUTE_MS
    assert found.learned.events == found.n == LEARNED


def test_an_evaluator_that_was_at_work_is_fenced_and_nothing_of_it_is_stored() -> None:
    service = Service()
    service.until(45)
    (evaluator,) = service.replay._evaluators
    learn_anew(service.plan, service.models, service.policy)
    state = service.models.state("m")
    service.replay._take(service.batches[service.taken])
    assert evaluator.evaluate().status is CommitStatus.FENCED
    assert service.models.state("m") == state
    evaluator.claim()
    assert evaluator.plan.learning
    assert evaluator.evaluate().status is CommitStatus.COMMITTED


def test_a_model_that_is_learning_has_nothing_to_accept() -> None:
    service = Service()
    service.until(5)
    with pytest.raises(Stop, match="learning its reference already"):
        service.accept()
    service.until(45)
    service.accept()
    with pytest.raises(Stop, match="learning its reference already"):
        service.accept()


def test_alerts_say_that_the_model_learns_again_until_it_has_learned() -> None:
    def failing(place: int, event: Event) -> None:
        moved(place, event)
        if 940 <= place < 1_100:
            event["status"] = "error"

    service = Service(change=failing)
    service.until(45)
    done = service.accept()
    service.until(90)
    (failed,) = [data for data in service.firing() if data["kind"] == "error_rate"]
    assert parse_time_ms(failed["evidence"]["learning_again_since"]) == done.from_ms
    assert "The model learns its reference again" in failed["impact"]
    found = [data for data in service.firing() if data["kind"] == "data_drift"][-1]
    assert found["since"] == "2026-03-02T01:10:00.000Z"
    assert "learning_again_since" not in found["evidence"]


class TestWhatStands:
    """An open alert of quality keeps a reference: what is learned in it would become the rule."""

    def wrong(self, place: int, event: Event) -> None:
        moved(place, event)
        if place >= FIRST:
            event["truth"] = place % 2 == 0

    def test_nothing_new_is_normal_while_answers_are_wrong(self) -> None:
        service = Service("    metrics: {accuracy: {min: 0.7}}\n", change=self.wrong)
        service.until(46)
        assert "performance" in {data["kind"] for data in service.firing()}
        state = service.models.state("m")
        with pytest.raises(
            Stop, match=r"performance .* stands, and what is learned now would make that the rule"
        ):
            service.accept(check=lambda state: check_calm("m", service.policy, state))
        assert service.models.state("m") == state
        assert service.models.profile("m") is not None

    def test_drift_alone_does_not_stand_in_the_way(self) -> None:
        service = Service()
        service.until(45)
        service.accept(check=lambda state: check_calm("m", service.policy, state))
        assert len(service.closed) == 1


class TestCommand:
    def said(self, service: Service, **typed: Any) -> int:
        """Run the command on what a service has in its store."""
        given = {"by": "ann", "note": None, "at": None, "dry_run": False, "now": utc(START_MS), **typed}
        now = given.pop("now")
        parsed = argparse.Namespace(**given)
        return new_normal(service.settings, parsed, service.plan, service.policy, service.models, now=now)

    @pytest.mark.parametrize(
        ("typed", "problem"),
        [
            ({"by": ""}, "^by: expected at least one character"),
            ({"at": "2026-04-02T00:00:01Z"}, "^--at: expected a time within 30 days"),
            ({"at": "soon"}, "^--at: expected a time"),
        ],
        ids=str,
    )
    def test_what_is_typed_wrong_changes_nothing(self, typed: dict[str, str], problem: str) -> None:
        service = Service()
        service.until(45)
        state = service.models.state("m")
        with pytest.raises(Stop, match=problem):
            self.said(service, **typed)
        assert service.models.state("m") == state
        assert service.models.profile("m") is not None

    def test_a_dry_run_is_refused_where_the_command_would_be(self) -> None:
        service = Service()
        service.until(5)
        with pytest.raises(Stop, match="learning its reference already"):
            self.said(service, dry_run=True)

    def test_a_reference_that_is_a_file_is_the_users_to_change(self) -> None:
        settings = learning_settings()
        model = settings.models["m"].model_copy(update={"profile": "p.json", "learn": None})
        settings.models["m"] = model
        with pytest.raises(Stop, match=r"the file p.json.*`watchkeeper profile`"):
            learning_plan(settings, "m")

    def test_a_model_without_any_reference_has_nothing_to_accept(self) -> None:
        settings = learning_settings()
        off = settings.models["m"].learn
        assert off is not None
        settings.models["m"] = settings.models["m"].model_copy(
            update={"learn": off.model_copy(update={"enabled": False})}
        )
        with pytest.raises(Stop, match="no reference"):
            learning_plan(settings, "m")

    def test_where_nothing_drifts_nothing_is_kept(self) -> None:
        with pytest.raises(Stop, match="no incident of drift is open"):
            kept_by([], "m", alert=None)
        with pytest.raises(Stop, match='no open alert begins with "abc"'):
            kept_by([], "m", alert="abc")

    def test_an_answer_to_one_alert_is_never_one_to_several_incidents(self) -> None:
        def failing(place: int, event: Event) -> None:
            moved(place, event)
            if place >= FIRST and place % 3 == 0:
                event["status"] = "error"

        service, board = Service(change=failing), Board({}, now_ms=0)
        service.until(45)
        for event in service.told:
            board.take(AlertEvent.model_validate(event), now_ms=0)
        seen = [Seen(incident, {}) for incident in board.incidents.values()]
        drift, errors = sorted(seen, key=lambda s: s.incident.cause)
        assert kept_by(seen, "m", alert=None) == [drift]
        [alert_id] = errors.incident.alerts
        assert kept_by(seen, "m", alert=alert_id) == [errors]
        assert kept_by(seen, "m", alert=errors.incident.id[:20]) == [errors]
        with pytest.raises(Stop, match="several open incidents"):
            kept_by(seen, "m", alert="")
