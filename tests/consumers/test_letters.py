"""What is put back is decided by a table; receipts are matched with letters; a letter gives back what it was made of."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest

from consumers.letters import (
    FAILURES,
    Verdict,
    Wanted,
    judge,
    mark_of,
    original_of,
    read_letter,
    read_receipt,
    receipt_of,
)
from consumers.rejects import KEPT_BYTES, KEY_BYTES_MAX, DeadLetter, Reason, Rejected, dead_letter

PARTITIONS = {"predictions": 3, "labels": 3}
ALL = Wanted()
BIG = b"x" * 1_500_000


def letter_bytes(value: bytes | None = b"{}", key: bytes | None = b"k", **changes: Any) -> bytes:
    place: dict[str, Any] = {
        "topic": "predictions",
        "topic_id": "predictions",
        "partition": 1,
        "offset": 7,
        "timestamp_ms": 5,
        **changes,
    }
    return dead_letter(Rejected(0, Reason.UNKNOWN_MODEL, "why", "fraud2"), key=key, value=value, **place)


def letter(value: bytes | None = b"{}", key: bytes | None = b"k", **changes: Any) -> DeadLetter:
    found = read_letter(letter_bytes(value, key, **changes))
    assert found is not None
    return found


def of_release_0_1_0(key: bytes) -> DeadLetter:
    """Return a letter as the first release wrote it: the key cut in silence, and no model."""
    fields = msgspec.json.decode(letter_bytes())
    del fields["key_truncated"], fields["model"]
    fields["key"] = base64.b64encode(key[:1024]).decode()
    found = read_letter(msgspec.json.encode(fields))
    assert found is not None
    return found


def changed(**fields: Any) -> DeadLetter:
    return msgspec.structs.replace(letter(), **fields)


@pytest.mark.parametrize(
    ("subject", "wanted", "expected"),
    [
        (letter(), ALL, Verdict.REDRIVEN),
        (letter(key=None), ALL, Verdict.REDRIVEN),
        (letter(partition=2), ALL, Verdict.REDRIVEN),
        (letter(key=b"k" * KEY_BYTES_MAX), ALL, Verdict.REDRIVEN),
        (letter(BIG), ALL, Verdict.REREAD),
        (letter(key=b"k" * (KEY_BYTES_MAX + 1)), ALL, Verdict.REREAD),
        (of_release_0_1_0(b"k" * 1023), ALL, Verdict.REDRIVEN),
        (of_release_0_1_0(b"k" * 1024), ALL, Verdict.REREAD),
        (letter(key=b"k" * 1024), ALL, Verdict.REDRIVEN),
        (letter(None), ALL, Verdict.EMPTY),
        (letter(b""), ALL, Verdict.EMPTY),
        (letter(partition=3), ALL, Verdict.NO_PARTITION),
        (letter(partition=-1), ALL, Verdict.NO_PARTITION),
        (letter(topic="others"), ALL, Verdict.OTHER_TOPIC),
        (letter(BIG, topic="others"), ALL, Verdict.OTHER_TOPIC),
        (changed(value="e30x"), ALL, Verdict.DAMAGED),
        (changed(value="!"), ALL, Verdict.DAMAGED),
        (changed(key="ü"), ALL, Verdict.DAMAGED),
        (letter(), Wanted(reasons=frozenset({"contract"})), Verdict.FILTERED),
        (letter(), Wanted(reasons=frozenset({"contract", "unknown_model"})), Verdict.REDRIVEN),
        (letter(), Wanted(model="fraud"), Verdict.FILTERED),
        (letter(), Wanted(model="fraud2"), Verdict.REDRIVEN),
        (changed(model=None), Wanted(model="fraud2"), Verdict.FILTERED),
        (letter(), Wanted(topic="labels"), Verdict.FILTERED),
        (letter(), Wanted(topic="predictions"), Verdict.REDRIVEN),
        (letter(None), Wanted(topic="labels"), Verdict.FILTERED),
        (letter(), Wanted(frozenset({"unknown_model"}), "fraud2", "labels"), Verdict.FILTERED),
    ],
)
def test_what_becomes_of_a_letter(subject: DeadLetter, wanted: Wanted, expected: Verdict) -> None:
    verdict = judge(subject, wanted=wanted, partitions=PARTITIONS, receipts=set(), seen=set())
    assert verdict is expected


def test_a_letter_with_a_receipt_is_not_put_back_and_a_second_copy_neither() -> None:
    mark = {mark_of(letter())}
    for wanted, receipts, seen, expected in (
        (ALL, mark, set[bytes](), Verdict.ALREADY),
        (ALL, set[bytes](), mark, Verdict.REPEATED),
        (ALL, mark, mark, Verdict.ALREADY),
        (Wanted(model="fraud"), mark, mark, Verdict.FILTERED),
    ):
        found = judge(letter(), wanted=wanted, partitions=PARTITIONS, receipts=receipts, seen=seen)
        assert found is expected


def test_a_receipt_is_known_by_its_letter_and_is_no_letter_itself() -> None:
    receipt = receipt_of(letter())
    assert read_receipt(receipt) == mark_of(letter())
    assert read_letter(receipt) is None
    assert msgspec.json.decode(receipt) == {
        "id": letter().id,
        "redriven": True,
        "sha256": letter().sha256,
    }


@pytest.mark.parametrize("value", [None, b"", b"nothing", b"[]", b"\xff", b'{"id": 1}', letter_bytes()])
def test_whatever_else_the_topic_holds_is_no_receipt(value: bytes | None) -> None:
    assert read_receipt(value) is None


@pytest.mark.parametrize("value", [b"", b"nothing", b"[]", b"\xff", b'{"id": "p:0:1"}'])
def test_what_is_no_letter_is_told_apart(value: bytes) -> None:
    assert read_letter(value) is None


def test_another_record_under_the_id_of_a_topic_that_was_made_anew_is_another_letter() -> None:
    assert mark_of(letter(b"one")) != mark_of(letter(b"two"))


@pytest.mark.parametrize("key", [None, b"", b"\xff\x00", b"k" * 5000, b"k" * KEY_BYTES_MAX])
def test_key_and_value_come_back_as_they_were(key: bytes | None) -> None:
    assert original_of(letter(b"\x00\xff{", key)) == (key, b"\x00\xff{")


def test_a_cut_key_is_marked_and_an_oversize_value_keeps_its_beginning() -> None:
    cut = letter(BIG, b"k" * (KEY_BYTES_MAX + 1))
    assert (cut.key_truncated, cut.truncated, cut.size_bytes) == (True, True, len(BIG))
    assert base64.b64decode(cut.value) == BIG[:KEPT_BYTES]


def test_the_largest_letter_fits_the_limit_that_kafka_has_by_default() -> None:
    largest = letter_bytes(b"x" * 675_000, b"k" * (KEY_BYTES_MAX + 1))
    assert len(largest) < 1_000_000


def test_verdicts_that_are_failures_are_none_of_the_peaceful_ones() -> None:
    peaceful = {
        Verdict.REDRIVEN,
        Verdict.REREAD,
        Verdict.FILTERED,
        Verdict.ALREADY,
        Verdict.REPEATED,
        Verdict.UNDELIVERED,
    }
    assert {*FAILURES} == {*Verdict} - peaceful - {Verdict.EMPTY}
