from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from alert_builders import CONTEXT, finding, span

from alerts.book_codec import BOOK_VERSION, book_from_bytes, book_to_bytes
from alerts.lifecycle import Episode
from alerts.policy import AlertBook, step
from schemas.errors import Stop
from schemas.finding import Hysteresis, Severity, Verdict

FOLDER = Path(__file__).parents[1] / "golden" / "alerts"
GOLDEN, OLD = FOLDER / "book-v2.msgpack", FOLDER / "book-v1.msgpack"


def a_book() -> AlertBook:
    """Return a book with an alert in every state that is kept."""
    rule = Hysteresis(3, 5, 3)
    book, _ = step(
        AlertBook(refused=4),
        [
            finding(0, severity=Severity.CRITICAL, version="7", segment="web"),
            finding(0, feature="age", hysteresis=rule),
            finding(0, feature="zip", hysteresis=rule),
            finding(0, feature=None, evidence={"nested": {"list": [1, 2.5, None, "é"]}}),
        ],
        context=CONTEXT,
    )
    book, _ = step(
        book,
        [
            finding(1, severity=Severity.ERROR, version="7", segment="web"),
            finding(1, Verdict.BETWEEN, feature="age", hysteresis=rule),
            finding(1, Verdict.CLEAR, feature=None),
        ],
        context=CONTEXT,
    )
    return book


def test_a_book_comes_back_as_it_was() -> None:
    assert book_from_bytes(book_to_bytes(a_book())) == a_book()
    assert book_from_bytes(book_to_bytes(AlertBook())) == AlertBook()


def test_the_order_of_entries_does_not_show_in_the_bytes() -> None:
    book = a_book()
    backward = AlertBook(dict(reversed(list(book.entries.items()))), book.refused)
    assert book_to_bytes(backward) == book_to_bytes(book)


def test_a_book_without_incidents_can_still_be_read() -> None:
    entries = {
        key: replace(alert, incident="") if isinstance(alert, Episode) else alert
        for key, alert in a_book().entries.items()
    }
    assert book_from_bytes(OLD.read_bytes()) == replace(a_book(), entries=entries)


def test_version_2_is_written_and_read_as_it_always_was() -> None:
    assert book_to_bytes(a_book()) == GOLDEN.read_bytes()
    assert book_from_bytes(GOLDEN.read_bytes()) == a_book()


def test_a_book_of_the_golden_file_goes_on() -> None:
    _, events = step(
        book_from_bytes(GOLDEN.read_bytes()), [finding(2, Verdict.CLEAR, feature=None)], context=CONTEXT
    )
    assert [event.data.revision for event in events] == [1]
    assert events[0].data.window.end.timestamp() * 1000 == span(2).end_ms


def other_version() -> bytes:
    return msgspec.msgpack.encode({"version": BOOK_VERSION + 1, "something": "else"})


@pytest.mark.parametrize(
    "data",
    [b"", b"\xc1", b"\x80", other_version(), book_to_bytes(a_book())[:-1], msgspec.msgpack.encode([1])],
)
def test_bytes_of_another_form_stop_with_the_mend(data: bytes) -> None:
    with pytest.raises(Stop) as stopped:
        book_from_bytes(data)
    message = str(stopped.value)
    assert message.startswith(f"stored alert book: expected codec version {BOOK_VERSION}, found ")
    assert message.endswith("run the release that wrote it, or start with another app name")
    assert stopped.value.exit_code == 1
