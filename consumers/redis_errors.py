"""What an error of the Redis client obliges to: try again later, or stop and say what to mend."""

from __future__ import annotations

import ssl

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


def translated(error: Exception, where: str, *, cluster: bool) -> WatchkeeperError:
    """Return our error for the client's.

    Parameters
    ----------
    where
        The server, without user and password: the client's own text may hold them only where it quotes the URL,
        and is repeated only where it is the server's answer.
    cluster
        Whether slots are followed, so that a redirection is passing.
    """
    innermost = _innermost(error)
    if isinstance(innermost, redis.AuthenticationError):
        return Stop(f"redis {where}: user or password refused; correct redis.url", exit_code=1)
    if isinstance(innermost, redis.ResponseError):
        return _of_answer(innermost, where, cluster=cluster)
    if isinstance(innermost, ssl.SSLError):
        return Retry(f"redis {where}: no TLS connection ({_reason(innermost)})")
    return Retry(f"redis {where}: no answer ({type(error).__name__})")


def _of_answer(error: redis.ResponseError, where: str, *, cluster: bool) -> WatchkeeperError:
    """Return our error for an answer of the server."""
    text = str(error)
    if isinstance(error, redis.exceptions.NoPermissionError) or "NOPERM" in text or "ACL failure" in text:
        return Stop(f"redis {where}: {text}; give it the commands that docs/operations.md lists", exit_code=1)
    if isinstance(error, exceptions.MovedError) and not cluster:
        return Stop(f"redis {where}: this is a node of a cluster; set redis.cluster: true")
    if "cluster support disabled" in text:
        return Stop(f"redis {where}: this is not a node of a cluster; set redis.cluster: false")
    if isinstance(error, _LATER) or any(word in text for word in _LATER_WORDS):
        return Retry(f"redis {where}: {text or type(error).__name__}")
    return Stop(f"redis {where}: {text}", exit_code=1)


def _innermost(error: BaseException) -> BaseException:
    """Return where an error began: the cluster's client wraps the answers of its nodes."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return error


def _reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate: {error.verify_message}"
    return error.reason or type(error).__name__
