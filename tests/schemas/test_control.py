"""What people order: what it takes to be an order, and what fits its conditions."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.control import (
    Acceptance,
    AcceptEvent,
    AckEvent,
    Acknowledgement,
    DeployEvent,
    Matcher,
    Silence,
    SilenceEvent,
    parse_control_record,
)
from schemas.deploy import Deploy, deploy_id
from schemas.errors import Reject
from schemas.finding import Severity

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def a_silence(**changes: Any) -> Silence:
    fields = {
        "id": "s1",
        "matchers": ({"field": "model", "value": "fraud"},),
        "starts": NOON,
        "ends": NOON + timedelta(hours=1),
        "by": "ada",
        "reason": "a load test",
    }
    return Silence.model_validate({**fields, **changes})


def an_ack(**changes: Any) -> Acknowledgement:
    fields = {
        "incident": "i:1",
        "by": "ada",
        "at": NOON,
        "until": NOON + timedelta(hours=1),
        "severity": Severity.ERROR,
    }
    return Acknowledgement.model_validate({**fields, **changes})


def a_deploy(**changes: Any) -> Deploy:
    fields = {
        "id": "d1",
        "app": "prod",
        "model": "fraud",
        "version": "8",
        "at": NOON,
        "holds_until": NOON + timedelta(minutes=2),
    }
    return Deploy.model_validate({**fields, **changes})


def an_answer(**changes: Any) -> Acceptance:
    fields = {
        "app": "prod",
        "model": "fraud",
        "decision": "keep",
        "at": NOON,
        "by": "ada",
        "incident": "i:1",
        "severity": Severity.ERROR,
    }
    return Acceptance.model_validate({**fields, **changes})


def test_an_order_comes_back_as_it_was_written_under_the_key_of_what_it_is_about() -> None:
    for event, key in (
        (SilenceEvent.of(a_silence(), now=NOON), "silence:s1"),
        (AckEvent.of(an_ack(), now=NOON), "ack:i:1"),
        (DeployEvent.of(a_deploy(), now=NOON), "deploy:d1"),
        (AcceptEvent.of(an_answer(), now=NOON), "accept:i:1"),
        (
            AcceptEvent.of(an_answer(decision="new_normal", incident=None), now=NOON),
            "accept:prod/fraud/1793534400000",
        ),
    ):
        assert parse_control_record(event.to_json_bytes()) == event
        assert event.key == key


@pytest.mark.parametrize(
    ("op", "value", "found", "fits"),
    [
        ("=", "fraud", "fraud", True),
        ("=", "fraud", None, False),
        ("!=", "fraud", "price", True),
        ("!=", "fraud", None, True),
        ("=~", "fr*|price", "fraud", True),
        ("=~", "fr*|price", "price", True),
        ("=~", "fr", "fraud", False),
        ("=~", "*", None, False),
        ("!~", "fr*", "fraud", False),
        ("!~", "fr*", "price", True),
        ("=~", "FR*", "fraud", False),
    ],
)
def test_a_condition_holds_for_what_it_names(op: Any, value: str, found: str | None, fits: bool) -> None:
    assert Matcher(field="model", op=op, value=value).fits(found) is fits


def test_a_pattern_that_would_take_other_engines_for_ever_is_read_at_once() -> None:
    assert not Matcher(field="feature", op="=~", value="*a" * 90 + "b").fits("a" * 500)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"ends": NOON - timedelta(seconds=1)}, "end after it starts"),
        ({"ends": NOON + timedelta(days=31)}, "at most 30 days"),
        ({"matchers": ()}, "at least 1"),
        ({"matchers": ({"field": "score", "value": "1"},)}, "Input should be"),
        ({"matchers": ({"field": "model", "op": "~", "value": "1"},)}, "Input should be"),
        ({"reason": ""}, "at least 1"),
    ],
)
def test_a_silence_that_nobody_could_answer_for_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        a_silence(**changes)


def test_nobody_looks_after_an_incident_for_ever() -> None:
    with pytest.raises(ValidationError, match="at most 7 days"):
        an_ack(until=NOON + timedelta(days=8))


@pytest.mark.parametrize(
    ("until", "complaint"),
    [(NOON - timedelta(seconds=1), "until after it"), (NOON + timedelta(days=8), "at most 7 days")],
)
def test_a_deploy_holds_alerts_back_after_it_and_not_for_ever(until: datetime, complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        a_deploy(holds_until=until)


@pytest.mark.parametrize("lacking", ["incident", "severity"])
def test_a_reference_is_kept_in_an_incident(lacking: str) -> None:
    with pytest.raises(ValidationError, match="expected the incident and its severity"):
        an_answer(**{lacking: None})


def test_a_deploy_that_is_announced_twice_is_one() -> None:
    berlin = NOON.astimezone(timezone(timedelta(hours=1)))
    assert deploy_id("prod", "fraud", "8", NOON) == deploy_id("prod", "fraud", "8", berlin)
    others = {
        deploy_id("prod", "fraud", "8", NOON + timedelta(milliseconds=1)),
        deploy_id("prod", "fraud", "9", NOON),
        deploy_id("prod", "price", "8", NOON),
        deploy_id("stage", "fraud", "8", NOON),
    }
    assert len(others | {deploy_id("prod", "fraud", "8", NOON)}) == 5


@pytest.mark.parametrize(
    "raw", [b"", b"junk", b"{}", b"[]", json.dumps({"type": "io.watchkeeper.silence"}).encode()]
)
def test_what_is_no_order_is_rejected_with_the_mend(raw: bytes) -> None:
    with pytest.raises(Reject, match="watchkeeper silence"):
        parse_control_record(raw)
