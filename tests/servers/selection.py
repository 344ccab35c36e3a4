"""Which server the tests take: the first way that works, or a text that names why each one failed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_FALSE = {"", "0", "false", "no", "off"}


class Unavailable(Exception):  # noqa: N818 - a state of the world, not a mistake
    """This way does not lead to a server; the message says why."""


class Misnamed(Exception):  # noqa: N818
    """The environment names a server that cannot be used: no other may be taken in its place."""


class Control(Protocol):
    """What a test may do to a server that it started itself."""

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...
    def restart(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers.

    `address` is what a client is given (bootstrap servers, or a Redis URL), `taken` says for people what it is,
    `control` is None where the server is not ours to stop, `close` undoes whatever was started.
    """

    address: str
    taken: str
    control: Control | None = None
    close: Callable[[], None] = lambda: None

    @property
    def url(self) -> str:
        return self.address


@dataclass(frozen=True, slots=True)
class Way:
    """One way to a server: `take` returns it or raises `Unavailable`."""

    name: str
    take: Callable[[], Server]


def first_that_works(ways: Sequence[Way], *, server: str) -> Server:
    reasons = []
    for way in ways:
        try:
            return way.take()
        except Unavailable as reason:
            reasons.append(f"{way.name}: {reason}")
    raise Unavailable(f"no {server} for the tests. " + ". ".join(reasons))


def must_have_servers(environment: Mapping[str, str]) -> bool:
    """In CI, or where it is asked for, a missing server is a failure: a skip there would go unnoticed."""
    return environment.get("CI", "").strip().lower() not in _FALSE or (
        environment.get("WATCHKEEPER_REQUIRE_SERVERS", "").strip() == "1"
    )


def do_without(reason: Unavailable, environment: Mapping[str, str]) -> NoReturn:
    if must_have_servers(environment):
        pytest.fail(f"{reason}. CI or WATCHKEEPER_REQUIRE_SERVERS=1 demands it", pytrace=False)
    pytest.skip(str(reason))
