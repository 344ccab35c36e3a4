"""Seeded streams of prediction and ground-truth events, with every kind of trouble the contract names.

Written from the contract, without the product. The same spec gives the same bytes. Each list is in log order:
an event lies where its own time puts it, give or take `disorder_s`, so that no event is more than `disorder_s`
older than the newest before it. An early label is early only beside the other topic.
"""

import heapq
import json
import random
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from operator import itemgetter
from pathlib import Path
from typing import Literal

import numpy as np
from confluent_kafka import KafkaError, KafkaException, Message, Producer

Event = dict[str, object]
Entry = tuple[float, bytes, bytes]  # arrival in epoch milliseconds, key, value

POSITIVE_CLASS, NEGATIVE_CLASS = "fraud", "ok"
CLASSES = ("bronze", "silver", "gold", "none")  # of a multiclass model
UNKNOWN_MODEL = "unlisted"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ABROAD = timezone(timedelta(hours=2))
_WORDS = ("DE", "FR", "PL", "Österreich", "a\u2028b", "")  # not ASCII, a line separator, empty


@dataclass(frozen=True, slots=True)
class ModelStream:
    """One model's part of the traffic; `share` and the versions' shares are relative weights."""

    name: str = "fraud"
    task: Literal["binary", "multiclass", "regression"] = "binary"
    versions: tuple[tuple[str, float], ...] = (("7", 0.8), ("8", 0.2))
    share: float = 1.0
    shadow_version: str = "shadow"


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """What a stream holds.

    `predictions` counts distinct accepted ids; duplicates, shadows, poison and unknown models come on top.
    The last block holds shares, from 0 to 1, of `predictions`, and for duplicate labels, corrections and
    conflicts of the labelled ones. Unlabelled, early and late ones are disjoint.
    """

    seed: int = 0
    predictions: int = 10_000
    models: tuple[ModelStream, ...] = (ModelStream(),)
    segments: tuple[tuple[str, tuple[str, ...]], ...] = (("channel", ("web", "app", "branch")),)
    numeric_features: int = 3
    categorical_features: int = 2
    rate_per_s: float = 100.0
    start_ms: int = 1_736_121_600_000  # 2025-01-06, so that no label of the default horizon is in the future
    label_delay: Literal["uniform", "lognormal"] = "uniform"
    label_delay_median_s: float = 3_600.0  # of the lognormal
    label_delay_sigma: float = 1.5
    label_horizon_s: float = 14 * 86_400.0
    late_memory_s: float = 7 * 86_400.0
    disorder_s: float = 20.0
    id_style: Literal["uuid7", "uuid4"] = "uuid7"

    duplicate_predictions: float = 0.01
    duplicate_labels: float = 0.01
    corrections: float = 0.02
    conflicts: float = 0.005
    orphan_labels: float = 0.01
    early_labels: float = 0.01
    late_labels: float = 0.01
    unlabelled: float = 0.1
    poison: float = 0.005
    unknown_models: float = 0.005
    nan_features: float = 0.01
    wrong_typed_features: float = 0.01
    null_features: float = 0.02
    fallbacks: float = 0.01
    errors: float = 0.01
    shadows: float = 0.02
    partial_probabilities: float = 0.0  # of a multiclass model: not of all classes, or not adding up


@dataclass(frozen=True, slots=True)
class Stream:
    """Both topics as (key, value) in log order, with the arrival of each event in epoch milliseconds."""

    predictions: list[tuple[bytes, bytes]]
    labels: list[tuple[bytes, bytes]]
    prediction_arrivals_ms: list[float]
    label_arrivals_ms: list[float]


def generate(spec: StreamSpec) -> Stream:
    """Make the stream of `spec`; needs memory for all of it."""
    numbers, draw = np.random.default_rng(spec.seed), random.Random(spec.seed)
    writer = _Writer(spec, draw)
    models = _Draws(spec, numbers)
    for index in range(spec.predictions):
        writer.write_case(models, index)
    writer.write_strangers()
    poison = round(spec.poison * spec.predictions)
    predictions = writer.predictions + writer.poisoned(writer.predictions, poison, "output")
    labels = writer.labels + writer.poisoned(writer.labels, poison, "revision")
    predictions.sort(key=itemgetter(0))
    labels.sort(key=itemgetter(0))
    return Stream(
        predictions=[entry[1:] for entry in predictions],
        labels=[entry[1:] for entry in labels],
        prediction_arrivals_ms=[entry[0] for entry in predictions],
        label_arrivals_ms=[entry[0] for entry in labels],
    )


class _Draws:
    """The bulk of the random numbers, drawn in columns because that is what makes it quick."""

    def __init__(self, spec: StreamSpec, numbers: np.random.Generator) -> None:
        count, gap_ms = spec.predictions, 1000 / spec.rate_per_s
        self.times_ms: list[int] = (
            spec.start_ms + np.cumsum(numbers.exponential(gap_ms, count)).astype(np.int64)
        ).tolist()
        shares = np.array([model.share for model in spec.models])
        self.models: list[int] = numbers.choice(len(spec.models), count, p=shares / shares.sum()).tolist()
        self.versions: list[float] = numbers.random(count).tolist()
        self.numeric: list[list[float]] = (
            numbers.normal(50, 20, (count, spec.numeric_features)).round(4).tolist()
        )
        self.words: list[list[int]] = numbers.integers(
            len(_WORDS), size=(count, spec.categorical_features)
        ).tolist()
        # Scores keep away from 0 and 1, where log_loss depends on how it is clipped.
        self.scores: list[float] = numbers.uniform(0.001, 0.999, count).round(6).tolist()
        self.probabilities: list[list[float]] = (
            numbers.dirichlet([1.0] * len(CLASSES), count).round(6).tolist()
        )
        self.values: list[float] = numbers.normal(100, 20, count).round(4).tolist()
        self.luck: list[float] = numbers.random(count).tolist()
        if spec.label_delay == "uniform":
            delays_s = numbers.uniform(0, spec.label_horizon_s, count)
        else:
            delays_s = numbers.lognormal(np.log(spec.label_delay_median_s), spec.label_delay_sigma, count)
        delays_s = np.minimum(delays_s, spec.label_horizon_s)
        self.delays_ms: list[int] = (delays_s * 1000).astype(np.int64).tolist()
        self.names = [f"n{i}" for i in range(spec.numeric_features)]
        self.names += [f"c{i}" for i in range(spec.categorical_features)]


class _Writer:
    def __init__(self, spec: StreamSpec, draw: random.Random) -> None:
        self.spec, self.draw = spec, draw
        self.predictions: list[Entry] = []
        self.labels: list[Entry] = []

    def happens(self, share: float) -> bool:
        return self.draw.random() < share

    def put(self, log: list[Entry], time_ms: int, event: Event) -> None:
        arrival_ms = time_ms + self.draw.random() * self.spec.disorder_s * 1000
        key = str(event["prediction_id"]).encode()
        log.append((arrival_ms, key, json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()))

    def new_id(self, time_ms: int) -> str:
        bits = self.draw.getrandbits(128)
        if self.spec.id_style == "uuid7":
            bits = bits & ((1 << 80) - 1) | time_ms << 80
        version = 7 if self.spec.id_style == "uuid7" else 4
        bits = bits & ~(0xF << 76) & ~(0x3 << 62) | version << 76 | 0x2 << 62
        text = f"{bits:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def write_case(self, draws: _Draws, index: int) -> None:
        """Write one prediction with everything that follows from it, in both logs."""
        spec, time_ms = self.spec, draws.times_ms[index]
        model = spec.models[draws.models[index]]
        prediction_id = self.new_id(time_ms)
        event: Event = {
            "prediction_id": prediction_id,
            "model": model.name,
            "version": _pick(model.versions, draws.versions[index]),
            "time": _spell(time_ms),
            "features": self.features(draws, index),
            "segments": {name: self.draw.choice(values) for name, values in spec.segments},
            "latency_ms": round(self.draw.expovariate(0.1), 2),
            "status": "ok",
            "unlisted_field": [1, {"deep": None}],
        }
        output, truth, other = self.answer(model, draws, index)
        event |= self.outcome(output)
        self.put(self.predictions, time_ms, event)
        if self.happens(spec.duplicate_predictions):
            self.repeat_prediction(time_ms, event)
        if self.happens(spec.shadows):
            shadow_ms = time_ms + self.draw.randrange(1000)
            twist = {"version": model.shadow_version, "shadow": True, "time": _spell(shadow_ms)}
            self.put(self.predictions, shadow_ms, event | twist)
        label: Event = {"prediction_id": prediction_id, "model": model.name}
        if spec.id_style == "uuid7":
            label["prediction_time"] = _spell(time_ms)
        self.write_labels(label, time_ms, draws.delays_ms[index], truth, other)

    def features(self, draws: _Draws, index: int) -> Event:
        words = [_WORDS[code] for code in draws.words[index]]
        features: Event = dict(zip(draws.names, [*draws.numeric[index], *words], strict=True))
        numeric = self.spec.numeric_features
        if numeric and self.happens(self.spec.nan_features):
            features[draws.names[self.draw.randrange(numeric)]] = self.draw.choice(
                [float("nan"), float("inf"), float("-inf")]
            )
        if draws.names and self.happens(self.spec.wrong_typed_features):
            name = self.draw.choice(draws.names)
            features[name] = "n/a" if name.startswith("n") else {"code": 1}
        if draws.names and self.happens(self.spec.null_features):
            name = self.draw.choice(draws.names)
            if self.happens(0.5):
                features[name] = None
            else:
                del features[name]
        return features

    def outcome(self, output: Event) -> Event:
        fate = self.draw.random()
        if fate < self.spec.errors:
            return {"status": "error", "error": "timeout", "output": None}
        if fate < self.spec.errors + self.spec.fallbacks:
            return {"status": "fallback", "output": output}
        return {"output": output}

    def answer(self, model: ModelStream, draws: _Draws, index: int) -> tuple[Event, Event, Event]:
        """Return an output, the truth that belongs to it, and another truth for corrections and conflicts."""
        luck = draws.luck[index]
        if model.task == "regression":
            value = draws.values[index]
            truth = round(value + 10 * luck - 4, 4)
            return {"value": value}, {"value": truth}, {"value": truth + 1}
        if model.task == "multiclass":
            shares = draws.probabilities[index]
            output: Event = {"probabilities": dict(zip(CLASSES, shares, strict=True))}
            if self.spec.partial_probabilities and self.happens(self.spec.partial_probabilities):
                output = {"probabilities": self.partial(shares)}
            if self.happens(0.1):
                output["label"] = self.draw.choice(CLASSES)
            true = _pick(tuple(zip(CLASSES, shares, strict=True)), luck)
            other = CLASSES[(CLASSES.index(true) + 1) % len(CLASSES)]
            return output, {"label": true}, {"label": other}
        score = draws.scores[index]
        classes = (POSITIVE_CLASS, NEGATIVE_CLASS) if luck < score else (NEGATIVE_CLASS, POSITIVE_CLASS)
        return self.binary_output(score), {"label": classes[0]}, {"label": classes[1]}

    def partial(self, shares: list[float]) -> dict[str, float]:
        given = dict(zip(CLASSES, shares, strict=True))
        left_out = self.draw.choice(CLASSES)
        if self.happens(0.5):
            del given[left_out]
            whole = sum(given.values()) if self.happens(0.5) else 1.0
            return {name: round(share / whole, 6) for name, share in given.items()}
        return given | {left_out: round(given[left_out] / 2, 6)}

    def binary_output(self, score: float) -> Event:
        form = self.draw.random()
        if form < 0.1:  # label wins over score, also where they disagree
            return {"label": self.draw.choice([POSITIVE_CLASS, NEGATIVE_CLASS]), "score": score}
        if form < 0.25:
            return {"probabilities": {POSITIVE_CLASS: score, NEGATIVE_CLASS: round(1 - score, 6)}}
        return {"score": score}

    def repeat_prediction(self, time_ms: int, event: Event) -> None:
        if self.happens(0.5):
            self.put(self.predictions, time_ms, event)
            return
        later_ms = time_ms + 1 + self.draw.randrange(60_000)
        self.put(self.predictions, later_ms, event | {"time": _spell(later_ms), "features": {}})

    def write_labels(self, label: Event, time_ms: int, delay_ms: int, truth: Event, other: Event) -> None:
        spec, fate = self.spec, self.draw.random()
        if fate < spec.unlabelled:
            return
        if fate < spec.unlabelled + spec.early_labels:
            delay_ms = -1 - self.draw.randrange(600_000)
        elif fate < spec.unlabelled + spec.early_labels + spec.late_labels:
            # Two in three are counted as late, the third comes when the prediction is forgotten.
            delay_ms = (
                round(1000 * (spec.label_horizon_s + 1.5 * spec.late_memory_s * self.draw.random())) + 1
            )
        at_ms = time_ms + delay_ms
        self.put_label(at_ms, label | truth)
        if self.happens(spec.duplicate_labels):
            self.put_label(at_ms + self.draw.choice([0, 1_000, 3_600_000]), label | truth)
        if self.happens(spec.conflicts):
            self.put_label(self.after(at_ms), label | other | {"revision": 0})
        if self.happens(spec.corrections):
            later_ms, content = self.after(at_ms), truth if self.happens(0.1) else other
            self.put_label(later_ms, label | content | {"revision": 1})
            if self.happens(0.3):  # half of the second revisions overtake the first
                second_ms = self.after(later_ms) if self.happens(0.5) else (at_ms + later_ms) // 2
                self.put_label(second_ms, label | truth | {"revision": 2})

    def put_label(self, time_ms: int, event: Event) -> None:
        self.put(self.labels, time_ms, event | {"time": _spell(time_ms)})

    def after(self, time_ms: int) -> int:
        return time_ms + round(2_000 * self.spec.disorder_s) + self.draw.randrange(3_600_000)

    def write_strangers(self) -> None:
        """Add labels without a prediction, and both kinds of event for a model that is not listed."""
        spec, draw = self.spec, self.draw
        horizon_ms, bases = round(spec.label_horizon_s * 1000), self.predictions[:]
        for _ in range(round(spec.orphan_labels * spec.predictions)):
            model, time_ms = draw.choice(spec.models), int(draw.choice(bases)[0])
            label: Event = {"prediction_id": self.new_id(time_ms), "model": model.name}
            content: Event = {"value": 1.5} if model.task == "regression" else {"label": NEGATIVE_CLASS}
            content |= {"prediction_time": _spell(time_ms)} if spec.id_style == "uuid7" else {}
            self.put_label(time_ms + draw.randrange(horizon_ms), label | content)
        for _ in range(round(spec.unknown_models * spec.predictions)):
            time_ms = int(draw.choice(bases)[0])
            event: Event = {"prediction_id": self.new_id(time_ms), "model": UNKNOWN_MODEL}
            output = {"time": _spell(time_ms), "features": {}, "output": {"score": 0.5}}
            self.put(self.predictions, time_ms, event | output)
            self.put_label(time_ms + draw.randrange(horizon_ms), event | {"label": NEGATIVE_CLASS})

    def poisoned(self, log: Sequence[Entry], count: int, mistyped: str) -> list[Entry]:
        """Spoil copies of entries, each kind in turn; every one is rejected and none holds a raw newline."""
        kinds: list[Callable[[bytes], bytes]] = [
            lambda value: value[: self.draw.randrange(1, len(value))],
            lambda _: self.draw.choice([b"[1,2]", b'"text"', b"42", b"null", b"true"]),
            lambda value: _changed(value, prediction_id=None),
            lambda value: _changed(value, **self.draw.choice([{mistyped: "much"}, {"time": "noon"}])),
            lambda value: _changed(value, prediction_id=self.draw.choice([7, True, ["x"], "", "x" * 129])),
            lambda value: value[:2] + self.draw.choice([b"\xff", b"\xc3\x28", b"\xed\xa0\x80"]) + value[2:],
            lambda _: b"",
        ]
        listed = [entry for entry in log if f'"{UNKNOWN_MODEL}"'.encode() not in entry[2]]
        entries = [self.draw.choice(listed) for _ in range(count)] if listed else []
        return [
            (arrival, key, kinds[i % len(kinds)](value)) for i, (arrival, key, value) in enumerate(entries)
        ]


def _changed(value: bytes, **fields: object) -> bytes:
    event = json.loads(value) | {"status": "ok"} | fields  # an error's output would not be looked at
    kept = {name: raw for name, raw in event.items() if name != "prediction_id" or raw is not None}
    return json.dumps(kept, separators=(",", ":")).encode()


def _pick(shares: Sequence[tuple[str, float]], luck: float) -> str:
    left = luck * sum(share for _, share in shares)
    for name, share in shares:
        left -= share
        if left < 0:
            return name
    return shares[-1][0]


def _spell(time_ms: int) -> str | int:
    """Write a time in one of the contract's spellings, the same one for the same time."""
    if time_ms % 20 == 0:
        return time_ms
    moment = _EPOCH + timedelta(milliseconds=time_ms)
    if time_ms % 20 == 1:
        return moment.astimezone(_ABROAD).isoformat(timespec="milliseconds")
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def write_jsonl(stream: Stream, predictions_path: Path, labels_path: Path) -> None:
    """Write one line for each event, poison included: a line may be empty or no valid UTF-8."""
    for path, log in ((predictions_path, stream.predictions), (labels_path, stream.labels)):
        path.write_bytes(b"".join(value + b"\n" for _, value in log))


def produce(
    stream: Stream, bootstrap: str, predictions_topic: str, labels_topic: str, partitions: int
) -> None:
    """Send both logs, interleaved by arrival, each event to partition crc32(key) modulo `partitions`.

    Record timestamps are left to the client: a broker may delete or refuse records stamped with event time.

    Raises
    ------
    KafkaException
        If any record was not acknowledged.
    """
    failures: list[KafkaError] = []

    def note(fault: KafkaError | None, _: Message) -> None:
        if fault is not None:
            failures.append(fault)

    topics = [predictions_topic] * len(stream.predictions), [labels_topic] * len(stream.labels)
    predictions = zip(stream.prediction_arrivals_ms, stream.predictions, topics[0], strict=True)
    labels = zip(stream.label_arrivals_ms, stream.labels, topics[1], strict=True)
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 20})
    for _, (key, value), topic in heapq.merge(predictions, labels, key=itemgetter(0)):
        while len(producer) > 50_000:  # below the client's own limit of queued records
            producer.poll(0.1)
        producer.produce(topic, value, key, zlib.crc32(key) % partitions, on_delivery=note)
    producer.flush()
    if failures:
        raise KafkaException(failures[0])
