"""What a child process costs, from the operating system's own books."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cost:
    """Processor and wall time of a piece of work, and the process's peak memory."""

    events: int
    cpu_s: float
    wall_s: float
    peak_bytes: int

    @property
    def per_100k(self) -> float:
        """Processor seconds per 100,000 events."""
        return self.cpu_s / self.events * 100_000

    @property
    def per_s(self) -> float:
        """Events per second of wall time."""
        return self.events / self.wall_s


def cpu_s(pid: int) -> float:
    """Return the processor time, user and system, that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S


def peak_bytes(pid: int) -> int:
    """Return the largest resident size that a process has had."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    return 0


def watch(
    process: subprocess.Popen[bytes], progress: Callable[[], int], *, total: int, limit_s: float
) -> Cost:
    """Measure a running process from its first progress until it has done `total` events."""
    deadline = time.monotonic() + limit_s
    begun: tuple[int, float, float] | None = None
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended early with {process.returncode}")
        done = progress()
        if begun is None and done:
            begun = (done, cpu_s(process.pid), time.monotonic())
        if begun is not None and done >= total:
            events, cpu, wall = begun
            return Cost(
                total - events, cpu_s(process.pid) - cpu, time.monotonic() - wall, peak_bytes(process.pid)
            )
        time.sleep(0.02)
    raise RuntimeError(f"{process.args!r} had done {progress()} of {total} after {limit_s} s")


def whole(command: Sequence[str], *, events: int) -> Cost:
    """Run a command to its end; its start-up is part of the cost."""
    begun = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    peak = ended = status = 0
    while not ended:
        peak = max(peak, peak_bytes(process.pid))  # ru_maxrss would also know our own size at the fork
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        time.sleep(0.02)
    if status:
        sys.exit(f"{' '.join(command)} failed with status {status}")
    return Cost(events, usage.ru_utime + usage.ru_stime, time.monotonic() - begun, peak)
