"""What the tests of this folder share: a Kafka per pytest-xdist worker, and one stream with its replay."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from chaos.traffic import Traffic, prepare
from servers.kafka import LocalKafka
from servers.kafka_jars import cache_directory, kafka_jars
from servers.selection import Unavailable, do_without

PREDICTIONS = 8_000


def _started(directory: Path) -> LocalKafka:
    try:
        kafka = LocalKafka(jars=kafka_jars(cache=cache_directory()), directory=directory)
        kafka.start()
    except Unavailable as reason:
        do_without(reason, os.environ)
    return kafka


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    """A Kafka of this folder's own, for everything that leaves it alive."""
    kafka = _started(tmp_path_factory.mktemp("chaos-kafka"))
    yield kafka
    kafka.close()


@pytest.fixture
def mortal_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    """A Kafka to kill."""
    kafka = _started(tmp_path_factory.mktemp("mortal-kafka"))
    yield kafka
    kafka.close()


@pytest.fixture(scope="session")
def short_traffic(tmp_path_factory: pytest.TempPathFactory) -> Traffic:
    return prepare(tmp_path_factory.mktemp("replay"), PREDICTIONS, seed=1)
