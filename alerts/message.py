"""What a notification says, in the order in which it may be cut: the last section goes first.

Renderers only lay these sections out and escape them; nothing here is marked up.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from alerts.figures import how_bad, is_bet
from alerts.pictures.words import plot_of, sparkline
from alerts.plain_text import clip, plain, short
from alerts.sizes import duration, text_in
from alerts.wording import HEADLINE_CHARS_MAX
from schemas.alert import AlertStatus
from schemas.finding import Severity
from schemas.integrity import ALL_MODELS
from schemas.notification import Why

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

    from schemas.alert import AlertData
    from schemas.notification import Member, Notification

LABELS: Final[Mapping[Severity, str]] = {
    Severity.CRITICAL: "CRIT",
    Severity.ERROR: "ERROR",
    Severity.WARNING: "WARN",
    Severity.INFO: "INFO",
}
RESOLVED_LABEL: Final = "RESOLVED"
SIGNAL: Final = "Signal"
"""The section in whose place a picture is shown."""

_MS: Final = timedelta(milliseconds=1)
_NAMES_SHOWN: Final = 10

REASONS: Final[Mapping[str, str]] = {
    "first": "new",
    "severity_up": "more severe than told before",
    "severity_down": "less severe than told before",
    "dated_anew": "more is known now of when it began",
    "cause_over": "what explained it is over, and it is not",
    "recovered": "back inside its limits",
    "version_retired": "the version gets no traffic any more",
    "segment_gone": "the segment gets no traffic any more",
    "accepted": "accepted as the new normal",
    "not_watched": "not watched any more: the settings or the reference changed",
    "estimate_refuted": "labels refute the estimate",
}
"""Why an event came, in words."""


_UPDATES: Final[Mapping[Why, str]] = {
    Why.SEVERITY_UP: "(now worse) ",
    Why.SEVERITY_DOWN: "(now milder) ",
    Why.NEW_MEMBERS: "(now wider) ",
    Why.PARTLY_RESOLVED: "(now narrower) ",
    Why.REPEAT: "(still) ",
    Why.SILENCE_ENDED: "(still, its silence ended) ",
    Why.ACK_EXPIRED: "(still, its acknowledgement ended) ",
    Why.ESCALATED: "(nobody has acknowledged) ",
    Why.FLAPPING: "(comes and goes) ",
    Why.STORM_DIGEST: "STORM: ",
}
"""What an update says before its title, so that it does not read like a new alert."""

_MARKS: Final = (("test", "TEST "), ("late", "LATE "), ("possible_repeat", "POSSIBLE REPEAT "))


@dataclass(frozen=True, slots=True)
class Section:
    """One part of a message: a short title, its lines of plain text, and names and URLs to open."""

    title: str
    lines: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()

    @property
    def all_lines(self) -> tuple[str, ...]:
        """The lines, and one for each link: its name and URL, or the URL alone where the title is its name."""
        urls = ((name, plain(url)) for name, url in self.links)
        return *self.lines, *(url if name == self.title else f"{name}: {url}" for name, url in urls)

    @property
    def one_line(self) -> str:
        """All of it on one line, for places that have no other layout."""
        return f"{self.title}: {' / '.join(self.all_lines)}"


@dataclass(frozen=True, slots=True)
class Message:
    """A notification in words.

    Parameters
    ----------
    headline
        At most 130 characters.
    sections
        Most important first; none is empty.
    """

    headline: str
    sections: tuple[Section, ...]


def message_of(
    notification: Notification, *, zone: tzinfo | None = None, picture: str | None = None
) -> Message:
    """Return what a notification says: all of its worst alert, a line of each other one.

    Parameters
    ----------
    zone
        The reader's time zone; its time stands behind the UTC time.
    picture
        Address of the picture of the signal.
    """
    data = notification.lead
    plot = plot_of(data)
    links = () if picture is None else (("Picture", picture),)
    sections = (
        Section("Since", _since(notification, zone)),
        Section("Storm", _storm(notification)),
        Section("Alerts", _members(notification)),
        Section(_figures_title(data), how_bad(data)),
        Section(SIGNAL, () if plot is None else (sparkline(plot),), links),
        Section("Where", _where(data)),
        Section("Impact", (plain(data.impact),)),
        Section("Likely cause", _causes(data, notification.suppressed or data.suppressed)),
        Section("Do now", (plain(data.suggested_action),)),
        Section("Owner", (*_owner(data), *_other_teams(notification))),
        Section("Runbook", links=() if data.runbook is None else (("Runbook", data.runbook),)),
        Section("Evidence", _evidence(data), tuple((short(name), url) for name, url in data.links.items())),
        Section("Alert", _identity(notification)),
    )
    return Message(headline_of(notification), tuple(part for part in sections if part.lines or part.links))


def headline_of(notification: Notification) -> str:
    """Return the severity in words and the title of the worst alert, at most 130 characters."""
    label = RESOLVED_LABEL if notification.status is AlertStatus.RESOLVED else LABELS[notification.severity]
    marks = "".join(text for flag, text in _MARKS if getattr(notification, flag))
    before = f"{marks}{label} {_UPDATES.get(notification.why, '')}"
    others = notification.total - 1
    after = f" (+{others} more alert{'s' if others > 1 else ''})" if others else ""
    room = HEADLINE_CHARS_MAX - len(before) - len(after)
    return f"{before}{clip(plain(notification.lead.title), room)}{after}"


def _since(notification: Notification, zone: tzinfo | None) -> tuple[str, ...]:
    data, since, until = notification.lead, notification.since, notification.until
    late = ("told late: nobody could tell before",) if notification.late else ()
    began = f"began {_time(since, zone)}"
    if until is None:
        noticed = f"noticed {_time(notification.detected_at, zone)}"
        length = _length(since, notification.detected_at)
        return f"{began}, {noticed}, {length} later", *_first_breach(data, zone), *late
    return (
        f"{began}, last seen {_time(until, zone)}, lasted {_length(since, until)}",
        f"closed {_time(notification.detected_at, zone)}",
        *late,
    )


def _storm(notification: Notification) -> tuple[str, ...]:
    """Return what a pager is told once its pages of the hour are spent."""
    if notification.why is not Why.STORM_DIGEST:
        return ()
    others = max(0, notification.untold - 1)
    return (
        f"too many pages: {others} other incidents are open and page nobody for now",
        "see them with `watchkeeper alerts`",
    )


def _members(notification: Notification) -> tuple[str, ...]:
    """Return a line for each alert of an incident that has several, the worst first."""
    if notification.total == 1:
        return ()
    over = notification.total - notification.firing
    counts = f"{notification.firing} fire" + (f", {over} are over" if over else "")
    lines = [
        f"- {_label(member)} {clip(plain(member.title), 100)}"
        for member in notification.members[:_NAMES_SHOWN]
    ]
    more = notification.total - len(lines)
    return counts, *lines, *((f"+{more} more",) if more else ())


def _label(member: Member) -> str:
    return RESOLVED_LABEL if member.status is AlertStatus.RESOLVED else LABELS[member.severity]


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


def _causes(data: AlertData, suppressed: tuple[str, ...]) -> tuple[str, ...]:
    causes = tuple(f"- {plain(cause)}" for cause in data.likely_causes)
    if not suppressed:
        return causes
    shown = ", ".join(short(name) for name in suppressed[:_NAMES_SHOWN])
    more = f" +{len(suppressed) - _NAMES_SHOWN} more" if len(suppressed) > _NAMES_SHOWN else ""
    return *causes, f"{len(suppressed)} dependent alerts held back: {shown}{more}"


def _owner(data: AlertData) -> tuple[str, ...]:
    owner = data.owner
    first = [short(name) for name in (owner.team, owner.contact) if name is not None]
    then = f"then {', '.join(short(name) for name in owner.escalation)}" if owner.escalation else ""
    line = ", ".join([*first, then] if then else first)
    return (line,) if line else ()


def _other_teams(notification: Notification) -> tuple[str, ...]:
    """Return the teams of the other alerts, where some belong to somebody else than the worst one."""
    mine = notification.lead.owner.team
    others = dict.fromkeys(m.team for m in notification.members if m.team not in (None, mine))
    shown = ", ".join(short(team) for team in others if team is not None)
    return (f"other alerts: {shown}",) if others else ()


def _evidence(data: AlertData) -> tuple[str, ...]:
    command = data.reproduce.command
    return () if command is None else (f"reproduce with: {plain(command)}",)


def _identity(notification: Notification) -> tuple[str, ...]:
    data = notification.lead
    reason = text_in(data.evidence, "reason")
    told = f", {REASONS.get(reason, reason)}" if reason is not None else ""
    config = data.reproduce.config_hash
    line = f"{data.kind} / {short(data.check)}, revision {data.revision}{told}"
    return line, data.alert_id if config is None else f"{data.alert_id}, settings {short(config)}"
