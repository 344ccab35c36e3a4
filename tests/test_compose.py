"""docker-compose.yml and Dockerfile say what the code needs: no image can be pulled here, so they are read."""

from __future__ import annotations

import http.server
import os
import re
import shlex
import subprocess
import sys
import threading
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from servers.kafka_jars import kafka_version

from schemas.kafka_settings import TOPIC_KEYS, KafkaSettings

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("join", "evaluate", "notify")
LASTING = ("kafka", "redis", *OURS)
CONFIG = "/etc/watchkeeper/watchkeeper.yaml"
METRICS_PORT = 9464
TOPICS_TOOL = "/opt/kafka/bin/kafka-topics.sh"


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile as pairs of instruction and arguments, with continued lines joined."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split()[0], line.split(maxsplit=1)[1].strip()) for line in lines]


def arguments(name: str) -> list[str]:
    return [rest for instruction, rest in instructions() if instruction == name]


def flags(command: list[str]) -> dict[str, str]:
    return dict(zip(command[1::2], command[2::2], strict=True))


def listeners(name: str) -> dict[str, str]:
    pairs = SERVICES["kafka"]["environment"][name].split(",")
    return dict(pair.split("://", 1) for pair in pairs)


def interpolated(text: str, environment: dict[str, str]) -> str:
    """Do with a value what Docker Compose does: defaults for variables, and $$ for a dollar sign."""
    filled = re.sub(r"(?<!\$)\$\{(\w+):-([^}]*)\}", lambda found: environment.get(found[1], found[2]), text)
    return filled.replace("$$", "$")


class TestServices:
    def test_the_file_has_no_version_and_exactly_our_services(self) -> None:
        assert "version" not in COMPOSE
        assert set(SERVICES) == {"kafka", "redis", "topics", *OURS}

    def test_kafka_is_the_version_that_the_tests_run_on(self) -> None:
        assert SERVICES["kafka"]["image"] == f"apache/kafka:{kafka_version()}"
        assert SERVICES["topics"]["image"] == SERVICES["kafka"]["image"]

    def test_every_image_is_pinned_to_a_patch_release_or_built_here(self) -> None:
        for name, service in SERVICES.items():
            if "build" in service:
                assert service["build"] == ".", name
            else:
                assert re.fullmatch(r"[a-z]+/[a-z]+:\d+\.\d+\.\d+", service["image"]), name

    def test_each_service_that_lasts_has_a_health_check_and_a_restart_and_time_to_drain(self) -> None:
        for name in LASTING:
            service = SERVICES[name]
            assert service["healthcheck"]["test"], name
            assert service["restart"] == "unless-stopped", name
            assert service["stop_grace_period"], name
        assert SERVICES["topics"]["restart"] == "no"

    def test_each_dependency_exists_and_can_meet_its_condition(self) -> None:
        for name, service in SERVICES.items():
            for needed, demand in service.get("depends_on", {}).items():
                condition = demand["condition"]
                assert condition in {"service_healthy", "service_completed_successfully"}, name
                assert (condition == "service_healthy") is ("healthcheck" in SERVICES[needed]), (name, needed)
        for name in OURS:
            assert set(SERVICES[name]["depends_on"]) == {"kafka", "redis", "topics"}

    def test_ports_are_published_on_this_machine_only(self) -> None:
        published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
        assert published == {"kafka": ["127.0.0.1:9092:9094"], "redis": ["127.0.0.1:6379:6379"]}

    def test_volumes_are_declared_and_used_and_mounted_files_exist(self) -> None:
        named = set()
        for service in SERVICES.values():
            for volume in service.get("volumes", []):
                source = volume.split(":")[0]
                if source.startswith("./"):
                    assert (ROOT / source).is_file(), f"{source} is mounted but not in the tree"
                else:
                    named.add(source)
        assert named == set(COMPOSE["volumes"]) == {"kafka-data", "redis-data"}

    def test_every_variable_has_a_default(self) -> None:
        text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
        variables = re.findall(r"(?<!\$)\$\{?\w+[^}\n]*\}?", text.replace("$$", ""))
        assert sorted(variables) == [
            "${WATCHKEEPER_PARTITIONS:-6}",
            "${WATCHKEEPER_RETENTION_MS:-2592000000}",
        ]


class TestKafka:
    def test_each_listener_has_a_protocol_and_all_but_the_controller_are_advertised(self) -> None:
        environment = SERVICES["kafka"]["environment"]
        bound, advertised = listeners("KAFKA_LISTENERS"), listeners("KAFKA_ADVERTISED_LISTENERS")
        mapped = dict(
            pair.split(":") for pair in environment["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(",")
        )
        controller = environment["KAFKA_CONTROLLER_LISTENER_NAMES"]
        assert set(bound) == set(mapped) == {*advertised, controller}
        assert environment["KAFKA_CONTROLLER_QUORUM_VOTERS"] == f"1@kafka{bound[controller]}"
        assert environment["KAFKA_NODE_ID"] == "1"
        assert environment["KAFKA_PROCESS_ROLES"] == "broker,controller"

    def test_clients_in_the_network_and_on_the_host_are_told_an_address_that_they_can_reach(self) -> None:
        bound, advertised = listeners("KAFKA_LISTENERS"), listeners("KAFKA_ADVERTISED_LISTENERS")
        assert advertised["PLAINTEXT"] == f"kafka{bound['PLAINTEXT']}"
        (published,) = SERVICES["kafka"]["ports"]
        host, outside, inside = published.split(":")
        assert (host, advertised["HOST"], bound["HOST"]) == (
            "127.0.0.1",
            f"localhost:{outside}",
            f":{inside}",
        )

    def test_its_data_is_on_its_volume_and_its_inner_topics_fit_one_broker(self) -> None:
        environment = SERVICES["kafka"]["environment"]
        assert SERVICES["kafka"]["volumes"] == [f"kafka-data:{environment['KAFKA_LOG_DIRS']}"]
        copies = {name: value for name, value in environment.items() if name.endswith(("FACTOR", "ISR"))}
        assert len(copies) == 5
        assert set(copies.values()) == {"1"}

    def test_topics_are_never_made_by_accident(self) -> None:
        assert SERVICES["kafka"]["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"

    def test_every_variable_is_text_as_docker_wants_it(self) -> None:
        for name in ("kafka", "topics"):
            assert {type(value) for value in SERVICES[name]["environment"].values()} == {str}


class TestTopics:
    @staticmethod
    def created(tmp_path: Path, **variables: str) -> dict[str, dict[str, str]]:
        """Run the service's script for real, with a stand-in for Kafka's tool that notes how it was called."""
        calls = tmp_path / "calls"
        tool = tmp_path / "kafka-topics.sh"
        tool.write_text(f'#!/bin/bash\nprintf "%q " "$@" >> {calls}\necho >> {calls}\n', encoding="utf-8")
        tool.chmod(0o755)
        service = SERVICES["topics"]
        environment = {name: interpolated(text, variables) for name, text in service["environment"].items()}
        (script,) = service["command"]
        assert TOPICS_TOOL in script
        command = [*service["entrypoint"], interpolated(script, {}).replace(TOPICS_TOOL, str(tool))]
        subprocess.run(command, env={**os.environ, **environment}, check=True, timeout=30)
        topics = {}
        for line in calls.read_text(encoding="utf-8").splitlines():
            words = [word for word in shlex.split(line) if word not in {"--create", "--if-not-exists"}]
            assert "--create" in line
            assert "--if-not-exists" in line
            options = dict(zip(words[::2], words[1::2], strict=True))
            topics[options.pop("--topic")] = options
        return topics

    def test_every_topic_of_the_settings_is_created_and_no_other(self, tmp_path: Path) -> None:
        defaults = KafkaSettings()
        ours = {getattr(defaults, key) for key in TOPIC_KEYS}
        assert set(self.created(tmp_path)) == {*ours, "watchkeeper-control", "watchkeeper-history"}

    @pytest.mark.parametrize(
        ("variables", "partitions"), [({}, "6"), ({"WATCHKEEPER_PARTITIONS": "12"}, "12")]
    )
    def test_predictions_and_labels_agree_in_their_partitions(
        self, tmp_path: Path, variables: dict[str, str], partitions: str
    ) -> None:
        topics = self.created(tmp_path, **variables)
        assert topics["predictions"]["--partitions"] == partitions
        assert topics["ground-truth"]["--partitions"] == partitions

    def test_what_an_emptied_store_is_rebuilt_from_is_compacted_or_outlives_the_label_horizon(
        self, tmp_path: Path
    ) -> None:
        configs = {name: options["--config"] for name, options in self.created(tmp_path).items()}
        compacted = {name for name, config in configs.items() if config == "cleanup.policy=compact"}
        assert compacted == {"watchkeeper-control", "watchkeeper-history"}
        fourteen_days_ms = 14 * 24 * 3600 * 1000
        for name in ("predictions", "ground-truth"):
            assert int(configs[name].removeprefix("retention.ms=")) > fourteen_days_ms

    def test_it_asks_the_broker_for_as_many_copies_as_there_are_brokers(self, tmp_path: Path) -> None:
        for options in self.created(tmp_path).values():
            assert options["--bootstrap-server"] == listeners("KAFKA_ADVERTISED_LISTENERS")["PLAINTEXT"]
            assert options["--replication-factor"] == "1"


class TestRedis:
    def test_it_keeps_what_it_is_told_and_evicts_nothing(self) -> None:
        command = SERVICES["redis"]["command"]
        assert command[0] == "valkey-server"
        assert flags(command) == {
            "--appendonly": "yes",
            "--appendfsync": "everysec",
            "--maxmemory-policy": "noeviction",
        }
        assert SERVICES["redis"]["volumes"] == ["redis-data:/data"]


class TestWatchkeeper:
    @pytest.mark.parametrize("role", OURS)
    def test_each_service_runs_its_role_with_the_mounted_settings(self, role: str) -> None:
        service = SERVICES[role]
        assert service["command"][0] == "run"
        assert flags(service["command"]) == {
            "--config": CONFIG,
            "--roles": role,
            "--metrics-address": f"0.0.0.0:{METRICS_PORT}",
        }
        assert service["volumes"] == [f"./examples/watchkeeper.yaml:{CONFIG}:ro"]

    def test_join_can_be_scaled(self) -> None:
        assert not {"ports", "container_name", "hostname"} & set(SERVICES["join"])

    def test_the_mounted_settings_name_the_servers_of_this_network(self) -> None:
        settings = yaml.safe_load((ROOT / "examples" / "watchkeeper.yaml").read_text(encoding="utf-8"))
        inside = listeners("KAFKA_ADVERTISED_LISTENERS")["PLAINTEXT"]
        assert settings["kafka"]["bootstrap.servers"] == inside
        assert settings["redis"]["url"].startswith("redis://redis:6379")

    @pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False), (404, False)])
    @pytest.mark.parametrize("place", ["compose", "image"])
    def test_the_health_check_tells_a_healthy_worker_from_a_sick_one(
        self, place: str, status: int, *, healthy: bool
    ) -> None:
        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status if self.path == "/healthz" else 404)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                command = [
                    word.replace(str(METRICS_PORT), str(server.server_port)) for word in self.check(place)
                ]
                assert command[:2] == ["python", "-c"]
                answer = subprocess.run([sys.executable, *command[1:]], capture_output=True, check=False)
            finally:
                server.shutdown()
                thread.join()
        assert (answer.returncode == 0) is healthy

    @staticmethod
    def check(place: str) -> list[str]:
        if place == "compose":
            kind, *command = SERVICES["join"]["healthcheck"]["test"]
            assert kind == "CMD"
            return list(command)
        (health,) = arguments("HEALTHCHECK")
        return list(yaml.safe_load(health.partition(" CMD ")[2]))

    def test_all_three_are_checked_alike(self) -> None:
        assert all(SERVICES[name]["healthcheck"] == SERVICES["join"]["healthcheck"] for name in OURS)


class TestDockerfile:
    def test_both_stages_stand_on_one_pinned_python_that_the_project_supports(self) -> None:
        bases = {line.split()[0] for line in arguments("FROM")}
        assert len(arguments("FROM")) == 2
        (base,) = bases
        found = re.fullmatch(r"python:(\d+)\.(\d+)\.\d+-slim-[a-z]+", base)
        assert found, base
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        assert f"Programming Language :: Python :: {found[1]}.{found[2]}" in project["classifiers"]

    def test_dependencies_come_locked_by_hash_and_the_project_without_any(self) -> None:
        pips = [line for line in arguments("RUN") if " install " in line]
        assert len(pips) == 2
        assert "--require-hashes --requirement requirements.txt" in pips[0]
        assert pips[1].endswith("--no-deps .")

    def test_no_registry_is_named(self) -> None:
        text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
        assert not re.search(r"index-url|find-links|trusted-host", text)
        assert set(re.findall(r"https?://([^/:]+)", text)) == {"127.0.0.1"}

    def test_every_package_is_copied_and_every_copied_file_exists(self) -> None:
        copied = {
            source
            for line in arguments("COPY")
            if not line.startswith("--from")
            for source in line.split()[:-1]
        }
        wheel = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        packages = set(wheel["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
        assert copied == {*packages, "requirements.txt", "pyproject.toml", "README.md", "LICENSE"}
        assert not [source for source in sorted(copied) if not (ROOT / source).exists()]

    def test_it_runs_as_nobody_special_and_stops_by_sigterm(self) -> None:
        (user,) = arguments("USER")
        assert user != "root"
        assert any(line.startswith("useradd") and line.endswith(f" {user}") for line in arguments("RUN"))
        assert arguments("STOPSIGNAL") == ["SIGTERM"]

    def test_it_starts_the_service_and_shows_its_port(self) -> None:
        assert yaml.safe_load(arguments("ENTRYPOINT")[0]) == ["watchkeeper"]
        assert flags(yaml.safe_load(arguments("CMD")[0])) == {
            "--config": CONFIG,
            "--metrics-address": f"0.0.0.0:{METRICS_PORT}",
        }
        assert arguments("EXPOSE") == [str(METRICS_PORT)]
