"""Messages to columns: the first half of the hot path, pure and without any network."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from consumers.cells import CellMap
from consumers.class_probabilities import ProbabilityReader
from consumers.columns import (
    ERROR,
    DecodedBatch,
    LabelColumns,
    PredictionColumns,
    Records,
)
from consumers.envelope import (
    EnvelopeT,
    LabelEnvelope,
    Output,
    PredictionEnvelope,
    decode_label,
    decode_prediction,
)
from consumers.features import FeatureReader, RawColumns
from consumers.interning import NO_CLASS, Interner
from consumers.joint_rows import JointReader
from consumers.plan import ModelPlan
from consumers.rejects import Reason, Rejected, clean_model
from consumers.times import INVALID_MS, times_ms
from detectors.layout import STATUSES
from detectors.profile import OUTPUT_PREFIX
from detectors.profile_values import MISSING
from schemas.errors import Reject
from schemas.kafka_settings import MESSAGE_BYTES_MAX

ID_BYTES = 12
"""Length of an id's digest; two of ten million live ids meet with a probability of 6e-16."""

_STATUS = {name: code for code, name in enumerate(STATUSES)}


def id_digest(model: str, prediction_id: str) -> bytes:
    """Return the key that a prediction and its labels meet under: 96 bits of BLAKE2b."""
    return blake2b(f"{model}\x00{prediction_id}".encode(), digest_size=ID_BYTES).digest()


class BatchDecoder:
    """Decodes the messages of one partition.

    Parameters
    ----------
    plans
        The models of the settings.
    interner
        The partition's tables; new versions, segments and classes are added to it.
    message_bytes_max
        A longer value is refused without being looked at.
    """

    def __init__(
        self,
        plans: Mapping[str, ModelPlan],
        interner: Interner,
        *,
        message_bytes_max: int = MESSAGE_BYTES_MAX,
    ) -> None:
        self._plans = plans
        self._interner = interner
        self._message_bytes_max = message_bytes_max
        self._readers = {
            name: FeatureReader(name, plan.predictions, frozenset(plan.settings.features), interner)
            for name, plan in plans.items()
        }
        self._cells = {name: CellMap(plan.predictions) for name, plan in plans.items()}
        self._probabilities = {
            name: ProbabilityReader(name, plan.classes, interner)
            for name, plan in plans.items()
            if plan.keeps_probabilities
        }
        self._joints = {name: JointReader.of(plan.predictions) for name, plan in plans.items()}

    def decode(self, predictions: Records, labels: Records) -> DecodedBatch:
        """Decode both topics' messages; what cannot be used is listed, never raised."""
        batch = DecodedBatch()
        for model, rows in self._by_model(predictions, decode_prediction, batch.prediction_rejects).items():
            columns = self._predictions(self._plans[model], rows, predictions, batch.prediction_rejects)
            if columns is not None:
                batch.predictions[model] = columns
        for model, found in self._by_model(labels, decode_label, batch.label_rejects).items():
            truths = self._labels(self._plans[model], found, labels, batch.label_rejects)
            if len(truths):
                batch.labels[model] = truths
        batch.prediction_rejects.sort(key=lambda r: r.index)
        batch.label_rejects.sort(key=lambda r: r.index)
        return batch

    def _by_model(
        self, records: Records, decode: Callable[[bytes | None], EnvelopeT], rejects: list[Rejected]
    ) -> dict[str, list[tuple[int, EnvelopeT]]]:
        groups: dict[str, list[tuple[int, EnvelopeT]]] = {name: [] for name in self._plans}
        bytes_max = self._message_bytes_max
        for index, value in enumerate(records.values):
            try:
                if value is not None and len(value) > bytes_max:
                    raise _oversize(len(value), bytes_max)
                event = decode(value)
                groups[event.model].append((index, event))
            except KeyError:
                message = f"model {event.model[:128]!r} is not in the settings; add it under models or route it away"
                rejects.append(Rejected(index, Reason.UNKNOWN_MODEL, message, clean_model(event.model)))
            except Reject as error:
                model = error.model if error.model in self._plans else None
                rejects.append(Rejected(index, Reason(error.reason), str(error), model))
        return {model: rows for model, rows in groups.items() if rows}

    def _predictions(
        self,
        plan: ModelPlan,
        rows: list[tuple[int, PredictionEnvelope]],
        records: Records,
        rejects: list[Rejected],
    ) -> PredictionColumns | None:
        times = times_ms([event.time for _, event in rows])
        codes = self._answer_codes(plan)
        kept: list[int] = []
        answers: list[tuple[int, int, int, float]] = []
        bad_time = _time_problems(plan, times, [i for i, _ in rows], records)
        _check_optional_times([e.received_at for _, e in rows], "received_at", bad_time)
        for place, (index, event) in enumerate(rows):
            try:
                if place in bad_time:
                    raise bad_time[place]
                answers.append(codes(event))
                kept.append(place)
            except Reject as error:
                rejects.append(Rejected(index, Reason(error.reason), str(error), plan.name))
        if not kept:
            return None
        events = [rows[place][1] for place in kept]
        index_column = np.array([rows[place][0] for place in kept], dtype=np.int64)
        columns = self._columns(plan, events, index_column, times[kept], answers)
        if plan.learning:
            columns.raw = [records.values[index] or b"" for index in index_column.tolist()]
        return columns

    def _columns(
        self,
        plan: ModelPlan,
        events: list[PredictionEnvelope],
        index: npt.NDArray[np.int64],
        time_ms: npt.NDArray[np.int64],
        answers: list[tuple[int, int, int, float]],
    ) -> PredictionColumns:
        name = plan.name
        table = np.array(answers, dtype=np.float64).reshape(len(answers), 4)
        version, segment, predicted = (table[:, i].astype(np.int64) for i in range(3))
        status = np.array([_STATUS[e.status] for e in events], dtype=np.int64)
        unobservable = _unobservable(plan, events)
        prefix = f"{name}\x00".encode()
        ids = [blake2b(prefix + e.prediction_id.encode(), digest_size=ID_BYTES).digest() for e in events]
        raw = self._readers[name].read(events)
        reader, probabilities = self._joints[name], self._probabilities.get(name)
        joint = None if reader is None else reader.append(raw, events, ids)
        self._append_outputs(plan, raw, predicted, table[:, 3])
        return PredictionColumns(
            index=index,
            ids=ids,
            time_ms=time_ms,
            version=version,
            segment=segment,
            status=status,
            shadow=np.array([e.shadow for e in events], dtype=np.bool_),
            unobservable=unobservable,
            assumed=~unobservable & (status != ERROR) & (plan.implicit is not None),
            predicted=predicted,
            value=table[:, 3],
            latency_ms=np.array(
                [math.nan if e.latency_ms is None else e.latency_ms for e in events], dtype=np.float64
            ),
            cells=self._cells[name].cells(raw),
            moments=self._cells[name].moments(raw),
            joint=joint,
            weight=_weights(events),
            probabilities=None if probabilities is None else probabilities.read(events),
            unlisted=raw.unlisted,
        )

    def _answer_codes(self, plan: ModelPlan) -> Callable[[PredictionEnvelope], tuple[int, int, int, float]]:
        """Return the function from an event to (version, segment, predicted class, value)."""
        interner, settings, name = self._interner, plan.settings, plan.name
        dimensions, limit = tuple(settings.segments), settings.max_segments
        answer = _regression_answer if plan.is_regression else _class_answer

        def codes(event: PredictionEnvelope) -> tuple[int, int, int, float]:
            predicted, value = answer(plan, event)
            code = NO_CLASS if predicted is None else interner.add_class(name, predicted)
            version = interner.version(name, event.version)
            segment = interner.segment(name, dimensions, event.segments, limit=limit) if dimensions else 0
            return version, segment, code, value

        return codes

    def _append_outputs(
        self,
        plan: ModelPlan,
        raw: RawColumns,
        predicted: npt.NDArray[np.int64],
        value: npt.NDArray[np.float64],
    ) -> None:
        """Put the profiled outputs behind the features: they are watched by the same arithmetic."""
        for cells in plan.predictions.columns:
            if cells.column.name == f"{OUTPUT_PREFIX}label":
                names = [*self._interner.tables.classes.get(plan.name, [])]
                raw.categories.append([MISSING if c == NO_CLASS else names[c] for c in predicted.tolist()])
            elif cells.column.name.startswith(OUTPUT_PREFIX):
                raw.numbers = np.column_stack([raw.numbers, value])

    def _labels(
        self,
        plan: ModelPlan,
        rows: list[tuple[int, LabelEnvelope]],
        records: Records,
        rejects: list[Rejected],
    ) -> LabelColumns:
        times = times_ms([event.time for _, event in rows])
        bad_time = _time_problems(plan, times, [i for i, _ in rows], records)
        _check_optional_times([e.prediction_time for _, e in rows], "prediction_time", bad_time)
        kept: list[int] = []
        truths: list[float] = []
        for place, (index, event) in enumerate(rows):
            try:
                if place in bad_time:
                    raise bad_time[place]
                truths.append(self._truth(plan, event))
                kept.append(place)
            except Reject as error:
                rejects.append(Rejected(index, Reason(error.reason), str(error), plan.name))
        prefix = f"{plan.name}\x00".encode()
        ids = [rows[place][1].prediction_id.encode() for place in kept]
        return LabelColumns(
            index=np.array([rows[place][0] for place in kept], dtype=np.int64),
            ids=[blake2b(prefix + i, digest_size=ID_BYTES).digest() for i in ids],
            time_ms=times[kept],
            revision=np.array([rows[place][1].revision for place in kept], dtype=np.int64),
            truth=np.array(truths, dtype=np.float64),
        )

    def _truth(self, plan: ModelPlan, event: LabelEnvelope) -> float:
        if plan.is_regression:
            if event.value is None:
                raise Reject(
                    Reason.CONTRACT, f"model {plan.name} is a regression: expected a number in value"
                )
            return event.value
        if event.label is None:
            raise Reject(Reason.CONTRACT, f"model {plan.name} classifies: expected a class in label")
        return self._interner.add_class(plan.name, plan.classes(event.label))


def _weights(events: list[PredictionEnvelope]) -> npt.NDArray[np.float64] | None:
    weights = [event.weight for event in events]
    return None if weights.count(1.0) == len(weights) else np.array(weights, dtype=np.float64)


def _oversize(size_bytes: int, bytes_max: int) -> Reject:
    return Reject(
        Reason.OVERSIZE,
        f"expected at most {bytes_max} bytes, found {size_bytes}; send less, or raise kafka.max_message_bytes",
    )


def _class_answer(plan: ModelPlan, event: PredictionEnvelope) -> tuple[str | None, float]:
    output = event.output
    if output is None:
        return _no_answer(plan, event)
    if plan.settings.task == "binary":
        return _binary_answer(plan, event, output)
    if output.label is not None:
        name = plan.classes(output.label)
        found = _probability(plan, output, name)
        return name, math.nan if found is None else found
    if not output.probabilities:
        return _no_answer(plan, event)
    best = max(output.probabilities.items(), key=lambda item: item[1])
    return plan.classes(best[0]), best[1]


def _binary_answer(plan: ModelPlan, event: PredictionEnvelope, output: Output) -> tuple[str | None, float]:
    score = output.score
    if score is None and output.probabilities is not None:
        score = _probability(plan, output, plan.classes.positive)
    if output.label is not None:
        return plan.classes(output.label), math.nan if score is None else score
    if score is None:
        return _no_answer(plan, event)
    positive = score >= plan.settings.threshold
    return (plan.classes.positive if positive else plan.classes.negative), score


def _probability(plan: ModelPlan, output: Output, name: str | None) -> float | None:
    for key, share in (output.probabilities or {}).items():
        if name in (key, plan.classes(key)):
            return share
    return None


def _regression_answer(plan: ModelPlan, event: PredictionEnvelope) -> tuple[str | None, float]:
    if event.output is None or event.output.value is None:
        return _no_answer(plan, event)
    return None, event.output.value


def _no_answer(plan: ModelPlan, event: PredictionEnvelope) -> tuple[str | None, float]:
    if event.status == "error":
        return None, math.nan
    wanted = "value" if plan.is_regression else "label, score or probabilities"
    raise Reject(
        Reason.CONTRACT, f"output: expected {wanted} for a {plan.settings.task} model, or status error"
    )


def _time_problems(
    plan: ModelPlan, times: npt.NDArray[np.int64], index: Sequence[int], records: Records
) -> dict[int, Reject]:
    problems: dict[int, Reject] = {
        int(place): Reject(Reason.CONTRACT, "time: expected RFC 3339 with an offset, or epoch milliseconds")
        for place in np.flatnonzero(times == INVALID_MS)
    }
    if records.timestamps_ms is not None:
        ahead = times - records.timestamps_ms[list(index)]
        for place in np.flatnonzero(ahead > plan.settings.max_clock_skew_ms):
            message = (
                f"time is {int(ahead[place])} ms ahead of the record's own time; mend the sender's clock"
            )
            problems.setdefault(int(place), Reject(Reason.TIME_IN_FUTURE, message))
    return problems


def _unobservable(plan: ModelPlan, events: Sequence[PredictionEnvelope]) -> npt.NDArray[np.bool_]:
    """Return which predictions never get a label, by what the business decided."""
    unlabelled = plan.unlabelled_decisions
    if not unlabelled:
        return np.zeros(len(events), dtype=np.bool_)
    decided = [None if event.output is None else event.output.decision for event in events]
    return np.array([(type(value), value) in unlabelled for value in decided], dtype=np.bool_)


def _check_optional_times(values: Sequence[str | int | None], name: str, problems: dict[int, Reject]) -> None:
    """Note the events whose optional time is not a time."""
    given = [(place, value) for place, value in enumerate(values) if value is not None]
    times = times_ms([value for _, value in given])
    for position in np.flatnonzero(times == INVALID_MS).tolist():
        message = f"{name}: expected RFC 3339 with an offset, or epoch milliseconds"
        problems.setdefault(given[position][0], Reject(Reason.CONTRACT, message))
