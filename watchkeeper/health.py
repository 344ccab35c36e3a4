"""Does the process get on with its work, and the small HTTP server that answers when asked."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import structlog

from consumers.stats import WorkerStats

PROGRESS_WITHIN_S: Final = 60.0
CONNECTIONS_MAX: Final = 16
SILENCE_S: Final = 5.0
"""Longest wait for a client's next bytes."""

REQUEST_S: Final = 15.0
"""A request older than this is cut off as soon as somebody else asks."""

_ERROR_CHARS_MAX: Final = 300

_log = structlog.get_logger("watchkeeper.pages")


@dataclass(frozen=True, slots=True)
class Page:
    """One answer."""

    status: HTTPStatus
    content_type: str
    body: bytes


Pages = Mapping[str, Callable[[str], Page]]
"""Path to what gives its answer to a request's `Accept` header."""


def progress_age_s(stats: WorkerStats, *, now_s: float, started_s: float) -> float:
    """Return the seconds since the last progress; without any, since the start."""
    return max(0.0, now_s - max(stats.progress_s, started_s))


def stall_reason(stats: WorkerStats, *, age_s: float, within_s: float) -> str | None:
    """Say on one line why the process does not get on; None if it does.

    A process with nothing to do is fine, and so is one that moved less than `within_s` ago.

    Parameters
    ----------
    age_s
        See `progress_age_s`.
    """
    if not stats.behind or age_s <= within_s:
        return None
    error = " ".join(stats.last_error.split())[:_ERROR_CHARS_MAX]
    return (
        f"no progress for {age_s:.0f} s while {stats.behind} of {stats.owned} partitions are behind; "
        f"last error: {error or 'none'}"
    )


def health_page(stats: WorkerStats, *, age_s: float, within_s: float) -> Page:
    """Return 200 with figures while the process gets on, else 503 with the reason."""
    reason = stall_reason(stats, age_s=age_s, within_s=within_s)
    if reason is not None:
        return text_page(HTTPStatus.SERVICE_UNAVAILABLE, reason)
    figures = {
        "status": "ok",
        "partitions_owned": stats.owned,
        "partitions_behind": stats.behind,
        "progress_age_s": round(age_s, 3),
    }
    return Page(HTTPStatus.OK, "application/json", json.dumps(figures).encode() + b"\n")


def ready_page(*, ready: bool) -> Page:
    """Return 200 once the process has work of its own, 503 before."""
    if ready:
        return text_page(HTTPStatus.OK, "ready")
    return text_page(
        HTTPStatus.SERVICE_UNAVAILABLE, "no partition is assigned and no window was evaluated yet"
    )


def text_page(status: HTTPStatus, line: str) -> Page:
    """Return one line of text as an answer."""
    return Page(status, "text/plain; charset=utf-8", f"{line}\n".encode())


class PageServer(ThreadingHTTPServer):
    """Serves a few pages; a slow or silent client holds up nobody but itself.

    At most `CONNECTIONS_MAX` requests are in hand; one more is refused, after those that have taken
    longer than `REQUEST_S` were cut off.

    Parameters
    ----------
    clock
        Monotonic seconds.

    Raises
    ------
    OSError
        The address cannot be listened on.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 2 * CONNECTIONS_MAX
    allow_reuse_port = False  # two processes on one port would share the scrapes

    def __init__(self, host: str, port: int, pages: Pages, *, clock: Callable[[], float]) -> None:
        self.pages = pages
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._clock = clock
        self._began_s: dict[Any, float] = {}
        self._lock = threading.Lock()
        super().__init__((host, port), _PageHandler)

    def server_bind(self) -> None:
        """Bind without the name look-up of the base class, which may hang."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), self.socket.getsockname()[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer on a thread of its own, if there is one left."""
        now_s = self._clock()
        with self._lock:
            overdue = [other for other, began_s in self._began_s.items() if now_s - began_s > REQUEST_S]
            has_room = len(self._began_s) < CONNECTIONS_MAX
            if has_room:
                self._began_s[request] = now_s
        for other in overdue:
            with suppress(OSError):
                other.shutdown(socket.SHUT_RDWR)
        if has_room:
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection and give its place back."""
        with self._lock:
            self._began_s.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class's
        """Note that a page could not be given; the base class would print a traceback."""
        error = sys.exception()
        if not isinstance(error, ConnectionError | TimeoutError):  # else the client went away
            _log.error("a page was not given", error=type(error).__name__)


class _PageHandler(BaseHTTPRequestHandler):
    server: PageServer
    timeout = SILENCE_S
    server_version = "watchkeeper"
    sys_version = ""

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        give = self.server.pages.get(self.path.partition("?")[0])
        if give is None:
            page = text_page(HTTPStatus.NOT_FOUND, f"known here: {' '.join(self.server.pages)}")
        else:
            page = give(self.headers.get("Accept", ""))
        with suppress(ConnectionError, TimeoutError):  # the client went away, or takes nothing
            self.send_response(page.status)
            self.send_header("Content-Type", page.content_type)
            self.send_header("Content-Length", str(len(page.body)))
            self.end_headers()
            if with_body:
                self.wfile.write(page.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name for it
        """Log nothing: who asks for figures every few seconds is no news."""
