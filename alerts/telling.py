"""Decides what a sink is told of an incident, and when: pure, from how the incident stands and what the sink knows.

A pager hears of what is bad, once, of what has become worse, and of the end. Everything else is for people who read:
new alerts of an incident, those that are over, and that it still goes on, each after a pause, so that one incident is
one message and not forty.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from alerts.told import Held
from schemas.finding import Severity
from schemas.notification import Why

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alerts.told import Told
    from schemas.alert import AlertData

_MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 60 * _MINUTE_MS

END_MS: Final = 15 * _MINUTE_MS
"""A sink that forgets is told the end of an incident for so long, as Prometheus does it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How often and how late people are told.

    Parameters
    ----------
    wait_ms
        Longest wait for the rest of a window's alerts.
    interval_ms
        Between two messages about one incident, unless it becomes worse or is over.
    repeat_ms
        After how long an incident that goes on is told again; by severity.
    page_age_ms
        Nobody is paged on evidence that is older than this.
    late_ms
        What is told so long after it was noticed is marked late.
    pages_from
        The mildest severity that may page.
    pages_max, pages_span_ms
        A pager hears of no more than so many incidents within so long, and then once of a storm.
    spells
        An incident of one model and cause that opens for the third time within `spell_ms` pages nobody, unless it is
        worse than before: it comes and goes.
    """

    wait_ms: int = 30_000
    interval_ms: int = 5 * _MINUTE_MS
    repeat_ms: Mapping[Severity, int] = field(
        default_factory=lambda: {
            Severity.CRITICAL: 4 * _HOUR_MS,
            **dict.fromkeys((Severity.ERROR, Severity.WARNING, Severity.INFO), 24 * _HOUR_MS),
        }
    )
    page_age_ms: int = 2 * _HOUR_MS
    late_ms: int = 15 * _MINUTE_MS
    pages_from: Severity = Severity.ERROR
    pages_max: int = 10
    pages_span_ms: int = _HOUR_MS
    spells: int = 3
    spell_ms: int = 24 * _HOUR_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How an incident stands, for one sink.

    Parameters
    ----------
    firing
        Alerts that fire and that the sink may hear of: neither muted, nor silenced, nor kept from it by routes.
    is_over
        Nothing fires any more, whoever may hear of it.
    evidence_ms, noticed_ms
        Event time of the newest evidence, and when the newest of the firing alerts was noticed.
    held
        What keeps it, or a part of it, from people now.
    escalated
        The sink is told because nobody has acknowledged in time.
    flapping
        It comes and goes.
    pages
        The sink wakes people.
    refresh_ms
        The sink forgets what it does not hear of so often; None if it does not.
    """

    firing: tuple[AlertData, ...]
    is_over: bool
    evidence_ms: int
    noticed_ms: int
    held: Held | None = None
    escalated: bool = False
    flapping: bool = False
    pages: bool = False
    refresh_ms: int | None = None

    @property
    def severity(self) -> Severity | None:
        """The worst of what fires."""
        return max((data.severity for data in self.firing), key=lambda s: s.rank, default=None)

    def is_late(self, rules: Rules, now_ms: int) -> bool:
        """Return whether people hear of it long after it was noticed."""
        return now_ms - self.noticed_ms > rules.late_ms


def next_message(view: View, told: Told, *, rules: Rules, now_ms: int) -> tuple[Why, str] | None:
    """Return why a sink is to be told now, and the page tier of the message; None for not now."""
    if told.done:
        return None
    if told.severity is None:
        return _first(view, told, rules=rules, now_ms=now_ms)
    if view.is_over:
        return _end(view, told, now_ms=now_ms)
    severity = view.severity
    if severity is None:
        return None
    if severity.rank > told.severity.rank:
        return Why.SEVERITY_UP, _tier(view, severity)
    return None if view.pages else _update(view, told, severity, rules=rules, now_ms=now_ms)


def after_delivery(told: Told, view: View, *, why: Why, tier: str, now_ms: int) -> Told:
    """Return what a sink knows once a message has arrived."""
    known = replace(
        told,
        sequence=told.sequence + 1,
        at_ms=now_ms,
        attempt=None,
        held=view.held,
        members=_ids(view.firing),
    )
    if why is Why.ALL_RESOLVED:
        left = [other for other in told.tiers if other != tier]
        over_ms = told.over_ms or now_ms
        done = not left and (view.refresh_ms is None or now_ms - over_ms >= END_MS)
        return replace(known, tiers=left, over_ms=over_ms, done=done)
    tiers = [*told.tiers, tier] if tier and tier not in told.tiers else told.tiers
    return replace(known, severity=view.severity or told.severity, tiers=tiers)


def _first(view: View, told: Told, *, rules: Rules, now_ms: int) -> tuple[Why, str] | None:
    severity = view.severity
    if severity is None:
        # It was on its way and is over: whoever reads hears of it, nobody is woken.
        missed = view.is_over and told.attempt is not None and not view.pages
        return (Why.ALL_RESOLVED, "") if missed else None
    if view.pages and not _may_page(view, severity, rules=rules, now_ms=now_ms):
        return None
    if told.held is not None:
        why = Why.SILENCE_ENDED if told.held is Held.SILENCED else Why.ACK_EXPIRED
    elif view.escalated:
        why = Why.ESCALATED
    elif view.flapping:
        why = Why.FLAPPING
    else:
        why = Why.LATE if view.is_late(rules, now_ms) else Why.FIRST
    return why, _tier(view, severity)


def _may_page(view: View, severity: Severity, *, rules: Rules, now_ms: int) -> bool:
    is_fresh = now_ms - view.evidence_ms <= rules.page_age_ms
    is_bad = severity.rank >= rules.pages_from.rank
    return is_fresh and is_bad and not view.flapping and view.held is not Held.ACKNOWLEDGED


def _end(view: View, told: Told, *, now_ms: int) -> tuple[Why, str] | None:
    """Return the end, one page tier after the other; to a sink that forgets, again and again for a while."""
    is_resent = told.over_ms and not told.tiers and view.refresh_ms is not None
    if is_resent and now_ms - told.at_ms < (view.refresh_ms or 0):
        return None
    return Why.ALL_RESOLVED, told.tiers[0] if told.tiers else ""


def _tier(view: View, severity: Severity) -> str:
    return severity.value if view.pages else ""


def _update(
    view: View, told: Told, severity: Severity, *, rules: Rules, now_ms: int
) -> tuple[Why, str] | None:
    waited_ms = now_ms - told.at_ms
    if view.refresh_ms is not None and waited_ms >= view.refresh_ms:
        return Why.REPEAT, ""
    if waited_ms < rules.interval_ms:
        return None
    why = _changed(view, told, severity)
    if why is None and waited_ms >= rules.repeat_ms[severity] and view.held is not Held.ACKNOWLEDGED:
        why = Why.REPEAT
    return None if why is None else (why, "")


def _changed(view: View, told: Told, severity: Severity) -> Why | None:
    now, before = set(_ids(view.firing)), set(told.members)
    if now - before:
        return Why.NEW_MEMBERS
    if told.held is not None and view.held is None:
        return Why.SILENCE_ENDED if told.held is Held.SILENCED else Why.ACK_EXPIRED
    if now != before:
        return Why.PARTLY_RESOLVED
    is_milder = told.severity is not None and severity.rank < told.severity.rank
    return Why.SEVERITY_DOWN if is_milder else None


def _ids(alerts: tuple[AlertData, ...]) -> list[str]:
    return sorted(data.alert_id for data in alerts)
