"""The gate to HTTP: posts JSON to a secret URL and reports what came back, never the URL.

Failures are values, not exceptions, because an exception of the HTTP client carries the request and with it
the URL.
"""

from __future__ import annotations

import json
import logging
import re
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

import httpx2

from schemas.errors import Stop

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue, SecretStr

TIMEOUT_S: Final = 10.0
BODY_BYTES_MAX: Final = 4_096
_PORT_MAX: Final = 65_535
_HOST: Final = re.compile(rb"[a-z0-9.:_-]+")
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})

_CLIENT_LOGGERS: Final = (
    "httpx2",
    "httpcore2.connection",
    "httpcore2.http11",
    "httpcore2.http2",
    "httpcore2.proxy",
    "httpcore2.socks",
)
"""The client logs URLs at INFO, and headers of answers (which may repeat them) at DEBUG."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer of the server.

    Parameters
    ----------
    body
        The first bytes of the answer, at most `BODY_BYTES_MAX`.
    retry_after_s
        What the `Retry-After` header asks for, in seconds from the server's own `Date`; None without one.
    """

    status: int
    body: bytes
    retry_after_s: float | None


@dataclass(frozen=True, slots=True)
class HttpFailure:
    """No answer came; `reason` is `timeout`, `network` or `protocol`."""

    reason: str


class HttpGate:
    """A pool of connections for small JSON posts. Not thread-safe.

    Parameters
    ----------
    timeout_s
        Time for one post. Connecting, writing and reading each get a share, and a body that trickles in is
        given up; looking up a host name is the system's own affair and not covered.
    trust_env
        Use the proxies of the environment.
    """

    def __init__(self, *, timeout_s: float = TIMEOUT_S, trust_env: bool = True) -> None:
        for name in _CLIENT_LOGGERS:
            logging.getLogger(name).addFilter(_drop)
        self._timeout_s = timeout_s
        # Connecting can take its share twice: once for TCP, once for TLS.
        share = httpx2.Timeout(
            connect=0.15 * timeout_s, write=0.1 * timeout_s, read=0.5 * timeout_s, pool=0.1 * timeout_s
        )
        self._client = httpx2.Client(timeout=share, follow_redirects=False, trust_env=trust_env)

    def post_json(self, url: SecretStr, body: Mapping[str, JsonValue]) -> HttpAnswer | HttpFailure:
        """Post a JSON document once, without following redirects.

        Blocks at most about `timeout_s`. Raises nothing for what goes wrong on the way.
        """
        content = json.dumps(body, ensure_ascii=False).encode()
        deadline_s = time.monotonic() + self._timeout_s
        try:
            with self._client.stream(
                "POST", url.get_secret_value(), content=content, headers={"content-type": "application/json"}
            ) as response:
                return HttpAnswer(
                    response.status_code, _head(response, deadline_s), _retry_after_s(response.headers)
                )
        except httpx2.TimeoutException:
            return HttpFailure("timeout")
        except httpx2.NetworkError:
            return HttpFailure("network")
        except (httpx2.HTTPError, httpx2.InvalidURL):
            return HttpFailure("protocol")

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def check_url(url: SecretStr) -> None:
    """Refuse a URL that would show the secret to the network; the message does not hold the URL.

    Raises
    ------
    Stop
        The URL is neither https nor http to this very machine.
    """
    if not _is_safe(url.get_secret_value()):
        raise Stop(
            "expected webhook_url to be an https URL, got something else (not shown, it is a secret); "
            "copy the URL from the channel's webhook page"
        )


def _is_safe(url: str) -> bool:
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL:
        return False
    if _HOST.fullmatch(parsed.raw_host) is None or (parsed.port or 0) > _PORT_MAX:
        return False
    return parsed.scheme == "https" or (parsed.scheme == "http" and parsed.host in _LOOPBACK)


def _drop(_record: logging.LogRecord) -> bool:
    """Drop a log line of the client."""
    return False


def _head(response: httpx2.Response, deadline_s: float) -> bytes:
    head = b""
    for chunk in response.iter_bytes(BODY_BYTES_MAX):
        head += chunk
        if len(head) >= BODY_BYTES_MAX or time.monotonic() > deadline_s:
            break
    return head[:BODY_BYTES_MAX]


def _retry_after_s(headers: httpx2.Headers) -> float | None:
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        until, now = parsedate_to_datetime(text), parsedate_to_datetime(headers.get("date", ""))
        return max(0.0, (until - now).total_seconds())
    except (ValueError, TypeError):
        return None
