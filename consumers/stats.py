"""What a worker has done so far, as plain numbers that the metrics endpoint reads."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class WorkerStats:
    """Counters since the start of the process, and the last signs of life.

    Parameters
    ----------
    rejected
        (topic, reason) to number of dead letters.
    progress_s
        Monotonic time of the last commit, evaluation or confirmed end of a topic.
    behind
        Partitions that have more to read.
    halted
        Partitions of ours that are not read because something is wrong with their topics.
    waiting_for
        The server that is waited for and what it last said, empty if none is.
    notices
        Per integrity check: partitions of ours that it is true of.
    healed
        Partitions whose state was read again from the store because it was no longer the one in memory.
    lost
        Records that Kafka no longer had when we came to read them.
    """

    predictions: int = 0
    labels: int = 0
    commits: int = 0
    commit_seconds: float = 0.0
    fenced: int = 0
    retries: int = 0
    windows_closed: Counter[str] = field(default_factory=Counter)
    rejected: Counter[tuple[str, str]] = field(default_factory=Counter)
    published: Counter[str] = field(default_factory=Counter)
    owned: int = 0
    behind: int = 0
    progress_s: float = 0.0
    last_error: str = ""
    halted: int = 0
    waiting_for: str = ""
    notices: Counter[str] = field(default_factory=Counter)
    healed: int = 0
    lost: int = 0
