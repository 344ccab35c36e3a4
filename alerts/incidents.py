"""Puts the alerts of a model together: those of one cause are one incident, and what explains others mutes them.

Decided in event time, window by window, so a replay gives the same incidents. An incident opens with its first alert
and is over with its last. An alert is muted only when it opens beside one that explains it and is at least as severe:
what people were told of is never taken back.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from alerts.causes import Cause, cause_of, explains
from alerts.identity import alert_id_of
from alerts.lifecycle import AlertState, Episode, Reason
from alerts.plain_text import short

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from alerts.identity import Subject
    from alerts.transitions import Alert
    from schemas.finding import Finding
    from schemas.finding import JsonValue as FindingValue

_HEX_DIGITS: Final = 32


@dataclass(frozen=True, slots=True)
class Move:
    """What a window did to an episode, before anybody is told; see `alerts.announce.Transition`."""

    fingerprint: str
    episode: Episode
    reason: Reason
    finding: Finding | None
    explanation: Mapping[str, FindingValue] | None = None
    shown: Mapping[str, FindingValue] | None = None


def joined(moves: Sequence[Move], entries: Mapping[str, Alert], *, app: str) -> Iterator[Move]:
    """Yield the moves, those that open an alert with the incident that it belongs to.

    Parameters
    ----------
    entries
        The alerts of the model after the moves.
    """
    known = {_place(e.subject): e.incident for e in _episodes(entries).values() if e.incident}
    begun: dict[tuple[str, Cause], int] = {}
    for move in moves:
        if move.reason is Reason.FIRST:
            place, start_ms = _place(move.episode.subject), move.episode.episode_ms
            begun[place] = min(start_ms, begun.get(place, start_ms))
    for move in moves:
        place = _place(move.episode.subject)
        if move.reason is Reason.FIRST:
            incident = known.get(place) or _incident_id(app, *place, begun[place])
            yield replace(move, episode=replace(move.episode, incident=incident))
        else:
            yield move


def muted(moves: Sequence[Move], entries: Mapping[str, Alert]) -> Iterator[Move]:
    """Yield the moves, an alert that opens muted if another one explains it, and told once it is worse than that one."""
    open_now = _episodes(entries)
    opening = [move for move in moves if move.reason is Reason.FIRST]
    for move in sorted(opening, key=lambda m: list(Cause).index(_place(m.episode.subject)[1])):
        source = _source_of(move.fingerprint, move.episode, open_now)
        open_now[move.fingerprint] = replace(move.episode, muted_by=source)
    for move in moves:
        episode = move.episode
        if move.reason is Reason.FIRST:
            episode = open_now[move.fingerprint]
        elif move.reason is Reason.SEVERITY_UP and not _is_covered(episode, open_now):
            episode = replace(episode, muted_by="", mute_until_ms=0)
        yield replace(move, episode=episode)


def unmuted(entries: Mapping[str, Alert], *, at_ms: int, mute_ms: int) -> Iterator[tuple[str, Episode, bool]]:
    """Yield the muted alerts whose explanation is over: fingerprint, episode after, and whether it is told now."""
    open_now = _episodes(entries)
    for fingerprint, episode in sorted(open_now.items()):
        if not episode.muted_by or _fingerprint_in(episode.muted_by) in open_now:
            continue
        source = _source_of(fingerprint, episode, open_now)
        if source:
            yield fingerprint, replace(episode, muted_by=source, mute_until_ms=0), False
        elif not episode.mute_until_ms:
            yield fingerprint, replace(episode, mute_until_ms=at_ms + mute_ms), False
        elif at_ms >= episode.mute_until_ms and episode.state is AlertState.FIRING:
            yield fingerprint, replace(episode, muted_by="", mute_until_ms=0), True


def suppressed_by(alert_id: str, entries: Mapping[str, Alert]) -> tuple[str, ...]:
    """Return what an alert explains, in words."""
    return tuple(
        _called(episode.subject)
        for _, episode in sorted(_episodes(entries).items())
        if episode.muted_by == alert_id
    )


def _episodes(entries: Mapping[str, Alert]) -> dict[str, Episode]:
    return {key: alert for key, alert in entries.items() if isinstance(alert, Episode)}


def _place(subject: Subject) -> tuple[str, Cause]:
    return subject.model, cause_of(subject.kind, subject.check)


def _incident_id(app: str, model: str, cause: Cause, start_ms: int) -> str:
    name = hashlib.sha256(f"{app}\x1f{model}\x1f{cause}".encode()).hexdigest()[:_HEX_DIGITS]
    return f"{name}:{start_ms}"


def _source_of(fingerprint: str, target: Episode, open_now: Mapping[str, Episode]) -> str:
    """Return the id of the alert that explains another one, at the root of what explains that; empty for none."""
    sources = [
        (-source.severity.rank, source.since_ms, key)
        for key, source in open_now.items()
        if key != fingerprint and _covers(source, target) and explains(source.subject, target.subject)
    ]
    if not sources:
        return ""
    key = min(sources)[-1]
    source = open_now[key]
    return source.muted_by or alert_id_of(key, episode_ms=source.episode_ms)


def _is_covered(episode: Episode, open_now: Mapping[str, Episode]) -> bool:
    source = open_now.get(_fingerprint_in(episode.muted_by))
    return source is not None and _covers(source, episode)


def _covers(source: Episode, target: Episode) -> bool:
    """Return whether people who hear of the source hear of something at least as bad."""
    return source.severity.rank >= target.severity.rank


def _fingerprint_in(alert_id: str) -> str:
    return alert_id.rpartition(":")[0]


def _called(subject: Subject) -> str:
    names = (subject.feature, subject.segment, subject.version)
    return " ".join((subject.check.replace("_", " "), *(short(name) for name in names if name is not None)))
