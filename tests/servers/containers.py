"""The servers of docker-compose.yml, each in a container of its own; only where a Docker daemon answers."""

from __future__ import annotations

import importlib
import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import redis
import yaml
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from servers.ports import reserved_port
from servers.redis import described
from servers.selection import Server, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

COMPOSE = Path(__file__).parents[2] / "docker-compose.yml"
START_S = 120.0


def docker_kafka() -> Server:
    service, port = _service("kafka"), reserved_port()
    listeners = f"PLAINTEXT://localhost:9092,HOST://127.0.0.1:{port}"
    environment = {**service["environment"], "KAFKA_ADVERTISED_LISTENERS": listeners}
    environment["KAFKA_CONTROLLER_QUORUM_VOTERS"] = "1@localhost:9093"
    container = _started(service, inside=9094, port=port, environment=environment)
    address = f"127.0.0.1:{port}"
    client = AdminClient({"bootstrap.servers": address, "log_level": 0})
    _wait(lambda: bool(client.list_topics(timeout=2.0).brokers), KafkaException, container)
    return Server(address, f"Kafka ({service['image']} in Docker, {address})", close=container.stop)


def docker_redis() -> Server:
    service, port = _service("redis"), reserved_port()
    container = _started(service, inside=6379, port=port, environment={})
    url = f"redis://127.0.0.1:{port}/0"
    with redis.Redis.from_url(url, socket_timeout=2.0) as client:
        _wait(lambda: bool(client.ping()), redis.RedisError, container)
    return Server(url, described(url, origin=f"{service['image']} in Docker"), close=container.stop)


def _service(name: str) -> dict[str, Any]:
    """Read a service from docker-compose.yml, so that its images and settings stand in one place."""
    service: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"][name]
    return service


def _started(service: dict[str, Any], *, inside: int, port: int, environment: dict[str, Any]) -> Any:
    """Start a container that is reached at `port` of 127.0.0.1 only."""
    try:
        # By name: on machines without Docker its clients need not be installed.
        docker = importlib.import_module("docker")
        containers = importlib.import_module("testcontainers.core.container")
    except ImportError as error:
        raise Unavailable(f"testcontainers is not installed ({error})") from error
    _demand_daemon()
    try:
        container = containers.DockerContainer(service["image"])
        container.env = {name: str(value) for name, value in environment.items()}
        container.ports = {str(inside): ("127.0.0.1", port)}
        if "command" in service:
            container.with_command(service["command"])
        container.start()
    except docker.errors.DockerException as error:
        raise Unavailable(f"Docker has no such server: {str(error)[:300]}") from error
    return container


def _demand_daemon() -> None:
    """Look at the daemon's socket first: Docker's client leaks one for each daemon that it does not find."""
    place = urlsplit(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"))
    if place.scheme != "unix":
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(place.path)
        except OSError as error:
            raise Unavailable(f"no Docker daemon answers at {place.path} ({error.strerror})") from None


def _wait(answers: Callable[[], bool], not_yet: type[Exception], container: Any) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            if answers():
                return
        except not_yet:
            pass
        if time.monotonic() > deadline:
            log = container.get_logs()
            container.stop()
            raise Unavailable(f"the container did not answer within {START_S:g} s: {str(log)[-2000:]}")
