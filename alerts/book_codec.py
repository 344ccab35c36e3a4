"""Bytes for an alert book: msgpack with a version number, the same bytes for the same book."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from alerts.identity import Subject
from alerts.lifecycle import AlertState, Episode, Pending, Reading
from alerts.policy import AlertBook
from schemas.errors import Stop
from schemas.finding import Kind, Severity, WindowSpan

BOOK_VERSION: Final = 2
_READ: Final = (1, 2)
"""Version 1 knew no incidents."""
_MEND: Final = "run the release that wrote it, or start with another app name"


class _Header(msgspec.Struct):
    version: int


class _SubjectRecord(msgspec.Struct):
    kind: Kind
    check: str
    model: str
    version: str | None
    feature: str | None
    segment: str | None


class _PendingRecord(msgspec.Struct):
    subject: _SubjectRecord
    readings: list[tuple[int, Severity | None]]
    last_end_ms: int


class _EpisodeRecord(msgspec.Struct):
    subject: _SubjectRecord
    state: AlertState
    severity: Severity
    lower: list[Severity]
    clears: int
    episode_ms: int
    since_ms: int
    revisions: int
    window: tuple[int, int, int]
    breach_end_ms: int
    peak: float
    peak_ms: int
    evidence: dict[str, Any]
    incident: str = ""
    muted_by: str = ""
    mute_until_ms: int = 0


class _BookRecord(msgspec.Struct):
    version: int
    refused: int
    pending: dict[str, _PendingRecord]
    episodes: dict[str, _EpisodeRecord]


_encoder = msgspec.msgpack.Encoder(order="deterministic")
_header_decoder = msgspec.msgpack.Decoder(_Header)
_decoder = msgspec.msgpack.Decoder(_BookRecord)


def book_to_bytes(book: AlertBook) -> bytes:
    """Return a book's bytes; equal books give equal bytes."""
    pending = {
        key: _pending_record(alert) for key, alert in book.entries.items() if isinstance(alert, Pending)
    }
    episodes = {key: _episode_record(episode) for key, episode in book.episodes}
    return _encoder.encode(_BookRecord(BOOK_VERSION, book.refused, pending, episodes))


def book_from_bytes(data: bytes) -> AlertBook:
    """Read a book's bytes.

    Raises
    ------
    Stop
        The bytes are no book, or a book of another codec version.
    """
    try:
        version = _header_decoder.decode(data).version
        if version not in _READ:
            raise Stop(
                f"stored alert book: expected codec version {BOOK_VERSION}, found {version}; {_MEND}",
                exit_code=1,
            )
        record = _decoder.decode(data)
    except msgspec.DecodeError as error:
        raise Stop(
            f"stored alert book: expected codec version {BOOK_VERSION}, found bytes that are not one "
            f"({error}); {_MEND}",
            exit_code=1,
        ) from None
    pending = {key: _pending(entry) for key, entry in record.pending.items()}
    episodes = {key: _episode(entry) for key, entry in record.episodes.items()}
    return AlertBook({**pending, **episodes}, record.refused)


def _subject_record(subject: Subject) -> _SubjectRecord:
    return _SubjectRecord(
        subject.kind, subject.check, subject.model, subject.version, subject.feature, subject.segment
    )


def _subject(record: _SubjectRecord) -> Subject:
    return Subject(
        kind=record.kind,
        check=record.check,
        model=record.model,
        version=record.version,
        feature=record.feature,
        segment=record.segment,
    )


def _pending_record(pending: Pending) -> _PendingRecord:
    readings = [(reading.start_ms, reading.severity) for reading in pending.readings]
    return _PendingRecord(_subject_record(pending.subject), readings, pending.last_end_ms)


def _pending(record: _PendingRecord) -> Pending:
    readings = tuple(Reading(start_ms, severity) for start_ms, severity in record.readings)
    return Pending(subject=_subject(record.subject), readings=readings, last_end_ms=record.last_end_ms)


def _episode_record(episode: Episode) -> _EpisodeRecord:
    window = episode.window
    return _EpisodeRecord(
        subject=_subject_record(episode.subject),
        state=episode.state,
        severity=episode.severity,
        lower=list(episode.lower),
        clears=episode.clears,
        episode_ms=episode.episode_ms,
        since_ms=episode.since_ms,
        revisions=episode.revisions,
        window=(window.start_ms, window.end_ms, window.n),
        breach_end_ms=episode.breach_end_ms,
        peak=episode.peak,
        peak_ms=episode.peak_ms,
        evidence=dict(episode.evidence),
        incident=episode.incident,
        muted_by=episode.muted_by,
        mute_until_ms=episode.mute_until_ms,
    )


def _episode(record: _EpisodeRecord) -> Episode:
    return Episode(
        subject=_subject(record.subject),
        state=record.state,
        severity=record.severity,
        lower=tuple(record.lower),
        clears=record.clears,
        episode_ms=record.episode_ms,
        since_ms=record.since_ms,
        revisions=record.revisions,
        window=WindowSpan(*record.window),
        breach_end_ms=record.breach_end_ms,
        peak=record.peak,
        peak_ms=record.peak_ms,
        evidence=record.evidence,
        incident=record.incident,
        muted_by=record.muted_by,
        mute_until_ms=record.mute_until_ms,
    )
