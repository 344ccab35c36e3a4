"""When and how often people are told: the pauses of the notifier, and which sink stands in for which."""

from __future__ import annotations

import re
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field

from schemas.duration import MS_PER_DAY, MS_PER_HOUR, MS_PER_MINUTE, MS_PER_SECOND, DurationMs
from schemas.finding import Severity
from schemas.setting_types import FROZEN, ExpectedError, Name
from schemas.sink_types import SecretUrl

_ADDRESS: Final = re.compile(r"https://[A-Za-z0-9.:\[\]/_~-]{1,492}")


class Repeat(BaseModel):
    """After how long an incident that goes on is told again, by its severity."""

    model_config = FROZEN

    critical_ms: DurationMs = Field(default=4 * MS_PER_HOUR, alias="critical")
    error_ms: DurationMs = Field(default=MS_PER_DAY, alias="error")
    warning_ms: DurationMs = Field(default=MS_PER_DAY, alias="warning")
    info_ms: DurationMs = Field(default=MS_PER_DAY, alias="info")


def _some_seconds(ms: int) -> int:
    if ms < MS_PER_SECOND:
        raise ExpectedError("at least 1s")
    return ms


class HeartbeatSettings(BaseModel):
    """Where to say, again and again, that all is well; whoever listens there tells people when it stops.

    Attributes
    ----------
    url
        It is asked for with GET; a secret.
    every_ms
        Time between two heartbeats.
    """

    model_config = FROZEN

    url: SecretUrl
    every_ms: Annotated[DurationMs, AfterValidator(_some_seconds)] = Field(
        default=MS_PER_MINUTE, alias="every"
    )


def _absolute(path: str) -> str:
    if not path.startswith("/"):
        raise ExpectedError("an absolute path")
    return path


def _plain_https(url: str) -> str:
    parts = urlsplit(url)
    if not url.startswith("https://") or not _ADDRESS.fullmatch(url) or not parts.hostname:
        raise ExpectedError(
            "an https URL of at most 500 plain characters, without a name, a query or a fragment"
        )
    return url


class PictureSettings(BaseModel):
    """Where chats and pagers load the pictures of messages from: a folder that a web server of the user's shows.

    Attributes
    ----------
    folder
        It must be there, and writable; the same for every process that notifies.
    url
        Address of that folder.
    keep_ms
        A picture is deleted so long after it was last sent.
    """

    model_config = FROZEN

    folder: Annotated[str, AfterValidator(_absolute)]
    url: Annotated[str, AfterValidator(_plain_https)]
    keep_ms: Annotated[DurationMs, AfterValidator(_some_seconds)] = Field(
        default=30 * MS_PER_DAY, alias="keep"
    )


class NotifySettings(BaseModel):
    """When and how often people are told.

    Attributes
    ----------
    wait_ms
        Longest wait for the rest of a window's alerts, so that they are one message.
    interval_ms
        Between two messages about one incident, unless it becomes worse or is over.
    page_age_ms
        Nobody is paged on evidence that is older.
    pages_from
        The mildest severity that pagers hear of.
    pages_per_hour
        A pager hears of no more incidents than so many, and then once of a storm.
    stand_ins
        Sink to the one that is told where it cannot be reached.
    heartbeat
        Without it nobody is told when this very process stops.
    pictures
        Without it pictures are in e-mails alone, and chats have a line of blocks.
    """

    model_config = FROZEN

    wait_ms: DurationMs = Field(default=30 * MS_PER_SECOND, alias="wait")
    interval_ms: DurationMs = Field(default=5 * MS_PER_MINUTE, alias="interval")
    repeat: Repeat = Field(default_factory=Repeat)
    page_age_ms: DurationMs = Field(default=2 * MS_PER_HOUR, alias="page_age")
    pages_from: Annotated[Severity, Field(strict=False)] = Severity.ERROR
    pages_per_hour: Annotated[int, Field(ge=1, le=1_000)] = 10
    stand_ins: dict[Name, Name] = Field(default_factory=dict)
    heartbeat: HeartbeatSettings | None = None
    pictures: PictureSettings | None = None
