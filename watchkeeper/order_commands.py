"""The commands with which people operate alerts: see incidents, acknowledge one, silence some."""

from __future__ import annotations

import argparse
import json
import re
import secrets
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from alerts.orders import mutes
from schemas.alert import AlertStatus
from schemas.alert_wire import rfc3339
from schemas.control import AckEvent, Acknowledgement, Matcher, Silence, SilenceEvent, ordered
from schemas.errors import Stop
from schemas.settings_tree import shown
from watchkeeper.incidents import Seen, read_incidents, read_orders
from watchkeeper.loading import load_settings
from watchkeeper.ordering import epoch_ms, model_named, now_utc, span_of, write_order
from watchkeeper.service import connect_redis

if TYPE_CHECKING:
    from datetime import datetime

    from alerts.orders import Orders
    from schemas.settings import Settings

_MATCHER: Final = re.compile(r"(\w+)(=~|!~|!=|=)(.+)", re.DOTALL)
_NAMES_SHOWN: Final = 10

Json = dict[str, Any]


def run_alerts(parsed: argparse.Namespace) -> int:
    """List incidents that are open, or with --all those of the last day too."""
    settings, now = load_settings(parsed.config), now_utc()
    with closing(connect_redis(settings)) as gate:
        found = read_incidents(settings, gate, now_ms=epoch_ms(now))
    if parsed.model is not None and all(seen.incident.model != parsed.model for seen in found):
        model_named(settings, parsed.model)
    orders = read_orders(settings, now_ms=epoch_ms(now))
    wanted = [
        seen
        for seen in found
        if (parsed.all or not seen.incident.is_over) and parsed.model in (None, seen.incident.model)
    ]
    if parsed.json:
        lines = [json.dumps([_as_json(seen, orders, now) for seen in wanted], indent=1)]
    else:
        lines = [line for seen in wanted for line in _described(seen, orders, now)] or ["no incident is open"]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def run_ack(parsed: argparse.Namespace) -> int:
    """Acknowledge an incident, or with --undo take that back."""
    settings, now = load_settings(parsed.config), now_utc()
    with closing(connect_redis(settings)) as gate:
        incident = _named(parsed.incident, read_incidents(settings, gate, now_ms=epoch_ms(now))).incident
    until = now if parsed.undo else now + span_of(parsed.span, "--for")
    ack = ordered(
        Acknowledgement,
        incident=incident.id,
        by=parsed.by,
        at=now,
        until=until,
        severity=incident.severity,
        note=parsed.note,
    )
    write_order(settings, AckEvent.of(ack, now=now))
    said = "no longer acknowledged" if parsed.undo else f"acknowledged until {rfc3339(until)}"
    sys.stdout.write(f"{incident.id}: {said}\n")
    return 0


def run_silence(parsed: argparse.Namespace) -> int:
    """List silences, end one, or begin one; says what it mutes of what is open now."""
    settings, now = load_settings(parsed.config), now_utc()
    if parsed.list:
        return _list_silences(read_orders(settings, now_ms=epoch_ms(now)))
    if parsed.end is not None:
        return _end_silence(settings, parsed, now)
    if not (parsed.match and parsed.by and parsed.reason):
        raise Stop("silence: expected --match, --by and --reason (or --list, or --end ID)")
    silence = ordered(
        Silence,
        id=secrets.token_hex(4),
        matchers=tuple(map(_matcher, parsed.match)),
        starts=now,
        ends=now + span_of(parsed.span, "--for"),
        by=parsed.by,
        reason=parsed.reason,
        ticket=parsed.ticket,
    )
    with closing(connect_redis(settings)) as gate:
        _preview(silence, read_incidents(settings, gate, now_ms=epoch_ms(now)))
    if parsed.dry_run:
        sys.stdout.write("nothing was ordered (--dry-run)\n")
        return 0
    write_order(settings, SilenceEvent.of(silence, now=now))
    sys.stdout.write(f"silence {silence.id} until {rfc3339(silence.ends)}\n")
    return 0


def _list_silences(orders: Orders) -> int:
    for silence in orders.silences:
        what = ", ".join(f"{m.field}{m.op}{shown(m.value)}" for m in silence.matchers)
        when = f"{rfc3339(silence.starts)} to {rfc3339(silence.ends)}"
        sys.stdout.write(f"{silence.id}  {when}  {what}  by {shown(silence.by)}: {shown(silence.reason)}\n")
    if not orders.silences:
        sys.stdout.write("nothing is silenced\n")
    return 0


def _end_silence(settings: Settings, parsed: argparse.Namespace, now: datetime) -> int:
    silences = {s.id: s for s in read_orders(settings, now_ms=epoch_ms(now)).silences}
    if parsed.end not in silences:
        raise Stop(f'--end: no silence "{shown(parsed.end)}"; see them with --list')
    before = silences[parsed.end]
    ended = before.model_copy(update={"starts": min(before.starts, now), "ends": now})
    write_order(settings, SilenceEvent.of(ended, now=now))
    sys.stdout.write(f"silence {ended.id} has ended\n")
    return 0


def _preview(silence: Silence, found: list[Seen]) -> None:
    """Say what a silence mutes of what is open now."""
    alerts = [
        data for seen in found for data in seen.incident.alerts.values() if data.status is AlertStatus.FIRING
    ]
    muted = [data for data in alerts if mutes(silence, data)]
    sys.stdout.write(f"mutes {len(muted)} of {len(alerts)} alerts that fire now\n")
    for data in muted[:_NAMES_SHOWN]:
        sys.stdout.write(f"  {data.severity}  {shown(data.title)}\n")
    if len(muted) > _NAMES_SHOWN:
        sys.stdout.write(f"  +{len(muted) - _NAMES_SHOWN} more\n")


def _described(seen: Seen, orders: Orders, now: datetime) -> list[str]:
    incident, sinks = (
        seen.incident,
        sorted(name for name, told in seen.told.items() if told.severity is not None),
    )
    flags = _flags(seen, orders, now)
    alerts = sorted(
        incident.alerts.values(), key=lambda d: (d.status != AlertStatus.FIRING, -d.severity.rank, d.title)
    )
    began = min(data.since for data in alerts)
    lines = [
        f"{'over' if incident.is_over else incident.severity}  {incident.model}  {incident.cause}  "
        f"since {rfc3339(began)}{''.join(f'  [{flag}]' for flag in flags)}",
        f"  {incident.id}",
        *(f"  - {data.status} {data.severity}: {shown(data.title)}" for data in alerts[:_NAMES_SHOWN]),
    ]
    if len(alerts) > _NAMES_SHOWN:
        lines.append(f"  +{len(alerts) - _NAMES_SHOWN} more")
    return [*lines, f"  told: {', '.join(sinks) or 'nobody'}"]


def _flags(seen: Seen, orders: Orders, now: datetime) -> list[str]:
    incident, now_ms = seen.incident, epoch_ms(now)
    firing = [data for data in incident.alerts.values() if data.status is AlertStatus.FIRING]
    by = orders.acknowledged_by(incident, now_ms)
    held = (orders.planned(data, seen_ms=seen.evaluated_ms, now_ms=now_ms) for data in firing)
    planned = [deploy for deploy in held if deploy is not None]
    return [
        *([f"acknowledged by {shown(by)}"] if by is not None else []),
        *(["silenced"] if firing and all(orders.silenced(data, now_ms) for data in firing) else []),
        *(
            [f"planned change: version {shown(planned[0].version)}"]
            if planned and len(planned) == len(firing)
            else []
        ),
        *(["explained by another alert"] if firing and all(data.muted_by for data in firing) else []),
        *(["on its way"] if any(told.attempt is not None for told in seen.told.values()) else []),
    ]


def _as_json(seen: Seen, orders: Orders, now: datetime) -> Json:
    incident = seen.incident
    return {
        "incident": incident.id,
        "model": incident.model,
        "cause": incident.cause,
        "status": "resolved" if incident.is_over else "firing",
        "severity": incident.severity.value,
        "flags": _flags(seen, orders, now),
        "told": {sink: told.severity for sink, told in sorted(seen.told.items())},
        "alerts": [data.model_dump(mode="json") for _, data in sorted(incident.alerts.items())],
    }


def _named(name: str, found: list[Seen]) -> Seen:
    """Return the incident whose id begins so, or raise `Stop`."""
    fitting = [seen for seen in found if seen.incident.id.startswith(name) and not seen.incident.is_over]
    if len(fitting) == 1:
        return fitting[0]
    problem = "several open incidents begin so" if fitting else "no open incident has that id"
    raise Stop(f'"{shown(name)}": {problem}; see them with `watchkeeper alerts`')


def _matcher(text: str) -> Matcher:
    found = _MATCHER.fullmatch(text)
    if found is None:
        raise Stop(f'--match: expected FIELD=VALUE (or !=, =~, !~), got "{shown(text)}"')
    return ordered(Matcher, field=found[1], op=found[2], value=found[3])
