"""A Redis Cluster of three masters on this machine, any of which can be killed or taken back in time."""

from __future__ import annotations

import contextlib
import functools
import time
from typing import TYPE_CHECKING, Any

import redis
from servers.ports import reserved_port
from servers.redis import LocalRedis
from servers.selection import Server, Unavailable

from schemas.errors import Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

MASTERS = 3
SLOTS = 16_384
READY_S = 30.0
NODE_TIMEOUT_MS = 2000


class LocalCluster:
    """Three masters without replicas; parameters as `LocalRedis`. Ports and data outlive kills and restarts.

    Parameters
    ----------
    tls
        Settings that let each node listen on TLS too, at a port of its own (`tls_url`).
    """

    def __init__(
        self,
        *,
        binary: Path,
        directory: Path,
        settings: Mapping[str, str] | None = None,
        appendonly: bool = True,
        tls: Mapping[str, str] | None = None,
    ) -> None:
        self.nodes: list[LocalRedis] = []
        self._buses: list[int] = []
        self._tls_ports: list[int] = []
        for number in range(MASTERS):
            folder = directory / f"node-{number}"
            folder.mkdir()
            bus = reserved_port()
            self._buses.append(bus)
            options = {
                "cluster-enabled": "yes",
                "cluster-config-file": "nodes.conf",
                "cluster-port": str(bus),
                "cluster-announce-ip": "127.0.0.1",
                "cluster-node-timeout": str(NODE_TIMEOUT_MS),
                "databases": "1",
                "appendfsync": "always",
                **(settings or {}),
            }
            if tls is not None:
                self._tls_ports.append(reserved_port())
                options |= {**tls, "tls-port": str(self._tls_ports[-1]), "tls-cluster": "yes"}
            self.nodes.append(
                LocalRedis(binary=binary, directory=folder, appendonly=appendonly, settings=options)
            )

    @property
    def url(self) -> str:
        return self.nodes[0].url

    @property
    def tls_url(self) -> str:
        return f"rediss://127.0.0.1:{self._tls_ports[0]}/0"

    @property
    def taken(self) -> str:
        return f"cluster of {MASTERS} times {self.nodes[0].taken}"

    def start(self) -> None:
        """Start the nodes, give each a third of the slots, and return when all agree that the cluster is whole."""
        try:
            for node in self.nodes:
                node.start()
            for number, node in enumerate(self.nodes):
                self._give_slots(number, node)
            self._introduce()
            self.wait_until_whole()
        except BaseException:
            self.stop()
            raise

    @staticmethod
    def _give_slots(number: int, node: LocalRedis) -> None:
        first, last = (SLOTS * n // MASTERS for n in (number, number + 1))
        with redis.Redis.from_url(node.url) as client:
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last - 1)

    def _introduce(self) -> None:
        with redis.Redis.from_url(self.url) as client:
            ports = self._tls_ports or [_port(node) for node in self.nodes]
            for port, bus in zip(ports[1:], self._buses[1:], strict=True):
                client.execute_command("CLUSTER", "MEET", "127.0.0.1", port, bus)

    def wait_until_whole(self) -> None:
        """Return when every node sees every slot served and knows the other nodes."""
        for node in self.nodes:
            with redis.Redis.from_url(node.url) as client:
                _wait(functools.partial(_is_whole, client), f"{node.url} sees no whole cluster")

    def wait_until_broken(self, number: int) -> None:
        """Return when the nodes besides one have noticed that it is gone."""
        for node in [node for other, node in enumerate(self.nodes) if other != number]:
            with redis.Redis.from_url(node.url) as client:
                _wait(functools.partial(_is_broken, client), f"{node.url} still sees a whole cluster")

    def node_of(self, key: str) -> int:
        """Return the number of the node that holds a key."""
        with redis.Redis.from_url(self.url) as client:
            slot = int(client.execute_command("CLUSTER", "KEYSLOT", key))
        return next(n for n in range(MASTERS) if slot < SLOTS * (n + 1) // MASTERS)

    def move_slot(self, key: str, *, to: int) -> None:
        """Move the slot of a key, with all keys in it, to another node, as an operator would."""
        with contextlib.ExitStack() as closing:
            clients = [closing.enter_context(redis.Redis.from_url(node.url)) for node in self.nodes]
            slot = int(clients[0].execute_command("CLUSTER", "KEYSLOT", key))
            names = [_text(client.execute_command("CLUSTER", "MYID")) for client in clients]
            source = next(n for n, client in enumerate(clients) if _serves(client, names[n], slot))
            clients[to].execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", names[source])
            clients[source].execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", names[to])
            keys = clients[source].execute_command("CLUSTER", "GETKEYSINSLOT", slot, 100_000)
            if keys:
                port = _port(self.nodes[to])
                clients[source].execute_command("MIGRATE", "127.0.0.1", port, "", 0, 5000, "KEYS", *keys)
            for client in (clients[to], clients[source], *clients):
                client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", names[to])

    def kill(self, number: int) -> None:
        self.nodes[number].kill()

    def restart(self, number: int) -> None:
        """Start a node again that was killed, and return when the cluster is whole."""
        self.nodes[number].start()
        self.wait_until_whole()

    def snapshot(self, number: int) -> dict[bytes, tuple[int, bytes]]:
        """Return a node's data: key to life left in milliseconds (0: no end) and value."""
        with redis.Redis.from_url(self.nodes[number].url) as client:
            names: Sequence[bytes] = list(client.scan_iter(count=1000))
            return {name: (max(_int(client.pttl(name)), 0), _bytes(client.dump(name))) for name in names}

    def roll_back(self, number: int, snapshot: Mapping[bytes, tuple[int, bytes]]) -> None:
        """Give a node the data of an earlier moment, as a restored backup would."""
        with redis.Redis.from_url(self.nodes[number].url) as client:
            client.flushall()
            for name, (ttl_ms, value) in snapshot.items():
                client.restore(name, ttl_ms, value)

    def flush(self) -> None:
        """Empty all nodes, of data and of scripts."""
        for node in self.nodes:
            with redis.Redis.from_url(node.url) as client:
                client.flushall()
                client.script_flush()

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()


def local_cluster(binary: Path, directory: Path) -> Server:
    """Start a cluster of our own."""
    cluster = LocalCluster(binary=binary, directory=directory, appendonly=False)
    try:
        cluster.start()
    except Stop as error:
        raise Unavailable(str(error)) from error
    return Server(cluster.url, cluster.taken, close=cluster.stop)


def _is_whole(client: Any) -> bool:
    told = _told(client)
    counts = [int(told.get(f"cluster_{name}", 0)) for name in ("known_nodes", "slots_ok")]
    return told.get("cluster_state") == "ok" and counts == [MASTERS, SLOTS]


def _is_broken(client: Any) -> bool:
    return _told(client).get("cluster_state") == "fail"


def _told(client: Any) -> dict[str, Any]:
    """Return a node's CLUSTER INFO, or nothing where it does not answer."""
    with contextlib.suppress(redis.RedisError):
        info = client.execute_command("CLUSTER", "INFO")
        return info if isinstance(info, dict) else _fields(info)
    return {}


def _fields(info: bytes) -> dict[str, str]:
    return dict(line.split(":", 1) for line in info.decode().splitlines() if ":" in line)


def _wait(done: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + READY_S
    while not done():
        if time.monotonic() > deadline:
            raise Unavailable(f"{what} after {READY_S:g} s")
        time.sleep(0.02)


def _port(node: LocalRedis) -> int:
    return int(node.url.rsplit(":", 1)[1].split("/")[0])


def _serves(client: Any, name: str, slot: int) -> bool:
    """Say whether a node holds a slot itself."""
    for first, last, (_, _, holder, *_), *_ in client.execute_command("CLUSTER", "SLOTS"):
        if first <= slot <= last:
            return _text(holder) == name
    return False


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _int(value: Any) -> int:
    return int(value)


def _bytes(value: Any) -> bytes:
    return bytes(value)
