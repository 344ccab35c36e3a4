"""A real Apache Kafka as one JVM on this machine: broker and controller together, no ZooKeeper, no Docker."""

from __future__ import annotations

import base64
import shutil
import socket
import subprocess
import time
import uuid
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from servers.kafka_jars import cache_directory, java, kafka_jars, kafka_version
from servers.ports import reserved_port
from servers.selection import Misnamed, Server, Unavailable

from schemas.errors import Stop
from watchkeeper.embedded import GuardedProcess, last_lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

START_S = 60.0
GIVEN_S = 10.0

# One replica of everything, groups that form at once, and session times that chaos tests can outwait.
_SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    # After a kill the controller takes the broker back only when its old session is over (9 s by default).
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "auto.create.topics.enable": "false",
    "group.coordinator.rebalance.protocols": "classic,consumer",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "group.consumer.min.heartbeat.interval.ms": "100",
    "group.consumer.heartbeat.interval.ms": "500",
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.session.timeout.ms": "6000",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "2",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    # The default of 128 MiB would be a quarter of the heap.
    "log.cleaner.dedupe.buffer.size": "8388608",
}
# Quick to start: one second less than with the defaults. A benchmark passes () to have the full compiler.
QUICK_START = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")


class LocalKafka:
    """One Kafka node on 127.0.0.1, whose ports and data outlive `stop`, `kill` and `restart`.

    Parameters
    ----------
    jars
        Directory with Kafka's jars, see `kafka_jars`.
    directory
        An empty directory for its settings, data and `kafka.log`.
    settings
        Broker settings that replace or add to the quick ones of the tests.
    jvm_options
        Options for Java besides the heap's size.
    """

    def __init__(
        self,
        *,
        jars: Path,
        directory: Path,
        settings: Mapping[str, str] | None = None,
        jvm_options: Sequence[str] = QUICK_START,
    ) -> None:
        self.log = directory / "kafka.log"
        self._directory = directory
        self._data = directory / "data"
        self._properties = directory / "server.properties"
        self._java = [java(), "-Xmx512m", *jvm_options, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
        self._java += ["-cp", f"{jars}/*"]
        self._cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        self._port, self._controller_port = reserved_port(), reserved_port()
        self._process: GuardedProcess | None = None
        self._properties.write_text(self._rendered(settings or {}), encoding="utf-8")

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    @property
    def taken(self) -> str:
        return f"Apache Kafka {kafka_version()} (local JVM, {self.address})"

    def start(self) -> None:
        """Format the storage the first time, start the node, and return when it serves clients."""
        assert self._process is None, f"{self.taken} runs already"
        if not self._data.exists():
            self._format()
        command = [*self._java, "kafka.Kafka", str(self._properties)]
        self._process = GuardedProcess(command, directory=self._directory, log=self.log)
        deadline = time.monotonic() + START_S
        while not self._answers():
            if self._process.ended(within_s=0.05) or time.monotonic() > deadline:
                self.kill()
                raise Unavailable(f"{self.taken} did not start; its log ends: {last_lines(self.log)}")

    def stop(self) -> None:
        """End the node by SIGTERM, after 30 s by SIGKILL; nothing happens where it does not run."""
        if self._process is not None:
            self._process.stop(grace_s=30.0)
            self._process = None

    def kill(self) -> None:
        """End the node by SIGKILL, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop for good: the data goes, the log stays."""
        self.stop()
        shutil.rmtree(self._data, ignore_errors=True)

    def _rendered(self, settings: Mapping[str, str]) -> str:
        listeners = f"PLAINTEXT://{self.address},CONTROLLER://127.0.0.1:{self._controller_port}"
        places = {
            "listeners": listeners,
            "advertised.listeners": f"PLAINTEXT://{self.address}",
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller_port}",
            "log.dirs": str(self._data),
        }
        merged = {**_SETTINGS, **places, **settings}
        return "".join(f"{name}={value}\n" for name, value in merged.items())

    def _format(self) -> None:
        arguments = ["format", f"--cluster-id={self._cluster_id}", "--config", str(self._properties)]
        command = [*self._java, "kafka.tools.StorageTool", *arguments]
        with self.log.open("ab") as output:
            answer = subprocess.run(
                command, stdout=output, stderr=subprocess.STDOUT, timeout=START_S, check=False
            )
        if answer.returncode:
            raise Unavailable(f"Kafka's storage could not be formatted: {last_lines(self.log)}")

    def _answers(self) -> bool:
        try:
            # Without this look the client would log each refused connection.
            socket.create_connection(("127.0.0.1", self._port), timeout=1.0).close()
            metadata = AdminClient({"bootstrap.servers": self.address, "log_level": 0}).list_topics(
                timeout=2.0
            )
        except (OSError, KafkaException):
            return False
        # Anyone may have taken the port in between; only ours knows our cluster's id.
        return bool(metadata.brokers) and metadata.cluster_id == self._cluster_id


def given_kafka(address: str) -> Server:
    """Take the Kafka that the environment names, if it answers."""
    try:
        metadata = AdminClient({"bootstrap.servers": address, "log_level": 0}).list_topics(timeout=GIVEN_S)
    except KafkaException as error:
        raise Misnamed(
            f"WATCHKEEPER_TEST_KAFKA names {address}, which fails: {error.args[0].str()}"
        ) from None
    return Server(address, f"Kafka from the environment ({address}, {len(metadata.brokers)} brokers)")


def local_kafka(directory: Path) -> Server:
    """Start a Kafka of our own."""
    try:
        kafka = LocalKafka(jars=kafka_jars(cache=cache_directory()), directory=directory)
        kafka.start()
    except Stop as error:
        raise Unavailable(str(error)) from error
    return Server(kafka.address, kafka.taken, kafka, kafka.close)
