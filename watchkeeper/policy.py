"""Hands the alerts room to the evaluator: the one place where findings meet alert states."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version

from alerts.acceptance import accept
from alerts.book_codec import book_from_bytes, book_to_bytes
from alerts.policy import AlertBook, AlertContext, Hearing, step
from consumers.closing import ClosedRecord
from consumers.plan import HASH_DIGITS, ModelPlan
from schemas.alert import (
    AlertOwner,
    AlertReproduce,
    AlertWindow,
    WindowComplete,
    WindowCompleteData,
)
from schemas.alert_wire import clean_name
from schemas.finding import Explain, Finding, Show, Standing, Stream, WindowSpan
from schemas.integrity import ALL_MODELS
from schemas.model_parts import Owner
from schemas.model_settings import ModelSettings
from schemas.settings import Settings


class AlertPolicy:
    """`consumers.evaluation.Policy` by the rules of `alerts.policy`.

    Parameters
    ----------
    app
        The application: part of every fingerprint.
    context
        What this model's alerts say that no finding knows.
    """

    def __init__(self, app: str, context: AlertContext) -> None:
        self._app = app
        self._context = context

    def load(self, data: bytes | None) -> AlertBook:
        """Return the stored alert states, or none yet."""
        return AlertBook() if data is None else book_from_bytes(data)

    def dump(self, book: AlertBook) -> bytes:
        """Return the bytes to store."""
        return book_to_bytes(book)

    def accept(self, book: AlertBook, *, at_ms: int) -> tuple[AlertBook, list[bytes]]:
        """Close what compares with a reference that is given up."""
        after, events = accept(book, at_ms=at_ms, context=self._context)
        return after, [event.to_json_bytes() for event in events]

    def step(  # noqa: PLR0913 - a window, and what can be said of it
        self,
        book: AlertBook,
        findings: Sequence[Finding],
        closed: ClosedRecord,
        *,
        standing: Standing,
        explain: Explain,
        show: Show,
    ) -> tuple[AlertBook, list[bytes]]:
        """Take one closed window in; its last event is the record that the window is complete."""
        context = self._context
        if closed.profile:  # it may have been learned since
            reproduce = context.reproduce.model_copy(update={"profile_hash": closed.profile})
            context = replace(context, reproduce=reproduce)
        hearing = Hearing(closed.model, Stream(closed.stream), closed.end_ms, standing)
        after, events = step(book, findings, context=context, hearing=hearing, explain=explain, show=show)
        span = WindowSpan(closed.start_ms, closed.end_ms, closed.n)
        complete = WindowComplete.of(
            WindowCompleteData(
                app=self._app,
                model=closed.model,
                stream=Stream(closed.stream),
                window=AlertWindow.of(span),
                versions=tuple(closed.versions),
                findings=closed.findings,
                firing=after.firing(Stream(closed.stream)),
            )
        )
        return after, [*(event.to_json_bytes() for event in events), complete.to_json_bytes()]


class IntegrityPolicy:
    """`consumers.integrity_role.IntegrityPolicy` by the same rules: alerts about the monitor itself.

    Parameters
    ----------
    contexts
        Per model: what its alerts say that no finding knows; the one of `ALL_MODELS` is for the rest.
    """

    def __init__(self, contexts: Mapping[str, AlertContext]) -> None:
        self._contexts = contexts

    def load(self, data: bytes | None) -> AlertBook:
        """Return the stored alert states, or none yet."""
        return AlertBook() if data is None else book_from_bytes(data)

    def dump(self, book: AlertBook) -> bytes:
        """Return the bytes to store."""
        return book_to_bytes(book)

    def step(self, book: AlertBook, findings: Sequence[Finding]) -> tuple[AlertBook, list[bytes]]:
        """Take findings in, each with the owner and the runbook of its own model."""
        told: list[bytes] = []
        for finding in findings:
            context = self._contexts.get(finding.model, self._contexts[ALL_MODELS])
            book, events = step(book, [finding], context=context)
            told += [event.to_json_bytes() for event in events]
        return book, told


def integrity_policy(settings: Settings, plans: Mapping[str, ModelPlan]) -> IntegrityPolicy:
    """Return the policy for alerts about the monitor itself."""
    # No command: a replay knows nothing of Kafka and Redis.
    reproduce = AlertReproduce(config_hash=config_hash(settings))
    contexts = {name: replace(_context(settings, plan), reproduce=reproduce) for name, plan in plans.items()}
    everything = AlertContext(app=settings.app, reproduce=reproduce)
    return IntegrityPolicy({**contexts, ALL_MODELS: everything})


def policies(settings: Settings, plans: Mapping[str, ModelPlan]) -> dict[str, AlertPolicy]:
    """Return every model's policy."""
    return {name: AlertPolicy(settings.app, _context(settings, plan)) for name, plan in plans.items()}


def _context(settings: Settings, plan: ModelPlan) -> AlertContext:
    profile_hash = plan.profile.content_hash[:HASH_DIGITS] if plan.profile is not None else None
    context = context_of(settings, plan.settings, profile_hash=profile_hash)
    own = {version: reference.profile for version, reference in plan.versions.items()}
    hashes = {clean_name(v): p.content_hash[:HASH_DIGITS] for v, p in own.items() if p is not None}
    return replace(context, profiles=hashes)


def context_of(settings: Settings, model: ModelSettings, *, profile_hash: str | None) -> AlertContext:
    """Return what a model's alerts say that no finding knows."""
    reproduce = AlertReproduce(
        command="watchkeeper replay --config F --predictions A.jsonl --labels B.jsonl --alerts OUT.jsonl",
        config_hash=config_hash(settings),
        profile_hash=profile_hash,
        versions={"watchkeeper": version("watchkeeper"), "river": version("river")},
    )
    return AlertContext(
        app=settings.app,
        mute_ms=model.window_ms + model.allowed_lateness_ms,
        owner=AlertOwner() if model.owner is None else _told(model.owner),
        feature_owners={
            name: _told(rule.owner) for name, rule in model.features.items() if rule.owner is not None
        },
        runbook=model.runbook,
        fallback=model.fallback,
        reproduce=reproduce,
    )


def _told(owner: Owner) -> AlertOwner:
    return AlertOwner(team=owner.team, contact=owner.contact, escalation=tuple(owner.escalation))


def config_hash(settings: Settings) -> str:
    """Return a hash of what decides the alerts: the models' settings, without servers and secrets."""
    dumped = "\n".join(model.model_dump_json() for _, model in sorted(settings.models.items()))
    return hashlib.sha256(dumped.encode()).hexdigest()[:16]
