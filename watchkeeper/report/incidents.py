"""The alerts of the time, and which periods they touch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from consumers.incidents import Incident
from schemas.clock import parse_time_ms
from schemas.duration import MS_PER_DAY
from watchkeeper.report.calendar import day_text
from watchkeeper.report.content import IncidentLine, Period, Statement

SEVERE = ("critical", "error")


def incident_lines(
    incidents: Iterable[Incident], periods: Sequence[Period], *, first_ms: int, now_ms: int
) -> list[IncidentLine]:
    """Return the alerts that lasted into the time from `first_ms` on."""
    found = []
    for incident in incidents:
        since_ms = parse_time_ms(incident.since)
        until_ms = now_ms if incident.until is None else parse_time_ms(incident.until)
        if until_ms < first_ms:
            continue
        first, last = day_text(since_ms), day_text(max(until_ms - 1, since_ms))
        touched = tuple(p.name for p in periods if p.first <= last and first <= p.last)
        found.append(
            IncidentLine(
                alert_id=incident.alert_id,
                title=incident.title,
                severity=incident.severity,
                kind=incident.kind,
                status=incident.status,
                since=incident.since,
                until=incident.until,
                duration_ms=max(until_ms - since_ms, 0),
                periods=touched,
            )
        )
    return found


def incident_statements(lines: Sequence[IncidentLine]) -> Iterator[Statement]:
    """Yield one sentence: how many there were and how many are open."""
    if not lines:
        yield Statement("good", "No alert in this time.")
        return
    still = sum(line.until is None for line in lines)
    severe = sum(line.severity in SEVERE for line in lines)
    days = sum(line.duration_ms for line in lines) / MS_PER_DAY
    open_now = f"; {still} still open" if still else ""
    count = "1 alert" if len(lines) == 1 else f"{len(lines)} alerts"
    text = f"{count} in this time, {severe} of them errors or worse, {days:.1f} days in all{open_now}."
    yield Statement("bad" if still else "plain", text)
