"""Every kind of bad settings, with the very lines that a user reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from schemas.errors import Stop
from schemas.settings_text import parse_settings, require_servers

if TYPE_CHECKING:
    from schemas.settings import Settings

ENV = {"SLACK_URL": "https://hooks.example/T/B/x", "EMPTY": "", "NOT_A_URL": "hooks"}
FILES = {"/run/slack": "https://hooks.example/T/B/y\n", "/run/empty": "\n"}


def read_secret(path: str) -> str:
    if path == "/run/binary":
        return b"\xff".decode()
    if path not in FILES:
        raise FileNotFoundError(2, "No such file or directory", path)
    return FILES[path]


def parse(text: str) -> Settings:
    return parse_settings(text, source="watchkeeper.yaml", env=ENV, read_secret=read_secret)


def problems_of(text: str) -> list[str]:
    with pytest.raises(Stop) as caught:
        parse(text)
    assert caught.value.exit_code == 2
    lines = str(caught.value).split("\n")
    assert all(line.startswith("watchkeeper.yaml:") for line in lines)
    return [line.removeprefix("watchkeeper.yaml:") for line in lines]


def model(settings: str, task: str = "binary, positive_class: fraud") -> str:
    return f"models:\n  fraud: {{task: {task}, {settings}}}\n"


REGRESSION = "regression"
DURATION = "expected a duration such as 500ms, 90s, 1m, 1h30m or 14d (a bare number is seconds)"
DIVIDES = "expected a window above 0s that divides a day evenly, such as 1m, 5m or 1h"
NO_EXPANSION = (
    "${...} expands in secrets of sinks (such as webhook_url) and notify.heartbeat.url only: "
    "write the value itself here"
)
WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SOME_MODEL = "models: {m: {task: regression}}\n"
REDIS = (
    "expected redis://, rediss:// or unix:// with [user:password@]host[:port][/db], got a value that is not "
    "shown: in a password write /, ?, # and @ as %2F, %3F, %23 and %40"
)
OURS = "offsets are stored in Redis together with the state"

BAD = [
    # The file as a whole.
    ("", ["1: the file is empty: add models"]),
    ("# nothing\n", ["1: the file is empty: add models"]),
    ("~", ["1: expected a mapping, got nothing: give it a value or remove the key"]),
    ("- models", ["1: expected a mapping, got a list"]),
    (
        "app: prod\n",
        ["1: models: missing; add at least one model, such as {fraud: {task: binary, positive_class: fraud}}"],
    ),
    ("models: {}\n", ["1: models: expected at least one model"]),
    ("models: [fraud]\n", ["1: models: expected a mapping, got a list"]),
    ("\n\nmodels:\n  fraud:\n", ["4: models.fraud: expected a mapping, got nothing: give it a value or remove the key"]),
    # Unknown keys.
    (f"{SOME_MODEL}kafak: {{}}\n", ['2: kafak: unknown key; did you mean "kafka"?']),
    ("models:\n  fraud:\n    task: regression\n    windw: 1m\n", ['4: models.fraud.windw: unknown key; did you mean "window"?']),
    (model("owner: {team: a, contact: b, teem: c}"), ['2: models.fraud.owner.teem: unknown key; did you mean "team"?']),
    (model("min_effect: {xyz: 1}"), ["2: models.fraud.min_effect.xyz: unknown key; known here: relative_error, sd, share, volume"]),
    (model("window_ms: 60000"), ['2: models.fraud.window_ms: unknown key; did you mean "window"?']),
    (model("name: other"), ["2: models.fraud.name: unknown key; the model's name is the key above it: remove the line"]),
    (model("features: {zip: {typ: numeric}}"), ['2: models.fraud.features.zip.typ: unknown key; did you mean "type"?']),
    # YAML itself.
    ("models: {m: [}\n", ["1: not YAML (column 14): while parsing a flow node, expected the node content, but found '}': check indentation, brackets and quotes"]),
    ("models:\n\tm: 1\n", ["2: not YAML (column 1): while scanning for the next token, found character '\\t' that cannot start any token: indent with spaces, and put text that begins with this character in quotes"]),
    ("models: a: b\n", ["1: not YAML (column 10): mapping values are not allowed here: check the indentation, and put text that holds a colon in quotes"]),
    ("models: *fraud_base\n", ["1: not YAML (column 9): found undefined alias (not shown): a text that begins with * must be in quotes"]),
    ("a: 1\n---\nb: 2\n", ["2: not YAML (column 1): expected a single document in the stream, but found another document: check indentation, brackets and quotes"]),
    ("app: a\0b\n", ["1: not YAML (column 7): a character that text cannot hold: remove it"]),
    ('app: "\\UFFFFFFFF"\n', ["1: not YAML: an escape or a number that no text can hold: check the quoted texts"]),
    (f"{SOME_MODEL}app: a\napp: b\n", ["3: app: given twice, first on line 2: remove one"]),
    (f"{SOME_MODEL}app: !env APP\n", ["2: app: a value that begins with ! is a tag to YAML: write it in quotes"]),
    (f"{SOME_MODEL}kafka: !map {{}}\n", ["2: kafka: expected no tag (a word that begins with !): remove it"]),
    (f"{SOME_MODEL}? [a]\n: b\n", ["2: expected keys that are text, got a list or a mapping as a key"]),
    (f"{SOME_MODEL}<<: app\n", ["2: <<: expected an alias of a mapping to merge, or a list of them"]),
    (model("profiles: {8: p.json}"), ['2: models.fraud.profiles.8: keys are text: write "8" in quotes']),
    (model('fallback: "\\ud800"'), ["2: models.fraud.fallback: expected text of whole characters, got an escape such as \\ud800 that names half of one"]),
    (model('features: {"\\ud800": {}}'), ["2: models.fraud.features: expected keys of whole characters, got an escape such as \\ud800 that names half of one"]),
    # What YAML reads otherwise than it is meant.
    (
        "models: {m: {task: binary, positive_class: yes}}\n",
        ['1: models.m.positive_class: YAML reads yes as the boolean true: write "yes" in quotes for the text, or true for the boolean'],
    ),
    (
        "models: {m: {task: binary, positive_class: a, classes: {a: [a, on], b: [b, Off]}}}\n",
        [
            '1: models.m.classes.a[1]: YAML reads on as the boolean true: write "on" in quotes for the text, or true for the boolean',
            '1: models.m.classes.b[1]: YAML reads Off as the boolean false: write "Off" in quotes for the text, or false for the boolean',
        ],
    ),
    (
        "models: {m: {task: binary, positive_class: a, classes: {a: [a], no: [b]}}}\n",
        ['1: models.m.classes.no: keys are text: write "no" in quotes'],
    ),
    (model("owner: {team: on, contact: a}"), ['2: models.fraud.owner.team: expected text, got true: write "on" in quotes']),
    (model("fallback: 3"), ['2: models.fraud.fallback: expected text, got 3: write "3" in quotes']),
    (model('threshold: "0.5"'), ['2: models.fraud.threshold: expected a number, got "0.5": write 0.5 without quotes']),
    (model("threshold: 5e-1"), ['2: models.fraud.threshold: expected a number, got "5e-1": write 0.5 without quotes']),
    (model("threshold: 1e9999"), ['2: models.fraud.threshold: expected a number, got "1e9999"']),
    (model("threshold: nan"), ['2: models.fraud.threshold: expected a number, got "nan"']),
    (model("max_segments: 7.5"), ["2: models.fraud.max_segments: expected a whole number, got 7.5"]),
    (model("max_segments: '7.5'"), ['2: models.fraud.max_segments: expected a whole number, got "7.5"']),
    (model("max_segments: '7'"), ['2: models.fraud.max_segments: expected a whole number, got "7": write 7 without quotes']),
    (model("window: 1:30"), ["2: models.fraud.window: YAML reads this as a number in another base: write it as a plain decimal, or in quotes as text"]),
    (model("max_segments: 010"), ["2: models.fraud.max_segments: YAML reads this as a number in another base: write it as a plain decimal, or in quotes as text"]),
    # Durations and windows.
    (model("window: 7m"), [f"2: models.fraud.window: {DIVIDES}, got 7m"]),
    (model("window: 0"), [f"2: models.fraud.window: {DIVIDES}, got 0s"]),
    (model("cohort_window: 2d"), [f"2: models.fraud.cohort_window: {DIVIDES}, got 2d"]),
    (model("window: soon"), [f'2: models.fraud.window: {DURATION}, got "soon"']),
    (model("window: "), [f"2: models.fraud.window: {DURATION}, got nothing"]),
    (model("window: -1m"), [f'2: models.fraud.window: {DURATION}, got "-1m"']),
    (model("window: 1h, label_horizon: 5m"), ["2: models.fraud.label_horizon: expected at least the window, 1h, got 5m"]),
    (model("label_horizon: 20000d"), ['2: models.fraud.label_horizon: expected a duration between 0s and 3660d, got "20000d"']),
    (model("max_clock_skew: -1"), ["2: models.fraud.max_clock_skew: expected a duration between 0s and 3660d, got -1"]),
    (model("false_alarm_budget: {per: 0}"), ["2: models.fraud.false_alarm_budget.per: expected a period above 0s, such as 30d, got 0"]),
    (model("false_alarm_budget: {false_alarms: 0}"), ["2: models.fraud.false_alarm_budget.false_alarms: expected a number above 0.0, got 0"]),
    # The task and its classes.
    ("models: {m: {}}\n", ["1: models.m.task: missing; add binary, multiclass or regression"]),
    ("models: {m: {task: binari}}\n", ['1: models.m.task: expected binary, multiclass or regression, got "binari"; did you mean "binary"?']),
    ("models: {m: {task: binary}}\n", ["1: models.m.positive_class: missing; add the label of the class that `score` is the probability of"]),
    ("models: {m: {task: regression, positive_class: a}}\n", ["1: models.m.positive_class: a regression task has no positive class: remove the key"]),
    ("models: {m: {task: binary, positive_class: 1.5}}\n", ["1: models.m.positive_class: expected a label (text, a 64-bit whole number, true or false), got 1.5"]),
    ("models: {m: {task: regression, classes: {a: [a], b: [b]}}}\n", ["1: models.m.classes: a regression has no classes: remove the key"]),
    ("models: {m: {task: binary, positive_class: a, classes: {a: [a], b: [b], c: [c]}}}\n", ["1: models.m.classes: expected two classes for the task binary, got 3"]),
    ("models: {m: {task: multiclass, classes: {a: [a]}}}\n", ["1: models.m.classes: expected at least two classes for the task multiclass, got 1"]),
    (
        "models: {m: {task: multiclass, classes: {a: [a, 1], b: [b, 1, a], c: []}}}\n",
        [
            '1: models.m.classes.b[1]: expected each label in one class, got 1, which "a" has too',
            '1: models.m.classes.b[2]: expected each label in one class, got "a", which "a" has too',
            "1: models.m.classes.c: expected at least one label",
        ],
    ),
    (
        "models: {m: {task: binary, positive_class: 1, classes: {a: [true], b: [0]}}}\n",
        ["1: models.m.positive_class: expected a label of one of the classes a, b, got 1"],
    ),
    # Metrics and monitors.
    (model("metrics: {acuracy: {min: 0.9}}"), ['2: models.fraud.metrics.acuracy: not a metric of the task binary; did you mean "accuracy"?']),
    (model("metrics: {macro_f1: {min: 0.9}}"), ["2: models.fraud.metrics.macro_f1: not a metric of the task binary; known here: accuracy, balanced_accuracy, brier, cost, ece, f1, log_loss, mcc, pr_auc, precision, recall, roc_auc"]),
    (model("metrics: {weighted.acuracy: {min: 0.9}}"), ['2: models.fraud.metrics.weighted.acuracy: not a metric of the task binary; did you mean "weighted.accuracy"?']),
    (model("metrics: {accuracy: {}}"), ["2: models.fraud.metrics.accuracy: expected at least one of min, max and drop"]),
    (model("metrics: {accuracy: {min: 90}}"), ["2: models.fraud.metrics.accuracy.min: expected a share from 0 to 1, such as 0.9 for 90 %, got 90"]),
    (model("metrics: {accuracy: {max: 0.9}}"), ["2: models.fraud.metrics.accuracy.max: accuracy is better when higher: use min or drop"]),
    (model("metrics: {log_loss: {min: 0.9}}"), ["2: models.fraud.metrics.log_loss.min: log_loss is better when lower: use max or drop"]),
    (model("metrics: {mcc: {min: -2}}"), ["2: models.fraud.metrics.mcc.min: expected a number from -1 to 1, got -2"]),
    (model("metrics: {bias: {drop: 1}, mae: {max: -1}, r2: {min: 2}}", REGRESSION), [
        "2: models.fraud.metrics.bias.drop: bias has no better end: use min and max",
        "2: models.fraud.metrics.mae.max: expected a number of 0 or more, got -1",
        "2: models.fraud.metrics.r2.min: expected a number up to 1, got 2",
    ]),
    (model("metrics: {bias: {min: 2, max: 1}}", REGRESSION), ["2: models.fraud.metrics.bias: expected min below max, got 2 and 1"]),
    (model("metrics: {accuracy: {min: .nan}}"), ["2: models.fraud.metrics.accuracy.min: expected a finite number, got nan"]),
    (model("metrics: {accuracy: 0.9}"), ["2: models.fraud.metrics.accuracy: expected a mapping, got 0.9"]),
    (model("monitors: {pzi: {threshold: 0.2}}"), ['2: models.fraud.monitors.pzi: unknown monitor; did you mean "psi"?']),
    (model("monitors: {missing_rate: {threshold: 5}}"), ["2: models.fraud.monitors.missing_rate.threshold: expected a share above 0 and up to 1, got 5"]),
    (model("monitors: {psi: {breaches: 9}}"), ["2: models.fraud.monitors.psi: expected breaches (here 9) up to windows (here 5): set both"]),
    (model("monitors: {psi: {windows: 0}}"), ["2: models.fraud.monitors.psi.windows: expected a number of at least 1, got 0"]),
    # Detectors of river.
    (model("monitors: {drift: {threshold: 0.2}}"), ["2: models.fraud.monitors.drift: drift is judged by the false-alarm budget alone: use true or false, or a threshold for psi"]),
    *(
        (model(f"monitors: {{{name}: {{clears: 5}}}}"), [f"2: models.fraud.monitors.{name}: {name} is judged by the false-alarm budget alone: use true or false"])
        for name in ("label_drift", "calibration", "latency", "volume")
    ),
    (model("monitors: {x: {river: PageHinkly, signal: error}}"), ['2: models.fraud.monitors.x.river: unknown detector; did you mean "PageHinkley"?']),
    (model("monitors: {x: {signal: error}}"), ["2: models.fraud.monitors.x.river: missing; add the name of one of river's detectors, such as PageHinkley"]),
    (model("monitors: {x: {river: DDM}}"), ["2: models.fraud.monitors.x.signal: missing; add what it watches, such as feature:NAME or error"]),
    (model("monitors: {x: {river: DDM, signal: eror}}"), ['2: models.fraud.monitors.x.signal: unknown signal; did you mean "error"?']),
    (model("monitors: {x: {river: DDM, signal: 'amount'}}"), ["2: models.fraud.monitors.x.signal: unknown signal; expected one of feature:NAME, share:NAME=CATEGORY, missing:NAME, invalid:NAME, unseen:NAME, error, error_rate, fallback_rate"]),
    (model("monitors: {x: {river: DDM, signal: 'feature:'}}"), ['2: models.fraud.monitors.x.signal: expected feature:NAME, got "feature:"']),
    (model("monitors: {x: {river: DDM, signal: 'share:country'}}"), ['2: models.fraud.monitors.x.signal: expected share:NAME=CATEGORY, got "share:country"']),
    (model("monitors: {x: {river: DDM, signal: error, parameters: {warmstart: 30}}}"), ['2: models.fraud.monitors.x.parameters.warmstart: DDM has no such parameter; did you mean "warm_start"?']),
    (model("monitors: {x: {river: DDM, signal: error, parameters: {warm_start: 0}}}"), ["2: models.fraud.monitors.x.parameters.warm_start: expected a whole number from 1 to 1000000000, got 0"]),
    (model("monitors: {x: {river: DDM, signal: error, parameters: {warm_start: true}}}"), ["2: models.fraud.monitors.x.parameters.warm_start: expected a whole number from 1 to 1000000000, got true"]),
    (model("monitors: {x: {river: ADWIN, signal: error, parameters: {delta: 2}}}"), ["2: models.fraud.monitors.x.parameters.delta: expected a number above 0 and up to 1, got 2"]),
    (model("monitors: {x: {river: HDDMA, signal: error, parameters: {two_sided_test: 'no'}}}"), ['2: models.fraud.monitors.x.parameters.two_sided_test: expected true or false, got "no"']),
    (model("monitors: {x: {river: PageHinkley, signal: error, parameters: {mode: sideways}}}"), ['2: models.fraud.monitors.x.parameters.mode: expected up or down or both, got "sideways"']),
    (model("monitors: {x: {river: KSWIN, signal: error, parameters: {window_size: 40}}}"), ["2: models.fraud.monitors.x.parameters.window_size: expected at least twice stat_size, 60"]),
    (model("monitors: {x: {river: EDDM, signal: error, parameters: {alpha: 0.5}}}"), ["2: models.fraud.monitors.x.parameters.alpha: expected at least beta, 0.9"]),
    (model("monitors: {x: {river: FHDDM, signal: error, parameters: {short_window_size: 200}}}"), ["2: models.fraud.monitors.x.parameters.short_window_size: expected at most sliding_window_size, 100"]),
    (model("monitors: {x: {river: DDM, signal: error, direction: upp}}"), ['2: models.fraud.monitors.x.direction: expected both, up or down, got "upp"; did you mean "up"?']),
    (model("monitors: {x: {river: DDM, signal: error, sgnal: error}}"), ['2: models.fraud.monitors.x.sgnal: unknown key; did you mean "signal"?']),
    (model("monitors: {x: {river: DDM, signal: error, threshold: 3}}"), ["2: models.fraud.monitors.x.threshold: unknown key; known here: alert, clears, direction, enabled, min_events, parameters, river, signal"]),
    (model("monitors: {psi: {river: DDM, signal: error}}"), ["2: models.fraud.monitors.psi: a check of watchkeeper's own has this name: choose another for river's detector"]),
    (model("monitors: {accuracy_min: {river: DDM, signal: error}}"), ["2: models.fraud.monitors.accuracy_min: a check of watchkeeper's own has this name: choose another for river's detector"]),
    (model("monitors: {a b: {river: DDM, signal: error}}"), ["2: models.fraud.monitors.a b: a monitor's name: expected 1 to 128 letters, digits, dots, hyphens or underscores, a letter or digit first"]),
    (model("monitors: {x: {river: DDM, signal: error}}", REGRESSION), ["2: models.fraud.monitors.x.signal: DDM takes events that are right or wrong, a regression's errors are sizes: use ADWIN, KSWIN or PageHinkley"]),
    (model("monitors: {psi: never}"), ['2: models.fraud.monitors.psi: expected a mapping, got "never"']),
    # The rest of a model.
    (model("profile: p.json, learn: {events: 500}"), ["2: models.fraud.learn: expected profile or learn, got both: remove one"]),
    (model("learn: {events: 5}"), ["2: models.fraud.learn.events: expected a number of at least 100, got 5"]),
    (model("timezone: Europe/Berln"), ['2: models.fraud.timezone: unknown time zone; did you mean "Europe/Berlin"?']),
    (model("timezone: ../../etc/passwd"), ["2: models.fraud.timezone: unknown time zone; use a name such as Europe/Berlin"]),
    (model("threshold: 1.5"), ["2: models.fraud.threshold: expected a number of at most 1.0, got 1.5"]),
    (model("segments: [channel, channel]"), ['2: models.fraud.segments[1]: segment "channel" is named twice']),
    (model("segments: channel"), ['2: models.fraud.segments: expected a list, got "channel"']),
    (model('runbook: "  "'), ['2: models.fraud.runbook: expected text that is not blank, got "  ": give it or remove the key']),
    (model("min_effect: 0.1"), ["2: models.fraud.min_effect: expected {sd: ..., share: ..., relative_error: ..., volume: ...}, or 0 for all of them, got 0.1"]),
    (model("loss: absolut", REGRESSION), ['2: models.fraud.loss: unknown loss "absolut"; did you mean "absolute"?']),
    (model("loss: tweedie", REGRESSION), ["2: models.fraud.loss: expected a power with tweedie alone: {name: tweedie, power: 1.5}"]),
    (model("seasonality: dayly"), ['2: models.fraud.seasonality: expected auto, none, daily or weekly, got "dayly"; did you mean "daily"?']),
    (model("labels: {implicit: {class: ok, after: 15d}}"), ["2: models.fraud.labels.implicit.after: expected above 0s and up to the label horizon, 14d, got 15d"]),
    (model("labels: {implicit: {class: good, after: 1d}}, classes: {fraud: [fraud], ok: [ok]}"), ['2: models.fraud.labels.implicit.class: expected a label of one of the classes fraud, ok, got "good"']),
    (model("labels: {implicit: {class: ok, after: 1d}}", REGRESSION), ["2: models.fraud.labels.implicit: a regression has no implicit class: remove the key"]),
    (model("labels: {unlabelled_when: {decison: [decline]}}"), ['2: models.fraud.labels.unlabelled_when.decison: unknown key; did you mean "decision"?']),
    ("models: {a b: {task: regression}}\n", ['1: models.a b: expected 1 to 128 letters, digits, dots, hyphens or underscores, a letter or digit first, got "a b"']),
    ("models: {'m{0}': {task: regression}}\n", ['1: models.m{0}: expected 1 to 128 letters, digits, dots, hyphens or underscores, a letter or digit first, got "m{0}"']),
    # Kafka and Redis.
    (f"{SOME_MODEL}kafka: {{predictons: p}}\n", ['2: kafka.predictons: unknown key; did you mean "predictions"?']),
    (f"{SOME_MODEL}kafka: {{enable.auto.commit: true}}\n", [f"2: kafka.enable.auto.commit: this property is ours ({OURS}): remove it"]),
    (f"{SOME_MODEL}kafka: {{group.id: g}}\n", ["2: kafka.group.id: this property is ours (the group's name is kafka.group): remove it"]),
    (f"{SOME_MODEL}kafka: {{alerts: predictions}}\n", ['2: kafka.alerts: expected a topic of its own, got the one of predictions, "predictions"']),
    (f"{SOME_MODEL}kafka: {{alerts: a/b}}\n", ['2: kafka.alerts: expected a topic of 1 to 249 letters, digits, dots, hyphens or underscores, got "a/b"']),
    (f"{SOME_MODEL}kafka: {{max_message_bytes: 999}}\n", ["2: kafka.max_message_bytes: expected a number of at least 1000, got 999"]),
    (f"{SOME_MODEL}kafka: {{max_message_bytes: 100000001}}\n", ["2: kafka.max_message_bytes: expected a number of at most 100000000, got 100000001"]),
    (f"{SOME_MODEL}kafka: {{max_message_bytes: 1 MB}}\n", ['2: kafka.max_message_bytes: expected a whole number, got "1 MB"']),
    (f"{SOME_MODEL}kafka: {{group.protocol: eager}}\n", ['2: kafka.group.protocol: expected classic or consumer, got "eager"']),
    (f"{SOME_MODEL}kafka: {{group.protocol: consumer, session.timeout.ms: 6000}}\n", ["2: kafka.session.timeout.ms: with group.protocol consumer the broker sets it (group.consumer.session.timeout.ms): remove it"]),
    (f"{SOME_MODEL}kafka: {{client.id: [a]}}\n", ["2: kafka.client.id: expected text, a number, true or false, got a list"]),
    (f"{SOME_MODEL}kafka: {{client.id: '${{HOST}}'}}\n", [f"2: kafka.client.id: {NO_EXPANSION}"]),
    (f"{SOME_MODEL}redis: {{url: localhost}}\n", [f"2: redis.url: {REDIS}"]),
    (f"{SOME_MODEL}redis: {{url: 'redis://:a/b@host'}}\n", [f"2: redis.url: {REDIS}"]),
    (f"{SOME_MODEL}redis: {{url: 'redis://h/3', cluster: true}}\n", ["2: redis.cluster: expected redis:// or rediss:// and database 0 in redis.url: a cluster has no other"]),
    (f"{SOME_MODEL}redis: {{connect_timeout: 0}}\n", ["2: redis.connect_timeout: expected a timeout above 0s and up to 10m, got 0"]),
    # Sinks and routes.
    (f"{SOME_MODEL}sinks: {{ops: {{}}}}\n", ["2: sinks.ops.type: missing; add one of alertmanager, apprise, email, jsm, opsgenie, pagerduty, slack, stdout, teams, webhook"]),
    (f"{SOME_MODEL}sinks: {{ops: {{type: slak}}}}\n", ['2: sinks.ops.type: unknown sink type "slak"; did you mean "slack"?']),
    (f"{SOME_MODEL}sinks: {{ops: {{type: slack}}}}\n", ["2: sinks.ops.webhook_url: missing; add the URL of the incoming webhook, such as ${SLACK_WEBHOOK_URL}"]),
    (f"{SOME_MODEL}sinks: {{ops: {{type: stdout, webhook_url: x}}}}\n", ["2: sinks.ops.webhook_url: unknown key; known here: format, type"]),
    (f"{SOME_MODEL}sinks: {{ops: {{type: stdout, format: jsn}}}}\n", ['2: sinks.ops.format: expected text or json, got "jsn"; did you mean "json"?']),
    (f"{SOME_MODEL}sinks: {{ops: {{type: slack, webhook_url: hooks.example}}}}\n", ["2: sinks.ops.webhook_url: expected an https URL (http only on the loopback host), got a value that is not shown"]),
    (f"{SOME_MODEL}sinks: {{ops: {{type: slack, webhook_url: '${{NOT_A_URL}}'}}}}\n", ["2: sinks.ops.webhook_url: expected an https URL (http only on the loopback host), got a value that is not shown"]),
    (f"{SOME_MODEL}sinks: {{ops: {{type: slack, webhook_url: '${{NOPE}}'}}}}\n", ["2: sinks.ops.webhook_url: the environment variable NOPE is not set: set it, or use ${file:/path}"]),
    (f"{SOME_MODEL}sinks: {{ops: {{type: slack, webhook_url: '${{EMPTY}}'}}}}\n", ["2: sinks.ops.webhook_url: the environment variable EMPTY is empty: set it, or use ${file:/path}"]),
    (f"{SOME_MODEL}sinks: {{ops: {{type: slack, webhook_url: '${{file:/run/nope}}'}}}}\n", ["2: sinks.ops.webhook_url: cannot read the secret file /run/nope: No such file or directory"]),
    (f"{SOME_MODEL}sinks: {{ops: {{type: slack, webhook_url: '${{file:/run/empty}}'}}}}\n", ["2: sinks.ops.webhook_url: the secret file /run/empty is empty: write the secret into it"]),
    (f"{SOME_MODEL}sinks: {{ops: {{type: slack, webhook_url: '${{file:/run/binary}}'}}}}\n", ["2: sinks.ops.webhook_url: cannot read the secret file /run/binary: UnicodeDecodeError"]),
    (f"{SOME_MODEL}sinks: {{ops: {{type: slack, webhook_url: '${{SLACK URL}}'}}}}\n", ["2: sinks.ops.webhook_url: expected ${NAME} or ${file:/path} after the dollar sign"]),
    (f"{SOME_MODEL}sinks: {{ops: {{type: stdout, format: '${{FORMAT}}'}}}}\n", [f"2: sinks.ops.format: {NO_EXPANSION}"]),
    (f"{SOME_MODEL}sinks: {{'${{NAME}}': {{type: stdout}}}}\n", [f"2: sinks.${{NAME}}: {NO_EXPANSION}"]),
    (f"{SOME_MODEL}sinks: {{ops: {{type: pagerduty}}}}\n", ["2: sinks.ops.routing_key: missing; add the integration key, such as ${PAGERDUTY_ROUTING_KEY}"]),
    (f"{SOME_MODEL}sinks: {{ops: {{type: pagerduty, routing_key: short}}}}\n", ["2: sinks.ops.routing_key: expected the 32 letters and digits of an integration key, got a value that is not shown"]),
    (f"{SOME_MODEL}sinks: {{ops: {{type: pagerduty, routing_kee: {'k' * 32}, url: 'http://h'}}}}\n", ["2: sinks.ops.routing_key: missing; add the integration key, such as ${PAGERDUTY_ROUTING_KEY}", "2: sinks.ops.url: expected an https URL (http only on the loopback host), got a value that is not shown", '2: sinks.ops.routing_kee: unknown key; did you mean "routing_key"?']),
    (f"{SOME_MODEL}sinks: {{ops: {{type: pagerdut}}}}\n", ['2: sinks.ops.type: unknown sink type "pagerdut"; did you mean "pagerduty"?']),
    (f"{SOME_MODEL}sinks: {{ops: {{type: jsm, api_key: 'two words'}}}}\n", ["2: sinks.ops.api_key: expected a key of printable characters without blanks, got a value that is not shown"]),
    (f"{SOME_MODEL}sinks: {{ops: {{type: opsgenie}}}}\n", ["2: sinks.ops.api_key: missing; add the key of the API integration, such as ${JSM_API_KEY}"]),
    (f"{SOME_MODEL}sinks: {{ops: {{type: alertmanager, urls: []}}}}\n", ["2: sinks.ops.urls: expected at least one"]),
    (f"{SOME_MODEL}sinks: {{ops: {{type: alertmanager, urls: ['ftp://h', 'http://u:p@h']}}}}\n", ["2: sinks.ops.urls[0]: expected an http or https URL without a name or password in it, got a value that is not shown", "2: sinks.ops.urls[1]: expected an http or https URL without a name or password in it, got a value that is not shown"]),
    (f"{SOME_MODEL}sinks: {{ops: {{type: alertmanager, urls: ['http://h'], username: u}}}}\n", ["2: sinks.ops: expected username and password together, or neither"]),
    (f"{SOME_MODEL}sinks: {{ops: {{type: alertmanager, urls: ['https://h', 'http://h'], bearer_token: t}}}}\n", ["2: sinks.ops.urls[1]: expected an https URL where there is a password or token (http only on the loopback host)"]),
    (f"{SOME_MODEL}sinks: {{ops: {{type: webhook, url: 'http://h', secrets: ['whsec_c2hvcnQ=']}}}}\n", ["2: sinks.ops.secrets[0]: expected whsec_ and base64 of 24 to 64 bytes, got a value that is not shown"]),
    (f"{SOME_MODEL}sinks: {{ops: {{type: webhook, url: 'http://h', secrets: [{WHSEC}]}}}}\n", ["2: sinks.ops.url: expected an https URL (http only with allow_private: true)"]),
    (f"{SOME_MODEL}sinks: {{ops: {{type: webhook, url: 'https://localhost/x', secrets: [{WHSEC}]}}}}\n", ["2: sinks.ops.url: expected a host of the public internet; for one of your own network say allow_private: true"]),
    (f"{SOME_MODEL}sinks: {{ops: {{type: webhook, url: 'https://h', secrets: [{WHSEC}], allow_privat: true}}}}\n", ['2: sinks.ops.allow_privat: unknown key; did you mean "allow_private"?']),
    (f"{SOME_MODEL}sinks: {{ops: {{type: webhook, url: 'https://h', secrets: ['${{NOPE}}']}}}}\n", ["2: sinks.ops.secrets[0]: the environment variable NOPE is not set: set it, or use ${file:/path}"]),
    (f"{SOME_MODEL}sinks: {{ops: {{type: email, host: 'm x', sender: a, recipients: ['a@b', 'c']}}}}\n", ["2: sinks.ops.host: expected a host name, got a value that is not shown", "2: sinks.ops.sender: expected an e-mail address such as alerts@example.com, got a value that is not shown", "2: sinks.ops.recipients[1]: expected an e-mail address such as alerts@example.com, got a value that is not shown"]),
    (f"{SOME_MODEL}sinks: {{ops: {{type: email, host: m, sender: a@b, recipients: [a@b], tls: none}}}}\n", ["2: sinks.ops.tls: expected starttls or implicit (none only on the loopback host)"]),
    (f"{SOME_MODEL}sinks: {{ops: {{type: email, host: m, sender: a@b, recipients: [a@b], tls: starttsl}}}}\n", ['2: sinks.ops.tls: expected starttls, implicit or none, got "starttsl"; did you mean "starttls"?']),
    (f"{SOME_MODEL}sinks: {{ops: {{type: email, host: m, sender: a@b, recipients: [a@b], port: 0}}}}\n", ["2: sinks.ops.port: expected a number of at least 1, got 0"]),
    (f"{SOME_MODEL}sinks: {{ops: {{type: apprise}}}}\n", ["2: sinks.ops.urls: missing; add a list of URLs, one for each place to send to"]),
    (f"{SOME_MODEL}sinks: {{ops: {{type: alertmanager, urls: ['${{AM}}']}}}}\n", [f"2: sinks.ops.urls[0]: {NO_EXPANSION}"]),
    (f"{SOME_MODEL}sinks: {{ops: {{type: stdout}}}}\nroutes:\n- sinks: [opps]\n", ['4: routes[0].sinks[0]: no sink "opps"; did you mean "ops"?']),
    (f"{SOME_MODEL}routes: [{{sinks: [ops]}}]\n", ['2: routes[0].sinks[0]: no sink "ops"; none is known here']),
    (f"{SOME_MODEL}routes: [{{sinks: []}}, {{}}]\n", ["2: routes[0].sinks: expected the name of at least one sink", "2: routes[1].sinks: missing; add the names of sinks, such as [ops]"]),
    (f"{SOME_MODEL}sinks: {{ops: {{type: stdout}}}}\nroutes: [{{sinks: [ops, ops]}}]\n", ['3: routes[0].sinks[1]: sink "ops" is named twice']),
    (f"{SOME_MODEL}sinks: {{ops: {{type: stdout}}}}\nroutes: [{{match: {{severty: error}}, sinks: [ops]}}]\n", ['3: routes[0].match.severty: unknown key; did you mean "severity"?']),
    (f"{SOME_MODEL}sinks: {{ops: {{type: stdout}}}}\nroutes: [{{match: {{severity: fatal}}, sinks: [ops]}}]\n", ['3: routes[0].match.severity: unknown severity "fatal"; known here: critical, error, info, warning']),
    (f"{SOME_MODEL}sinks: {{ops: {{type: stdout}}}}\nroutes: [{{match: {{model: mm}}, sinks: [ops]}}]\n", ['3: routes[0].match.model: no model "mm"; did you mean "m"?']),
    (f"{SOME_MODEL}routes: {{}}\n", ["2: routes: expected a list, got a mapping"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), BAD)
def test_bad_settings_are_refused_with_these_lines(text: str, expected: list[str]) -> None:
    assert problems_of(text) == expected


def test_all_problems_come_at_once_in_the_order_of_the_file() -> None:
    text = """\
app: a b
kafka: {predictons: p}
models:
  fraud:
    task: binary
    windw: 1m
    threshold: 7
  churn: {task: multiclas}
sinks: {ops: {type: stdout}}
routes:
- sinks: [nope]
"""
    assert [line.split(": ")[:2] for line in problems_of(text)] == [
        ["1", "app"],
        ["2", "kafka.predictons"],
        ["4", "models.fraud.positive_class"],
        ["6", "models.fraud.windw"],
        ["7", "models.fraud.threshold"],
        ["8", "models.churn.task"],
        ["11", "routes[0].sinks[0]"],
    ]


def test_a_flood_of_problems_is_cut_with_their_number() -> None:
    lines = problems_of(SOME_MODEL + "".join(f"k{i}: 1\n" for i in range(60)))
    assert len(lines) == 51
    assert lines[-1] == " and 10 more problems"


def test_a_long_or_unprintable_word_is_shown_short_and_printable() -> None:
    [line] = problems_of(model(f'seasonality: "\\a{"x" * 200}"'))
    assert line.endswith(f'got "\\x07{"x" * 59}..."')


def test_a_server_command_without_brokers_says_what_to_add() -> None:
    settings = parse(SOME_MODEL)
    with pytest.raises(
        Stop, match=r"^watchkeeper.yaml: kafka.bootstrap.servers: missing; .* add kafka: "
    ) as caught:
        require_servers(settings, source="watchkeeper.yaml")
    assert caught.value.exit_code == 2
