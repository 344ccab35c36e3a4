"""The sink that leaves delivery to the Apprise package, for the many services that have no sink of their own.

Apprise says yes or no and nothing more: no wait that a server asked for, no reason, nothing that tells a repeat. So it
is best effort, and never a pager. The package is an extra, and imported only where a sink asks for it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from alerts.message import message_of
from alerts.plain_text import clip, inert
from alerts.sinks import Delivery
from schemas.errors import Stop

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from pydantic import SecretStr

    from schemas.notification import Notification

BODY_CHARS_MAX: Final = 1_900
"""What the narrowest of the usual services takes in one message; more would be cut, or refused, by Apprise."""


class AppriseSink:
    """Sends each notification as plain text to every URL.

    Parameters
    ----------
    urls
        Apprise's own URLs, which hold the secrets.

    Raises
    ------
    Stop
        The package is not installed, or does not know one of the URLs.
    """

    pace_s = 1.0
    pages = False
    repeatable = False
    refresh_s = None

    def __init__(
        self, urls: Sequence[SecretStr], *, name: str = "apprise", zone: tzinfo | None = None
    ) -> None:
        self._package = _imported(name)
        self._apprise = self._package.Apprise()
        for position, url in enumerate(urls):
            if not self._apprise.add(url.get_secret_value()):
                raise Stop(
                    f"sinks.{name}.urls[{position}]: expected a URL that Apprise knows, got another one (not "
                    "shown, it is a secret); see the list of services of Apprise"
                )
        self.name = name
        self._zone = zone

    def deliver(self, notification: Notification) -> Delivery:
        """Send a notification once; blocks as long as Apprise and the services behind it do."""
        title, body = render_apprise(notification, zone=self._zone)
        sent = self._apprise.notify(body=body, title=title, body_format=self._package.NotifyFormat.TEXT)
        return Delivery.delivered() if sent else Delivery.retry("not_sent")

    def close(self) -> None:
        """Do nothing: Apprise keeps no connections."""


def render_apprise(notification: Notification, *, zone: tzinfo | None = None) -> tuple[str, str]:
    """Return title and body without anything that one of many services could read as a tag or a mention."""
    message = message_of(notification, zone=zone)
    told = [section.one_line for section in message.sections]
    return inert(message.headline), clip(inert("\n".join(told)), BODY_CHARS_MAX)


def _imported(name: str) -> Any:
    try:
        import apprise  # noqa: PLC0415 - an extra that only this sink needs
    except ImportError:
        raise Stop(
            f"sinks.{name}: a sink of type apprise needs the package apprise, which is not installed; "
            'install it with: pip install "watchkeeper[apprise]"'
        ) from None
    # It logs URLs, secrets and all.
    logging.getLogger("apprise").addFilter(_drop)
    return apprise


def _drop(_record: logging.LogRecord) -> bool:
    """Drop a log line of the package."""
    return False
