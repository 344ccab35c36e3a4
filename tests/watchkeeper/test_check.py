"""The check: which answers are missing, which servers are not fit, and what it says about them."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from servers.redis import LocalRedis, store_binary

from detectors.profile import CategoricalColumn, NumericColumn, ReferenceProfile
from detectors.segments import SegmentReference
from schemas.errors import Stop
from schemas.settings import KafkaSettings, RedisSettings
from watchkeeper.check_command import Fact, kafka_facts, redis_facts, run_check, write_facts
from watchkeeper.embedded import EmbeddedKafka

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from servers.fixtures import TopicFactory
    from servers.selection import Server

TOPICS = {"predictions": 3, "ground-truth": 3, "alerts": 1, "watchkeeper-dead-letters": 1}
COMPLETE: dict[str, Any] = {
    "task": "binary",
    "positive_class": "fraud",
    "profile": "fraud.json",
    "owner": {"team": "payments-ml", "contact": "@payments-ml"},
    "updates": {"who": "payments-ml", "cadence": "monthly", "trigger": "performance"},
    "fallback": "rules-v3",
    "runbook": "https://wiki.example/fraud-model",
}
QUALITY = "how will we know quality fell"
UPDATES = "who updates it, and when"
UNFAMILIAR = "what happens on unfamiliar data"


def profile(*, labelled: int = 1000, model: str = "fraud") -> ReferenceProfile:
    amount = NumericColumn("amount", (1.0,), (500, 500), mean=1.0, sd=0.5, low=0.0, high=2.0, median=1.0)
    return ReferenceProfile(
        model=model,
        task="binary",
        n=1000,
        columns=(
            amount,
            CategoricalColumn("country", ("DE",), (1000,)),
            CategoricalColumn("output.label", ("ok", "fraud"), (900, 100)),
        ),
        labelled=labelled,
        metrics={"accuracy": 0.9} if labelled else {},
    )


def written(
    folder: Path,
    model: dict[str, Any],
    *,
    reference: ReferenceProfile | None = None,
    servers: dict[str, Any] | None = None,
) -> Path:
    """Write the settings of one model, and its profile beside them."""
    (folder / "fraud.json").write_text((reference or profile()).to_json(), "utf-8")
    path = folder / "watchkeeper.yaml"
    path.write_text(yaml.safe_dump({"models": {"fraud": model}, **(servers or {})}), "utf-8")
    return path


def checked(config: Path, capsys: pytest.CaptureFixture[str], *, offline: bool = True) -> tuple[int, Any]:
    """Return exit code and facts."""
    code = run_check(config, offline=offline, json_output=True)
    return code, [Fact(**fact) for fact in json.loads(capsys.readouterr().out)]


def without(model: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in model.items() if key not in keys}


UNLEARNED = {**without(COMPLETE, "profile"), "learn": False}


class TestReadiness:
    def test_a_model_with_every_answer_is_ready(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        code, facts = checked(written(tmp_path, COMPLETE), capsys)
        assert code == 0
        assert all(fact.ok for fact in facts)
        assert {fact.question: fact.answer for fact in facts if fact.about == "fraud"} == {
            QUALITY: "1 metrics on 1,000 labelled rows of the profile",
            UPDATES: "payments-ml: monthly, performance",
            UNFAMILIAR: "unseen and missing values of 2 features raise alerts",
            "what is the fallback": "rules-v3",
            "who is called first": "@payments-ml (payments-ml)",
            "where is the runbook": "https://wiki.example/fraud-model",
        }

    @pytest.mark.parametrize(
        ("model", "missing"),
        [
            (without(COMPLETE, "owner"), ["who is called first"]),
            (without(COMPLETE, "runbook"), ["where is the runbook"]),
            (without(COMPLETE, "fallback"), ["what is the fallback"]),
            (without(COMPLETE, "updates"), [UPDATES]),
            ({**COMPLETE, "updates": {"who": "payments-ml"}}, [UPDATES]),
            ({**COMPLETE, "updates": {"who": "payments-ml", "trigger": "performance"}}, []),
            (without(COMPLETE, "profile"), []),
            (UNLEARNED, [QUALITY, UNFAMILIAR]),
            ({**UNLEARNED, "metrics": {"accuracy": {"min": 0.9}}}, [UNFAMILIAR]),
            ({**UNLEARNED, "metrics": {"recall": {"drop": 0.1}}}, [QUALITY, UNFAMILIAR]),
            ({**COMPLETE, "metrics": {"accuracy": {"drop": 0.1}}}, []),
            ({**COMPLETE, "monitors": {"performance": False}}, [QUALITY]),
            ({**COMPLETE, "monitors": {"unseen_rate": False}}, [UNFAMILIAR]),
            ({**COMPLETE, "monitors": {"missing_rate": False}}, [UNFAMILIAR]),
            ({**COMPLETE, "monitors": {"psi": False}}, []),
            (without(COMPLETE, "owner", "runbook"), ["who is called first", "where is the runbook"]),
        ],
        ids=str,
    )
    def test_each_missing_answer_is_a_line_of_its_own(
        self,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        model: dict[str, Any],
        missing: list[str],
    ) -> None:
        code, facts = checked(written(tmp_path, model), capsys)
        assert [fact.question for fact in facts if not fact.ok] == missing
        assert code == (1 if missing else 0)

    def test_a_profile_without_labels_is_no_baseline_but_knows_what_is_familiar(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        code, facts = checked(written(tmp_path, COMPLETE, reference=profile(labelled=0)), capsys)
        assert [(fact.question, fact.about) for fact in facts if not fact.ok] == [(QUALITY, "fraud")]
        assert code == 1

    @pytest.mark.parametrize(
        ("model", "said"),
        [
            ({**COMPLETE, "windw": "1m"}, 'did you mean "window"'),
            ({**COMPLETE, "profile": "nowhere.json"}, "nowhere.json: cannot read a reference profile"),
        ],
    )
    def test_settings_that_are_not_valid_stop_it_with_code_2(
        self, tmp_path: Path, model: dict[str, Any], said: str
    ) -> None:
        with pytest.raises(Stop, match=said) as stop:
            run_check(written(tmp_path, model), offline=True, json_output=False)
        assert stop.value.exit_code == 2

    def test_the_profile_of_another_model_stops_it_with_code_2(self, tmp_path: Path) -> None:
        config = written(tmp_path, COMPLETE, reference=profile(model="churn"))
        with pytest.raises(Stop, match="expected the profile of model 'fraud'") as stop:
            run_check(config, offline=True, json_output=False)
        assert stop.value.exit_code == 2


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


FACTS = [
    Fact(True, "redis", "answers", "Redis 8"),
    Fact(False, "fraud", "where is the runbook", "two\nlines"),
]


class TestOutput:
    def test_facts_stand_in_columns_one_line_each(self) -> None:
        stream = io.StringIO()
        write_facts(FACTS, stream, env={})
        assert stream.getvalue().splitlines() == [
            "ok       redis  answers               Redis 8",
            "missing  fraud  where is the runbook  two lines",
        ]

    @pytest.mark.parametrize(
        ("stream", "env", "coloured"),
        [(Terminal(), {}, True), (Terminal(), {"NO_COLOR": "1"}, False), (io.StringIO(), {}, False)],
        ids=["terminal", "NO_COLOR", "file"],
    )
    def test_colour_is_for_terminals_that_want_it(
        self, stream: io.StringIO, env: dict[str, str], *, coloured: bool
    ) -> None:
        write_facts(FACTS, stream, env=env)
        assert ("\x1b[31mmissing\x1b[0m" in stream.getvalue()) == coloured
        assert ("\x1b" in stream.getvalue()) == coloured

    def test_offline_talks_to_no_server(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        servers = {"kafka": {"bootstrap.servers": "localhost:1"}, "redis": {"url": "redis://localhost:1"}}
        code = run_check(written(tmp_path, COMPLETE, servers=servers), offline=True, json_output=False)
        said = capsys.readouterr().out
        assert code == 0
        assert "kafka" not in said
        assert "redis" not in said


@contextlib.contextmanager
def silent_server() -> Iterator[int]:
    """A port that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        yield server.getsockname()[1]


class TestServersThatAreAway:
    @pytest.mark.slow
    def test_two_silent_servers_are_two_missing_answers_within_fifteen_seconds(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with silent_server() as redis, silent_server() as kafka:
            config = written(
                tmp_path,
                COMPLETE,
                servers={
                    "kafka": {"bootstrap.servers": f"127.0.0.1:{kafka}"},
                    "redis": {"url": f"redis://:hunter2@127.0.0.1:{redis}/0"},
                },
            )
            began_s = time.monotonic()
            code, facts = checked(config, capsys, offline=False)
            assert time.monotonic() - began_s < 15.0
        assert code == 1
        assert [fact.about for fact in facts if not fact.ok] == ["redis", "kafka"]
        said = {fact.about: fact.answer for fact in facts}
        assert "correct redis.url" in said["redis"]
        assert "correct kafka.bootstrap.servers" in said["kafka"]
        assert "hunter2" not in str(facts)

    def test_settings_that_name_no_broker_lack_an_answer(self) -> None:
        facts = kafka_facts(KafkaSettings())
        assert [(fact.ok, fact.question) for fact in facts] == [(False, "answers")]
        assert "bootstrap.servers" in facts[0].answer


class TestTopics:
    def test_topics_as_they_must_be_are_named_with_their_partitions(self) -> None:
        with EmbeddedKafka(topics=TOPICS) as broker:
            facts = kafka_facts(kafka(broker.bootstrap_servers))
        assert [(fact.ok, fact.question, fact.answer) for fact in facts] == [
            (True, "topic predictions", "3 partitions"),
            (True, "topic ground-truth", "3 partitions"),
            (True, "topic alerts", "1 partition"),
            (True, "topic watchkeeper-dead-letters", "1 partition"),
            (True, "a label meets its prediction", "both topics have 3 partitions"),
        ]

    def test_missing_topics_come_with_their_commands_and_are_not_made_by_asking(self) -> None:
        with EmbeddedKafka(topics={"labels": 3}) as broker:  # it makes the topics that others ask for
            servers = broker.bootstrap_servers
            command = f"kafka-topics.sh --bootstrap-server {servers} --create --topic"
            for _ in range(2):
                facts = kafka_facts(kafka(servers, ground_truth="labels"))
                assert {fact.question: fact.answer for fact in facts if not fact.ok} == {
                    "topic predictions": f"does not exist; {command} predictions --partitions 3",
                    "topic alerts": f"does not exist; {command} alerts --partitions 1",
                    "topic watchkeeper-dead-letters": (
                        f"does not exist; {command} watchkeeper-dead-letters --partitions 1"
                    ),
                }

    @pytest.mark.servers
    @pytest.mark.parametrize(("predictions", "labels"), [(2, 3), (3, 2)])
    def test_unequal_topics_are_named_with_the_command_that_mends_the_smaller_one(
        self, kafka_server: Server, topics: TopicFactory, predictions: int, labels: int
    ) -> None:
        first, second = topics("predictions", partitions=predictions), topics("labels", partitions=labels)
        facts = kafka_facts(kafka(kafka_server.address, predictions=first, ground_truth=second))
        meeting = next(fact for fact in facts if "meets" in fact.question)
        smaller = first if predictions < labels else second
        assert not meeting.ok
        assert f"{first} has {predictions} partitions and {second} has {labels} partitions" in meeting.answer
        assert f"--alter --topic {smaller} --partitions 3" in meeting.answer


def kafka(servers: str, **names: str) -> KafkaSettings:
    return KafkaSettings.model_validate({"bootstrap.servers": servers, **names})


class TestRedis:
    @pytest.mark.servers
    def test_a_redis_that_keeps_what_it_is_given_is_ready(self, redis_url: str) -> None:
        (fact,) = redis_facts(RedisSettings(url=redis_url))
        assert fact.ok
        assert "noeviction" in fact.answer

    @pytest.mark.servers
    def test_a_redis_that_may_throw_data_away_comes_with_the_command_that_mends_it(
        self, tmp_path: Path
    ) -> None:
        server = LocalRedis(
            binary=store_binary(), directory=tmp_path, settings={"maxmemory-policy": "allkeys-lru"}
        )
        server.start()
        try:
            (fact,) = redis_facts(RedisSettings(url=server.url))
        finally:
            server.stop()
        assert not fact.ok
        assert "redis-cli config set maxmemory-policy noeviction" in fact.answer


SEGMENTS = "what are segments compared with"


@pytest.mark.parametrize(
    ("declared", "known", "answer"),
    [
        (["channel"], ["channel=web", "channel=app"], "2 segments of channel"),
        (
            ["channel"],
            [],
            "the profile does not know segments by channel, so their statuses alone are watched",
        ),
        (["channel", "city"], ["channel=web"], "the profile does not know segments by city"),
    ],
)
def test_it_is_asked_what_segments_are_compared_with(
    declared: list[str], known: list[str], answer: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reference = replace(profile(), segments={name: SegmentReference(500) for name in known})
    code, facts = checked(written(tmp_path, {**COMPLETE, "segments": declared}, reference=reference), capsys)
    [fact] = [fact for fact in facts if fact.question == SEGMENTS]
    assert fact.answer.startswith(answer)
    assert fact.ok is (code == 0) is ("does not know" not in answer)


def test_a_model_without_segments_is_not_asked_about_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert SEGMENTS not in {fact.question for fact in checked(written(tmp_path, COMPLETE), capsys)[1]}


def test_it_says_which_profile_each_version_is_compared_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "new.json").write_text(profile().to_json(), "utf-8")
    _, facts = checked(written(tmp_path, {**COMPLETE, "profiles": {"8": "new.json"}}), capsys)
    [fact] = [fact for fact in facts if fact.question == "what are versions compared with"]
    assert (fact.ok, fact.answer) == (True, "8 with new.json; all others with fraud.json")
    assert fact.question not in {f.question for f in checked(written(tmp_path, COMPLETE), capsys)[1]}
