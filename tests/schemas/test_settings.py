"""Good settings: what they say and what is true where they say nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.finding import Hysteresis
from schemas.settings import MonitorSettings, Settings, SlackSink, StdoutSink
from schemas.settings_text import parse_settings, require_servers

CONTRACT = Path(__file__).parent.parent / "golden" / "schemas" / "watchkeeper.yaml"
DAY_MS = 86_400_000


def parse(text: str) -> Settings:
    return parse_settings(text, source="watchkeeper.yaml", env={}, read_secret=lambda path: path)


def contract_text() -> str:
    """Return the example of the contract; its dots stand for parts that are written elsewhere."""
    return CONTRACT.read_text().replace("[...]", "[]").replace("{...}", "{}")


def test_the_example_of_the_contract_is_read_as_it_says() -> None:
    settings = parse(contract_text())
    fraud = settings.models["fraud"]
    assert settings.app == "prod"
    assert settings.kafka.properties == {"bootstrap.servers": "localhost:9092"}
    assert (settings.kafka.ground_truth, settings.kafka.group) == ("ground-truth", "watchkeeper")
    assert (fraud.name, fraud.task, fraud.positive_class) == ("fraud", "binary", "fraud")
    assert (fraud.window_ms, fraud.label_horizon_ms, fraud.cohort_window_ms) == (
        60_000,
        14 * DAY_MS,
        3_600_000,
    )
    assert (fraud.profile, fraud.profiles) == ("profiles/fraud.json", {"8": "profiles/fraud-8.json"})
    assert fraud.segments == ("channel",)
    assert (fraud.metrics["accuracy"].min, fraud.metrics["recall"].drop) == (0.9, 0.05)
    assert fraud.owner is not None
    assert fraud.owner.escalation == ["payments-oncall", "ml-platform"]
    assert fraud.features["zip"].type == "categorical"
    assert fraud.features["customer_id"].ignore
    assert fraud.labels.implicit is not None
    assert (fraud.labels.implicit.class_label, fraud.labels.implicit.after_ms) == ("ok", 14 * DAY_MS)
    assert fraud.labels.unlabelled_when == {"decision": ["decline"]}
    assert fraud.updates is not None
    assert (fraud.updates.who, fraud.loss.name, fraud.timezone) == (
        "payments-ml",
        "absolute",
        "Europe/Berlin",
    )


def test_the_example_of_the_contract_needs_no_mend_to_run() -> None:
    require_servers(parse(contract_text()), source="watchkeeper.yaml")


def test_one_model_and_its_task_are_enough() -> None:
    settings = parse("models: {m: {task: regression}}")
    model = settings.models["m"]
    assert (settings.app, settings.redis.url) == ("default", "redis://localhost:6379/0")
    assert settings.kafka.dead_letters == "watchkeeper-dead-letters"
    assert settings.kafka.bootstrap_servers is None
    assert (model.window_ms, model.label_horizon_ms, model.allowed_lateness_ms) == (
        60_000,
        14 * DAY_MS,
        60_000,
    )
    assert (model.cohort_window_ms, model.max_clock_skew_ms) == (3_600_000, 300_000)
    assert (model.threshold, model.max_segments, model.timezone) == (0.5, 50, "UTC")
    assert model.min_effect.model_dump() == {"sd": 0.1, "share": 0.02, "relative_error": 0.1, "volume": 0.3}
    assert (model.false_alarm_budget.false_alarms, model.false_alarm_budget.per_ms) == (1.0, 30 * DAY_MS)
    assert model.labels.late_memory_ms == 7 * DAY_MS
    assert (model.profile, model.learn, model.seasonality, model.loss.name) == (
        None,
        None,
        "auto",
        "absolute",
    )


def test_one_and_true_and_the_text_one_are_three_labels() -> None:
    settings = parse("models: {m: {task: multiclass, classes: {a: [1], b: ['1'], c: [true]}}}")
    classes = settings.models["m"].class_of_label()
    assert classes["int", 1] == "a"
    assert classes["str", "1"] == "b"
    assert classes["bool", True] == "c"
    assert classes["str", "a"] == "a"


@pytest.mark.parametrize(
    ("written", "label"),
    [
        ("fraud", "fraud"),
        ('"yes"', "yes"),
        ("true", True),
        ("1", 1),
        ('"1"', "1"),
        ("0", 0),
        ("2026-11-01", "2026-11-01"),
    ],
)
def test_a_positive_class_keeps_the_type_that_it_is_written_with(written: str, label: object) -> None:
    positive = parse(f"models: {{m: {{task: binary, positive_class: {written}}}}}").models["m"].positive_class
    assert (type(positive), positive) == (type(label), label)


@pytest.mark.parametrize(
    ("written", "enabled"), [("false", False), ("off", False), ("no", False), ("on", True), ("{}", True)]
)
def test_a_monitor_can_be_switched_with_one_word(written: str, enabled: bool) -> None:
    model = parse(f"models: {{m: {{task: regression, monitors: {{psi: {written}}}}}}}").models["m"]
    assert model.monitor("psi").enabled is enabled
    assert model.monitor("missing_rate") == MonitorSettings()


def test_a_monitors_tuning_replaces_only_what_it_names() -> None:
    monitor = (
        parse("models: {m: {task: regression, monitors: {psi: {breaches: 1, clears: 9}}}}")
        .models["m"]
        .monitor("psi")
    )
    assert monitor.hysteresis(Hysteresis(breaches=3, windows=5, clears=3)) == Hysteresis(
        breaches=1, windows=5, clears=9
    )


def test_a_min_effect_of_zero_stands_for_all_of_them() -> None:
    effect = parse("models: {m: {task: regression, min_effect: 0}}").models["m"].min_effect
    assert set(effect.model_dump().values()) == {0}


def test_a_tweedie_loss_carries_its_power() -> None:
    loss = parse("models: {m: {task: regression, loss: {name: tweedie, power: 1.5}}}").models["m"].loss
    assert (loss.name, loss.power) == ("tweedie", 1.5)


@pytest.mark.parametrize(
    ("task", "metric"),
    [
        *[
            ("binary, positive_class: a", name)
            for name in ("accuracy", "f1", "roc_auc", "pr_auc", "weighted.recall")
        ],
        *[("multiclass", name) for name in ("macro_f1", "weighted_precision", "weighted.macro_f1", "mcc")],
        *[("regression", name) for name in ("r2", "gini", "weighted.r2")],
    ],
)
def test_a_metric_of_the_task_can_have_a_drop(task: str, metric: str) -> None:
    model = parse(f"models: {{m: {{task: {task}, metrics: {{{metric}: {{drop: 0.1}}}}}}}}").models["m"]
    assert model.metrics[metric].drop == 0.1


def test_librdkafka_properties_pass_through_with_their_types() -> None:
    kafka = parse(
        "models: {m: {task: regression}}\n"
        "kafka: {bootstrap.servers: 'a:1,b:2', fetch.min.bytes: 1, socket.keepalive.enable: true,"
        " debug: broker, sasl.password: 12}"
    ).kafka
    assert kafka.bootstrap_servers == "a:1,b:2"
    assert kafka.properties == {
        "bootstrap.servers": "a:1,b:2",
        "fetch.min.bytes": 1,
        "socket.keepalive.enable": True,
        "debug": "broker",
        "sasl.password": "12",
    }


def test_anchors_and_merge_keys_share_what_models_have_in_common() -> None:
    models = parse(
        "models:\n  a: &common {task: regression, window: 5m, threshold: 0.4}\n"
        "  b: {<<: *common, window: 1h}\n  c: {<<: [{threshold: 0.6}, *common]}\n"
    ).models
    assert [model.window_ms for model in models.values()] == [300_000, 3_600_000, 300_000]
    assert [model.threshold for model in models.values()] == [0.4, 0.4, 0.6]


def test_sinks_and_routes_are_read_by_their_type() -> None:
    settings = parse_settings(
        "models: {m: {task: regression}}\n"
        "sinks:\n"
        "  log: {type: stdout, format: json}\n"
        "  ops: {type: slack, webhook_url: 'https://${HOST}/${file:token}'}\n"
        "  test: {type: slack, webhook_url: 'http://127.0.0.1:8080/x'}\n"
        "routes:\n"
        "- {match: {severity: critical, model: m}, sinks: [ops, log]}\n"
        "- {sinks: [log]}\n",
        source="watchkeeper.yaml",
        env={"HOST": "hooks.example"},
        read_secret={"token": "T/B/${HOST}\r\n"}.__getitem__,
    )
    log, ops = settings.sinks["log"], settings.sinks["ops"]
    assert isinstance(log, StdoutSink)
    assert log.format == "json"
    assert isinstance(ops, SlackSink)
    assert ops.webhook_url.get_secret_value() == "https://hooks.example/T/B/${HOST}"
    assert settings.routes[0].match == {"severity": "critical", "model": "m"}
    assert [route.sinks for route in settings.routes] == [["ops", "log"], ["log"]]


def test_settings_do_not_change_after_reading() -> None:
    settings = parse("models: {m: {task: regression}}")
    with pytest.raises(ValueError, match="frozen"):
        settings.app = "other"


@pytest.mark.parametrize(
    ("url", "safe_url"),
    [
        ("redis://localhost:6379/0", "redis://localhost:6379/0"),
        ("redis://user:pw@h:1/2", "redis://user:**********@h:1/2"),
        ("rediss://:p@w@h", "rediss://:**********@h"),
        ("redis://onlyone@h", "redis://**********@h"),
        ("redis://h/0?password=pw", "redis://h/0"),
        ("unix:///run/redis.sock?password=pw", "unix:///run/redis.sock"),
    ],
)
def test_the_safe_url_of_redis_shows_the_place_without_the_password(url: str, safe_url: str) -> None:
    redis = parse(f"models: {{m: {{task: regression}}}}\nredis: {{url: '{url}'}}").redis
    assert redis.url == url
    assert redis.safe_url == safe_url
    assert f"'{safe_url}'" in repr(redis)
