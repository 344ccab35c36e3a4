"""The worker processes of a run and their supervisor: who was killed on purpose, and who died by itself."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
LEAVE_S: Final = 60.0
STARTED: Final = "servers are fit"
CLAIMED: Final = "partition claimed"
FENCED: Final = "state thrown away"
FENCED_EVALUATION: Final = "evaluation thrown away"


class WorkerDied(Exception):  # noqa: N818 - what happened, not an error of ours
    """A worker ended by itself; the message says how and quotes the end of its log."""


@dataclass(slots=True, eq=False)
class Worker:
    name: str
    process: subprocess.Popen[bytes]
    log: Path
    started_s: float
    frozen: bool = False

    def has_logged(self, words: str) -> bool:
        return words in self.log.read_text(encoding="utf-8", errors="replace")

    def last_lines(self, count: int = 6) -> str:
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-count:])


class Crew:
    """Worker processes of one site.

    Parameters
    ----------
    config
        The settings file.
    module
        What is run: the product, or `chaos.unfenced`.
    """

    def __init__(self, config: Path, *, draw: random.Random, module: str = "watchkeeper") -> None:
        self._config = config
        self._draw = draw
        self._module = module
        self.working: list[Worker] = []
        self.leaving: list[Worker] = []
        self._to_restart: list[Worker] = []
        self._count = 0
        self.outages: list[tuple[float, float]] = []
        self.restarted = 0

    def add(self) -> str:
        self._count += 1
        name = f"worker-{self._count}"
        log = self._config.with_name(f"{name}.log")
        command = [sys.executable, "-m", self._module, "--verbose", "run", "--config", str(self._config)]
        command += ["--roles", "join,evaluate", "--metrics-address", "off"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
        with log.open("ab") as output:
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
        self.working.append(Worker(name, process, log, time.monotonic()))
        return name

    def kill(self) -> str:
        """Kill a worker as the kernel would, and let another one come."""
        victim = self._victim()
        victim.process.kill()
        victim.process.wait(timeout=LEAVE_S)
        self.working.remove(victim)
        return f"{victim.name}, then {self.add()}"

    def freeze(self) -> str:
        victim = self._victim()
        victim.process.send_signal(signal.SIGSTOP)
        victim.frozen = True
        return victim.name

    def thaw(self) -> str:
        frozen = [worker for worker in self.working if worker.frozen]
        for worker in frozen:
            worker.process.send_signal(signal.SIGCONT)
            worker.frozen = False
        return ", ".join(worker.name for worker in frozen)

    def remove(self) -> str:
        victim = self._victim()
        self._dismiss(victim)
        return victim.name

    def begin_rolling(self) -> str:
        self._to_restart = [worker for worker in self.working if not worker.frozen]
        return f"of {len(self._to_restart)}"

    def restart_next(self) -> str:
        """Replace the next worker of the rolling restart; nothing once all have had their turn."""
        while self._to_restart:
            worker = self._to_restart.pop(0)
            if worker in self.working and not worker.frozen:
                self._dismiss(worker)
                return f"{worker.name}, then {self.add()}"
        return "nobody is left"

    def supervise(self) -> None:
        """Look after the workers: one that could not start because a server was away is started again.

        Raises
        ------
        WorkerDied
            One has ended in any other way.
        """
        for worker in list(self.working):
            code = worker.process.poll()
            if code is None:
                continue
            if code != 1 or not self._gave_up_starting(worker):
                raise WorkerDied(
                    f"{worker.name} ended by itself with {code}; its log ends:\n{worker.last_lines()}"
                )
            self.working.remove(worker)
            self.restarted += 1
            self.add()
        for worker in list(self.leaving):
            if worker.process.poll() is not None:
                self._see_off(worker)

    def dismiss_all(self) -> None:
        """Ask everybody to drain and stop; each must end with 0."""
        self.thaw()
        for worker in list(self.working):
            self._dismiss(worker)
        for worker in list(self.leaving):
            try:
                worker.process.wait(timeout=LEAVE_S)
            except subprocess.TimeoutExpired:
                raise WorkerDied(
                    f"{worker.name} did not stop within {LEAVE_S:g} s; its log ends:\n{worker.last_lines()}"
                ) from None
            self._see_off(worker)

    def end(self) -> None:
        """Leave no process behind, however the run has ended."""
        for worker in (*self.working, *self.leaving):
            if worker.process.poll() is None:
                worker.process.kill()
                worker.process.wait(timeout=LEAVE_S)

    def lines_with(self, words: str) -> int:
        """Count the log lines of all workers that hold these words."""
        logs = self._config.parent.glob("worker-*.log")
        return sum(log.read_text(encoding="utf-8", errors="replace").count(words) for log in logs)

    def _victim(self) -> Worker:
        running = [worker for worker in self.working if not worker.frozen]
        if not running:
            self.add()
            running = self.working[-1:]
        return self._draw.choice(running)

    def _dismiss(self, worker: Worker) -> None:
        worker.process.send_signal(signal.SIGTERM)
        self.working.remove(worker)
        self.leaving.append(worker)

    def _see_off(self, worker: Worker) -> None:
        self.leaving.remove(worker)
        code = worker.process.returncode
        # One that is told to go before it listens to signals goes at once.
        too_young = code == -signal.SIGTERM and not worker.has_logged(STARTED)
        if code != 0 and not too_young and not self._gave_up_starting(worker):
            raise WorkerDied(
                f"{worker.name} was asked to stop and ended with {code}; its log ends:\n{worker.last_lines()}"
            )

    def _gave_up_starting(self, worker: Worker) -> bool:
        """Tell whether it ended because a server was away while it started, as it is meant to."""
        was_away = any(back_s >= worker.started_s for _, back_s in self.outages)
        return was_away and not worker.has_logged(STARTED)
