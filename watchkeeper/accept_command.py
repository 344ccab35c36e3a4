"""The `accept` command: a model's owner says that a drift is the new normal, or that the reference is kept."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from alerts.acceptance import is_of_reference
from consumers.acceptance import learn_anew, learned_state
from consumers.learner import INCIDENTS
from consumers.plan import plan_model
from consumers.redis_models import RedisModels
from schemas.alert_wire import rfc3339
from schemas.control import Acceptance, AcceptEvent, ordered
from schemas.deploy import HELD_KINDS
from schemas.errors import Retry, Stop
from schemas.settings_tree import shown
from watchkeeper.incidents import read_incidents
from watchkeeper.loading import load_settings
from watchkeeper.ordering import epoch_ms, model_named, now_utc, time_of, utc, write_order
from watchkeeper.policy import policies
from watchkeeper.service import connect_redis

if TYPE_CHECKING:
    from datetime import datetime

    from alerts.identity import Subject
    from consumers.evaluation import StoredEvaluation
    from consumers.plan import ModelPlan
    from consumers.store import ModelStore
    from schemas.settings import Settings
    from watchkeeper.incidents import Seen
    from watchkeeper.policy import AlertPolicy


AHEAD_MAX: Final = timedelta(days=30)
"""A new reference is learned from a time on that is no further ahead: until then nothing compares with one."""


def run_accept(parsed: argparse.Namespace) -> int:
    """Record an owner's answer to a drift, and do what it says.

    Raises
    ------
    Stop
        An unknown model or alert, a model whose reference is not learned, or a server that does not answer.
    """
    settings, now = load_settings(parsed.config), now_utc()
    model_named(settings, parsed.model)
    if parsed.keep:
        return _keep(settings, parsed, now)
    plan = learning_plan(settings, parsed.model)
    if parsed.alert is not None:
        raise Stop("--alert: a new normal is of the whole model; leave it out, or say --keep")
    policy = policies(settings, {plan.name: plan})[plan.name]
    try:
        with closing(connect_redis(settings)) as gate:
            return new_normal(settings, parsed, plan, policy, RedisModels(gate, settings.app), now=now)
    except Retry as error:
        raise Stop(
            f"{error}; start the server, or correct its address in the settings", exit_code=1
        ) from error


def learning_plan(settings: Settings, name: str) -> ModelPlan:
    """Return the plan of a model that learns its reference.

    Raises
    ------
    Stop
        Its reference is a file of the user's, or it has none; the message says what to do instead.
    """
    model = settings.models[name]
    if model.profile is not None:
        raise Stop(
            f"model {name}: its reference is the file {shown(model.profile)}, which is yours to change; make a new one with "
            "`watchkeeper profile` and run it under a new app name"
        )
    if model.learning is None:
        raise Stop(f"model {name}: it has no reference (`learn: false`), so there is nothing to accept")
    return plan_model(model, None)


def new_normal(  # noqa: PLR0913 - what is typed, and what it is done to
    settings: Settings,
    parsed: argparse.Namespace,
    plan: ModelPlan,
    policy: AlertPolicy,
    states: ModelStore,
    *,
    now: datetime,
) -> int:
    """Give a model's learned reference up, or with --dry-run say what that closes.

    Raises
    ------
    Stop
        What was typed cannot be recorded, or the model as it stands is not to start over; then nothing is changed.
    """
    wanted = None if parsed.at is None else time_of(parsed.at, "--at")
    if wanted is not None and wanted - now > AHEAD_MAX:
        raise Stop(
            f"--at: expected a time within {AHEAD_MAX.days} days, as drift is not watched until then, got {rfc3339(wanted)}"
        )
    answer = ordered(
        Acceptance,
        app=settings.app,
        model=plan.name,
        decision="new_normal",
        at=now,
        by=parsed.by,
        note=parsed.note,
    )
    check = partial(check_calm, plan.name, policy)
    if parsed.dry_run:
        for subject in check(learned_state(plan.name, states.state(plan.name), states.profile(plan.name))):
            sys.stdout.write(f"closes  {_called(subject)}\n")
        sys.stdout.write("nothing was changed (--dry-run)\n")
        return 0
    done = learn_anew(plan, states, policy, from_ms=0 if wanted is None else epoch_ms(wanted), check=check)
    begins = utc(done.from_ms)
    answer = answer.model_copy(update={"at": begins})
    sys.stdout.write(
        f"{plan.name}: {done.events} alerts closed; the reference is learned anew from {rfc3339(begins)} on, and drift is "
        "not watched until then (`watchkeeper status`)\n"
    )
    try:
        write_order(settings, AcceptEvent.of(answer, now=now_utc()))
    except Stop as error:
        raise Stop(f"it is done, and could not be recorded: {error}", exit_code=1) from error
    return 0


def check_calm(model: str, policy: AlertPolicy, state: StoredEvaluation) -> list[Subject]:
    """Return what the open alerts are about that a new reference closes.

    Raises
    ------
    Stop
        An alert stands in which nothing is ever learned: it would become the rule.
    """
    subjects = [episode.subject for _, episode in policy.load(state.book).episodes]
    for subject in subjects:
        if subject.kind in INCIDENTS and subject.segment is None and subject.version is None:
            raise Stop(
                f"model {model}: {_called(subject)} stands, and what is learned now would make that the rule; accept when it is "
                "over",
                exit_code=1,
            )
    return [subject for subject in subjects if is_of_reference(subject)]


def _keep(settings: Settings, parsed: argparse.Namespace, now: datetime) -> int:
    if parsed.at is not None:
        raise Stop("--at: only a new normal is learned from a time on; leave it out")
    with closing(connect_redis(settings)) as gate:
        found = kept_by(
            read_incidents(settings, gate, now_ms=epoch_ms(now)), parsed.model, alert=parsed.alert
        )
    for seen in found:
        incident = seen.incident
        if not parsed.dry_run:
            answer = ordered(
                Acceptance,
                app=settings.app,
                model=parsed.model,
                decision="keep",
                at=now,
                by=parsed.by,
                incident=incident.id,
                severity=incident.severity,
                note=parsed.note,
            )
            write_order(settings, AcceptEvent.of(answer, now=now))
        sys.stdout.write(f"{incident.id}: {incident.cause}, the reference is kept\n")
    if parsed.dry_run:
        sys.stdout.write("nothing was recorded (--dry-run)\n")
    return 0


def kept_by(found: list[Seen], model: str, *, alert: str | None) -> list[Seen]:
    """Return the open incidents of a model that an answer is about: that of an alert, or all that hold drift.

    Raises
    ------
    Stop
        There is none, or an alert's id does not say which.
    """
    mine = [seen for seen in found if seen.incident.model == model and not seen.incident.is_over]
    if alert is None:
        about = [s for s in mine if any(data.kind in HELD_KINDS for data in s.incident.alerts.values())]
    else:
        about = [
            s
            for s in mine
            if s.incident.id.startswith(alert) or any(a.startswith(alert) for a in s.incident.alerts)
        ]
    if alert is not None and len(about) > 1:
        raise Stop(
            f'--alert: several open incidents begin with "{shown(alert)}", or hold an alert that does; give more of the id, or '
            "leave it out for all of drift"
        )
    if not about:
        what = "incident of drift is open" if alert is None else f'open alert begins with "{shown(alert)}"'
        raise Stop(f"model {model}: no {what}; see them with `watchkeeper alerts`")
    return about


def _called(subject: Subject) -> str:
    names = (subject.kind.value, subject.check, subject.feature, subject.segment, subject.version)
    return " ".join(shown(name) for name in names if name is not None)
