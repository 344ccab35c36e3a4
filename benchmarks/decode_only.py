"""The limit: consume both topics and decode them, and do nothing with it. Run as a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition

from consumers.columns import Records
from consumers.decode import BatchDecoder
from consumers.interning import Interner
from watchkeeper.loading import load_plans, load_settings


def main(config: str, partitions: int, total: int) -> None:
    """Read `total` messages, printing a line with the count after each round."""
    path = Path(config)
    settings = load_settings(path)
    plans = load_plans(settings, path.parent)
    decoder = BatchDecoder(plans, Interner())
    kafka = settings.kafka
    consumer = Consumer({**kafka.properties, "group.id": "limit", "queued.max.messages.kbytes": 32_768})
    topics = (kafka.predictions, kafka.ground_truth)
    consumer.assign([TopicPartition(topic, p, 0) for topic in topics for p in range(partitions)])
    done = 0
    while done < total:
        sides: dict[str | None, list[bytes | None]] = {topic: [] for topic in topics}
        for message in consumer.consume(2000, 0.2):
            sides[message.topic()].append(message.value())
        decoder.decode(Records(sides[topics[0]]), Records(sides[topics[1]]))
        done += sum(len(values) for values in sides.values())
        print(done, flush=True)
    consumer.close()
    sys.stdin.read()  # wait to be measured


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
