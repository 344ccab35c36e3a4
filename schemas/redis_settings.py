"""Where Redis is, and how long it may take to answer."""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BaseModel, Field, ValidationInfo, field_serializer, field_validator

from schemas.duration import MS_PER_MINUTE, DurationMs
from schemas.secret_text import MASK, SecretText
from schemas.setting_types import FROZEN, ExpectedError

_REDIS_EXPECTED: Final = "redis://, rediss:// or unix:// with [user:password@]host[:port][/db]"
_REDIS_MEND: Final = "in a password write /, ?, # and @ as %2F, %3F, %23 and %40"


def _split_redis_url(url: str) -> SplitResult:
    """Return the parts of a Redis URL; the error says nothing of the URL, which may hold a password."""
    try:
        parts = urlsplit(url)
        has_place = bool(parts.path if parts.scheme == "unix" else parts.hostname)
        database = parts.path.strip("/")
        is_fit = parts.port != 0 and (parts.scheme == "unix" or not database or database.isdecimal())
    except ValueError:
        raise ExpectedError(_REDIS_EXPECTED, mend=_REDIS_MEND) from None
    if parts.scheme not in {"redis", "rediss", "unix"} or not has_place or not is_fit or parts.fragment:
        raise ExpectedError(_REDIS_EXPECTED, mend=_REDIS_MEND)
    return parts


def _fits_cluster(url: str) -> bool:
    parts = _split_redis_url(url)
    return parts.scheme != "unix" and parts.path.strip("/") in {"", "0"}


def _redis_url(url: str) -> SecretText:
    _split_redis_url(url)
    return SecretText(url)


class RedisSettings(BaseModel):
    """Where Redis is and how long an answer may take.

    Attributes
    ----------
    url
        The whole URL, for the client alone; messages use `safe_url`.
    """

    model_config = FROZEN

    url: Annotated[str, AfterValidator(_redis_url)] = Field(
        default="redis://localhost:6379/0", validate_default=True
    )
    cluster: bool = False
    connect_timeout_ms: DurationMs = Field(default=2_000, alias="connect_timeout")
    command_timeout_ms: DurationMs = Field(default=5_000, alias="command_timeout")

    @field_validator("cluster")
    @classmethod
    def _one_database(cls, cluster: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - pydantic calls by position
        url = info.data.get("url")
        if cluster and url is not None and not _fits_cluster(url):
            raise ValueError(
                "expected redis:// or rediss:// and database 0 in redis.url: a cluster has no other"
            )
        return cluster

    @field_validator("connect_timeout_ms", "command_timeout_ms")
    @classmethod
    def _positive(cls, timeout_ms: int) -> int:
        if not 0 < timeout_ms <= 10 * MS_PER_MINUTE:
            raise ExpectedError("a timeout above 0s and up to 10m")
        return timeout_ms

    @field_serializer("url")
    def _mask(self, url: str) -> str:
        return _safe_url(url)

    @property
    def safe_url(self) -> str:
        """The URL without password and without query (which may hold a password too)."""
        return _safe_url(self.url)

    def __repr_args__(self) -> Any:
        for name, value in super().__repr_args__():
            yield name, (self.safe_url if name == "url" else value)


def _safe_url(url: str) -> str:
    parts = _split_redis_url(url)
    user, at, place = parts.netloc.rpartition("@")
    name, colon, _ = user.partition(":")
    who = f"{name}:{MASK}" if colon else MASK * bool(user)
    return f"{parts.scheme}://{who}{at}{place}{parts.path}"
