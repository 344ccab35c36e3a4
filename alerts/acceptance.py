"""Closes the alerts of a model whose reference is given up, because its owner takes what is now for usual."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from alerts.announce import Transition, announce
from alerts.lifecycle import AlertState, Episode, Reason
from alerts.policy import AlertBook
from schemas.finding import Kind, Stream, stream_of

if TYPE_CHECKING:
    from alerts.announce import AlertContext
    from alerts.identity import Subject
    from schemas.alert import AlertEvent

_OF_THE_STREAM: Final = frozenset({Kind.VOLUME, Kind.VERSION_REGRESSION})
"""Kinds that are not judged by the reference: by what traffic is usual, and version against version."""


def is_of_reference(subject: Subject) -> bool:
    """Return whether an alert compares with the model's reference, so that without it nobody could see it end."""
    is_of_labels = stream_of(subject.kind, subject.check) is Stream.LABELS
    return not is_of_labels and subject.kind not in _OF_THE_STREAM


def accept(book: AlertBook, *, at_ms: int, context: AlertContext) -> tuple[AlertBook, list[AlertEvent]]:
    """Return the book without alerts that compare with the reference, and the events that close those people know.

    Parameters
    ----------
    at_ms
        End of the last window that was compared with it, epoch milliseconds.
    """
    kept, events = {}, []
    for fingerprint, alert in sorted(book.entries.items()):
        if not is_of_reference(alert.subject):
            kept[fingerprint] = alert
        elif isinstance(alert, Episode):
            closed = replace(alert, state=AlertState.RESOLVED)
            end_ms = max(at_ms, alert.window.end_ms)
            events.append(announce(Transition(fingerprint, closed, Reason.ACCEPTED, end_ms), context=context))
    return AlertBook(kept, book.refused), events
