"""The `check` command: says whether everything is there that a night on call needs.

Every fact is one line: what was asked, whether there is an answer, and the answer or the mend.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, TextIO

from consumers.kafka_client import check_topics
from consumers.plan import ModelPlan
from consumers.redis_gate import RedisGate
from detectors.profile import is_feature
from schemas.errors import Retry, Stop
from schemas.kafka_settings import KafkaSettings
from schemas.redis_settings import RedisSettings
from schemas.settings import MetricRule, ModelSettings, Settings
from schemas.settings_tree import shown
from watchkeeper.loading import load_plans, load_settings
from watchkeeper.sinks import make_sinks

ANSWER_WITHIN_S: Final = 13.0
"""Longest wait for both servers together, who are asked at the same time."""

REDIS_TIMEOUT_S: Final = 2.0
PARTITIONS_PROPOSED: Final = 12
UNFAMILIAR_MONITORS: Final = ("unseen_rate", "missing_rate")

_GREEN, _RED, _PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Fact:
    """One question and what is known about it.

    Parameters
    ----------
    about
        `settings`, `redis`, `kafka`, or the model's name.
    question
        A few words.
    answer
        The answer; where it is missing, the mend.
    """

    ok: bool
    about: str
    question: str
    answer: str


def run_check(config: Path, *, offline: bool, json_output: bool) -> int:
    """Print what is ready and what is missing; returns 0 if nothing is missing, else 1.

    Takes at most about 15 s, also when no server answers.

    Parameters
    ----------
    offline
        True to talk to no server.

    Raises
    ------
    Stop
        The settings, or a profile that they name, are not valid.
    """
    settings = load_settings(config)
    plans = load_plans(settings, config.parent)
    facts = [Fact(True, "settings", "valid", f"{config}, {len(plans)} model{'s' * (len(plans) != 1)}")]
    facts += sink_facts(settings)
    for plan in plans.values():
        facts += model_facts(plan)
    if not offline:
        facts += server_facts(settings, within_s=ANSWER_WITHIN_S)
    if json_output:
        sys.stdout.write(json.dumps([asdict(fact) for fact in facts], indent=1) + "\n")
    else:
        write_facts(facts, sys.stdout, env=os.environ)
    return 0 if all(fact.ok for fact in facts) else 1


def sink_facts(settings: Settings) -> list[Fact]:
    """Return whether the sinks that the settings name can be made; nothing is sent."""
    question = "can its sinks be made"
    try:
        sinks = make_sinks(settings)
    except Stop as error:
        return [Fact(False, "settings", question, str(error))]
    for sink in sinks:
        sink.close()
    return [Fact(True, "settings", question, ", ".join(sink.name for sink in sinks))]


def model_facts(plan: ModelPlan) -> list[Fact]:
    """Return the readiness questions of one model with their answers."""
    model = plan.settings
    answers: Mapping[str, tuple[str | None, str]] = {
        "how will we know quality fell": _quality(plan),
        "who updates it, and when": _updates(model),
        "what happens on unfamiliar data": _unfamiliar(plan),
        **({"what are segments compared with": _segments(plan)} if model.segments else {}),
        **({"what are versions compared with": (_versions(plan), "")} if plan.versions else {}),
        "what is the fallback": (
            model.fallback,
            "say what answers when the model does not: fallback: rules-v3",
        ),
        "who is called first": (
            None if model.owner is None else f"{model.owner.contact} ({model.owner.team})",
            "name them: owner: {team: payments-ml, contact: '@payments-ml'}",
        ),
        "where is the runbook": (model.runbook, "write one and link it: runbook: https://wiki.example/page"),
    }
    return [
        Fact(answer is not None, plan.name, question, mend if answer is None else answer)
        for question, (answer, mend) in answers.items()
    ]


def _quality(plan: ModelPlan) -> tuple[str | None, str]:
    """Return what quality is compared with, if anything, and the mend."""
    if not plan.settings.monitor("performance").enabled:
        return None, "performance is switched off under monitors; switch it on"
    profile = plan.profile
    baseline = {} if profile is None or not profile.labelled else profile.metrics
    usable = [name for name, rule in plan.settings.metrics.items() if _says(rule, name in baseline)]
    if usable:
        return f"limits on {', '.join(usable)}", ""
    if profile is not None and baseline:
        return f"{len(baseline)} metrics on {profile.labelled:,} labelled rows of the profile", ""
    if plan.learning:
        return f"how often it is wrong is learned from the first {_events(plan)} labels", ""
    return None, (
        "build the profile from labelled rows (`watchkeeper profile --label COL`), or set a limit: "
        f"metrics: {{{'mae: {max: 10}' if plan.is_regression else 'accuracy: {min: 0.9}'}}}"
    )


def _events(plan: ModelPlan) -> str:
    learn = plan.settings.learning
    return f"{0 if learn is None else learn.events:,}"


def _says(rule: MetricRule, has_baseline: bool) -> bool:  # noqa: FBT001 - read at its one call
    return rule.min is not None or rule.max is not None or (rule.drop is not None and has_baseline)


def _updates(model: ModelSettings) -> tuple[str | None, str]:
    updates = model.updates
    when = [] if updates is None else [text for text in (updates.cadence, updates.trigger) if text]
    if updates is not None and when:
        return f"{updates.who}: {', '.join(when)}", ""
    return None, "say who and on what trigger: updates: {who: payments-ml, trigger: performance}"


def _unfamiliar(plan: ModelPlan) -> tuple[str | None, str]:
    if plan.learning:
        return f"what is familiar is learned from the first {_events(plan)} events", ""
    if plan.profile is None:
        return (
            None,
            f"what is familiar is not known: build a profile with `watchkeeper profile --model {plan.name}`",
        )
    off = [name for name in UNFAMILIAR_MONITORS if not plan.settings.monitor(name).enabled]
    if off:
        return None, f"{' and '.join(off)} switched off under monitors; switch on"
    features = sum(is_feature(column.name) for column in plan.profile.columns)
    return f"unseen and missing values of {features} features raise alerts", ""


def _segments(plan: ModelPlan) -> tuple[str | None, str]:
    """Return how many segments have a reference, if every declared key has one, and the mend."""
    known = {} if plan.profile is None else plan.profile.segments
    keys = plan.settings.segments
    lacking = [key for key in keys if not any(name.startswith(f"{key}=") for name in known)]
    if not lacking:
        return f"{len(known)} segments of {', '.join(keys)} with their own share of the profile", ""
    return None, (
        f"the profile does not know segments by {', '.join(lacking)}, so their statuses alone are watched: build it "
        f"from events or a table that say {'them' if len(lacking) > 1 else 'it'}, `watchkeeper profile --model {plan.name}`"
    )


def _versions(plan: ModelPlan) -> str:
    own = [f"{shown(version)} with {shown(path)}" for version, path in plan.settings.profiles.items()]
    return f"{', '.join(own)}; all others with {shown(str(plan.settings.profile))}"


def server_facts(settings: Settings, *, within_s: float) -> list[Fact]:
    """Ask both servers at the same time; a server that says nothing in time is a missing answer."""
    asked = [
        _Asked("redis", lambda: redis_facts(settings.redis)),
        _Asked("kafka", lambda: kafka_facts(settings.kafka)),
    ]
    deadline_s = time.monotonic() + within_s
    return [fact for server in asked for fact in server.facts(deadline_s)]


class _Asked:
    """One server being asked, on a daemon thread: a server that hangs does not hold up the end."""

    def __init__(self, about: str, ask: Callable[[], list[Fact]]) -> None:
        self._about = about
        self._ask = ask
        self._found: list[Fact] | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"check {about}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._found = self._ask()
        except BaseException as error:  # noqa: BLE001 - the outermost loop of this thread: `facts` raises it
            self._failure = error

    def facts(self, deadline_s: float) -> list[Fact]:
        """Wait for the answers until a point of monotonic time."""
        self._thread.join(max(0.0, deadline_s - time.monotonic()))
        if self._failure is not None:
            raise self._failure
        if self._found is None:
            return [Fact(False, self._about, "answers", "nothing came in time; is it reachable from here?")]
        return self._found


def redis_facts(redis: RedisSettings) -> list[Fact]:
    """Return whether Redis answers and keeps what it is given."""
    timeout_s = min(REDIS_TIMEOUT_S, redis.command_timeout_ms / 1000)
    try:
        gate = RedisGate(str(redis.url), cluster=redis.cluster, timeout_s=timeout_s)
        try:
            server = gate.check()
        finally:
            gate.close()
    except Retry as error:
        return [Fact(False, "redis", "answers", f"{error}; start Redis, or correct redis.url")]
    except Stop as error:
        return [Fact(False, "redis", "answers and keeps data", str(error))]
    return [Fact(True, "redis", "answers and keeps data", f"{server} at {redis.safe_url}, noeviction")]


def kafka_facts(kafka: KafkaSettings) -> list[Fact]:
    """Return whether the broker answers and the four topics are as they must be."""
    servers = kafka.bootstrap_servers
    if servers is None:
        return [Fact(False, "kafka", "answers", 'not named: kafka: {bootstrap.servers: "host:9092"}')]
    counts: dict[str, int | None] = {}
    for topic in (kafka.predictions, kafka.ground_truth, kafka.alerts, kafka.dead_letters):
        try:
            counts[topic] = _partitions(kafka, topic)
        except Retry as error:
            mend = f"start Kafka, or correct kafka.bootstrap.servers ({servers})"
            return [Fact(False, "kafka", "answers", f"{error}; {mend}")]
    command = f"kafka-topics.sh --bootstrap-server {servers}"
    events = (kafka.predictions, kafka.ground_truth)
    return [*_topic_facts(counts, events, command), *_meeting_facts(counts, events, command)]


def _partitions(kafka: KafkaSettings, topic: str) -> int | None:
    """Return the number of partitions of a topic, None if it does not exist."""
    # Without this a mere question makes the topic, with one partition, on brokers that allow it.
    properties = {**kafka.properties, "allow.auto.create.topics": False}
    try:
        return check_topics(properties, [topic])[topic]
    except Stop:
        return None


def _topic_facts(counts: Mapping[str, int | None], events: tuple[str, str], command: str) -> Iterator[Fact]:
    wanted = max((counts[topic] or 0 for topic in events), default=0) or PARTITIONS_PROPOSED
    for topic, number in counts.items():
        if number is not None:
            yield Fact(True, "kafka", f"topic {topic}", _counted(number))
        else:
            mend = f"{command} --create --topic {topic} --partitions {wanted if topic in events else 1}"
            yield Fact(False, "kafka", f"topic {topic}", f"does not exist; {mend}")


def _meeting_facts(counts: Mapping[str, int | None], events: tuple[str, str], command: str) -> Iterator[Fact]:
    numbers = counts[events[0]], counts[events[1]]
    if numbers[0] is None or numbers[1] is None:
        return
    question = "a label meets its prediction"
    if numbers[0] == numbers[1]:
        yield Fact(True, "kafka", question, f"both topics have {_counted(numbers[0])}")
        return
    smaller = events[0] if numbers[0] < numbers[1] else events[1]
    found = " and ".join(f"{topic} has {_counted(counts[topic] or 0)}" for topic in events)
    mend = f"{command} --alter --topic {smaller} --partitions {max(numbers[0], numbers[1])}"
    yield Fact(
        False, "kafka", question, f"{found}, it must be the same number; before the first event: {mend}"
    )


def _counted(partitions: int) -> str:
    return f"{partitions} partition{'s' * (partitions != 1)}"


def write_facts(facts: Sequence[Fact], stream: TextIO, *, env: Mapping[str, str]) -> None:
    """Write a line per fact, in columns; coloured on a terminal unless NO_COLOR is set."""
    is_coloured = stream.isatty() and not env.get("NO_COLOR")
    about = max(len(fact.about) for fact in facts)
    question = max(len(fact.question) for fact in facts)
    for fact in facts:
        mark = "ok     " if fact.ok else "missing"
        if is_coloured:
            mark = f"{_GREEN if fact.ok else _RED}{mark}{_PLAIN}"
        answer = " ".join(fact.answer.split())
        stream.write(f"{mark}  {fact.about:<{about}}  {fact.question:<{question}}  {answer}\n")
