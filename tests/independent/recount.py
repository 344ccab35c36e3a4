"""Watchkeeper's counts recomputed from the contract alone: the independent side of the end-to-end proof.

Nothing is imported from the product: a reading that both sides share by import would prove nothing.
Clarity comes before speed: one event at a time, one flat tally by path, all predictions first and then all
labels, which is allowed because the contract says that the interleaving of the two inputs changes nothing.
Times are integer microseconds; classes are their JSON text, so that 1, "1" and true stay three classes.
"""

import itertools
import json
import math
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeGuard

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

Content = str | float  # a class as JSON text, or a regression value
Shares = Mapping[Content, float]  # of all classes; empty where they are not known
Outcome = tuple[Content, Content, float | None, Shares]  # answer, truth, score
Path = tuple[str, ...]
Report = Mapping[str, object]
Values = Iterable[bytes | None]
Record = tuple[str, int, int, bytes | None, bytes | None]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_MS_MAX = 7_289_654_399_999  # the end of the year 2200; the first is 1970
_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ]((?:[01]\d|2[0-3]):[0-5]\d):([0-5]\d|60)"
    r"(?:\.(\d{1,32}))?(Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)
_NOT_POSITIVE = "not positive"  # what a low score says; no JSON text, so it equals no class
_PROBABILITY_MIN = 1e-15  # keeps log_loss finite for a score of exactly 0 or 1
_REASONS = ("decode", "contract", "unknown_model")
_PLAIN = (
    *("predictions", "labels", "joined", "corrections", "conflicts", "late"),
    *("expired", "pending", "implicit", "unobservable"),
)
_DUPLICATES = (("duplicates", "predictions"), ("duplicates", "labels"))
_STATUSES = (("status", "ok"), ("status", "fallback"), ("status", "error"))
_VERSION_COUNTS: list[Path] = [*((name,) for name in _PLAIN), *_DUPLICATES, *_STATUSES]


class RejectedError(Exception):
    """An event that counts as rejected; its argument is decode, contract or unknown_model."""


@dataclass(frozen=True, slots=True)
class ModelRules:
    """What the settings say about one model, as far as the counts depend on it; durations in seconds."""

    task: Literal["binary", "multiclass", "regression"]
    positive_class: str | int | None = None
    threshold: float = 0.5
    classes: Mapping[str, Sequence[str | int]] = field(default_factory=dict)  # name -> every spelling
    label_horizon_s: float = 14 * 86_400.0
    late_memory_s: float = 7 * 86_400.0
    window_s: float = 60.0
    features: Mapping[str, Literal["numeric", "categorical"]] = field(default_factory=dict)
    implicit: tuple[str | int, float] | None = None  # the class that silence means, after so many seconds
    unlabelled: Sequence[str | int] = ()  # decisions after which no label ever comes

    def class_of(self, raw: object) -> str:
        """Return the JSON text of the class that `raw` spells."""
        text = json.dumps(_label(raw))
        names = [name for name, spellings in self.classes.items() if text in map(json.dumps, spellings)]
        return json.dumps(names[0]) if names else text

    def is_positive(self, content: Content) -> bool:
        return content == self.class_of(self.positive_class)

    def window_start(self, time_us: int) -> str:
        """Return the start of the epoch-aligned window around `time_us`, in epoch milliseconds."""
        return str(time_us // _us(self.window_s) * _us(self.window_s) // 1000)


@dataclass(slots=True)
class _Prediction:
    version: str
    time_us: int
    status: str
    shadow: bool
    features: dict[str, object]
    answer: Content | None  # None: status error
    score: float | None
    measured_as: str  # the version, fallback answers apart
    shares: Shares
    decision: object = None
    standing: tuple[int, Content] | None = None  # revision and content of the standing label


def recount(prediction_values: Values, label_values: Values, models: Mapping[str, ModelRules]) -> Report:
    """Count both inputs, each in log order, by "What the counts mean".

    Under `models/<model>` stand `versions/<version>` (counts and `metrics`; `<version>+fallback` has metrics
    only), `orphan_labels`, and by window start in epoch milliseconds `windows/<version>/<start>` and
    `errors_by_arrival/<version>/<start>`; under `rejected` stand `total` and `reasons`, by class.
    """
    books = _Books(models)
    books.open(("rejected",), [("total",), *(("reasons", name) for name in _REASONS)])
    for take, values in ((books.take_prediction, prediction_values), (books.take_label, label_values)):
        for value in values:
            try:
                take(value)
            except RejectedError as rejected:
                books.tally["rejected", "total"] += 1
                books.tally["rejected", "reasons", str(rejected)] += 1
    books.settle()
    return _nest(books.tally)


class _Books:  # one flat tally by path, and what must be remembered to fill it
    def __init__(self, rules: Mapping[str, ModelRules]) -> None:
        self.rules = rules
        self.tally: defaultdict[Path, float] = defaultdict(int)
        self.predictions: defaultdict[tuple[str, str], dict[str, _Prediction]] = defaultdict(dict)
        self.orphans: set[tuple[str, str]] = set()
        self.watermark_us: dict[str, int] = {}

    def open(self, at: Path, names: Iterable[Path]) -> None:
        for name in names:
            self.tally[*at, *name] += 0

    def take_prediction(self, value: bytes | None) -> None:
        event, model, prediction_id = _open_event(value, self.rules)
        prediction = _read_prediction(event, self.rules[model])
        self.watermark_us[model] = max(prediction.time_us, self.watermark_us.get(model, prediction.time_us))
        at = ("models", model, "versions", prediction.version)
        versions = self.predictions[model, prediction_id]
        if prediction.version in versions:
            self.tally[*at, "duplicates", "predictions"] += 1
            return
        versions[prediction.version] = prediction
        self.open(at, _VERSION_COUNTS)
        self.tally[*at, "predictions"] += 1
        self.tally[*at, "status", prediction.status] += 1
        self.count_window(model, prediction)

    def count_window(self, model: str, prediction: _Prediction) -> None:
        rules = self.rules[model]
        at = ("models", model, "windows", prediction.version, rules.window_start(prediction.time_us))
        if (*at, "predictions") not in self.tally:
            faults = itertools.product(["features"], rules.features, ["missing", "invalid"])
            self.open(at, [("predictions",), ("shadow_predictions",), *faults])
        self.tally[*at, "shadow_predictions" if prediction.shadow else "predictions"] += 1
        for name, kind in rules.features.items():
            fault = _feature_fault(prediction.features.get(name), kind)
            if fault and not prediction.shadow:
                self.tally[*at, "features", name, fault] += 1

    def take_label(self, value: bytes | None) -> None:
        event, model, prediction_id = _open_event(value, self.rules)
        rules, is_known = self.rules[model], False
        time_us, revision, content = _read_label(event, rules)
        self.watermark_us[model] = max(time_us, self.watermark_us.get(model, time_us))
        for version, prediction in self.predictions.get((model, prediction_id), {}).items():
            age_us = time_us - prediction.time_us
            if age_us > _us(rules.label_horizon_s) + _us(rules.late_memory_s):
                continue  # this version's prediction is forgotten
            is_known = True
            fate = _join(prediction, revision, content) if age_us <= _us(rules.label_horizon_s) else ("late",)
            self.tally["models", model, "versions", version, "labels"] += 1
            self.tally["models", model, "versions", version, *fate] += 1
            if fate == ("joined",):
                self.count_arrival(model, prediction, time_us)
        if not is_known:
            self.orphans.add((model, prediction_id))

    def count_arrival(self, model: str, prediction: _Prediction, label_us: int) -> None:
        if prediction.answer is None or prediction.standing is None:
            return  # status error: there is no answer to be wrong
        rules, prefix = self.rules[model], "shadow_" if prediction.shadow else ""
        answer, truth = prediction.answer, prediction.standing[1]
        start = rules.window_start(max(label_us, prediction.time_us))
        at = ("models", model, "errors_by_arrival", prediction.measured_as, start)
        self.open(at, [("joined",), ("shadow_joined",)])
        self.tally[*at, f"{prefix}joined"] += 1
        if rules.task == "binary":
            answer, truth = rules.is_positive(answer), rules.is_positive(truth)
        if rules.task != "regression":  # there an answer that is off is not simply wrong
            self.open(at, [("wrong",), ("shadow_wrong",)])
            self.tally[*at, f"{prefix}wrong"] += answer != truth

    def settle(self) -> None:
        """Add what only the end shows: orphans, the fate of the unlabelled, the metrics of the joined."""
        joined: defaultdict[tuple[str, str], list[Outcome]] = defaultdict(list)
        for (model, _), versions in self.predictions.items():
            for version, prediction in versions.items():
                truth = None if prediction.standing is None else prediction.standing[1]
                if truth is None:
                    fate, truth = self.fate_of_unlabelled(model, prediction)
                    self.tally["models", model, "versions", version, fate] += 1
                if truth is not None and prediction.answer is not None:
                    outcome = (prediction.answer, truth, prediction.score, prediction.shares)
                    joined[model, prediction.measured_as].append(outcome)
        for (model, version), outcomes in joined.items():
            for name, figure in _metrics(outcomes, self.rules[model]).items():
                self.tally["models", model, "versions", version, "metrics", *name] = figure
        for model in self.rules:
            self.tally["models", model, "orphan_labels"] = sum(of == model for of, _ in self.orphans)

    def fate_of_unlabelled(self, model: str, prediction: _Prediction) -> tuple[str, Content | None]:
        rules, age_us = self.rules[model], self.watermark_us[model] - prediction.time_us
        if json.dumps(prediction.decision) in map(json.dumps, rules.unlabelled):
            return "unobservable", None
        if rules.implicit is not None and age_us > _us(rules.implicit[1]):
            return "implicit", rules.class_of(rules.implicit[0])
        is_over = rules.implicit is None and age_us > _us(rules.label_horizon_s)
        return "expired" if is_over else "pending", None


def _join(prediction: _Prediction, revision: int, content: Content) -> Path:
    standing = prediction.standing
    if standing is None or revision > standing[0]:
        prediction.standing = (revision, content)
        return ("joined",) if standing is None else ("corrections",)
    return ("duplicates", "labels") if revision < standing[0] or content == standing[1] else ("conflicts",)


def _open_event(value: bytes | None, models: Mapping[str, ModelRules]) -> tuple[dict[str, object], str, str]:
    """Return the event without its null fields, for null means absent, its model and its prediction_id."""
    try:
        event = json.loads((value or b"").decode("utf-8"), parse_int=_whole)
    except (ValueError, RecursionError) as fault:
        raise RejectedError("decode") from fault
    if not isinstance(event, dict):
        raise RejectedError("decode")
    model, prediction_id = event.get("model"), event.get("prediction_id")
    if isinstance(model, str) and model not in models:
        raise RejectedError("unknown_model")
    if isinstance(model, str) and 1 <= len(_text(prediction_id)) <= 128:
        return {name: raw for name, raw in event.items() if raw is not None}, model, str(prediction_id)
    raise RejectedError("contract")


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) < 400 else float(digits)  # Python reads no very long ones; infinity


def _text(raw: object) -> str:
    try:
        if isinstance(raw, str) and raw.encode("utf-8") is not None:  # half of a surrogate pair has no bytes
            return raw
    except UnicodeEncodeError as fault:
        raise RejectedError("contract") from fault
    raise RejectedError("contract")


def _label(raw: object) -> str | int:
    if isinstance(raw, int) and -(2**63) <= raw < 2**63:  # bool is an int
        return raw
    return _text(raw)


def _us(seconds: float) -> int:
    return round(seconds * 1_000_000)


def _time_us(raw: object) -> int:
    if isinstance(raw, int) and not isinstance(raw, bool):
        time_ms = raw
    else:
        match = _RFC3339.fullmatch(raw.upper()) if isinstance(raw, str) and raw.isascii() else None
        if match is None:
            raise RejectedError("contract")
        time_ms = _text_ms(*match.groups())
    if 0 <= time_ms <= _EPOCH_MS_MAX:
        return time_ms * 1000
    raise RejectedError("contract")


def _text_ms(day: str, minute: str, second: str, fraction: str | None, offset: str) -> int:
    leaps = second == "60"
    try:
        moment = datetime.fromisoformat(f"{day}T{minute}:{'59' if leaps else second}{offset}")
    except ValueError as fault:
        raise RejectedError("contract") from fault
    whole_s = (moment - _EPOCH) // timedelta(seconds=1) + leaps
    if leaps and whole_s % 86_400:
        raise RejectedError("contract")
    return whole_s * 1000 + (0 if leaps else int(f"{fraction or ''}000"[:3]))


def _is_number(raw: object) -> TypeGuard[int | float]:
    # The bounds leave out infinities and integers beyond a double; NaN fails every comparison.
    return isinstance(raw, int | float) and not isinstance(raw, bool) and abs(raw) <= sys.float_info.max


def _number(raw: object, least: float = -math.inf, most: float = math.inf) -> float:
    if _is_number(raw) and least <= raw <= most:
        return float(raw)
    raise RejectedError("contract")


def _feature_fault(raw: object, kind: str) -> str:
    if raw is None:
        return "missing"
    return "" if _is_number(raw) or (kind == "categorical" and isinstance(raw, str | bool)) else "invalid"


def _read_prediction(event: dict[str, object], rules: ModelRules) -> _Prediction:
    version, status, shadow = event.get("version", "0"), event.get("status", "ok"), event.get("shadow", False)
    features, time_us = event.get("features", {}), _time_us(event.get("time"))
    if not (isinstance(shadow, bool) and isinstance(features, dict)):
        raise RejectedError("contract")
    if status not in ("ok", "fallback", "error"):
        raise RejectedError("contract")
    _number(event.get("weight", 1), least=0)
    _number(event.get("latency_ms", 0), least=0)
    _check_asides(event)
    output = _output(event.get("output", {}))
    answer, score = (None, None) if status == "error" else _answer(output, rules)
    measured_as = f"{version}+fallback" if status == "fallback" else str(version)
    return _Prediction(
        _text(version),
        time_us,
        str(status),
        shadow,
        features,
        answer,
        score,
        measured_as,
        _shares(output, rules) if rules.task == "multiclass" else {},
        output.get("decision"),
    )


def _check_asides(event: dict[str, object]) -> None:
    """Refuse what the contract refuses in fields that no count depends on."""
    for name in ("error", "trace_id"):
        _text(event.get(name, ""))
    if "received_at" in event:
        _time_us(event["received_at"])
    segments = event.get("segments", {})
    if not isinstance(segments, dict):
        raise RejectedError("contract")
    for name, raw in segments.items():
        _text(name)
        if isinstance(raw, float):
            _number(raw)
        elif raw is not None:
            _label(raw)


def _output(raw: object) -> dict[str, object]:
    if not isinstance(raw, dict):
        raise RejectedError("contract")
    output = {name: held for name, held in raw.items() if held is not None}
    probabilities = output.get("probabilities", {"": 0})
    if not isinstance(probabilities, dict) or not probabilities:
        raise RejectedError("contract")
    for name, share in probabilities.items():
        _number(share, 0, 1)
        _text(name)
    _number(output.get("score", 0), 0, 1)
    _number(output.get("value", 0))
    for name in ("label", "decision"):
        _label(output.get(name, ""))
    return output


def _answer(given: dict[str, object], rules: ModelRules) -> tuple[Content, float | None]:
    """Return the predicted class or value, and for a binary model the positive class's probability."""
    if rules.task == "regression":
        return _number(given.get("value")), None
    probabilities = given.get("probabilities", {})
    assert isinstance(probabilities, dict)
    shares = {rules.class_of(name): _number(raw, 0, 1) for name, raw in probabilities.items()}
    label, score = rules.class_of(given["label"]) if "label" in given else None, None
    if rules.task == "binary":
        positive = rules.class_of(rules.positive_class)
        score = _number(given["score"], 0, 1) if "score" in given else shares.get(positive)
        shares = {} if score is None else {positive if score >= rules.threshold else _NOT_POSITIVE: score}
    if label is None and not shares:
        raise RejectedError("contract")
    return label or max(shares, key=shares.__getitem__), score


def _shares(given: dict[str, object], rules: ModelRules) -> Shares:
    """Return the probability of every class; nothing where these are not the probabilities of all classes."""
    probabilities = given.get("probabilities", {})
    assert isinstance(probabilities, dict)
    shares: dict[Content, float] = {}
    for name, raw in probabilities.items():
        if rules.class_of(name) in shares:
            return {}
        shares[rules.class_of(name)] = _number(raw, 0, 1)
    is_whole = 1 < len(shares) <= 64 and abs(math.fsum(shares.values()) - 1) <= 0.01
    return shares if is_whole else {}


def _read_label(event: dict[str, object], rules: ModelRules) -> tuple[int, int, Content]:
    revision = event.get("revision", 0)
    if isinstance(revision, bool) or not isinstance(revision, int) or not 0 <= revision < 2**32:
        raise RejectedError("contract")
    if "prediction_time" in event:
        _time_us(event["prediction_time"])  # only a hint about where to look: sound, and then ignored
    time_us, label, value = _time_us(event.get("time")), event.get("label"), event.get("value")
    _label("" if label is None else label)
    _number(0 if value is None else value)
    return time_us, revision, _number(value) if rules.task == "regression" else rules.class_of(label)


def _metrics(outcomes: list[Outcome], rules: ModelRules) -> dict[Path, float]:
    # math.fsum rounds once, so that the order of the events cannot show in the last digits.
    count = len(outcomes)
    if rules.task == "regression":
        errors = [float(answer) - float(truth) for answer, truth, *_ in outcomes]
        mae, bias = math.fsum(map(abs, errors)) / count, math.fsum(errors) / count
        rmse = math.sqrt(math.fsum(error * error for error in errors) / count)
        return {("mae",): mae, ("rmse",): rmse, ("bias",): bias}
    if rules.task == "multiclass":
        confusion = Counter((str(truth), str(answer)) for answer, truth, *_ in outcomes)
        hits = sum(cell for (truth, answer), cell in confusion.items() if truth == answer)
        found = {("accuracy",): hits / count} | {("confusion", *at): cell for at, cell in confusion.items()}
        return found | _by_class([(shares, truth) for _, truth, _, shares in outcomes if truth in shares])
    cells = Counter((rules.is_positive(answer), rules.is_positive(truth)) for answer, truth, *_ in outcomes)
    scored = [(score, rules.is_positive(truth)) for _, truth, score, _ in outcomes if score is not None]
    return _decisions(cells) | (_probabilities(scored) if scored else {})


def _decisions(cells: Counter[tuple[bool, bool]]) -> dict[Path, float]:
    tp, fp, fn, tn = cells[True, True], cells[True, False], cells[False, True], cells[False, False]
    ratios = {"accuracy": (tp + tn, tp + fp + fn + tn), "precision": (tp, tp + fp), "recall": (tp, tp + fn)}
    ratios["f1"] = (2 * tp, 2 * tp + fp + fn)
    counts = {("confusion", name): n for name, n in (("tp", tp), ("fp", fp), ("fn", fn), ("tn", tn))}
    return counts | {(name,): top / bottom for name, (top, bottom) in ratios.items() if bottom}


def _probabilities(scored: list[tuple[float, bool]]) -> dict[Path, float]:
    given = [max(score if truth else 1 - score, _PROBABILITY_MIN) for score, truth in scored]
    brier = math.fsum((score - truth) ** 2 for score, truth in scored) / len(scored)
    return {("log_loss",): -math.fsum(map(math.log, given)) / len(scored), ("brier",): brier}


def _by_class(rows: list[tuple[Shares, Content]]) -> dict[Path, float]:
    if not rows:
        return {}
    losses = [-math.log(max(shares[truth], _PROBABILITY_MIN)) for shares, truth in rows]
    squares = [(share - (name == truth)) ** 2 for shares, truth in rows for name, share in shares.items()]
    return {("log_loss",): math.fsum(losses) / len(rows), ("brier",): math.fsum(squares) / len(rows)}


def _nest(tally: Mapping[Path, float]) -> Report:
    inner: defaultdict[str, dict[Path, float]] = defaultdict(dict)
    for (head, *rest), figure in tally.items():
        inner[head][tuple(rest)] = figure
    return {head: figures[()] if () in figures else _nest(figures) for head, figures in inner.items()}


def compare(expected: Report, actual: Report, *, relative_tolerance: float = 1e-9) -> list[str]:
    """List each differing leaf as "/path/to/leaf: expected X, got Y"; an empty branch has no leaf.

    Counts must be equal, other numbers close. In a path, "/" inside a key is "~1" and "~" is "~0".
    """
    wanted, got = dict(_leaves("", expected)), dict(_leaves("", actual))
    paths = sorted(wanted.keys() | got.keys())
    pairs = [(path, wanted.get(path, "nothing"), got.get(path, "nothing")) for path in paths]
    differing = [pair for pair in pairs if not _same(*pair[1:], relative_tolerance)]
    return [f"{path}: expected {left!r}, got {right!r}" for path, left, right in differing]


def _leaves(path: str, branch: object) -> Iterator[tuple[str, object]]:
    if isinstance(branch, Mapping):
        for key, inner in branch.items():
            yield from _leaves(f"{path}/{key.replace('~', '~0').replace('/', '~1')}", inner)
    else:
        yield path, branch


def _same(expected: object, actual: object, tolerance: float) -> bool:
    if isinstance(expected, float) and isinstance(actual, int | float) and not isinstance(actual, bool):
        return math.isclose(expected, actual, rel_tol=tolerance, abs_tol=tolerance)
    return type(expected) is type(actual) and expected == actual


def read_topics(bootstrap: str, topics: Iterable[str], *, stall_s: float = 30.0) -> Iterator[Record]:
    """Yield (topic, partition, offset, key, value) from each partition's first record to its end.

    The ends are taken when iteration starts; no group is joined, nothing committed. Raises KafkaException for
    a missing topic or records lost to retention, TimeoutError when nothing comes for `stall_s` seconds.
    """
    settings = {"bootstrap.servers": bootstrap, "group.id": "recount", "enable.auto.commit": False}
    consumer = Consumer(settings | {"enable.partition.eof": True, "auto.offset.reset": "error"})
    try:
        ends = _ends(consumer, topics, stall_s)
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for topic, partition in ends])
        while ends:
            message = consumer.poll(stall_s)
            if message is None:
                raise TimeoutError(f"expected records up to {ends}, got none in {stall_s} s: broker down?")
            fault = message.error()
            # The end of a partition counts too: its last offset may hold a control record, which never comes.
            if fault is not None and fault.code() != KafkaError._PARTITION_EOF:
                raise KafkaException(fault)
            topic, partition, offset = str(message.topic()), message.partition() or 0, message.offset() or 0
            end = ends.get((topic, partition), 0)
            if fault is None and offset < end:
                yield topic, partition, offset, message.key(), message.value()
            if fault is not None or offset >= end - 1:
                ends.pop((topic, partition), None)
    finally:
        consumer.close()


def _ends(consumer: Consumer, topics: Iterable[str], timeout_s: float) -> dict[tuple[str, int], int]:
    ends: dict[tuple[str, int], int] = {}
    for topic in topics:
        metadata = consumer.list_topics(topic, timeout=timeout_s).topics[topic]
        if metadata.error is not None:
            raise KafkaException(metadata.error)
        for partition in metadata.partitions:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=timeout_s)
            ends |= {(topic, partition): high} if low < high else {}
    return ends
