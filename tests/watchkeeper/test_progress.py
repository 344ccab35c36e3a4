"""The progress line: on a terminal only, not too often, and gone from nobody's output."""

from __future__ import annotations

import io

import pytest

from watchkeeper.progress import QUIET_S, REDRAW_S, Progress, progress_line


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.now_s = 50.0

    def __call__(self) -> float:
        return self.now_s


def drawn(stream: io.StringIO) -> list[str]:
    return stream.getvalue().split("\r\x1b[K")[1:]


def test_nothing_is_written_where_there_is_no_terminal() -> None:
    stream, clock = io.StringIO(), Clock()
    with Progress("replay", stream=stream, clock=clock) as progress:
        clock.now_s += 100.0
        progress.advance(5)
    assert stream.getvalue() == ""


def test_short_work_shows_nothing() -> None:
    stream, clock = Terminal(), Clock()
    with Progress("replay", stream=stream, clock=clock) as progress:
        clock.now_s += QUIET_S / 2
        progress.advance(5)
    assert stream.getvalue() == ""


def test_the_line_is_drawn_at_a_bounded_rate_and_the_end_is_always_drawn() -> None:
    stream, clock = Terminal(), Clock()
    progress = Progress("replay", stream=stream, clock=clock)
    clock.now_s += QUIET_S
    for _ in range(1000):
        clock.now_s += REDRAW_S / 100
        progress.advance(1)
    before_the_end = len(drawn(stream))
    progress.close()
    progress.close()
    assert 9 <= before_the_end <= 11
    assert len(drawn(stream)) == before_the_end + 1
    assert drawn(stream)[-1].startswith("replay  1,000  ")
    assert stream.getvalue().endswith("\n")
    assert stream.getvalue().count("\n") == 1


def test_the_line_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    stream, clock = Terminal(), Clock()
    progress = Progress("a long label for a narrow terminal", 100, stream=stream, clock=clock)
    clock.now_s += QUIET_S
    progress.advance(1)
    assert drawn(stream) == ["a long label for a "]


@pytest.mark.parametrize(
    ("count", "total", "elapsed_s", "line"),
    [
        (0, None, 0.0, "rows  0  0/s  0:00:00"),
        (1_200_000, None, 10.0, "rows  1,200,000  120,000/s  0:00:10"),
        (7200, None, 3723.0, "rows  7,200  2/s  1:02:03"),
        (250, 1000, 5.0, f"rows  [{'#' * 6}{'-' * 18}]  25%  250  50/s  0:00:05  0:00:15 left"),
        (0, 1000, 5.0, f"rows  [{'-' * 24}]  0%  0  0/s  0:00:05"),
        (1000, 1000, 5.0, f"rows  [{'#' * 24}]  100%  1,000  200/s  0:00:05"),
        (2000, 1000, 5.0, f"rows  [{'#' * 24}]  100%  2,000  400/s  0:00:05"),
        (5, 0, 5.0, "rows  5  1/s  0:00:05"),
    ],
)
def test_the_line_says_count_share_rate_and_time(
    count: int, total: int | None, elapsed_s: float, line: str
) -> None:
    assert progress_line("rows", count, total, elapsed_s=elapsed_s) == line
