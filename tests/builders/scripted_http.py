"""A web server that plays the other side of a sink from a script."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

ENDLESS_BYTES = 16_000_000
"""More than the buffers of both sockets hold."""


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Answer:
    status: int = 200
    body: bytes = b"ok"
    headers: dict[str, str] = field(default_factory=dict)
    hang_up: bool = False
    silent: bool = False
    endless: bool = False


class ScriptedServer:
    """A real HTTP server that answers from a script and remembers what it was asked."""

    def __init__(self, *answers: Answer, path: str, tls: ssl.SSLContext | None) -> None:
        self.requests: list[Request] = []
        self.sent_bytes = 0
        self.release = threading.Event()
        script = iter(answers)
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"] or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                server.requests.append(Request(self.command, self.path, headers, body))
                server.play(self, next(script))

            def do_GET(self) -> None:
                self.do_POST()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls is not None:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.url = SecretStr(f"http://127.0.0.1:{self.server.server_port}{path}")

    def play(self, handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        if answer.silent:
            self.release.wait(30)
        if answer.hang_up or answer.silent:
            handler.close_connection = True
            return
        handler.send_response(answer.status)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        if not answer.endless:
            handler.send_header("content-length", str(len(answer.body)))
        handler.end_headers()
        handler.wfile.write(answer.body)
        with suppress(ConnectionError):
            while answer.endless and self.sent_bytes < ENDLESS_BYTES:
                self.sent_bytes += handler.wfile.write(b"x" * 100_000)


@contextmanager
def a_server(
    *answers: Answer, path: str = "/", tls: ssl.SSLContext | None = None
) -> Iterator[ScriptedServer]:
    server = ScriptedServer(*answers, path=path, tls=tls)
    thread = threading.Thread(target=server.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.release.set()
        server.server.shutdown()
        server.server.server_close()
        thread.join()


def a_closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
