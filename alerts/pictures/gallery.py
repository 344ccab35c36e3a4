"""Hands pictures to sinks: drawn when a message is sent, once for all sinks, and never at the cost of the message."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from alerts.pictures.words import described, plot_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from alerts.pictures.folder import PictureFolder
    from alerts.pictures.words import Plot
    from schemas.notification import Notification

_KEPT: Final = 8
"""Pictures in memory: the same message goes to several sinks at about the same time."""

_log = structlog.get_logger("watchkeeper.notify")


@dataclass(slots=True)
class PictureStats:
    """Pictures since the start: drawn, and messages that went without theirs because of an error."""

    drawn: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawn picture.

    Parameters
    ----------
    alt
        What it shows, in a sentence.
    """

    data: bytes
    alt: str

    @property
    def name(self) -> str:
        """A file's name that only who has the picture can know."""
        return f"{hashlib.sha256(self.data + self.alt.encode()).hexdigest()[:40]}.png"


@dataclass(frozen=True, slots=True)
class PictureLink:
    """A picture that can be loaded from a web address."""

    url: str
    alt: str


class Gallery:
    """Draws the picture of a notification's worst alert. Thread-safe: each sink has a thread of its own.

    Parameters
    ----------
    folder, url
        Where pictures are written for chats and pagers to load, and the address of that folder; None where they cannot be shown.
    draw
        Makes a PNG; None where nothing can, and messages then have no picture.
    """

    def __init__(
        self,
        draw: Callable[[Plot], bytes] | None,
        *,
        folder: PictureFolder | None = None,
        url: str = "",
    ) -> None:
        self.stats = PictureStats()
        self._folder = folder
        self._url = url.rstrip("/")
        self._draw = draw
        self._lock = threading.Lock()
        self._drawn: OrderedDict[str, Picture] = OrderedDict()

    def picture(self, notification: Notification) -> Picture | None:
        """Return the picture, None where there is nothing to draw, nobody to draw it, or it fails."""
        try:
            with self._lock:
                return self._picture(notification)
        except Exception as error:  # noqa: BLE001 - whatever happens in drawing, the message goes out
            self._fail(error)
            return None

    def link(self, notification: Notification) -> PictureLink | None:
        """Return the address of the picture once it lies in the folder; None without a folder, and where that fails."""
        if self._folder is None:
            return None
        found = self.picture(notification)
        if found is None:
            return None
        try:
            with self._lock:
                self._folder.put(found.name, found.data)
        except OSError as error:
            self._fail(error)
            return None
        return PictureLink(f"{self._url}/{found.name}", found.alt)

    def _picture(self, notification: Notification) -> Picture | None:
        plot = None if self._draw is None else plot_of(notification.lead)
        if plot is None or self._draw is None:
            return None
        alt = described(plot)
        key = f"{notification.lead.alert_id}:{notification.lead.revision}:{alt}"
        found = self._drawn.get(key)
        if found is None:
            found = self._drawn[key] = Picture(self._draw(plot), alt)
            self.stats.drawn += 1
            if len(self._drawn) > _KEPT:
                self._drawn.popitem(last=False)
        return found

    def _fail(self, error: Exception) -> None:
        with self._lock:
            self.stats.failed += 1
        # Only the type: the message may hold names from outside.
        _log.error("no picture for a message", error=type(error).__name__)
