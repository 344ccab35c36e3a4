"""What an error of the Redis client obliges to: try again later, or stop and say what to mend."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator

import redis
from redis import exceptions

from schemas.errors import Retry, Stop, WatchkeeperError

CLIENT_ERRORS = (redis.RedisError, exceptions.RedisClusterException)
"""Everything that the client raises; the cluster's part of it has a base of its own."""

_LATER = (
    exceptions.ReadOnlyError,
    exceptions.OutOfMemoryError,
    exceptions.ClusterDownError,
    exceptions.TryAgainError,
    exceptions.AskError,
)
_LATER_WORDS = (
    *("READONLY", "OOM", "LOADING", "BUSY", "MISCONF", "NOREPLICAS"),
    *("CLUSTERDOWN", "TRYAGAIN", "MASTERDOWN", "MOVED", "ASK "),
)
"""The same where the client has no class for them, or a script repeats what a command of it answered."""

_NO_RIGHT = ("NOPERM", "ACL failure", "can't run this command")
"""What servers of several ages say where the user lacks a right inside a script."""


def translated(error: Exception, where: str, *, cluster: bool, script: str = "") -> WatchkeeperError:
    """Return our error for the client's.

    Parameters
    ----------
    where
        The server, without user and password: the client's own text may hold them only where it quotes the URL,
        and is repeated only where it is the server's answer.
    cluster
        Whether slots are followed, so that a redirection is passing.
    script
        The text of the script that was run, if any.
    """
    if isinstance(error, exceptions.RedisClusterException):
        answers = (e for e in _chain(error) if isinstance(e, redis.AuthenticationError | redis.ResponseError))
        error = next(answers, error)
    if isinstance(error, redis.AuthenticationError):
        return Stop(f"redis {where}: user or password refused; correct redis.url", exit_code=1)
    if isinstance(error, redis.ResponseError):
        return _of_answer(error, where, cluster=cluster, script=script)
    for inner in _chain(error):
        if isinstance(inner, ssl.SSLError):
            return Retry(f"redis {where}: no TLS connection ({_reason(inner)})")
    return Retry(f"redis {where}: no answer ({type(error).__name__})")


def _of_answer(error: redis.ResponseError, where: str, *, cluster: bool, script: str) -> WatchkeeperError:
    """Return our error for an answer of the server."""
    text = str(error)
    if isinstance(error, exceptions.NoPermissionError) or any(words in text for words in _NO_RIGHT):
        mend = "give it the commands that docs/operations.md lists"
        return Stop(f"redis {where}: {text}{_command_at(text, script)}; {mend}", exit_code=1)
    if isinstance(error, exceptions.MovedError) and not cluster:
        return Stop(f"redis {where}: this is a node of a cluster; set redis.cluster: true")
    if "cluster support disabled" in text:
        return Stop(f"redis {where}: this is not a node of a cluster; set redis.cluster: false")
    if isinstance(error, _LATER) or any(word in text for word in _LATER_WORDS):
        return Retry(f"redis {where}: {text or type(error).__name__}")
    return Stop(f"redis {where}: {text}", exit_code=1)


def _command_at(text: str, script: str) -> str:
    """Return the command on the line of a script that an answer names; Redis 7.0 leaves it to its reader."""
    place = re.search(r"@user_script:(\d+)", text)
    lines = script.splitlines()
    if place is None or not 0 < int(place[1]) <= len(lines):
        return ""
    command = re.search(r"call\('(\w+)'", lines[int(place[1]) - 1])
    return f" (command '{command[1].lower()}')" if command else ""


def _chain(error: BaseException) -> Iterator[Exception]:
    """Iterate inwards, innermost first: the client wraps what sockets raise, and its cluster what nodes answer."""
    inner = error.__cause__ or error.__context__
    if inner is not None:
        yield from _chain(inner)
    if isinstance(error, Exception):
        yield error


def _reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate: {error.verify_message}"
    return error.reason or type(error).__name__
