"""The gate to HTTP: sends small documents to a secret URL and reports what came back, never the URL.

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
from functools import cache
from typing import TYPE_CHECKING, Final

import httpx2

from alerts.public_address import PrivateAddressError, public_address
from schemas.errors import Stop

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from pydantic import JsonValue, SecretStr

TIMEOUT_S: Final = 10.0
BODY_BYTES_MAX: Final = 4_096
_PORT_MAX: Final = 65_535
_PORTS: Final = {"http": 80, "https": 443}
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
    """No answer came; `reason` is `timeout`, `network`, `protocol` or `private_address`."""

    reason: str


class HttpGate:
    """A pool of connections for small requests. Not thread-safe.

    Parameters
    ----------
    timeout_s
        Time for one request. Connecting, writing and reading each get a share, and a body that trickles in is
        given up; looking up a host name is the system's own affair and not covered.
    trust_env
        Use the proxies of the environment.
    public_only
        Go to addresses of the public internet only, and to the very address that was looked at: a name that
        points into our own network is refused as `private_address`. Proxies are not used then, because they
        would look the name up again.
    """

    def __init__(
        self, *, timeout_s: float = TIMEOUT_S, trust_env: bool = True, public_only: bool = False
    ) -> None:
        for name in _CLIENT_LOGGERS:
            logging.getLogger(name).addFilter(_drop)
        self._timeout_s = timeout_s
        self._public_only = public_only
        # Connecting can take its share twice: once for TCP, once for TLS.
        share = httpx2.Timeout(
            connect=0.15 * timeout_s, write=0.1 * timeout_s, read=0.5 * timeout_s, pool=0.1 * timeout_s
        )
        self._client = httpx2.Client(
            timeout=share,
            follow_redirects=False,
            verify=_trusted(trust_env),
            trust_env=trust_env and not public_only,
        )

    def post_json(
        self, url: SecretStr, body: JsonValue | Mapping[str, JsonValue], *, headers: Mapping[str, str] = {}
    ) -> HttpAnswer | HttpFailure:
        """Post a JSON document once, without following redirects; see `send`."""
        return self.send("POST", url, json.dumps(body, ensure_ascii=False).encode(), headers=headers)

    def send(
        self, method: str, url: SecretStr, content: bytes = b"", *, headers: Mapping[str, str] = {}
    ) -> HttpAnswer | HttpFailure:
        """Send one request with JSON in it, or nothing, without following redirects.

        Blocks at most about `timeout_s`. Raises nothing for what goes wrong on the way.

        Parameters
        ----------
        headers
            May hold secrets: they are in no result and no log line.
        """
        deadline_s = time.monotonic() + self._timeout_s
        try:
            target = httpx2.URL(url.get_secret_value())
            asked = self._pinned(target) if self._public_only else target
            sent = {"content-type": "application/json", "host": target.netloc.decode("ascii"), **headers}
            with self._client.stream(
                method,
                asked,
                content=content,
                headers={name.encode(): value.encode() for name, value in sent.items()},
                extensions={"sni_hostname": target.raw_host.decode("ascii")},
            ) as response:
                return HttpAnswer(
                    response.status_code, _head(response, deadline_s), _retry_after_s(response.headers)
                )
        except PrivateAddressError:
            return HttpFailure("private_address")
        except httpx2.TimeoutException:
            return HttpFailure("timeout")
        except (httpx2.NetworkError, OSError):
            return HttpFailure("network")
        except (httpx2.HTTPError, httpx2.InvalidURL):
            return HttpFailure("protocol")

    def _pinned(self, target: httpx2.URL) -> httpx2.URL:
        """Return the URL with its host's address in place of its name."""
        port = target.port or _PORTS.get(target.scheme, 0)
        return target.copy_with(host=public_address(target.raw_host.decode("ascii"), port))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


@cache
def _trusted(trust_env: bool) -> ssl.SSLContext:  # noqa: FBT001 - as the client names it
    """Return what to trust, made once: reading all certificates takes a tenth of a second."""
    return httpx2.create_ssl_context(trust_env=trust_env)


def check_url(url: SecretStr, key: str = "webhook_url", *, plain_http: bool = False) -> None:
    """Refuse a URL that would show a secret to the network; the message does not hold the URL.

    Parameters
    ----------
    key
        The name of the setting that holds the URL.
    plain_http
        Allow http to any host; otherwise only to this very machine.

    Raises
    ------
    Stop
        The URL is not one of the web, or it is http where that is not allowed.
    """
    if not _is_safe(url.get_secret_value(), plain_http=plain_http):
        raise Stop(
            f"expected {key} to be an {'http or ' if plain_http else ''}https URL, got something else (not shown, "
            "it is a secret); copy the URL from the page of the other side that shows it"
        )


def _is_safe(url: str, *, plain_http: bool) -> bool:
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL:
        return False
    if _HOST.fullmatch(parsed.raw_host) is None or (parsed.port or 0) > _PORT_MAX:
        return False
    return parsed.scheme == "https" or (parsed.scheme == "http" and (plain_http or parsed.host in _LOOPBACK))


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
