from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from builders.notifications import crowd, first, over
from builders.scripted_http import Answer, a_closed_port, a_server
from pydantic import SecretStr
from servers.alertmanager import an_alertmanager
from servers.selection import Unavailable, do_without

from alerts.http_gate import HttpGate
from alerts.sinks import Delivery
from alerts.sinks.alertmanager import REFRESH_S, AlertmanagerSink, authorization_of, render_alertmanager
from schemas.alert import AlertStatus
from schemas.errors import Stop
from schemas.notification import Notification

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
SETTLED_S = 15.0


def a_sink(*urls: str, authorization: SecretStr | None = None) -> AlertmanagerSink:
    gate = HttpGate(trust_env=False)
    return AlertmanagerSink(urls, gate=gate, now=lambda: NOON, authorization=authorization)


def deliver_to(*answers: Answer) -> Delivery:
    """Deliver to as many peers as there are answers."""
    with ExitStack() as stack:
        servers = [stack.enter_context(a_server(answer)) for answer in answers]
        sink = a_sink(*(server.url.get_secret_value() for server in servers))
        delivery = sink.deliver(first())
        sink.close()
        for server in servers:
            (request,) = server.requests
            assert request.path == "/api/v2/alerts"
            assert request.json() == render_alertmanager(first(), now=NOON)
    return delivery


@pytest.mark.parametrize(
    ("answers", "delivery"),
    [
        ([Answer(200, b"")], Delivery.delivered()),
        ([Answer(200, b""), Answer(200, b"")], Delivery.delivered()),
        ([Answer(200, b""), Answer(400)], Delivery.dead("http_400")),
        ([Answer(400), Answer(500)], Delivery.retry("http_500")),
        ([Answer(200, b""), Answer(hang_up=True)], Delivery.retry("protocol")),
        ([Answer(429, b"", {"retry-after": "3"}), Answer(503, b"", {"retry-after": "8"})], Delivery.retry("http_429", after_s=8)),
    ],
)  # fmt: skip
def test_a_message_is_there_when_every_peer_has_it(answers: list[Answer], delivery: Delivery) -> None:
    assert deliver_to(*answers) == delivery


def test_a_dead_peer_does_not_keep_the_others_from_the_message() -> None:
    with a_server(Answer(200, b"")) as server:
        sink = a_sink(f"http://127.0.0.1:{a_closed_port()}", server.url.get_secret_value())
        assert sink.deliver(first()) == Delivery.retry("network")
        sink.close()
    assert len(server.requests) == 1


def test_what_fires_ends_by_itself_after_four_refreshes_and_what_is_over_has_ended() -> None:
    (alert,) = as_dicts(render_alertmanager(first(), now=NOON))
    assert alert["endsAt"] == "2026-11-01T12:04:00.000Z"
    assert REFRESH_S == 60
    (ended,) = as_dicts(render_alertmanager(over(), now=NOON))
    assert ended["endsAt"] == "2026-11-01T12:01:00.000Z"


def test_no_alert_ends_before_it_starts_whatever_our_clock_says() -> None:
    (alert,) = as_dicts(render_alertmanager(first(), now=NOON - timedelta(days=1)))
    assert alert["startsAt"] == alert["endsAt"] == "2026-10-31T12:04:00.000Z"


def test_identity_stays_the_same_while_figures_and_texts_change() -> None:
    begun = crowd(3)
    data = begun.lead.model_copy(update={"title": "another", "evidence": {}, "revision": 7})
    later = begun.model_copy(update={"lead": data, "detected_at": NOON, "sequence": 9, "total": 77})
    labels = [
        [alert["labels"] for alert in as_dicts(render_alertmanager(told, now=now))]
        for told, now in ((begun, NOON), (later, NOON + timedelta(hours=1)))
    ]
    assert labels[0] == labels[1]
    assert len({json.dumps(each) for each in labels[0]}) == 3


def as_dicts(alerts: Any) -> list[dict[str, Any]]:
    return list(alerts)


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ({"username": None, "password": None, "bearer_token": None}, None),
        ({"username": None, "password": None, "bearer_token": SecretStr("A0SECRET")}, "Bearer A0SECRET"),
        (
            {"username": "u", "password": SecretStr("A0SECRET"), "bearer_token": None},
            "Basic dTpBMFNFQ1JFVA==",
        ),
    ],
)
def test_the_way_in_is_a_header(given: dict[str, Any], value: str | None) -> None:
    authorization = authorization_of(**given)
    assert (None if authorization is None else authorization.get_secret_value()) == value
    with a_server(Answer(200, b"")) as server:
        sink = a_sink(server.url.get_secret_value(), authorization=authorization)
        assert sink.deliver(first()) == Delivery.delivered()
        sink.close()
    assert server.requests[0].headers.get("authorization") == value


def test_a_password_never_travels_in_the_open() -> None:
    with pytest.raises(Stop, match="expected urls to be an https URL"):
        a_sink("http://alertmanager:9093", authorization=SecretStr("Basic A0SECRET"))
    a_sink("http://alertmanager:9093").close()


@pytest.fixture
def real(tmp_path: Path) -> Iterator[str]:
    try:
        with an_alertmanager(tmp_path) as url:
            yield url
    except Unavailable as reason:
        do_without(reason, os.environ)


def at(told: Notification, since: datetime, *, until: datetime | None = None) -> Notification:
    """Return the notification as if it were about now: Alertmanager goes by the wall clock."""
    status = AlertStatus.FIRING if until is None else AlertStatus.RESOLVED
    changes = {"since": since, "until": until, "status": status}
    return told.model_copy(
        update={"members": tuple(member.model_copy(update=changes) for member in told.members), **changes}
    )


def settled(ask: Callable[[], Any], expected: Any) -> Any:
    deadline_s = time.monotonic() + SETTLED_S
    while (found := ask()) != expected and time.monotonic() < deadline_s:
        time.sleep(0.1)
    return found


@pytest.mark.servers
def test_a_real_alertmanager_groups_an_incident_and_sees_it_end(real: str) -> None:
    def groups() -> list[tuple[dict[str, str], int]]:
        with urlopen(f"{real}/api/v2/alerts/groups", timeout=5) as answer:  # noqa: S310 - our own
            return [(group["labels"], len(group["alerts"])) for group in json.load(answer)]

    def firing() -> list[Any]:
        with urlopen(f"{real}/api/v2/alerts", timeout=5) as answer:  # noqa: S310 - our own
            return list(json.load(answer))

    now = datetime.now(UTC)
    begun = at(crowd(12), now - timedelta(minutes=5))
    sink = AlertmanagerSink([real], gate=HttpGate(trust_env=False), now=lambda: now)
    assert [sink.deliver(begun), sink.deliver(begun)] == [Delivery.delivered()] * 2
    one_group = [({"app": "prod", "model": "fraud", "cause": "drift"}, 12)]
    assert settled(groups, one_group) == one_group
    (lead,) = [alert for alert in firing() if "description" in alert["annotations"]]
    assert lead["labels"]["alertname"] == "DataDrift"
    assert lead["annotations"]["runbook_url"] == "https://wiki.example/fraud-model"
    ended = at(crowd(12), now - timedelta(minutes=5), until=now - timedelta(seconds=1))
    assert sink.deliver(ended) == Delivery.delivered()
    assert settled(firing, []) == []
    sink.close()
