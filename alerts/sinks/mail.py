"""The sink that sends e-mail over SMTP.

A server's 4yz is tried again, its 5yz is final (RFC 5321, section 4.2.1). The message id follows from the delivery, so a
mail system that knows repeats drops them; all messages about an incident are one thread.
"""

from __future__ import annotations

import hashlib
import smtplib
import ssl
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html import escape
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from alerts.message import SIGNAL, message_of
from alerts.pictures.scene import WIDTH
from alerts.plain_text import plain
from alerts.render_text import render_text
from alerts.sinks import Delivery
from alerts.web_address import web_links

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime, tzinfo

    from pydantic import SecretStr

    from alerts.message import Section
    from alerts.pictures.gallery import Gallery, Picture
    from schemas.notification import Notification

Tls: TypeAlias = Literal["starttls", "implicit", "none"]

TIMEOUT_S: Final = 5.0
"""For each command, so that a usual dialogue of six takes no longer than half a minute at the very worst."""

_PERMANENT: Final = 500
_PARTLY_MAX: Final = 100
_STYLE: Final = "font-family:sans-serif;font-size:14px;color:#1d1c1d"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """The server that takes our mail.

    Parameters
    ----------
    tls
        `starttls` demands encryption before anything is said, `implicit` begins with it, `none` is for this
        very machine.
    context
        What to trust; None for the system's own certificates.
    """

    host: str
    port: int
    tls: Tls = "starttls"
    username: str | None = None
    password: SecretStr | None = None
    context: ssl.SSLContext | None = None


class MailSink:
    """Sends each notification as one message to several people.

    Parameters
    ----------
    sender, recipients
        Plain addresses.
    now
        Wall clock, aware, for the date of the message.
    """

    pace_s = 0.0
    pages = False
    repeatable = False
    refresh_s = None

    def __init__(  # noqa: PLR0913 - wired once, by keyword, in the composition root
        self,
        server: MailServer,
        *,
        sender: str,
        recipients: Sequence[str],
        now: Callable[[], datetime],
        name: str = "email",
        zone: tzinfo | None = None,
        timeout_s: float = TIMEOUT_S,
        pictures: Gallery | None = None,
    ) -> None:
        self._server = server
        self._sender = sender
        self._recipients = tuple(recipients)
        self._now = now
        self.name = name
        self._zone = zone
        self._timeout_s = timeout_s
        self._pictures = pictures
        self._left: dict[str, tuple[str, ...]] = {}

    def deliver(self, notification: Notification) -> Delivery:
        """Send a message once to all who have not got it; each command blocks at most the time limit."""
        key = notification.delivery_id
        message = render_mail(
            notification,
            sender=self._sender,
            recipients=self._recipients,
            now=self._now(),
            zone=self._zone,
            picture=None if self._pictures is None else self._pictures.picture(notification),
        )
        recipients = self._left.pop(key, self._recipients)
        try:
            refused = self._send(message, recipients)
        except smtplib.SMTPRecipientsRefused as error:
            refused = error.recipients
        except (smtplib.SMTPException, OSError) as error:
            self._remember(key, recipients)
            return told_by(error)
        if any(code < _PERMANENT for code, _ in refused.values()):
            self._remember(key, tuple(refused))
            return Delivery.retry("recipient_later")
        return Delivery.dead("recipient_refused") if refused else Delivery.delivered()

    def close(self) -> None:
        """Do nothing: each message has a connection of its own."""

    def _send(self, message: EmailMessage, recipients: Sequence[str]) -> dict[str, tuple[int, bytes]]:
        """Return who was refused, with code and words."""
        server = self._server
        smtp = self._connected()
        try:
            if server.tls == "starttls":
                smtp.starttls(context=self._context())
            if server.username is not None and server.password is not None:
                smtp.login(server.username, server.password.get_secret_value())
            refused = smtp.send_message(message, self._sender, list(recipients))
            with suppress(smtplib.SMTPException, OSError):  # the message is there, whatever the good-bye
                smtp.quit()
            return refused
        finally:
            smtp.close()

    def _connected(self) -> smtplib.SMTP:
        server, named = self._server, self._sender.rpartition("@")[2]
        if server.tls == "implicit":
            return smtplib.SMTP_SSL(
                server.host, server.port, named, timeout=self._timeout_s, context=self._context()
            )
        return smtplib.SMTP(server.host, server.port, named, timeout=self._timeout_s)

    def _context(self) -> ssl.SSLContext:
        return self._server.context or ssl.create_default_context()

    def _remember(self, key: str, recipients: tuple[str, ...]) -> None:
        """Keep who is still to get a message, so that the others do not get it twice."""
        self._left[key] = recipients
        if len(self._left) > _PARTLY_MAX:
            del self._left[next(iter(self._left))]


def told_by(error: smtplib.SMTPException | OSError) -> Delivery:
    """Return what an error of the dialogue means; its words stay unread, they may repeat a secret."""
    match error:
        case smtplib.SMTPNotSupportedError():
            return Delivery.dead("not_supported")  # no STARTTLS, or no way to log in
        case smtplib.SMTPResponseException(smtp_code=code):
            return Delivery.dead(f"smtp_{code}") if code >= _PERMANENT else Delivery.retry(f"smtp_{code}")
        case smtplib.SMTPException():
            return Delivery.retry("protocol")
        case ssl.SSLError():
            return Delivery.retry("tls")
        case TimeoutError():
            return Delivery.retry("timeout")
    return Delivery.retry("network")


def render_mail(  # noqa: PLR0913 - the parts of a message
    notification: Notification,
    *,
    sender: str,
    recipients: Sequence[str],
    now: datetime,
    zone: tzinfo | None = None,
    picture: Picture | None = None,
) -> EmailMessage:
    """Return a message with a text and an HTML form of the same words, in the latter the picture as well.

    Parameters
    ----------
    now
        The time of the attempt; everything else follows from the notification and the addresses.
    """
    host = sender.rpartition("@")[2]
    root = f"<{_digest(notification.incident)}@{host}>"
    message = EmailMessage(policy=SMTP)
    message["Subject"] = message_of(notification).headline
    message["From"] = sender
    message["To"] = ", ".join(recipients)
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{_digest(notification.delivery_id)}@{host}>"
    message["In-Reply-To"] = root
    message["References"] = root
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(render_text(notification, zone=zone), cte="quoted-printable")
    shown = None if picture is None else (f"cid:{_picture_id(notification, host)}", picture.alt)
    page = render_html(notification, zone=zone, picture=shown)
    message.add_alternative(page, subtype="html", cte="quoted-printable")
    if picture is not None:
        _add_picture(message, picture, f"<{_picture_id(notification, host)}>")
    message.set_boundary(f"=_{_digest(notification.delivery_id)}")
    return message


def _picture_id(notification: Notification, host: str) -> str:
    return f"{_digest(f'picture:{notification.delivery_id}')}@{host}"


def _add_picture(message: EmailMessage, picture: Picture, content_id: str) -> None:
    """Put a picture beside the HTML, which shows it in its place."""
    page = next(part for part in message.iter_parts() if part.get_content_type() == "text/html")
    page.add_related(
        picture.data, "image", "png", cid=content_id, filename="signal.png", disposition="inline"
    )
    page.set_boundary(f"=_{_digest(content_id)}")


def render_html(
    notification: Notification, *, zone: tzinfo | None = None, picture: tuple[str, str] | None = None
) -> str:
    """Return a notification as a small HTML page: no script, every word escaped.

    Parameters
    ----------
    picture
        Where the picture of the signal is, and what it shows in words; nothing is loaded from elsewhere.
    """
    message = message_of(notification, zone=zone)
    rows = "\n".join(
        _row(section) if picture is None or section.title != SIGNAL else _picture_row(*picture)
        for section in message.sections
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en"><body style="{_STYLE}">\n'
        f'<h2 style="font-size:17px">{escape(message.headline)}</h2>\n'
        f'<table cellpadding="6" style="border-collapse:collapse">\n{rows}\n</table>\n</body></html>\n'
    )


def _row(section: Section) -> str:
    links = dict(web_links(section.links))
    lines = [escape(line) for line in section.all_lines[: len(section.lines)]]
    for (name, _), line in zip(section.links, section.all_lines[len(section.lines) :], strict=True):
        shown = escape(line)
        lines.append(f'<a href="{escape(links[name])}">{escape(name)}</a>' if name in links else shown)
    told = "<br>\n".join(lines)
    head = f'<th align="left" valign="top" style="white-space:nowrap">{escape(section.title)}</th>'
    return f'<tr>{head}<td valign="top">{told}</td></tr>'


def _picture_row(source: str, alt: str) -> str:
    size = f'width="{WIDTH}" style="max-width:100%;height:auto"'
    shown = f'<img src="{escape(source)}" alt="{escape(plain(alt))}" {size}>'
    return f'<tr><th align="left" valign="top">{SIGNAL}</th><td valign="top">{shown}</td></tr>'


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
