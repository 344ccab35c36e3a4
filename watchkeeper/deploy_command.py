"""The `deploy` command: announce that a version goes live, so that what it changes is told as planned."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

from alerts.outlook import Outlook
from alerts.sinks import ChangeSink
from schemas.alert import AlertStatus
from schemas.alert_wire import rfc3339
from schemas.control import DeployEvent, ordered
from schemas.deploy import HOLD_MAX, Deploy, deploy_id
from schemas.errors import Stop
from schemas.settings_tree import shown
from watchkeeper.incidents import read_incidents
from watchkeeper.loading import load_settings
from watchkeeper.notify_role import routes_of
from watchkeeper.ordering import epoch_ms, model_named, now_utc, span_of, time_of, write_order
from watchkeeper.service import connect_redis
from watchkeeper.sinks import make_sinks

if TYPE_CHECKING:
    from datetime import datetime

    from schemas.model_settings import ModelSettings
    from schemas.settings import Settings

_NAMES_SHOWN = 10


def run_deploy(parsed: argparse.Namespace) -> int:
    """Announce a deploy, or with --dry-run say what that would hold back and who would be told.

    Raises
    ------
    Stop
        An unknown model, a time or length that is none, settings that are not valid, a server that does not answer.
    """
    settings, now = load_settings(parsed.config), now_utc()
    at = now if parsed.at is None else time_of(parsed.at, "--at")
    deploy = deploy_of(settings, parsed, at=at)
    if parsed.dry_run:
        _preview(settings, deploy, now)
        sys.stdout.write("nothing was announced (--dry-run)\n")
        return 0
    write_order(settings, DeployEvent.of(deploy, now=now))
    held = (
        f"drift is held back until {rfc3339(deploy.holds_until)}"
        if deploy.holds_until > at
        else "no alert is held back"
    )
    sys.stdout.write(
        f"deploy {deploy.id}: version {shown(deploy.version)} of {deploy.model} at {rfc3339(at)}; {held}\n"
    )
    return 0


def deploy_of(settings: Settings, parsed: argparse.Namespace, *, at: datetime) -> Deploy:
    """Return the deploy that the arguments say.

    Raises
    ------
    Stop
        There is no such model, or alerts would be held back for too long.
    """
    model = model_named(settings, parsed.model)
    holds = _hold(parsed, model)
    return ordered(
        Deploy,
        id=deploy_id(settings.app, model.name, parsed.version, at),
        app=settings.app,
        model=model.name,
        version=parsed.version,
        at=at,
        holds_until=at + holds,
        by=parsed.by,
        note=parsed.note,
        ticket=parsed.ticket,
        teams=_teams(model),
    )


def _hold(parsed: argparse.Namespace, model: ModelSettings) -> timedelta:
    if parsed.span is not None:
        return span_of(parsed.span, "--for")
    windows_max = HOLD_MAX // timedelta(milliseconds=model.window_ms)
    if not 0 <= parsed.windows <= windows_max:
        raise Stop(f"--windows: expected 0 to {windows_max} ({HOLD_MAX.days} days), got {parsed.windows}")
    return timedelta(milliseconds=parsed.windows * model.window_ms)


def _teams(model: ModelSettings) -> tuple[str, ...]:
    owners = (model.owner, *(rule.owner for rule in model.features.values()))
    return tuple(dict.fromkeys(owner.team for owner in owners if owner is not None))


def _preview(settings: Settings, deploy: Deploy, now: datetime) -> None:
    with closing(connect_redis(settings)) as gate:
        found = read_incidents(settings, gate, now_ms=epoch_ms(now))
    alerts = [
        data
        for seen in found
        for data in seen.incident.alerts.values()
        if data.model == deploy.model and data.status is AlertStatus.FIRING
    ]
    held = [data for data in alerts if deploy.holds(data)]
    sys.stdout.write(f"holds {len(held)} of {len(alerts)} alerts of {deploy.model} that fire now\n")
    for data in held[:_NAMES_SHOWN]:
        sys.stdout.write(f"  {data.severity}  {shown(data.title)}\n")
    if len(held) > _NAMES_SHOWN:
        sys.stdout.write(f"  +{len(held) - _NAMES_SHOWN} more\n")
    outlook = Outlook(routes_of(settings))
    sinks = make_sinks(settings)
    told = [s.name for s in sinks if isinstance(s, ChangeSink) and outlook.announces(deploy, s.name)]
    for sink in sinks:
        sink.close()
    sys.stdout.write(f"a change event goes to: {', '.join(told) or 'nobody'}\n")
