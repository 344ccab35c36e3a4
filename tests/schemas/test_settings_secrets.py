"""Planted secrets: wherever settings are shown, they are not."""

from __future__ import annotations

import pickle
import traceback

import pytest
from pydantic import ValidationError

from schemas.errors import Stop
from schemas.secret_text import MASK, SecretText, looks_secret
from schemas.settings import KafkaSettings, RedisSettings, Settings, SlackSink
from schemas.settings_text import parse_settings
from schemas.sink_settings import SINK_MODELS, secret_keys
from schemas.sink_types import PagerDutySink, WebhookSink

PLANT = "hunter2plant"
ROUTING_KEY = PLANT.ljust(32, "0")
SIGNING = f"whsec_{PLANT.ljust(40, 'A')}"
GOOD = f"""\
models: {{m: {{task: regression}}}}
kafka:
  bootstrap.servers: h:1
  sasl.username: {PLANT}
  sasl.password: {PLANT}
  sasl.oauthbearer.client.secret: {PLANT}
  ssl.key.pem: {PLANT}
  ssl.key.password: {PLANT}
  ssl.keystore.password: {PLANT}
redis: {{url: "redis://user:{PLANT}@h:6379/0?password={PLANT}"}}
sinks:
  plain: {{type: slack, webhook_url: "https://h/{PLANT}"}}
  env: {{type: slack, webhook_url: "https://h/${{TOKEN}}"}}
  file: {{type: slack, webhook_url: "${{file:/run/s}}"}}
  teams: {{type: teams, webhook_url: "https://h/${{TOKEN}}"}}
  night: {{type: pagerduty, routing_key: "${{TOKEN}}{ROUTING_KEY[len(PLANT) :]}"}}
  jsm: {{type: jsm, api_key: "${{TOKEN}}"}}
  opsgenie: {{type: opsgenie, api_key: "${{TOKEN}}"}}
  basic: {{type: alertmanager, urls: ["https://h"], username: u, password: "${{TOKEN}}"}}
  bearer: {{type: alertmanager, urls: ["https://h"], bearer_token: "${{TOKEN}}"}}
  hook: {{type: webhook, url: "https://h/${{TOKEN}}", secrets: ["{SIGNING}"]}}
  mail: {{type: email, host: h, sender: a@h, recipients: [b@h], username: u, password: "${{TOKEN}}"}}
  more: {{type: apprise, urls: ["json://u:${{TOKEN}}@h"]}}
notify: {{heartbeat: {{url: "https://h/${{TOKEN}}"}}}}
"""


def parse(text: str) -> Settings:
    return parse_settings(
        text, source="watchkeeper.yaml", env={"TOKEN": PLANT}, read_secret=lambda _: f"https://h/{PLANT}\n"
    )


def test_no_way_of_showing_settings_shows_a_secret() -> None:
    settings = parse(GOOD)
    for part in (settings, settings.kafka, settings.redis, settings.notify, *settings.sinks.values()):
        for show in (
            repr,
            str,
            lambda p: repr(p.model_dump()),
            lambda p: p.model_dump_json(),
            lambda p: f"{p}",
        ):
            assert PLANT not in show(part)
        assert PLANT not in repr(part.model_dump(by_alias=True, mode="json"))
        assert PLANT not in repr(dict(part))
        assert PLANT not in repr(vars(part))
    assert PLANT not in f"{settings.kafka.properties} {settings.redis.url!r} {settings.redis.safe_url}"
    assert repr(settings).count(MASK) >= 20


def test_every_secret_of_every_sink_is_planted() -> None:
    planted = {(s.type, key) for s in parse(GOOD).sinks.values() for key, value in s if value is not None}
    known = {(name, key) for name in SINK_MODELS for key in secret_keys(name)}
    assert known <= planted
    assert len(known) == 11


def test_the_secrets_are_there_for_the_clients() -> None:
    settings = parse(GOOD)
    assert settings.notify.heartbeat is not None
    assert settings.notify.heartbeat.url.get_secret_value() == f"https://h/{PLANT}"
    slack = settings.sinks["env"], settings.sinks["file"]
    assert str(settings.kafka.properties["sasl.password"]) == PLANT
    assert settings.redis.url == f"redis://user:{PLANT}@h:6379/0?password={PLANT}"
    night, hook = settings.sinks["night"], settings.sinks["hook"]
    assert isinstance(night, PagerDutySink)
    assert isinstance(hook, WebhookSink)
    assert night.routing_key.get_secret_value() == ROUTING_KEY
    assert [secret.get_secret_value() for secret in hook.secrets] == [SIGNING]
    assert [s.webhook_url.get_secret_value() for s in slack if isinstance(s, SlackSink)] == [
        f"https://h/{PLANT}"
    ] * 2


@pytest.mark.parametrize(
    "text",
    [
        PLANT,
        f"- {PLANT}",
        f"kafka: {PLANT}",
        f"redis: redis://:{PLANT}@h",
        f"sinks: {PLANT}",
        f"sinks: {{ops: {PLANT}}}",
        f"kafka: {{sasl.password:{PLANT}}}",
        f"sasl.password:{PLANT}: 1",
        f"kafka: {{sasl.password: [{PLANT}]}}",
        f"kafka: {{sasl.password: {{{PLANT}}}}}",
        f"kafka: {{sasl.password: ${{{PLANT}}}}}",
        f'kafka: {{sasl.password: "${{{PLANT}}}"}}',
        f"kafka: {{sasl.password: *{PLANT}}}",
        f"kafka: {{sasl.password: &{PLANT} a, ssl.key.pem: &{PLANT} b}}",
        f"kafka: {{sasl.password: !{PLANT} a}}",
        f"kafka: {{sasl.password: !x!{PLANT} a}}",
        f"kafka:\n  sasl.password: {PLANT}: a\n",
        f'kafka: {{sasl.password: "{PLANT}\n',
        f"kafka: {{sasl.password: a, sasl.password: {PLANT}}}",
        f"kafka: {{token: {PLANT}}}",
        f"kafka: {{enable.auto.commit: {PLANT}}}",
        f"redis: {{url: '{PLANT}'}}",
        f"redis: {{url: 'redis://:{PLANT}/x@h'}}",
        f"redis: {{url: 'redis://[{PLANT}'}}",
        f"redis: {{url: 'redis://:{PLANT}@h:x'}}",
        f"redis: {{url: [{PLANT}]}}",
        f"redis: {{urll: {PLANT}, password: {PLANT}}}",
        f"sinks: {{ops: {{type: slack, webhook_url: '{PLANT}'}}}}",
        f"sinks: {{ops: {{type: slack, webhook_url: 'http://{PLANT}'}}}}",
        f"sinks: {{ops: {{type: slack, webhook_url: 'https://[{PLANT}'}}}}",
        f"sinks: {{ops: {{type: slack, webhook_url: '${{{PLANT}'}}}}",
        f"sinks: {{ops: {{type: slack, webhook_url: '${{TOKEN}} {PLANT}'}}}}",
        "sinks: {ops: {type: slack, webhook_url: ['${TOKEN}']}}",
        f"sinks: {{ops: {{type: slack, webhook_url: {{{PLANT}}}}}}}",
        f"sinks: {{ops: {{type: slack, webhook: {PLANT}}}}}",
        f"sinks: {{ops: {{type: slack, webhook_url:{PLANT}}}}}",
        f"sinks: {{ops: {{type: stdout, token: {PLANT}}}}}",
        f"sinks: {{ops: {{type: pagerduty, routing_key: {PLANT}}}}}",
        f"sinks: {{ops: {{type: pagerduty, routing_key: {ROUTING_KEY}, url: 'http://{PLANT}'}}}}",
        f"sinks: {{ops: {{type: jsm, api_key: '{PLANT} {PLANT}'}}}}",
        f"sinks: {{ops: {{type: jsm, key: {PLANT}}}}}",
        f"sinks: {{ops: {{type: alertmanager, urls: ['http://u:{PLANT}@h']}}}}",
        f"sinks: {{ops: {{type: alertmanager, urls: ['http://h'], username: u, password: {PLANT}}}}}",
        f"sinks: {{ops: {{type: alertmanager, urls: ['http://h'], password: {PLANT}}}}}",
        f"sinks: {{ops: {{type: webhook, url: 'http://{PLANT}', secrets: [{SIGNING}]}}}}",
        f"sinks: {{ops: {{type: webhook, url: 'https://h', secrets: [{PLANT}, whsec_{PLANT}]}}}}",
        f"sinks: {{ops: {{type: webhook, url: 'https://h', secrets: {PLANT}}}}}",
        f"sinks: {{ops: {{type: email, host: '{PLANT} x', sender: {PLANT}, recipients: [{PLANT}]}}}}",
        f"sinks: {{ops: {{type: email, host: h, sender: a@h, recipients: [a@h], password: {PLANT}}}}}",
        f"sinks: {{ops: {{type: teams, webhook_url: 'http://h/{PLANT}'}}}}",
        f"sinks: {{ops: {{type: apprise, urls: {PLANT}}}}}",
        f"sinks: {{ops: {{type: apprise, urls: [[{PLANT}]]}}}}",
        f"notify: {PLANT}",
        f"notify: {{heartbeat: 'https://{PLANT}'}}",
        f"notify: {{heartbeat: [{PLANT}]}}",
        f"notify: {{heartbeat: {{url: 'http://h/{PLANT}'}}}}",
        f"notify: {{heartbeat: {{url: [{PLANT}]}}}}",
        f"notify: {{heartbeat: {{url:{PLANT}}}}}",
        f"notify: {{heartbeat: {{hook: {PLANT}}}}}",
        f"notify: {{heartbeat: {{url: {PLANT}, every: 1ms}}}}",
    ],
)
def test_no_refusal_shows_a_secret(text: str) -> None:
    with pytest.raises(Stop) as caught:
        parse(text)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert PLANT not in shown


@pytest.mark.parametrize(
    ("model", "data"),
    [
        (KafkaSettings, {"sasl.password": [PLANT]}),
        (RedisSettings, {"url": PLANT}),
        (SlackSink, {"type": "slack", "webhook_url": PLANT}),
        (
            Settings,
            {
                "models": {},
                "kafka": PLANT,
                "redis": {"url": PLANT},
                "sinks": {"a": {"type": PLANT[:0], "x": PLANT}},
            },
        ),
    ],
)
def test_an_error_of_pydantic_itself_shows_no_secret(model: type[Settings], data: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(data)
    assert PLANT not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "is_secret"),
    [
        ("sasl.password", True),
        ("sasl.username", True),
        ("ssl.key.location", True),
        ("SSL.KEY.PASSWORD", True),
        ("schema.registry.basic.auth.user.info", True),
        ("client.secret", True),
        ("access.token", True),
        ("bootstrap.servers", False),
        ("security.protocol", False),
        ("ssl.ca.location", False),
        ("client.id", False),
    ],
)
def test_a_key_looks_secret_by_its_name(key: str, is_secret: bool) -> None:
    assert looks_secret(key) is is_secret


def test_secret_text_hides_in_containers_and_survives_a_copy() -> None:
    text = SecretText(PLANT)
    assert PLANT not in repr([text, {"a": text}])
    assert repr(pickle.loads(pickle.dumps(text))) == repr(text)  # noqa: S301 - our own bytes
    assert str(text) == PLANT
