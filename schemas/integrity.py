"""What can be wrong with the monitor's own ground: a closed set, used as check names and metric labels."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

ALL_MODELS: Final = "*"
"""Stands for a model where the trouble is every model's; no model can be called so."""


class IntegrityCheck(StrEnum):
    """One kind of trouble with Kafka, Redis or the events themselves, found while running."""

    TOPIC_RECREATED = "topic_recreated"
    """A topic was deleted and made anew, or cut behind what was read: its partition is not read any more."""
    OFFSETS_GONE = "offsets_gone"
    """Kafka no longer has records that were not read yet."""
    REDIS_EMPTIED = "redis_emptied"
    """Nothing is stored of a partition that had been read: everything that Kafka keeps is read again."""
    REDIS_ROLLED_BACK = "redis_rolled_back"
    """Redis lost its latest commits: they are read again."""
    EVICTION_POLICY = "eviction_policy"
    """Redis may throw away what is counted."""
    PARTITION_COUNTS = "partition_counts"
    """The two topics have different numbers of partitions."""
    PARTITIONER_MISMATCH = "partitioner_mismatch"
    """Labels lie in other partitions than their predictions."""
    EVENTS_IN_FUTURE = "events_in_future"
    """A model's event times are ahead of its records' own times."""
    QUARANTINED = "quarantined"
    """Too many of a model's messages are refused: its evaluation is held until that is mended."""
    UNDECODABLE = "undecodable"
    """Most bytes of all models cannot be decoded: the worker stops."""
    SILENCE = "silence"
    """A model gets no predictions any more, though everything that Kafka has was read: the one check that is about the
    stream and not about its monitor, and so of another kind of alert."""
