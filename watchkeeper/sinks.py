"""Makes the sinks that the settings name."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime

from alerts.http_gate import HttpGate
from alerts.sinks import Sink, alertmanager, webhook
from alerts.sinks.apprise import AppriseSink
from alerts.sinks.jsm import JsmSink
from alerts.sinks.mail import MailServer, MailSink
from alerts.sinks.pagerduty import PagerDutySink
from alerts.sinks.slack import SlackSink
from alerts.sinks.stdout import StdoutSink
from alerts.sinks.teams import TeamsSink
from schemas import sink_types
from schemas.settings import Settings
from schemas.sink_settings import Sink as SinkSettings


def make_sinks(settings: Settings) -> list[Sink]:
    """Return the sinks of the settings; standard output if they name none.

    Raises
    ------
    Stop
        A sink needs a package that is not installed.
    """
    return [_made(name, sink) for name, sink in settings.sinks.items()] or [StdoutSink(sys.stdout)]


def _made(name: str, sink: SinkSettings) -> Sink:  # noqa: PLR0911 - one for each type
    match sink:
        case sink_types.StdoutSink():
            return StdoutSink(sys.stdout, style=sink.format, name=name)
        case sink_types.SlackSink():
            return SlackSink(sink.webhook_url, gate=HttpGate(), name=name)
        case sink_types.TeamsSink():
            return TeamsSink(sink.webhook_url, gate=HttpGate(), name=name)
        case sink_types.PagerDutySink():
            return PagerDutySink(sink.routing_key, url=sink.url, gate=HttpGate(), name=name)
        case sink_types.JsmSink() | sink_types.OpsgenieSink():
            return JsmSink(
                sink.api_key, url=sink.url, gate=HttpGate(), clock=time.monotonic, sleep=time.sleep, name=name
            )
        case sink_types.AlertmanagerSink():
            return _alertmanager(name, sink)
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
            return _mail(name, sink)
        case sink_types.AppriseSink():
            return AppriseSink(sink.urls, name=name)


def _alertmanager(name: str, sink: sink_types.AlertmanagerSink) -> Sink:
    authorization = alertmanager.authorization_of(
        username=sink.username, password=sink.password, bearer_token=sink.bearer_token
    )
    return alertmanager.AlertmanagerSink(
        sink.urls, gate=alertmanager.gate_for(sink.urls), now=_now, authorization=authorization, name=name
    )


def _mail(name: str, sink: sink_types.EmailSink) -> Sink:
    server = MailServer(
        host=sink.host, port=sink.port, tls=sink.tls, username=sink.username, password=sink.password
    )
    return MailSink(server, sender=sink.sender, recipients=sink.recipients, now=_now, name=name)


def _now() -> datetime:
    return datetime.now(UTC)


def _now_s() -> int:
    return int(time.time())
