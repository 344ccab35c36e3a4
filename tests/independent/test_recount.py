"""The independent count against cases counted by hand, and the generator against its own promises."""

import copy
import functools
import itertools
import json
import math
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import pytest
from confluent_kafka import KafkaException, Producer
from hypothesis import given
from hypothesis import strategies as st
from independent.recount import ModelRules, Report, compare, read_topics, recount
from independent.stream import ModelStream, Stream, StreamSpec, generate, produce, write_jsonl

START_MS = 1_736_121_600_000  # 2025-01-06T00:00:00Z
LATE_S, FORGOTTEN_S = 1_000.001, 1_500.001  # just past the horizon, just past the late memory
Kinds = dict[str, Literal["numeric", "categorical"]]
KINDS: Kinds = {"amount": "numeric", "country": "categorical"}
BINARY = ModelRules("binary", "fraud", label_horizon_s=1_000, late_memory_s=500, features=KINDS)
MULTICLASS = ModelRules("multiclass")
ALIASED = ModelRules("multiclass", classes={"yes": ["yes", 1, "1", True]})
REGRESSION = ModelRules("regression")


def changed(whole: dict[str, object], fields: dict[str, object]) -> bytes:
    return json.dumps({name: raw for name, raw in (whole | fields).items() if raw is not ...}).encode()


def event(prediction_id: str, at_s: float, **fields: object) -> bytes:
    time_ms = START_MS + round(at_s * 1000)
    return changed({"prediction_id": prediction_id, "model": "m", "time": time_ms}, fields)


def p(prediction_id: str = "a", at_s: float = 0, answer: object = "fraud", **fields: object) -> bytes:
    return event(prediction_id, at_s, **({"version": "1", "output": {"label": answer}} | fields))


def out(**output: object) -> bytes:
    return p(output=output)


def truth(prediction_id: str = "a", at_s: float = 1, label: object = "fraud", **fields: object) -> bytes:
    return event(prediction_id, at_s, **({"label": label} | fields))


def each(name: str, *raws: object) -> list[dict[str, object]]:
    return [{name: raw} for raw in raws]


def figure(report: Report, path: str) -> object:
    branch: object = report
    for key in path.split("/"):
        branch = cast("Report", branch).get(key) if isinstance(branch, Mapping) else None
    return branch


class Case(NamedTuple):
    name: str
    predictions: list[bytes]
    labels: list[bytes]
    expected: dict[str, object]  # by path below the model or, where it starts otherwise, below its version 1
    rules: ModelRules = BINARY


# fmt: off
ODD: list[tuple[object, object]] = [
    (1, "DE"), (None, None), (math.nan, {}), (math.inf, True), ("12", []), (True, 7), (10**400, -math.inf),
]
CASES = [
    Case("defaults are version 0 and status ok", [p(version=...)], [], {"versions/0/status/ok": 1}),
    Case("a label of an earlier time joins", [p(at_s=9)], [truth(at_s=1)], {"joined": 1, "late": 0}),
    Case("the first revision need not be 0", [p()], [truth(revision=5)], {"joined": 1, "corrections": 0}),
    Case("a label reaches every version", [p(), p(version="2")], [truth()], {"joined": 1, "versions/2/joined": 1}),
    Case("another model's label reaches nothing", [p()], [truth(model="other")], {"labels": 0, "pending": 1}),
    Case("a second prediction is a duplicate, the first one stands", [p(), p(at_s=5, answer="ok")], [truth()],
         {"predictions": 1, "duplicates/predictions": 1, "status/ok": 1, "metrics/accuracy": 1.0}),
    Case("a rejected event takes no id", [p(output=...), p()], [], {"predictions": 1, "duplicates/predictions": 0}),
    Case("a higher revision replaces the label", [p()], [truth(), truth(label="ok", revision=1)],
         {"labels": 2, "joined": 1, "corrections": 1, "metrics/accuracy": 0.0}),
    Case("a higher revision of equal content corrects too", [p()], [truth(), truth(revision=1)], {"corrections": 1}),
    Case("a lower revision is a duplicate", [p()], [truth(revision=2), truth(label="ok", revision=1)],
         {"duplicates/labels": 1, "corrections": 0, "conflicts": 0, "metrics/accuracy": 1.0}),
    Case("an equal revision of equal content repeats", [p()], [truth(), truth("a", 2)], {"duplicates/labels": 1}),
    Case("an equal revision of other content conflicts, the label stays", [p()], [truth(), truth(label="ok")],
         {"conflicts": 1, "joined": 1, "metrics/accuracy": 1.0}),
    Case("a conflict is judged against the standing correction", [p()],
         [truth(), truth(label="ok", revision=1), truth(revision=1), truth(label="ok", revision=1)],
         {"corrections": 1, "conflicts": 1, "duplicates/labels": 1, "metrics/accuracy": 0.0}),
    Case("a label on the horizon joins", [p()], [truth(at_s=1_000)], {"joined": 1, "late": 0, "pending": 0}),
    Case("a label past the horizon is late", [p()], [truth("a", LATE_S)], {"labels": 1, "late": 1, "expired": 1}),
    Case("a late label takes no part in revisions", [p()], [truth(), truth(at_s=LATE_S, label="ok", revision=1)],
         {"late": 1, "corrections": 0, "joined": 1, "metrics/accuracy": 1.0}),
    Case("at the end of the late memory a label is late", [p()], [truth("a", 1_500)], {"late": 1, "orphan_labels": 0}),
    Case("after it the label is an orphan", [p()], [truth("a", FORGOTTEN_S)], {"labels": 0, "orphan_labels": 1}),
    Case("a label may be late for one version only", [p(), p(version="2", at_s=500)], [truth(at_s=1_200)],
         {"late": 1, "joined": 0, "versions/2/joined": 1, "versions/2/late": 0}),
    Case("a label that one version still knows is no orphan", [p(), p(version="2", at_s=500)],
         [truth(at_s=1_600)], {"labels": 0, "versions/2/late": 1, "orphan_labels": 0}),
    Case("orphans are counted by distinct id", [], [truth("x"), truth("x", 2), truth("y")], {"orphan_labels": 2}),
    Case("a horizon that is just over has not passed", [p(), p("b", 1_000)], [], {"pending": 2, "expired": 0}),
    Case("another prediction's time expires", [p(), p("b", LATE_S)], [], {"pending": 1, "expired": 1}),
    Case("a label's time expires, an orphan's too", [p()], [truth("x", LATE_S)], {"expired": 1, "pending": 0}),
    Case("a duplicate's time expires", [p(), p(at_s=LATE_S)], [], {"expired": 1, "duplicates/predictions": 1}),
    Case("a rejected event's time expires nothing", [p()], [truth("x", LATE_S, label=...)], {"pending": 1}),
    Case("another model's time expires nothing", [p(), p("b", LATE_S, model="other")], [], {"pending": 1}),
    Case("an error has labels and no metrics", [p(status="error", output=None)], [truth()],
         {"status/error": 1, "labels": 1, "joined": 1, "metrics": None, "errors_by_arrival": None}),
    Case("fallbacks are measured apart", [p(), p("b", 0, "ok", status="fallback")], [truth(), truth("b")],
         {"joined": 2, "status/fallback": 1, "metrics/accuracy": 1.0,
          "versions/1+fallback/metrics/accuracy": 0.0, "versions/1+fallback/joined": None,
          f"errors_by_arrival/1+fallback/{START_MS}/wrong": 1, f"errors_by_arrival/1/{START_MS}/wrong": 0}),
    Case("a label wins over a score", [out(label="ok", score=0.9)], [truth(label="ok")],
         {"metrics/confusion/tn": 1, "metrics/brier": 0.81, "metrics/log_loss": -math.log(0.1)}),
    Case("a score on the threshold is positive", [out(score=0.5)], [truth()], {"metrics/confusion/tp": 1}),
    Case("a score below the threshold is not", [out(score=0.4999)], [truth()], {"metrics/confusion/fn": 1}),
    Case("probabilities give the positive class's score", [out(probabilities={"ok": 0.2, "fraud": 0.8})], [truth()],
         {"metrics/confusion/tp": 1, "metrics/brier": 0.04, "metrics/log_loss": -math.log(0.8)}),
    Case("a label alone gives no score", [p()], [truth()], {"metrics/accuracy": 1.0, "metrics/brier": None}),
    Case("binary metrics", [p(i, answer="fraud" if i in "abc" else "ok") for i in "abcdefgh"],
         [truth(i, label="fraud" if i in "abdgh" else "ok") for i in "abcdefgh"],
         {"metrics/accuracy": 0.5, "metrics/precision": 2 / 3, "metrics/recall": 0.4, "metrics/f1": 0.5,
          "metrics/confusion": {"tp": 2, "fp": 1, "fn": 3, "tn": 2}}),
    Case("an undefined ratio is absent", [p(answer="ok")], [truth(label="ok")], {"metrics/precision": None}),
    Case('1, "1" and true are three classes', [p("a", 0, 1), p("b", 0, "1"), p("c", 0, True), p("d", 0, 1)],
         [truth("a", 1, "1"), truth("b", 1, True), truth("c", 1, 1), truth("d", 1, 1)],
         {"metrics/confusion": {'"1"': {"1": 1}, "true": {'"1"': 1}, "1": {"true": 1, "1": 1}}}, MULTICLASS),
    Case("classes make spellings one class", [p(answer=1)], [truth(label="yes"), truth(label=True)],
         {"metrics/confusion": {'"yes"': {'"yes"': 1}}, "duplicates/labels": 1}, ALIASED),
    Case("the likeliest class is the answer", [out(probabilities={"x": 0.2, "y": 0.5, "z": 0.3})],
         [truth(label="y")], {"metrics/accuracy": 1.0}, MULTICLASS),
    Case("regression metrics", [out(value=1), p("b", output={"value": 5.0})],
         [truth(label=..., value=4), truth("b", label=..., value=4)],
         {"metrics/mae": 2.0, "metrics/rmse": math.sqrt(5), "metrics/bias": -1.0,
          f"errors_by_arrival/1/{START_MS}": {"joined": 2, "shadow_joined": 0}}, REGRESSION),
    Case("1 and 1.0 are one value", [out(value=3)], [truth(label=..., value=raw) for raw in (1, 1.0, 1.5)],
         {"duplicates/labels": 1, "conflicts": 1}, REGRESSION),
    Case("windows hold shadows apart",
         [p(), p("b", 59.999), p("c", 60), p(version="2", shadow=True, features={"amount": "x"})], [],
         {f"windows/1/{START_MS}/predictions": 2, f"windows/1/{START_MS + 60_000}/predictions": 1,
          f"windows/2/{START_MS}/predictions": 0, f"windows/2/{START_MS}/shadow_predictions": 1,
          f"windows/2/{START_MS}/features/amount/invalid": 0, "versions/2/predictions": 1}),
    Case("absent is missing, wrong types and NaN are invalid",
         [p(str(i), features={"amount": amount, "country": country}) for i, (amount, country) in enumerate(ODD)]
         + [p("absent", features=...)], [],
         {f"windows/1/{START_MS}/features/amount": {"missing": 2, "invalid": 5},
          f"windows/1/{START_MS}/features/country": {"missing": 2, "invalid": 3}}),
    Case("an error arrives with the later of label and prediction", [p(at_s=130), p("b", 1), p("c", 1)],
         [truth(at_s=10, label="ok"), truth("b", 70), truth("c", 119.999, "ok"), truth("c", 120, revision=1)],
         {f"errors_by_arrival/1/{START_MS + 60_000}/joined": 2, f"errors_by_arrival/1/{START_MS + 60_000}/wrong": 1,
          f"errors_by_arrival/1/{START_MS + 120_000}/joined": 1, "corrections": 1,
          f"errors_by_arrival/1/{START_MS + 120_000}/wrong": 1, f"errors_by_arrival/1/{START_MS}": None}),
    Case("a shadow's errors stand apart", [p(shadow=True)], [truth(label="ok")],
         {f"errors_by_arrival/1/{START_MS}": {"joined": 0, "wrong": 0, "shadow_joined": 1, "shadow_wrong": 1}}),
    Case("times are RFC 3339 or epoch milliseconds",
         [p(time="2025-01-06T01:00:00+01:00"), p("b", time="2025-01-05t23:59:59.999999z")], [],
         {f"windows/1/{START_MS}/predictions": 1, f"windows/1/{START_MS - 60_000}/predictions": 1}),
    Case("null optional and unknown fields are nothing",
         [p(status=None, shadow=None, segments=None, weight=None, features=None, extra={"x": math.nan})],
         [truth(revision=None, prediction_time=None, extra=1)], {"joined": 1, "status/ok": 1}),
]
DECODE = [b"", b" ", None, b"{", p()[:-1], b"[]", b"null", b"3", b'{"a":"\xff"}', p() + b"x", b"[" * 99_999]
NOT_IN_CONTRACT = [
    *each("prediction_id", ..., None, "", "x" * 129, 7, True, ["x"]),
    *each("time", ..., None, True, 1.5, "noon", "2025-01-06", "2025-01-06T00:00:00", 10**17),
    *each("time", "2025-13-06T00:00:00Z", "20250106T000000Z", "2025-01-06T00:00:00+0100"),
    *each("model", ..., None, 7, ["m"]),
]
NOT_A_PREDICTION = [
    *each("output", ..., None, [], "fraud", {}, {"label": 1.5}, {"label": None}, {"value": 1}),
    *each("output", {"score": math.nan}, {"score": 1.01}, {"score": -0.1}, {"score": True}, {"score": "0.9"}),
    *each("output", {"probabilities": {"ok": 1}}, {"label": "ok", "probabilities": []}),
    *each("output", {"label": "ok", "probabilities": {"ok": "1"}}, {"label": "ok", "probabilities": {"ok": 2}}),
    *each("version", 7, "\ud800"), *each("status", "fine", 1), *each("shadow", "no", 0), *each("features", [], "x"),
    *each("segments", "web", []), *each("weight", -1, math.inf, "1"), *each("latency_ms", "12", math.nan),
]
NOT_A_LABEL = [
    *each("label", ..., None, 1.5, ["ok"]), *each("revision", -1, True, "1", 1.0), *each("prediction_time", "noon"),
]
# fmt: on


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_subtlety_is_counted_as_by_hand(case: Case) -> None:
    report = recount(case.predictions, case.labels, {"m": case.rules, "other": case.rules})
    for path, wanted in case.expected.items():
        is_full = path.split("/")[0] in ("versions", "windows", "errors_by_arrival", "orphan_labels")
        got = figure(report, f"models/m/{path}" if is_full else f"models/m/versions/1/{path}")
        assert got == (pytest.approx(wanted, rel=1e-12) if isinstance(wanted, float) else wanted), path


@pytest.mark.parametrize("fields", NOT_IN_CONTRACT + NOT_A_PREDICTION, ids=repr)
def test_a_prediction_outside_the_contract_is_rejected(fields: dict[str, object]) -> None:
    report = recount([p("sound"), changed(json.loads(p()), fields)], [], {"m": BINARY})
    assert figure(report, "rejected/reasons/contract") == figure(report, "rejected/total") == 1


@pytest.mark.parametrize("fields", NOT_IN_CONTRACT + NOT_A_LABEL, ids=repr)
def test_a_label_outside_the_contract_is_rejected(fields: dict[str, object]) -> None:
    report = recount([p()], [changed(json.loads(truth()), fields)], {"m": BINARY})
    assert figure(report, "rejected/reasons/contract") == figure(report, "rejected/total") == 1
    assert figure(report, "models/m/versions/1/labels") == 0


def test_bad_bytes_and_unknown_models_are_rejected_on_both_inputs() -> None:
    report = recount([*DECODE, p(model="who")], [*DECODE, truth(model="who")], {"m": BINARY})
    assert report["rejected"] == {"total": 24, "reasons": {"decode": 22, "contract": 0, "unknown_model": 2}}


IDS = st.sampled_from("abc")
SECONDS = st.sampled_from([0.0, 1.0, 400.0, 1_000.0, LATE_S, 1_400.0, FORGOTTEN_S])
POISON = st.sampled_from([b"", b"{", p(output=...)])
OUTPUTS = st.sampled_from([{"label": "ok"}, {"score": 0.7}, {"label": "fraud", "score": 0.3}])
STATUSES = st.sampled_from(["ok", "fallback", "error"])
PREDICTIONS = st.builds(p, IDS, SECONDS, output=OUTPUTS, version=st.sampled_from("12"), status=STATUSES)
LABELS = st.builds(truth, IDS, SECONDS, st.sampled_from(["ok", "fraud"]), revision=st.integers(0, 2))


@given(st.data(), st.lists(PREDICTIONS | POISON, max_size=12), st.lists(LABELS | POISON, max_size=12))
def test_only_the_order_within_one_id_matters(
    data: st.DataObject, predictions: list[bytes], labels: list[bytes]
) -> None:
    def shuffled(log: list[bytes]) -> list[bytes]:
        names = [value.partition(b", ")[0] for value in log]  # the prediction_id comes first
        queues = {name: iter([log[i] for i, other in enumerate(names) if other == name]) for name in names}
        return [next(queues[name]) for name in data.draw(st.permutations(names))]

    plain = recount(predictions, labels, {"m": BINARY})
    assert recount(shuffled(predictions), shuffled(labels), {"m": BINARY}) == plain


# fmt: off
SPEC = StreamSpec(
    seed=5, predictions=1_500, poison=0.1, fallbacks=0.1, errors=0.1, shadows=0.1, corrections=0.1, conflicts=0.1,
    models=(ModelStream(), ModelStream("tier", "multiclass"), ModelStream("price", "regression")),
)
FEATURES: Kinds = {"n0": "numeric", "n1": "numeric", "n2": "numeric", "c0": "categorical", "c1": "categorical"}
RULES = {
    "fraud": ModelRules("binary", "fraud", window_s=864_000, features=FEATURES),
    "tier": ModelRules("multiclass", window_s=864_000, features=FEATURES),
    "price": ModelRules("regression", window_s=864_000, features=FEATURES),
}
WINDOW = str(START_MS // 864_000_000 * 864_000_000)
TROUBLES = {
    "poison": "rejected/reasons/decode", "unknown_models": "rejected/reasons/unknown_model",
    "orphan_labels": "models/fraud/orphan_labels", "shadows": "models/fraud/versions/shadow/predictions",
    **{f"duplicate_{what}": f"models/fraud/versions/7/duplicates/{what}" for what in ("predictions", "labels")},
    **{what: f"models/fraud/versions/7/{what}" for what in ("corrections", "conflicts")},
    "late_labels": "models/fraud/versions/7/late", "errors": "models/fraud/versions/7/status/error",
    "fallbacks": "models/fraud/versions/7/status/fallback",
    "nan_features": f"models/fraud/windows/7/{WINDOW}/features/n0/invalid",
    "wrong_typed_features": f"models/fraud/windows/7/{WINDOW}/features/c0/invalid",
    "null_features": f"models/fraud/windows/7/{WINDOW}/features/c0/missing",
}
# fmt: on


@pytest.fixture(scope="module")
def stream() -> Stream:
    return generate(SPEC)


def count(stream: Stream) -> Report:
    return recount([value for _, value in stream.predictions], [value for _, value in stream.labels], RULES)


report = pytest.fixture(scope="module")(count)


def leaves(branch: object, at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(branch, dict):
        for key, inner in branch.items():
            yield from leaves(inner, (*at, key))
    else:
        yield at


def test_one_miscount_anywhere_is_named_and_nothing_else(report: Report) -> None:
    paths = list(leaves(report))
    assert len(paths) > 400
    for *above, last in paths:
        altered = copy.deepcopy(report)
        row: Any = functools.reduce(lambda branch, key: branch[key], above, cast("Any", altered))
        row[last] += 1 if isinstance(row[last], int) else 1e-6
        path = "/" + "/".join([*above, last])
        assert [line.partition(": ")[0] for line in compare(report, altered)] == [path]
        del row[last]
        assert [line.partition(": ")[0] for line in compare(report, altered)] == [path]
        assert [line.partition(": ")[0] for line in compare(altered, report)] == [path]


def test_equal_reports_and_rounding_noise_are_no_difference(report: Report) -> None:
    assert compare(report, json.loads(json.dumps(report))) == []
    assert compare({"mae": 2.0, "metrics": {}}, {"mae": 2.0 + 1e-12}) == []
    assert compare({"a/b": {"~": 1}}, {"a/b": {"~": 1.0}}) == ["/a~1b/~0: expected 1, got 1.0"]
    assert compare({"joined": 0}, {}) == ["/joined: expected 0, got 'nothing'"]


def test_the_counts_of_a_stream_add_up(report: Report) -> None:
    labels = ("joined", "duplicates/labels", "corrections", "conflicts", "late")
    statuses = ("status/ok", "status/fallback", "status/error")
    for model, version in itertools.product(RULES, ("7", "8", "shadow")):
        number: Any = functools.partial(figure, cast("Any", report)["models"][model]["versions"][version])
        assert number("labels") == sum(map(number, labels)) > 0
        assert number("predictions") == sum(map(number, ("joined", "expired", "pending")))
        assert number("predictions") == sum(map(number, statuses))
    paths = [f"models/{model}/versions/{version}/predictions" for model in RULES for version in "78"]
    assert sum(cast("int", figure(report, path)) for path in paths) == SPEC.predictions
    # 150 spoilt events in each topic, each of the seven kinds in turn, four of which do not decode.
    assert figure(report, "rejected/reasons") == {"decode": 172, "contract": 128, "unknown_model": 16}


def told_ms(value: bytes, field: str) -> float:
    raw = json.loads(value)[field]
    return raw if isinstance(raw, int) else datetime.fromisoformat(raw).timestamp() * 1000


def test_a_stream_is_disordered_within_its_bound() -> None:
    stream = generate(replace(SPEC, poison=0))
    for log in (stream.predictions, stream.labels):
        times = [told_ms(value, "time") for _, value in log]
        steps_back = [top - now for top, now in zip(itertools.accumulate(times, max), times, strict=True)]
        assert 5_000 < max(steps_back) <= 20_000


def test_a_spec_determines_every_byte(stream: Stream) -> None:
    assert generate(SPEC) == stream
    assert generate(replace(SPEC, seed=6)) != stream


@pytest.mark.parametrize("style", ["uuid7", "uuid4"])
def test_labels_tell_the_prediction_time_where_ids_are_time_ordered(style: Literal["uuid7", "uuid4"]) -> None:
    labels = [json.loads(value) for _, value in generate(replace(SPEC, id_style=style, poison=0)).labels]
    assert {label["prediction_id"][14] for label in labels} == {style[-1]}
    listed = [label for label in labels if label["model"] in RULES]
    assert {"prediction_time" in label for label in listed} == {style == "uuid7"}


@pytest.mark.parametrize("delay", ["uniform", "lognormal"])
def test_labels_come_early_or_within_the_horizon(delay: Literal["uniform", "lognormal"]) -> None:
    spec = StreamSpec(
        predictions=400, label_delay=delay, poison=0, unknown_models=0, late_labels=0, corrections=0
    )
    labels = [value for _, value in generate(replace(spec, conflicts=0, duplicate_labels=0)).labels]
    delays_s = sorted((told_ms(value, "time") - told_ms(value, "prediction_time")) / 1000 for value in labels)
    assert -600 <= delays_s[0] < 0 < delays_s[50] < delays_s[-1] <= spec.label_horizon_s
    assert delays_s[len(labels) // 2] == pytest.approx(604_800 if delay == "uniform" else 3_600, rel=0.3)


@pytest.mark.parametrize(("share", "path"), TROUBLES.items())
def test_each_share_alone_makes_its_trouble(share: str, path: str) -> None:
    shares = {field.name: 0.0 for field in fields(StreamSpec) if field.name in TROUBLES}
    calm, troubled = (
        replace(StreamSpec(predictions=400), **cast("Any", shares | {share: n})) for n in (0, 0.3)
    )
    assert not figure(count(generate(calm)), path)
    assert cast("int", figure(count(generate(troubled)), path)) >= 5


def test_files_hold_one_line_for_each_event_poison_included(stream: Stream, tmp_path: Path) -> None:
    paths = tmp_path / "predictions.jsonl", tmp_path / "labels.jsonl"
    write_jsonl(stream, *paths)
    for path, log in zip(paths, (stream.predictions, stream.labels), strict=True):
        assert path.read_bytes().split(b"\n") == [*(value for _, value in log), b""]


@pytest.fixture
def bootstrap() -> Iterator[str]:
    mock = Producer({"bootstrap.servers": "replaced", "test.mock.num.brokers": 1, "log_level": 0})
    broker = mock.list_topics(timeout=10).brokers[1]
    yield f"{broker.host}:{broker.port}"
    mock.flush()


def test_a_produced_stream_is_read_back_by_partition(stream: Stream, report: Report, bootstrap: str) -> None:
    produce(stream, bootstrap, "predictions", "ground-truth", 4)
    reading = read_topics(bootstrap, ["predictions", "ground-truth"])
    records = [next(reading)]
    produce(stream, bootstrap, "predictions", "ground-truth", 4)  # after the ends were taken: not to be read
    records += reading
    logs = {"predictions": stream.predictions, "ground-truth": stream.labels}
    for topic, log in logs.items():
        for number in range(4):
            sent = [entry for entry in log if zlib.crc32(entry[0]) % 4 == number]
            wanted = [(topic, number, offset, *entry) for offset, entry in enumerate(sent)]
            assert [record for record in records if record[:2] == (topic, number)] == wanted
    predictions, labels = ([row[4] for row in records if row[0] == topic] for topic in logs)
    assert compare(report, recount(predictions, labels, RULES)) == []


def test_reading_without_a_broker_raises() -> None:
    with pytest.raises(KafkaException, match="_TRANSPORT"):
        next(read_topics("127.0.0.1:1", ["predictions"], stall_s=0.5))
