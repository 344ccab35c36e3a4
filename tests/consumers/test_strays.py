"""Labels in the wrong partition: what is sampled, when it is told, and who placed them there."""

from __future__ import annotations

import zlib

import pytest

from consumers.strays import SAMPLE_MAX, Strays, explain_partitioners, judge_strays, murmur2

COUNT = 6


@pytest.mark.parametrize(
    ("key", "expected"),
    # Apache Kafka's own test vectors (UtilsTest).
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_is_the_one_of_kafkas_java_clients(key: bytes, expected: int) -> None:
    assert murmur2(key) == expected & 0xFFFF_FFFF


def keys_in(partition: int, *, java: bool) -> list[bytes | None]:
    keys = [f"id-{i}".encode() for i in range(1000)]
    way = (lambda k: murmur2(k) & 0x7FFF_FFFF) if java else zlib.crc32
    return [*[key for key in keys if way(key) % COUNT == partition][:20]]


@pytest.mark.parametrize(
    ("predictions", "labels", "said"),
    [
        (keys_in(2, java=False), keys_in(2, java=True), ("crc32", "murmur2")),
        (keys_in(2, java=True), keys_in(2, java=False), ("murmur2", "crc32")),
        (keys_in(2, java=False), [None, None], ("crc32", "no key")),
        ([], [b"x"] * 3 + keys_in(3, java=False), ("not known", "neither")),
    ],
)
def test_keys_tell_which_partitioner_placed_a_record(
    predictions: list[bytes | None], labels: list[bytes | None], said: tuple[str, str]
) -> None:
    found = explain_partitioners(predictions, labels, partition=2, count=COUNT)
    assert str(found["predictions_by"]).startswith(said[0])
    assert str(found["labels_by"]).startswith(said[1])


@pytest.mark.parametrize(
    ("asked", "found", "said"),
    [
        (64, {1: 2, 4: 1}, True),
        (64, {1: 2}, None),
        (64, {}, False),
        (32, {}, False),
        (31, {}, None),
        (0, {}, None),
    ],
)
def test_three_labels_found_elsewhere_are_told_and_none_of_many_ends_it(
    asked: int, found: dict[int, int], said: bool | None
) -> None:
    assert judge_strays(asked, found) is said


def test_only_labels_without_a_prediction_are_sampled_and_only_so_many() -> None:
    strays = Strays()
    strays.take_ids([b"known", b"fresh", b"lonely"], {b"known": b"entry"}, {b"fresh"})
    assert list(strays.ids) == [b"lonely"]
    strays.take_ids([str(i).encode() for i in range(1000)], {}, set())
    assert len(strays.ids) == SAMPLE_MAX
