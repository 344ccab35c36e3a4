"""The `test-alert` command: a message that is marked as a test, through the routes that a real one would take."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

from alerts.compose import alone
from alerts.lifecycle import Reason
from alerts.policy import AlertBook, step
from alerts.routing import choose_sinks
from alerts.sinks import Outcome
from schemas.errors import Stop
from schemas.finding import Finding, Hysteresis, Kind, Severity, Verdict, WindowSpan
from schemas.notification import Why
from schemas.settings_tree import shown
from watchkeeper.loading import load_settings
from watchkeeper.notify_role import routes_of
from watchkeeper.policy import context_of
from watchkeeper.sinks import make_sinks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alerts.sinks import Sink
    from schemas.alert import AlertEvent
    from schemas.settings import Settings

_MINUTE_MS = 60_000


def run_test_alert(parsed: argparse.Namespace) -> int:
    """Send a test, and to pagers its end as well; returns 1 if it did not arrive wherever it was to."""
    settings = load_settings(parsed.config)
    sinks = make_sinks(settings)
    known = [sink.name for sink in sinks]
    if parsed.sink is not None and parsed.sink not in known:
        raise Stop(f'--sink: no sink "{shown(parsed.sink)}"; the settings know {", ".join(known)}')
    model = parsed.model or next(iter(settings.models))
    if model not in settings.models:
        raise Stop(f'--model: no model "{shown(model)}"; the settings know {", ".join(settings.models)}')
    events = trial(settings, model, Severity(parsed.severity), now_ms=time.time_ns() // 1_000_000)
    routed, _ = choose_sinks(events[0].data, routes=routes_of(settings), sinks=known)
    wanted = routed if parsed.sink is None else (parsed.sink,)
    try:
        arrived = [_sent(sink, events, settings.app) for sink in sinks if sink.name in wanted]
    finally:
        for sink in sinks:
            sink.close()
    if not arrived:
        raise Stop(
            f"no route leads from an alert of {model} with severity {parsed.severity} to a sink", exit_code=1
        )
    return 0 if all(arrived) else 1


def trial(settings: Settings, model: str, severity: Severity, *, now_ms: int) -> list[AlertEvent]:
    """Return the begin and the end of an alert that nothing has caused."""
    context = context_of(settings, settings.models[model], profile_hash=None)
    book, told = AlertBook(), []
    for turn, verdict in enumerate((Verdict.BREACH, Verdict.CLEAR)):
        start_ms = now_ms - _MINUTE_MS + turn
        finding = Finding(
            kind=Kind.MONITOR_LAG,
            check="test",
            model=model,
            window=WindowSpan(start_ms, start_ms + _MINUTE_MS, 0),
            verdict=verdict,
            score=0.0,
            fire=0.0,
            clear=0.0,
            severity=severity,
            hysteresis=Hysteresis(1, 1, 1),
        )
        book, events = step(book, [finding], context=context)
        told += events
    return told


def _sent(sink: Sink, events: Sequence[AlertEvent], app: str) -> bool:
    """Deliver the begin, and to a pager the end, so that no page stays open."""
    arrived = True
    for event in events if sink.pages else events[:1]:
        marks = {
            "test": True,
            "why": Why.TEST if event.data.evidence["reason"] == Reason.FIRST else Why.ALL_RESOLVED,
        }
        delivery = sink.deliver(alone(event, app=app, sink=sink.name).model_copy(update=marks))
        arrived &= delivery.outcome is Outcome.DELIVERED
        sys.stderr.write(f"{sink.name}: {delivery.outcome.value} {delivery.reason}".rstrip() + "\n")
    return arrived
