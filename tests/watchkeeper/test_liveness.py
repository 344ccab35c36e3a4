"""Liveness is progress: who hangs without knowing why ends, who waits for a server does not."""

from __future__ import annotations

import threading

import pytest

from consumers.stats import WorkerStats
from schemas.errors import Stop
from watchkeeper.liveness import Liveness


class Watched:
    """A process that is behind, on a clock of our own."""

    def __init__(self, *, behind: int = 1, waiting_for: str = "") -> None:
        self.now_s = 0.0
        self.stats = WorkerStats(owned=2, behind=behind, waiting_for=waiting_for)
        self.told: list[Stop] = []
        self.cut: list[int] = []
        self.cut_off = threading.Event()
        self.liveness = Liveness(
            self.stats,
            stall=self.told.append,
            clock=lambda: self.now_s,
            within_s=60.0,
            grace_s=0.05,
            cut_off=self._cut,
        )

    def _cut(self, code: int) -> None:
        self.cut.append(code)
        self.cut_off.set()


@pytest.mark.parametrize(
    ("watched", "after_s", "ends"),
    [
        (Watched(), 61.0, True),
        (Watched(), 59.0, False),
        (Watched(behind=0), 1e6, False),
        (Watched(waiting_for="redis: no answer"), 1e6, False),
    ],
    ids=["no progress for a minute", "not yet a minute", "nothing to do", "a server is away"],
)
def test_a_process_ends_only_where_nothing_says_why_it_stands_still(
    watched: Watched, after_s: float, ends: bool
) -> None:
    watched.now_s = after_s
    assert (watched.liveness.reason() is not None) is ends


def test_progress_is_what_counts() -> None:
    watched = Watched()
    watched.now_s, watched.stats.progress_s = 100.0, 50.0
    assert watched.liveness.reason() is None


def test_a_process_that_does_not_listen_is_cut_off_after_its_grace() -> None:
    watched = Watched()
    watched.now_s = 61.0
    watched.liveness.start()
    assert watched.cut_off.wait(10.0)
    assert [error.exit_code for error in watched.told] == watched.cut == [1]
    assert "no progress for 61 s while 1 of 2 partitions are behind" in str(watched.told[0])


def test_a_process_that_ends_by_itself_is_left_alone() -> None:
    watched = Watched(behind=0)
    watched.liveness.start()
    watched.liveness.close()
    assert (watched.told, watched.cut) == ([], [])
