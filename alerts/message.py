"""What a message says, in the order in which it may be cut: the last section goes first.

Renderers only lay these sections out and escape them; nothing here is marked up.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from alerts.figures import how_bad, is_bet
from alerts.plain_text import plain, short
from alerts.sizes import duration, text_in
from schemas.alert import AlertStatus
from schemas.finding import Severity
from schemas.integrity import ALL_MODELS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

    from schemas.alert import AlertData, AlertEvent

LABELS: Final[Mapping[Severity, str]] = {
    Severity.CRITICAL: "CRIT",
    Severity.ERROR: "ERROR",
    Severity.WARNING: "WARN",
    Severity.INFO: "INFO",
}
RESOLVED_LABEL: Final = "RESOLVED"

_MS: Final = timedelta(milliseconds=1)
_NAMES_SHOWN: Final = 10

_REASONS: Final[Mapping[str, str]] = {
    "first": "new",
    "severity_up": "more severe than told before",
    "severity_down": "less severe than told before",
    "recovered": "back inside its limits",
    "version_retired": "the version gets no traffic any more",
    "segment_gone": "the segment gets no traffic any more",
    "estimate_refuted": "labels refute the estimate",
}


_UPDATES: Final[Mapping[str, str]] = {"severity_up": "(now worse) ", "severity_down": "(now milder) "}
"""What an update says before its title, so that it does not read like a new alert."""


@dataclass(frozen=True, slots=True)
class Section:
    """One part of a message: a short title, its lines of plain text, and names and URLs to open."""

    title: str
    lines: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """An event in words.

    Parameters
    ----------
    headline
        At most 130 characters.
    sections
        Most important first; none is empty.
    """

    headline: str
    sections: tuple[Section, ...]


def message_of(event: AlertEvent, *, zone: tzinfo | None = None) -> Message:
    """Return what an event says.

    Parameters
    ----------
    zone
        The reader's time zone; its time stands behind the UTC time.
    """
    data = event.data
    sections = (
        Section("Since", _since(data, zone)),
        Section(_figures_title(data), how_bad(data)),
        Section("Where", _where(data)),
        Section("Impact", (plain(data.impact),)),
        Section("Likely cause", _causes(data)),
        Section("Do now", (plain(data.suggested_action),)),
        Section("Owner", _owner(data)),
        Section("Runbook", links=() if data.runbook is None else (("Runbook", data.runbook),)),
        Section("Evidence", _evidence(data), tuple((short(name), url) for name, url in data.links.items())),
        Section("Alert", _identity(event)),
    )
    return Message(headline_of(data), tuple(part for part in sections if part.lines or part.links))


def headline_of(data: AlertData) -> str:
    """Return the severity in words and the title, at most 130 characters if the title is ours."""
    if data.status is AlertStatus.RESOLVED:
        return f"{RESOLVED_LABEL} {plain(data.title)}"
    update = _UPDATES.get(text_in(data.evidence, "reason") or "", "")
    return f"{LABELS[data.severity]} {update}{plain(data.title)}"


def _since(data: AlertData, zone: tzinfo | None) -> tuple[str, ...]:
    began = f"began {_time(data.since, zone)}"
    noticed = f"noticed {_time(data.detected_at, zone)}"
    if data.until is None:
        return f"{began}, {noticed}, {_length(data.since, data.detected_at)} later", *_first_breach(
            data, zone
        )
    lasted = _length(data.since, data.until)
    return (
        f"{began}, last seen {_time(data.until, zone)}, lasted {lasted}",
        f"closed {_time(data.detected_at, zone)}",
    )


def _figures_title(data: AlertData) -> str:
    """Return the title of the figures; those of a bet are about the whole time since the change began."""
    return "How bad" if data.until is None or is_bet(data) else "Figures now"


def _first_breach(data: AlertData, zone: tzinfo | None) -> tuple[str, ...]:
    first = datetime(1970, 1, 1, tzinfo=UTC) + data.episode * _MS
    if first == data.since or is_bet(data):  # a bet has no limit for single windows
        return ()
    return (f"first window beyond its limit {_time(first, zone)}",)


def _time(time: datetime, zone: tzinfo | None) -> str:
    utc = f"{time:%Y-%m-%d %H:%M:%S} UTC"
    if zone is None:
        return utc
    local = time.astimezone(zone)
    return f"{utc} ({local:%a %H:%M} {local.tzname() or 'local'})"


def _length(start: datetime, end: datetime) -> str:
    return duration(max(0, (end - start) // _MS))


def _where(data: AlertData) -> tuple[str, ...]:
    named = (
        ("model", data.model if data.model != ALL_MODELS else "all"),
        ("version", data.version),
        ("feature", data.feature),
        ("segment", data.segment),
    )
    place = ", ".join(f"{what} {short(name, 200)}" for what, name in named if name is not None)
    profile = data.reproduce.profile_hash
    return (place,) if profile is None else (place, f"compared with profile {short(profile)}")


def _causes(data: AlertData) -> tuple[str, ...]:
    causes = tuple(f"- {plain(cause)}" for cause in data.likely_causes)
    if not data.suppressed:
        return causes
    shown = ", ".join(short(name) for name in data.suppressed[:_NAMES_SHOWN])
    more = f" +{len(data.suppressed) - _NAMES_SHOWN} more" if len(data.suppressed) > _NAMES_SHOWN else ""
    return *causes, f"{len(data.suppressed)} dependent alerts held back: {shown}{more}"


def _owner(data: AlertData) -> tuple[str, ...]:
    owner = data.owner
    first = [short(name) for name in (owner.team, owner.contact) if name is not None]
    then = f"then {', '.join(short(name) for name in owner.escalation)}" if owner.escalation else ""
    line = ", ".join([*first, then] if then else first)
    return (line,) if line else ()


def _evidence(data: AlertData) -> tuple[str, ...]:
    command = data.reproduce.command
    return () if command is None else (f"reproduce with: {plain(command)}",)


def _identity(event: AlertEvent) -> tuple[str, ...]:
    data = event.data
    reason = text_in(data.evidence, "reason")
    told = f", {_REASONS.get(reason, reason)}" if reason is not None else ""
    config = data.reproduce.config_hash
    line = f"{data.kind} / {short(data.check)}, revision {data.revision}{told}"
    return line, data.alert_id if config is None else f"{data.alert_id}, settings {short(config)}"
