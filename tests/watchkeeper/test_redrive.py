"""`redrive` on a real Kafka: dead letters go back once, as they were, and what cannot go back is explained."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource

from consumers.kafka_letters import RecordReader, RecordWriter, TopicReader
from consumers.letters import Wanted
from consumers.rejects import KEY_BYTES_MAX, Reason, Rejected, dead_letter
from schemas.errors import Stop
from schemas.undelivered import UNDELIVERED
from watchkeeper.cli import main
from watchkeeper.redrive import BUNDLE_LETTERS, Gates, Redrive

pytestmark = pytest.mark.servers

WAIT_S = 20.0
SETTINGS = """\
kafka: {{bootstrap.servers: "{kafka}", predictions: {predictions}, ground_truth: {labels},
  dead_letters: {letters}}}
models: {{fraud: {{task: binary, positive_class: fraud}}}}
"""
NOTHING = {
    "dry_run": False, "redriven": 0, "already": 0, "filtered": 0, "repeated": 0, "empty": 0, "undelivered": 0,
    "not_redrivable": {"total": 0, "reasons": {}}, "problems": [],
}  # fmt: skip


@dataclass(frozen=True)
class Found:
    """A record as a plain consumer sees it."""

    partition: int
    key: bytes | None
    value: bytes | None
    timestamp_ms: int
    headers: Mapping[str, Any]


@dataclass(frozen=True)
class Post:
    """Topics of one test, and what a person does with them."""

    folder: Path
    address: str
    topics: Mapping[str, str]
    capture: pytest.CaptureFixture[str]

    def put(self, topic: str, value: bytes | None, key: bytes | None = None, **where: Any) -> int:
        """Write one record and return its offset."""
        offsets: list[int] = []

        def noted(error: KafkaError | None, message: Any) -> None:
            assert error is None, error
            offsets.append(message.offset())

        producer = Producer({"bootstrap.servers": self.address, "message.max.bytes": 5_000_000})
        producer.produce(self.topics[topic], value, key, on_delivery=noted, **where)
        producer.flush(WAIT_S)
        return offsets[0]

    def letter(
        self,
        value: bytes | None,
        key: bytes | None = b"k",
        *,
        reason: Reason = Reason.UNKNOWN_MODEL,
        model: str | None = None,
        **place: Any,
    ) -> str:
        """Write a dead letter of a record and return its id."""
        data = self.made(Rejected(0, reason, "why", model), key, value, **place)
        name: str = msgspec.json.decode(data)["id"]
        self.put("letters", data, name.encode())
        return name

    def letters(self, count: int) -> None:
        """Write letters of one partition as the worker does: all to one partition, in their order."""
        producer = Producer({"bootstrap.servers": self.address})
        for offset in range(count):
            data = self.made(Rejected(0, Reason.CONTRACT, "why"), None, b"%d" % offset, offset=offset)
            producer.produce(self.topics["letters"], data, b"%d" % offset, 1)
        assert producer.flush(WAIT_S) == 0

    def made(self, rejected: Rejected, key: bytes | None, value: bytes | None, **place: Any) -> bytes:
        at = {
            "topic": self.topics["predictions"],
            "partition": 1,
            "offset": 7,
            "timestamp_ms": 1_000,
            **place,
        }
        return dead_letter(rejected, key=key, value=value, topic_id=at["topic"], **at)

    def fails(self) -> tuple[int, str]:
        """Run the command where it must end in an error; returns its exit code and what it says."""
        config = self.folder / "watchkeeper.yaml"
        config.write_text(SETTINGS.format(kafka=self.address, **self.topics))
        code = main(["redrive", "--config", str(config)])
        output = self.capture.readouterr()
        assert (output.out, output.err.count("\n")) == ("", 1)
        return code, output.err

    def redrive(self, *arguments: str, code: int = 0) -> Any:
        """Run the command and return its machine output."""
        config = self.folder / "watchkeeper.yaml"
        config.write_text(SETTINGS.format(kafka=self.address, **self.topics))
        assert main(["redrive", "--config", str(config), "--json", *arguments]) == code
        return json.loads(self.capture.readouterr().out)

    def records(self, topic: str) -> list[Found]:
        """Return everything in a topic."""
        settings = {"bootstrap.servers": self.address, "group.id": "x", "enable.auto.commit": False}
        consumer = Consumer({**settings, "enable.partition.eof": True})
        numbers = (
            consumer.list_topics(self.topics[topic], timeout=WAIT_S).topics[self.topics[topic]].partitions
        )
        consumer.assign([TopicPartition(self.topics[topic], number, 0) for number in numbers])
        found: list[Found] = []
        ends = 0
        while ends < len(numbers):
            message = consumer.poll(WAIT_S)
            assert message is not None, "nothing came"
            if (error := message.error()) is not None:
                assert error.code() == KafkaError._PARTITION_EOF, error
                ends += 1
                continue
            found.append(
                Found(
                    message.partition() or 0,
                    message.key(),
                    message.value(),
                    message.timestamp()[1],
                    dict(message.headers() or []),
                )
            )
        consumer.close()
        return found


@pytest.fixture
def post(
    tmp_path: Path, kafka_server: Any, topics: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> Post:
    large = {"max.message.bytes": "5000000"}
    named = {
        "predictions": topics("p", partitions=3, config=large),
        "labels": topics("l", partitions=3, config=large),
        "letters": topics("d", partitions=2),
    }
    return Post(tmp_path, kafka_server.address, named, capsys)


@pytest.mark.parametrize("key", [None, b"", b"\xff\x00id", b"k" * 5_000])
def test_a_letter_goes_back_as_it_was_with_a_header_that_names_it(post: Post, key: bytes | None) -> None:
    name = post.letter(b"\xff not json", key, partition=2, timestamp_ms=1_700_000_000_123)
    assert post.redrive() == {**NOTHING, "redriven": 1}
    headers = {"watchkeeper-dead-letter": name.encode()}
    assert post.records("predictions") == [Found(2, key, b"\xff not json", 1_700_000_000_123, headers)]
    assert post.records("labels") == []


def test_a_message_to_people_is_counted_apart_and_left_alone(post: Post) -> None:
    post.letter(b"{}")
    post.put("letters", json.dumps({"specversion": "1.0", "id": "a:0", "type": UNDELIVERED}).encode(), b"a:0")
    assert post.redrive() == {**NOTHING, "redriven": 1, "undelivered": 1}
    assert len(post.records("predictions")) == 1


def test_a_second_redrive_puts_nothing_back(post: Post) -> None:
    for offset in range(3):
        post.letter(b"{}", offset=offset)
    assert post.redrive()["redriven"] == 3
    assert post.redrive() == {**NOTHING, "already": 3}
    post.letter(b"{}", offset=3)
    assert post.redrive() == {**NOTHING, "redriven": 1, "already": 3}
    assert len(post.records("predictions")) == 4


def test_receipts_stand_beside_their_letters_under_the_same_key(post: Post) -> None:
    name = post.letter(b"{}")
    post.redrive()
    first, second = post.records("letters")
    assert (first.key, first.partition) == (second.key, second.partition) == (name.encode(), first.partition)
    receipt = msgspec.json.decode(second.value or b"")
    assert (receipt["id"], receipt["redriven"]) == (name, True)


def test_a_letter_that_the_topic_holds_twice_goes_back_once(post: Post) -> None:
    post.letter(b"{}")
    post.letter(b"{}")
    assert post.redrive() == {**NOTHING, "redriven": 1, "repeated": 1}
    assert len(post.records("predictions")) == 1


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(post: Post) -> None:
    post.letter(b"{}")
    post.letter(None, offset=8, reason=Reason.EMPTY)
    assert post.redrive("--dry-run") == {**NOTHING, "dry_run": True, "redriven": 1, "empty": 1}
    assert (post.records("predictions"), len(post.records("letters"))) == ([], 2)
    assert post.redrive()["redriven"] == 1


def test_tombstones_and_empty_records_are_not_put_back_and_that_is_no_failure(post: Post) -> None:
    post.letter(None, reason=Reason.EMPTY)
    post.letter(b"", offset=8, reason=Reason.EMPTY)
    assert post.redrive() == {**NOTHING, "empty": 2}
    assert post.records("predictions") == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--reason", "contract"), {b"1"}),
        (("--reason", "contract,unknown_model"), {b"1", b"2", b"3"}),
        (("--model", "fraud2"), {b"2", b"3"}),
        (("--model", "fraud2", "--topic", "LABELS"), {b"3"}),
        (("--topic", "LABELS", "--reason", "decode"), {b"4"}),
        (("--model", "nobody"), set()),
    ],
)
def test_filters_choose_and_together_narrow(
    post: Post, arguments: tuple[str, ...], expected: set[bytes]
) -> None:
    labels = post.topics["labels"]
    post.letter(b"1", offset=1, reason=Reason.CONTRACT, model="fraud")
    post.letter(b"2", offset=2, model="fraud2")
    post.letter(b"3", offset=3, model="fraud2", topic=labels)
    post.letter(b"4", offset=4, reason=Reason.DECODE, topic=labels)
    found = post.redrive(*(word.replace("LABELS", labels) for word in arguments))
    assert {r.value for t in ("predictions", "labels") for r in post.records(t)} == expected
    assert found == {**NOTHING, "redriven": len(expected), "filtered": 4 - len(expected)}


def test_what_a_letter_keeps_only_in_part_is_read_again_from_its_topic(post: Post) -> None:
    value, key = b"v" * 1_500_000, b"k" * (KEY_BYTES_MAX + 1)
    offset = post.put("predictions", value, key, partition=1)
    post.letter(value, key, offset=offset, reason=Reason.OVERSIZE)
    assert post.redrive("--dry-run")["redriven"] == 1
    assert post.redrive() == {**NOTHING, "redriven": 1}
    before, after = post.records("predictions")
    assert (before.key, before.value) == (after.key, after.value) == (key, value)


def test_what_is_kept_in_part_and_gone_or_replaced_is_lost_and_said_so(post: Post) -> None:
    value = b"v" * 1_500_000
    for other in (b"other", None):
        offset = post.put("predictions", other, b"k", partition=1)
        post.letter(value, offset=offset, reason=Reason.OVERSIZE)
    offset = post.put("predictions", value, b"k", partition=2)
    admin = AdminClient({"bootstrap.servers": post.address})
    gone = TopicPartition(post.topics["predictions"], 2, offset + 1)
    admin.delete_records([gone])[gone].result(WAIT_S)
    post.letter(value, partition=2, offset=offset, reason=Reason.OVERSIZE)
    post.letter(value, partition=0, offset=99, reason=Reason.OVERSIZE)
    post.letter(b"{}", partition=0, offset=98)
    found = post.redrive(code=1)
    assert (found["redriven"], found["not_redrivable"]) == (
        1,
        {"total": 4, "reasons": {"gone": 2, "changed": 2}},
    )
    assert sum("retention has removed the record" in line for line in found["problems"]) == 2
    assert f"{post.topics['predictions']}[2] offset {offset}: lost" in "\n".join(found["problems"])
    assert [record.value for record in post.records("predictions")].count(value) == 0


def test_what_has_no_place_to_go_is_counted_and_explained(post: Post) -> None:
    post.letter(b"{}", topic="of-another-site")
    post.letter(b"{}", partition=3)
    post.put("letters", b"no letter", b"x")
    post.put("letters", None, b"deleted")
    found = post.redrive(code=1)
    reasons = {"unreadable": 1, "other_topic": 1, "no_partition": 1}
    assert found["not_redrivable"] == {"total": 3, "reasons": reasons}
    assert any("of-another-site[1] offset 7: the settings name no such" in line for line in found["problems"])
    assert post.redrive("--reason", "decode", code=1)["filtered"] == 2


def test_what_the_broker_refuses_has_no_receipt_and_stops_no_other(
    post: Post, topics: Callable[..., str]
) -> None:
    small = topics("p", partitions=3, config={"max.message.bytes": "2000"})
    narrow = Post(post.folder, post.address, {**post.topics, "predictions": small}, post.capture)
    for offset, value in enumerate((b"0", b"1", bytes(range(256)) * 20, b"3")):
        narrow.letter(value, offset=offset)
    for redriven, already in ((3, 0), (0, 3)):
        found = narrow.redrive(code=1)
        assert found["not_redrivable"] == {"total": 1, "reasons": {"refused": 1}}
        assert (found["redriven"], found["already"]) == (redriven, already)
        assert "the broker refuses it" in found["problems"][0]


def test_without_a_receipt_the_next_redrive_puts_back_again_and_the_error_says_so(post: Post) -> None:
    post.letter(b"{}")
    admin = AdminClient({"bootstrap.servers": post.address})

    def limit(size_bytes: int) -> None:
        entry = ConfigEntry("max.message.bytes", str(size_bytes), incremental_operation=AlterConfigOpType.SET)
        wanted = ConfigResource(
            ConfigResource.Type.TOPIC, post.topics["letters"], incremental_configs=[entry]
        )
        admin.incremental_alter_configs([wanted])[wanted].result(WAIT_S)

    limit(60)
    code, error = post.fails()
    assert code == 1
    assert "1 events were put back, and their receipts could not be written" in error
    limit(1_000_000)
    assert post.redrive() == {**NOTHING, "redriven": 1}
    assert [record.value for record in post.records("predictions")] == [b"{}", b"{}"]


def test_what_is_not_acknowledged_has_no_receipt_and_the_error_says_how_to_go_on(post: Post) -> None:
    post.letter(b"{}")
    properties = {"bootstrap.servers": post.address, "log_level": 0}
    letters = TopicReader(properties, group="x", topic=post.topics["letters"], partitions=2)
    sources = RecordReader(properties, group="x")
    nobody = RecordWriter({**properties, "bootstrap.servers": "127.0.0.1:9"}, timeout_s=1.0)
    redrive = Redrive(
        Gates(letters, sources, nobody), wanted=Wanted(), partitions={post.topics["predictions"]: 3}
    )
    with pytest.raises(
        Stop, match=r"did not acknowledge 1 events .* start the same redrive again"
    ) as stopped:
        redrive.run()
    letters.close()
    sources.close()
    assert stopped.value.exit_code == 1
    assert (post.records("predictions"), len(post.records("letters"))) == ([], 1)


def test_more_letters_than_one_bundle_all_go_back_once(post: Post) -> None:
    count = BUNDLE_LETTERS * 2 + 7
    post.letters(count)
    assert post.redrive() == {**NOTHING, "redriven": count}
    assert [record.value for record in post.records("predictions")] == [b"%d" % n for n in range(count)]
    assert post.redrive() == {**NOTHING, "already": count}


def test_an_empty_topic_is_no_failure(post: Post) -> None:
    assert post.redrive() == NOTHING


def test_the_summary_for_people_says_each_kind_once(post: Post) -> None:
    post.letter(b"{}", offset=1, model="fraud2")
    post.letter(None, offset=2, reason=Reason.EMPTY, model="fraud2")
    post.letter(b"{}", offset=3)
    post.letter(b"{}", offset=4, topic="else\x1bwhere", model="fraud2")
    post.redrive("--dry-run", code=1)
    assert main(["redrive", "--config", str(post.folder / "watchkeeper.yaml"), "--model", "fraud2"]) == 1
    lines = post.capture.readouterr().out.splitlines()
    assert [line.split("  ")[-1] for line in lines[:5]] == [
        "put back",
        "left out by --reason, --model or --topic",
        "tombstones and empty records: nothing to put back",
        "could not be put back",
        "of a topic that the settings do not read",
    ]
    assert [int(line.split()[0]) for line in lines[:5]] == [1, 1, 1, 1, 1]
    assert lines[5].startswith("else\\x1bwhere[1] offset 4: ")
