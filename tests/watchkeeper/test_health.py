"""Health is progress: the judgement, and the small server that tells it."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from collections import Counter
from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest

from consumers.stats import WorkerStats
from watchkeeper.health import (
    CONNECTIONS_MAX,
    REQUEST_S,
    SILENCE_S,
    PageServer,
    progress_age_s,
    stall_reason,
    text_page,
)
from watchkeeper.metrics import MetricsServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alerts.notifier import NotifierStats

DEADLINE_S = 30.0


class Clock:
    """Seconds that move when a test says so."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def asked(address: str, path: str, *, method: str = "GET") -> tuple[int, str]:
    connection = http.client.HTTPConnection(address, timeout=10.0)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@contextlib.contextmanager
def serving(
    stats: WorkerStats, clock: Clock, *, notifier_stats: NotifierStats | None = None
) -> Iterator[str]:
    server = MetricsServer("127.0.0.1:0", stats=stats, notifier_stats=lambda: notifier_stats, clock=clock)
    server.start()
    try:
        yield server.address
    finally:
        server.close()


@pytest.mark.parametrize(
    ("behind", "age_s", "is_stalled"),
    [(0, 0.0, False), (0, 1e6, False), (3, 0.0, False), (3, 60.0, False), (3, 60.1, True), (1, 1e6, True)],
)
def test_only_work_that_waits_without_progress_is_a_stall(
    behind: int, age_s: float, *, is_stalled: bool
) -> None:
    stats = WorkerStats(owned=4, behind=behind)
    assert (stall_reason(stats, age_s=age_s, within_s=60.0) is not None) == is_stalled


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("", "none"),
        ("redis redis://store: no answer", "redis redis://store: no answer"),
        ("two\nlines\tof it", "two lines of it"),
        ("x" * 5000, "x" * 300),
    ],
)
def test_the_reason_is_one_line_with_the_last_error(error: str, told: str) -> None:
    stats = WorkerStats(owned=4, behind=3, last_error=error)
    assert stall_reason(stats, age_s=90.4, within_s=60.0) == (
        f"no progress for 90 s while 3 of 4 partitions are behind; last error: {told}"
    )


@pytest.mark.parametrize(
    ("progress_s", "now_s", "age_s"),
    [(0.0, 130.0, 30.0), (120.0, 130.0, 10.0), (99.0, 130.0, 30.0), (131.0, 130.0, 0.0)],
    ids=["none yet: since the start", "since then", "before the start", "in the same moment"],
)
def test_progress_is_as_old_as_the_last_one_or_the_start(
    progress_s: float, now_s: float, age_s: float
) -> None:
    assert progress_age_s(WorkerStats(progress_s=progress_s), now_s=now_s, started_s=100.0) == age_s


def test_healthz_follows_the_worker_from_good_to_stalled_and_back(clock: Clock) -> None:
    stats = WorkerStats(owned=2, behind=2, progress_s=clock.now_s)
    with serving(stats, clock) as address:
        clock.now_s += 59.0
        status, body = asked(address, "/healthz")
        assert (status, json.loads(body)) == (
            200,
            {"status": "ok", "partitions_owned": 2, "partitions_behind": 2, "progress_age_s": 59.0},
        )
        clock.now_s += 2.0
        assert asked(address, "/healthz") == (
            503,
            "no progress for 61 s while 2 of 2 partitions are behind; last error: none\n",
        )
        stats.progress_s = clock.now_s
        assert asked(address, "/healthz")[0] == 200
        clock.now_s += 1e6
        stats.behind = 0
        assert asked(address, "/healthz")[0] == 200


@pytest.mark.parametrize(
    ("stats", "status"),
    [
        (WorkerStats(), 503),
        (WorkerStats(owned=1), 200),
        (WorkerStats(windows_closed=Counter({"fraud": 1})), 200),
    ],
    ids=["neither", "owns a partition", "evaluates"],
)
def test_readyz_wants_a_partition_or_an_evaluation(stats: WorkerStats, status: int, clock: Clock) -> None:
    with serving(stats, clock) as address:
        assert asked(address, "/readyz")[0] == status


def test_readyz_is_what_the_caller_says_if_it_says(clock: Clock) -> None:
    server = MetricsServer("127.0.0.1:0", stats=WorkerStats(owned=1), clock=clock, ready=lambda: False)
    server.start()
    try:
        assert asked(server.address, "/readyz")[0] == 503
    finally:
        server.close()


@pytest.mark.parametrize(
    ("request_line", "status", "body"),
    [
        ("GET /", 404, "known here: /metrics /healthz /readyz\n"),
        ("GET /metrics/../secret", 404, "known here: /metrics /healthz /readyz\n"),
        ("GET //[", 404, "known here: /metrics /healthz /readyz\n"),
        ("GET /healthz?verbose=1", 200, None),
        ("HEAD /metrics", 200, ""),
        ("POST /metrics", 501, None),
        ("GET /" + "x" * 70_000, 414, None),
    ],
    ids=["root", "folder above", "no address", "query", "head", "post", "endless"],
)
def test_any_other_request_is_turned_away_and_nothing_is_logged(
    request_line: str, status: int, body: str | None, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    method, path = request_line.split(" ")
    with serving(WorkerStats(), clock) as address:
        came = asked(address, path, method=method)
        assert came[0] == status
        assert body is None or came[1] == body
    assert capsys.readouterr() == ("", "")


def test_silent_clients_hold_up_nobody_for_longer_than_a_requests_time(clock: Clock) -> None:
    with serving(WorkerStats(owned=1), clock) as address, contextlib.ExitStack() as stack:
        host, port = address.split(":")
        for _ in range(CONNECTIONS_MAX):
            stack.enter_context(socket.create_connection((host, int(port)), timeout=10.0))
        one_more = stack.enter_context(socket.create_connection((host, int(port)), timeout=SILENCE_S / 2))
        assert one_more.recv(1) == b""  # all places are taken: refused at once
        clock.now_s += REQUEST_S + 1.0
        deadline = time.monotonic() + SILENCE_S / 2  # sooner than the silent ones would end by themselves
        status = None
        while status != 200 and time.monotonic() < deadline:
            with contextlib.suppress(ConnectionError, http.client.HTTPException):
                status, _ = asked(address, "/readyz")
        assert status == 200


def test_a_page_that_fails_is_a_line_in_the_log_and_no_traceback(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_: str) -> object:
        raise ZeroDivisionError("hunter2")

    pages = {"/broken": broken, "/whole": lambda _: text_page(HTTPStatus.OK, "whole")}
    server = PageServer("127.0.0.1", 0, pages, clock=clock)  # type: ignore[arg-type] # broken on purpose
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        address = f"127.0.0.1:{server.server_port}"
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            asked(address, "/broken")
        assert asked(address, "/whole") == (200, "whole\n")
    finally:
        server.shutdown()
        server.server_close()
        thread.join(DEADLINE_S)
    said = "".join(capsys.readouterr())
    assert "ZeroDivisionError" in said
    assert "Traceback" not in said
    assert "hunter2" not in said
