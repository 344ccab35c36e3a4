"""Findings in, alert events out: the alert states of one model, stepped in event time only.

The evaluator calls `step` with the findings of each closed window and keeps the returned book beside its
own state. Equal book and equal findings give equal events, byte for byte, in whatever order they came.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, TypeAlias

from alerts.announce import AlertContext, Transition, announce
from alerts.identity import OrderKey, alert_id_of, fingerprint_in, fingerprint_of, subject_of
from alerts.incidents import Move, joined, muted, suppressed_by, unmuted
from alerts.lifecycle import EVENT_TYPES, AlertState, Episode, Pending, Reason, decide_heed
from alerts.transitions import Alert, advance, told
from schemas.alert import AlertType
from schemas.alert_wire import wire_evidence
from schemas.finding import Explain, Finding, Show, Stream, Verdict, stream_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from schemas.alert import AlertEvent
    from schemas.finding import Standing

__all__ = ["ENTRIES_MAX", "AlertBook", "AlertContext", "decide_room", "step"]

ENTRIES_MAX: Final = 5_000
"""Most alerts of one model that are followed at once, pending ones included."""

_VERDICT_ORDER: Final = (Verdict.UNKNOWN, Verdict.GONE, Verdict.CLEAR, Verdict.BETWEEN, Verdict.BREACH)

_Turn: TypeAlias = tuple[str, Finding]


@dataclass(frozen=True, slots=True)
class AlertBook:
    """The alerts of one model that are pending, firing or recovering; treat it as immutable.

    Parameters
    ----------
    entries
        Alerts by fingerprint. Alerts that are ok or resolved are not kept.
    refused
        How many times an alert found no room (see `step`); a reason to raise the limit or mute checks.
    """

    entries: Mapping[str, Alert] = field(default_factory=dict)
    refused: int = 0

    @property
    def episodes(self) -> tuple[tuple[str, Episode], ...]:
        """Fingerprint and episode of every alert that people have been told of, by fingerprint."""
        return tuple(
            (key, alert) for key, alert in sorted(self.entries.items()) if isinstance(alert, Episode)
        )

    def firing(self, stream: Stream) -> int:
        """Return the number of alerts of a stream that are firing or recovering.

        Of one stream, because how the windows of the two interleave is nobody's promise.
        """
        return sum(is_of_stream(episode, stream) for _, episode in self.episodes)


def is_of_stream(alert: Alert, stream: Stream) -> bool:
    """Return whether an alert is judged on windows of a stream."""
    return stream_of(alert.subject.kind, alert.subject.check) is stream


@dataclass(frozen=True, slots=True)
class Hearing:
    """One closed window that all detectors of its stream have taken in.

    Parameters
    ----------
    standing
        Asked only where an alert of the stream is open or pending.
    """

    model: str
    stream: Stream
    end_ms: int
    standing: Standing


def step(  # noqa: PLR0913 - book, findings, and what the evaluator can say of them
    book: AlertBook,
    findings: Sequence[Finding],
    *,
    context: AlertContext,
    hearing: Hearing | None = None,
    explain: Explain = lambda _finding, _since_ms: None,
    show: Show = lambda _finding, _since_ms: None,
    entries_max: int = ENTRIES_MAX,
) -> tuple[AlertBook, list[AlertEvent]]:
    """Return the book after these findings, and the events that people should hear about.

    Parameters
    ----------
    findings
        All findings of a window (or of several windows: they are taken in the order of their ends). Two
        for the same trouble and window count once, as the worse one.
    hearing
        The window, where these are all that is said of it: alerts of its stream that nothing speaks of, and that no detector follows, are
        closed as `not_watched`, for nobody would ever see them end.
    explain
        Asked about every alert that opens or is updated.
    show
        Asked about every alert that opens, is updated, or is over by what a window said.
    entries_max
        When the book is full, an alert that people have been told of is never dropped. A new one that
        fires takes the place of the weakest pending one; if there is none, or the new one would only be
        pending, it is refused and counted.

    Returns
    -------
    tuple
        The new book, and the events by time, then severity (worst first), kind, check, feature.
    """
    draft = _Draft(dict(book.entries), book.refused, context, explain, show, entries_max)
    spoken_of: set[str] = set()
    for end_ms, window_findings in _by_window(findings, app=context.app):
        spoken_of |= window_findings.keys()
        for fingerprint, finding in _in_turn(window_findings, known=draft.entries):
            draft.take(fingerprint, finding)
        draft.tell(end_ms)
    if hearing is not None:
        draft.give_up(hearing, spoken_of)
    return AlertBook(draft.entries, draft.refused), sorted(draft.events, key=_event_order)


@dataclass(slots=True)
class _Draft:
    """The book being written during one step."""

    entries: dict[str, Alert]
    refused: int
    context: AlertContext
    explain: Explain
    show: Show
    entries_max: int
    moves: list[Move] = field(default_factory=list)
    events: list[AlertEvent] = field(default_factory=list)

    def take(self, fingerprint: str, finding: Finding) -> None:
        """Move one alert by one finding."""
        alert = self.entries.get(fingerprint)
        if decide_heed(finding, last_end_ms=_last_end_ms(alert)) is not Reason.HEEDED:
            return
        after, reason = advance(alert, finding, subject=subject_of(finding))
        if after is None:
            self.entries.pop(fingerprint, None)
        elif (
            alert is None and decide_room(self.entries, after, entries_max=self.entries_max) is Reason.NO_ROOM
        ):
            self.refused += 1
        else:
            self._keep(fingerprint, after, reason, finding)

    def _keep(self, fingerprint: str, after: Alert, reason: Reason, finding: Finding) -> None:
        if isinstance(after, Episode) and reason in EVENT_TYPES:
            said = None if finding.verdict is Verdict.GONE else finding
            resolves = EVENT_TYPES[reason] is AlertType.RESOLVED
            explanation = None if resolves else self.explain(finding, after.since_ms)
            shown = None if said is None else self.show(said, after.since_ms)
            self.moves.append(Move(fingerprint, after, reason, said, explanation, shown))
        if EVENT_TYPES.get(reason) is AlertType.RESOLVED:
            del self.entries[fingerprint]
            return
        if fingerprint not in self.entries and len(self.entries) >= self.entries_max:
            del self.entries[_weakest_pending(self.entries)]
            self.refused += 1
        self.entries[fingerprint] = after

    def give_up(self, hearing: Hearing, spoken_of: Collection[str]) -> None:
        """Close what neither a finding of the window speaks of nor a detector follows."""
        silent = [
            (fingerprint, alert)
            for fingerprint, alert in sorted(self.entries.items())
            if fingerprint not in spoken_of and is_of_stream(alert, hearing.stream)
        ]
        if not silent:
            return
        app = self.context.app
        followed = {fingerprint_in(hearing.model, topic, app=app) for topic in hearing.standing()}
        for fingerprint, alert in silent:
            if fingerprint in followed:
                continue
            del self.entries[fingerprint]
            if isinstance(alert, Episode):
                closed = replace(alert, state=AlertState.RESOLVED)
                self.moves.append(Move(fingerprint, closed, Reason.NOT_WATCHED, None))
        if self.moves:
            self.tell(hearing.end_ms)

    def tell(self, end_ms: int) -> None:
        """Put the window's moves into incidents, see which explain others, and build the events."""
        moves = list(muted(list(joined(self.moves, self.entries, app=self.context.app)), self.entries))
        for move in moves:
            self._note(move)
        for fingerprint, episode, is_told in unmuted(
            self.entries, at_ms=end_ms, mute_ms=self.context.mute_ms
        ):
            self.entries[fingerprint] = episode
            if is_told:
                moves.append(Move(fingerprint, episode, Reason.CAUSE_OVER, None))
        for move in moves:
            self._announce(move, end_ms)
        self.moves = []

    def _note(self, move: Move) -> None:
        if move.fingerprint in self.entries:
            self.entries[move.fingerprint] = move.episode

    def _announce(self, move: Move, end_ms: int) -> None:
        alert_id = alert_id_of(move.fingerprint, episode_ms=move.episode.episode_ms)
        transition = Transition(
            move.fingerprint,
            move.episode,
            move.reason,
            end_ms,
            move.finding,
            suppressed=suppressed_by(alert_id, self.entries),
            explanation=move.explanation,
            shown=move.shown,
        )
        self.events.append(announce(transition, context=self.context))
        self._note(replace(move, episode=told(move.episode)))


def decide_room(entries: Mapping[str, Alert], alert: Alert, *, entries_max: int) -> Reason:
    """Say whether a new alert may enter the book: HEEDED or NO_ROOM."""
    if len(entries) < entries_max:
        return Reason.HEEDED
    if isinstance(alert, Episode) and any(isinstance(other, Pending) for other in entries.values()):
        return Reason.HEEDED
    return Reason.NO_ROOM


def _weakest_pending(entries: Mapping[str, Alert]) -> str:
    """Return the fingerprint of the pending alert with the lowest severity, fewest breaches, oldest news."""
    strengths = {key: _strength(alert) for key, alert in entries.items() if isinstance(alert, Pending)}
    return min(strengths, key=lambda key: (strengths[key], key))


def _strength(pending: Pending) -> tuple[int, int, int]:
    ranks = [reading.severity.rank for reading in pending.readings if reading.severity is not None]
    return max(ranks), len(ranks), pending.last_end_ms


def _last_end_ms(alert: Alert | None) -> int | None:
    if alert is None:
        return None
    return alert.window.end_ms if isinstance(alert, Episode) else alert.last_end_ms


def _by_window(findings: Sequence[Finding], *, app: str) -> Iterator[tuple[int, dict[str, Finding]]]:
    """Yield each window's end and its worst finding per fingerprint, in the order of the ends."""
    windows: defaultdict[int, dict[str, Finding]] = defaultdict(dict)
    for finding in findings:
        if finding.evidence_only:
            continue
        chosen = windows[finding.window.end_ms]
        fingerprint = fingerprint_of(finding, app=app)
        other = chosen.get(fingerprint)
        chosen[fingerprint] = finding if other is None else max(finding, other, key=_badness)
    for end_ms in sorted(windows):
        yield end_ms, windows[end_ms]


def _badness(finding: Finding) -> tuple[int, int, float, str]:
    score = -math.inf if math.isnan(finding.score) else finding.score
    rest = (
        finding.window.start_ms,
        finding.window.n,
        finding.fire,
        finding.clear,
        finding.onset_ms,
        repr(finding.hysteresis),
        json.dumps(wire_evidence(finding.evidence)),
    )
    return _VERDICT_ORDER.index(finding.verdict), finding.severity.rank, score, repr(rest)


def _in_turn(chosen: Mapping[str, Finding], *, known: Mapping[str, Alert]) -> list[_Turn]:
    """Return findings with known alerts first (they may make room), then new ones, the severest first.

    A finding without an alert and without a breach is left out: ok stays ok.
    """

    def turn(pair: _Turn) -> tuple[bool, int, OrderKey, str]:
        fingerprint, finding = pair
        return fingerprint not in known, -finding.severity.rank, subject_of(finding).order_key, fingerprint

    moving = [pair for pair in chosen.items() if pair[0] in known or pair[1].verdict is Verdict.BREACH]
    return sorted(moving, key=turn)


def _event_order(event: AlertEvent) -> tuple[object, ...]:
    data = event.data
    names = (data.kind, data.check, data.feature or "", data.segment or "", data.version or "")
    return event.time, -data.severity.rank, names, data.alert_id, data.revision
