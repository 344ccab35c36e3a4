"""Makes the sinks that the settings name."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from alerts.http_gate import HttpGate
from alerts.pictures.folder import PictureFolder
from alerts.pictures.gallery import Gallery
from alerts.pictures.png import can_draw, render_png
from alerts.sinks import Sink, alertmanager, webhook
from alerts.sinks.apprise import AppriseSink
from alerts.sinks.jsm import JsmSink
from alerts.sinks.mail import MailServer, MailSink
from alerts.sinks.pagerduty import PagerDutySink
from alerts.sinks.slack import SlackSink
from alerts.sinks.stdout import StdoutSink
from alerts.sinks.teams import TeamsSink
from schemas import sink_types
from schemas.errors import Stop
from schemas.notify_settings import PictureSettings
from schemas.settings import Settings
from schemas.sink_settings import Sink as SinkSettings


def make_sinks(settings: Settings, pictures: Gallery | None = None) -> list[Sink]:
    """Return the sinks of the settings; standard output if they name none.

    Parameters
    ----------
    pictures
        Shared by all of them; None for one of their own.

    Raises
    ------
    Stop
        A sink, or the pictures of its messages, need a package or a folder that is not there.
    """
    shared = make_gallery(settings.notify.pictures) if pictures is None else pictures
    return [_made(name, sink, shared) for name, sink in settings.sinks.items()] or [StdoutSink(sys.stdout)]


def make_gallery(settings: PictureSettings | None) -> Gallery:
    """Return what draws the pictures of messages; without settings it shows them in e-mail alone.

    Raises
    ------
    Stop
        Pictures are to be written, and cannot be drawn or have no folder.
    """
    if settings is None:
        return Gallery(render_png if can_draw() else None)
    if not can_draw():
        raise Stop(
            "notify.pictures: pictures are drawn by the package pillow, which is not installed; "
            'install it with: pip install "watchkeeper[pictures]"'
        )
    folder = PictureFolder(Path(settings.folder), keep_s=settings.keep_ms / 1_000, now_s=time.time)
    return Gallery(render_png, folder=folder, url=settings.url)


def _made(name: str, sink: SinkSettings, pictures: Gallery) -> Sink:  # noqa: PLR0911 - one for each type
    match sink:
        case sink_types.StdoutSink():
            return StdoutSink(sys.stdout, style=sink.format, name=name)
        case sink_types.SlackSink():
            return SlackSink(sink.webhook_url, gate=HttpGate(), name=name, pictures=pictures)
        case sink_types.TeamsSink():
            return TeamsSink(sink.webhook_url, gate=HttpGate(), name=name, pictures=pictures)
        case sink_types.PagerDutySink():
            return PagerDutySink(
                sink.routing_key, url=sink.url, gate=HttpGate(), name=name, pictures=pictures
            )
        case sink_types.JsmSink() | sink_types.OpsgenieSink():
            return JsmSink(
                sink.api_key,
                url=sink.url,
                gate=HttpGate(),
                clock=time.monotonic,
                sleep=time.sleep,
                name=name,
                pictures=pictures,
            )
        case sink_types.AlertmanagerSink():
            return _alertmanager(name, sink, pictures)
        case sink_types.WebhookSink():
            return webhook.WebhookSink(
                sink.url,
                secrets=sink.secrets,
                gate=HttpGate(timeout_s=webhook.TIMEOUT_S, public_only=not sink.allow_private),
                now_s=_now_s,
                name=name,
                plain_http=sink.allow_private,
            )
        case sink_types.EmailSink():
            return _mail(name, sink, pictures)
        case sink_types.AppriseSink():
            return AppriseSink(sink.urls, name=name)


def _alertmanager(name: str, sink: sink_types.AlertmanagerSink, pictures: Gallery) -> Sink:
    authorization = alertmanager.authorization_of(
        username=sink.username, password=sink.password, bearer_token=sink.bearer_token
    )
    return alertmanager.AlertmanagerSink(
        sink.urls,
        gate=alertmanager.gate_for(sink.urls),
        now=_now,
        authorization=authorization,
        name=name,
        pictures=pictures,
    )


def _mail(name: str, sink: sink_types.EmailSink, pictures: Gallery) -> Sink:
    server = MailServer(
        host=sink.host, port=sink.port, tls=sink.tls, username=sink.username, password=sink.password
    )
    return MailSink(
        server, sender=sink.sender, recipients=sink.recipients, now=_now, name=name, pictures=pictures
    )


def _now() -> datetime:
    return datetime.now(UTC)


def _now_s() -> int:
    return int(time.time())
