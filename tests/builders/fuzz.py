"""Seeded messages that no producer should send, among good ones: everything that bytes can do to a worker."""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from heapq import merge
from operator import itemgetter

from independent.recount import ModelRules, RejectedError
from independent.rejections import time_and_id
from independent.stream import Stream

FUZZED_SHARE = 0.7
UNDECODABLE_SHARE_MAX = 0.35
"""Of the bytes so far; the worker stops where most bytes cannot be decoded, and that is not what is tested."""

PADDING = b"x" * 200_000
DAY_US = 86_400_000_000
FUTURE = b'"2199-01-01T00:00:00Z"'
LITERALS = [
    *(
        b"null",
        b"true",
        b"false",
        b"[]",
        b"{}",
        b"[[[[]]]]",
        b'{"a":{"b":[1,{}]}}',
        b"0",
        b"1",
        b"-1",
        b"1.0",
    ),
    *(
        b"1e999",
        b"-1e999",
        b"1e-999",
        b"1e308",
        b"1E+0999999999999",
        b"-0.0",
        b"-0",
        b"0.5",
        b"01",
        b"1.",
        b"+1",
    ),
    *(b"NaN", b"Infinity", b"-Infinity", b"nan", b"9" * 400, b"-" + b"9" * 400, b"9" * 5_000),
    *(b"9223372036854775807", b"9223372036854775808", b"4294967295", b"4294967296", b"1736121700000"),
    *(
        b'""',
        b'"\\u0000"',
        b'"\\ud800"',
        b'"\\udc00x"',
        b'"\\ud83d\\udca9"',
        b'"\xf0\x9f\x92\xa9"',
        b'"\xff"',
    ),
    *(
        b'"\xed\xa0\x80"',
        b'"a\x00b"',
        b'"\\u001f"',
        b'"\\q"',
        b'"' + b"x" * 129 + b'"',
        b'"fraud"',
        b'"error"',
    ),
    *(b'"2025-01-06T00:10:00.123456789+14:00"', b'"2025-01-06t00:10:00z"', b'"2025-01-06T23:59:60Z"'),
    *(b'"2025-01-06T00:10:60Z"', b'"2025-02-30T00:00:00Z"', b'"2025-01-06T24:00:00Z"', FUTURE),
]
FIELDS = (
    *("prediction_id", "model", "time", "version", "features", "output", "segments", "latency_ms", "status"),
    *("shadow", "weight", "error", "trace_id", "received_at", "unlisted_field", "label", "value", "revision"),
    *("prediction_time", "output.score", "output.label", "output.probabilities", "output.value"),
    *("output.decision", "features.n0", "features.c0", "features.c1", "features.new", "segments.channel"),
)
DEPTHS = (3_000, 5_000, 30_000)
HEAVY_SHARE = 0.001


@dataclass(frozen=True, slots=True)
class Sent:
    """One record."""

    is_label: bool
    partition: int
    key: bytes | None
    value: bytes | None


class Fuzzer:
    """Good events of a stream with fuzzed ones in between, made of those that came lately.

    What the contract accepts lies within a day of the stream, so that no record is too old for the recount's
    simple reading of time; or it is far in the future.

    Parameters
    ----------
    start_us
        Where the stream begins.
    """

    def __init__(
        self, events: Stream, models: Mapping[str, ModelRules], *, partitions: int, seed: int, start_us: int
    ) -> None:
        self._draw = random.Random(seed)
        self._events = events
        self._models = models
        self._partitions = partitions
        self._start_us = start_us
        self._bytes = [[0, 0] for _ in range(partitions)]
        mutations: list[tuple[Callable[[Sent], Sent], int]] = [
            (self._flipped, 25), (self._spliced, 12), (self._odd_value, 28), (self._repeated_key, 6),
            (self._truncated, 8), (self._bad_utf8, 8), (self._junk, 8), (self._other_topic, 4),
            (self._odd_key, 4), (self._deep, 1),
        ]  # fmt: skip
        self._mutations = [each for each, _ in mutations]
        self._weights = [weight for _, weight in mutations]

    def messages(self, count: int, *, huge_every: int) -> Iterator[Sent]:
        """Yield `count` records; each `huge_every`-th has ten megabytes."""
        good = self._good()
        lately: list[Sent] = [next(good)]
        for number in range(count):
            if number % huge_every == huge_every // 2:
                yield self._huge(self._draw.choice(lately))
            elif self._draw.random() < FUZZED_SHARE and (fuzzed := self._fuzzed(lately)) is not None:
                yield fuzzed
            else:
                event = next(good)
                lately = [*lately[-200:], event]
                yield self._counted(event)

    def _good(self) -> Iterator[Sent]:
        sides = (
            [(at, is_label, event) for at, event in zip(arrivals, log, strict=True)]
            for is_label, arrivals, log in (
                (False, self._events.prediction_arrivals_ms, self._events.predictions),
                (True, self._events.label_arrivals_ms, self._events.labels),
            )
        )
        for _, is_label, (key, value) in merge(*sides, key=itemgetter(0)):
            yield Sent(is_label, zlib.crc32(key) % self._partitions, key, value)

    def _fuzzed(self, lately: list[Sent]) -> Sent | None:
        """Return a fuzzed record, None where a good one is due."""
        (mutate,) = self._draw.choices(self._mutations, self._weights)
        made = mutate(self._draw.choice(lately))
        if self._draw.random() < HEAVY_SHARE:
            made = replace(made, value=(made.value or b"") + PADDING)
        size = len(made.value or b"")
        try:
            at_us, prediction_id = time_and_id(made.value, self._models, is_label=made.is_label)
        except RejectedError:
            total, bad = self._bytes[made.partition]
            full = bad + size > UNDECODABLE_SHARE_MAX * (total + size)
            return None if full else self._counted(made, undecodable=size)
        away_us = at_us - self._start_us
        fits = abs(away_us) < DAY_US or away_us > 10_000 * DAY_US
        made = replace(made, partition=zlib.crc32(prediction_id.encode()) % self._partitions)
        return self._counted(made) if fits else None

    def _counted(self, sent: Sent, *, undecodable: int = 0) -> Sent:
        self._bytes[sent.partition][0] += len(sent.value or b"")
        self._bytes[sent.partition][1] += undecodable
        return sent

    def _huge(self, sent: Sent) -> Sent:
        size = self._draw.choice([1_000_000, 1_000_001, 10_000_000, 10_000_000, 11_500_000])
        value = sent.value or b""
        return replace(sent, value=value + b" " * (size - len(value)))

    def _flipped(self, sent: Sent) -> Sent:
        value = bytearray(sent.value or b"")
        for _ in range(self._draw.choice([1, 1, 1, 2, 4])):
            value[self._draw.randrange(len(value))] = self._draw.choice(
                [self._draw.randrange(256), *b'"{}[],:0123456789-.eEnNtf\\u']
            )
        return replace(sent, value=bytes(value))

    def _spliced(self, sent: Sent) -> Sent:
        value = sent.value or b""
        at, length = self._draw.randrange(len(value)), self._draw.randrange(1, 12)
        put = value[at : at + length] * 2 if self._draw.random() < 0.5 else b""
        return replace(sent, value=value[:at] + put + value[at + length :])

    def _odd_value(self, sent: Sent) -> Sent:
        event, name = json.loads(sent.value or b"{}"), self._draw.choice(FIELDS)
        holder, _, inner = name.partition(".")
        place = event
        if inner:
            place = event[holder] = event[holder] if isinstance(event.get(holder), dict) else {}
        place[inner or holder] = "@odd@"
        text = json.dumps(event, ensure_ascii=False).encode()
        return replace(sent, value=text.replace(b'"@odd@"', self._draw.choice(LITERALS)))

    def _repeated_key(self, sent: Sent) -> Sent:
        name = self._draw.choice([name for name in FIELDS if "." not in name]).encode()
        twin = b'"%s":%s,' % (name, self._draw.choice(LITERALS))
        value = sent.value or b""
        if self._draw.random() < 0.5:
            return replace(sent, value=b"{" + twin + value[1:])
        return replace(sent, value=value[:-1] + b"," + twin[:-1] + b"}")

    def _truncated(self, sent: Sent) -> Sent:
        value = sent.value or b""
        return replace(sent, value=value[: self._draw.randrange(len(value))])

    def _bad_utf8(self, sent: Sent) -> Sent:
        value = sent.value or b""
        places = [at for at, byte in enumerate(value) if byte == ord('"')]
        at = self._draw.choice(places) + self._draw.choice([0, 1])
        bad = self._draw.choice([b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\xc0\xaf"])
        return replace(sent, value=value[:at] + bad + value[at:])

    def _junk(self, sent: Sent) -> Sent:
        value = sent.value or b""
        junk: list[bytes | None] = [
            None, b"", b" ", b"null", b"[]", b'"x"', b"42", b"{}", b"\x00", b"\xef\xbb\xbf" + value, value + b"\x00",
            value + value, value.decode().encode("utf-16"), self._draw.randbytes(self._draw.randrange(1, 300)),
            zlib.compress(value), b"\x00\x00\x00\x00\x01" + value,
        ]  # fmt: skip
        return replace(sent, value=self._draw.choice(junk))

    def _other_topic(self, sent: Sent) -> Sent:
        return replace(sent, is_label=not sent.is_label)

    def _odd_key(self, sent: Sent) -> Sent:
        key = self._draw.choice([None, None, None, b"", b"\xff\x00", (sent.key or b"k") * 3_000])
        return replace(sent, key=key)

    def _deep(self, sent: Sent) -> Sent:
        depth = self._draw.choice(DEPTHS)
        opened, closed = self._draw.choice([(b"[", b"]"), (b'{"a":', b"}")])
        inner = opened * depth + b"1" + closed * depth
        event = json.loads(sent.value or b"{}")
        holder = event["features"] = dict(event.get("features") or {})
        (event if self._draw.random() < 0.5 else holder)["n0"] = "@deep@"
        return replace(sent, value=json.dumps(event).encode().replace(b'"@deep@"', inner))
