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
