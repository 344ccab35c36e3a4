"""The dead man's switch: says that all is well, again and again, for as long as it is; silence is the alarm.

Whoever listens at the other end (Healthchecks, Dead Man's Snitch, Uptime Kuma and the like) tells people when the
heartbeats stop: of a monitor that is dead, and of one that lives and cannot tell anybody.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import structlog

from alerts.http_gate import HttpAnswer

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import SecretStr

    from alerts.http_gate import HttpGate

LOOK_S: Final = 1.0
AGAIN_S: Final = 5.0
"""After a heartbeat that was held back or not taken, the next is tried so soon."""

LEAVE_S: Final = 15.0

_log = structlog.get_logger("watchkeeper.notify")


class Ill(StrEnum):
    """What keeps a heartbeat back; the label of a metric."""

    ROUNDS = "rounds"
    """No round of the notifier has ended lately with all servers answering and the store written to."""
    BROKER = "broker"
    """Kafka does not answer, or the group does not count us in."""
    BACKLOG = "backlog"
    OVERDUE = "overdue"
    """A message has been due for minutes and nobody has taken it."""
    EVALUATION = "evaluation"
    """The roles that watch, in the same process, do not get on."""


@dataclass(slots=True)
class HeartbeatStats:
    """What became of the heartbeats.

    Parameters
    ----------
    taken_s
        Monotonic time of the last one that the other side took; before the first, of the start.
    failed
        Those that were sent and not taken, by reason.
    withheld
        Those that were not sent because something is wrong, by what.
    """

    taken_s: float
    failed: Counter[str] = field(default_factory=Counter)
    withheld: Counter[str] = field(default_factory=Counter)


class Heartbeat:
    """Beats on a thread of its own, so that a slow server holds up nothing.

    Parameters
    ----------
    url
        Asked for with GET; it is in no log line and no error.
    every_s
        Time between two heartbeats.
    gate
        Ours alone: it is closed with us.
    ill
        What is wrong now, None for nothing; called from the thread, and may block for seconds.
    clock
        Monotonic seconds.
    """

    def __init__(
        self,
        url: SecretStr,
        *,
        every_s: float,
        gate: HttpGate,
        ill: Callable[[], Ill | None],
        clock: Callable[[], float],
    ) -> None:
        self._url = url
        self._every_s = every_s
        self._gate = gate
        self._ill = ill
        self._clock = clock
        self._due_s = clock()
        self._trouble = ""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self.stats = HeartbeatStats(taken_s=clock())

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def close(self) -> None:
        """Beat no more."""
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join(LEAVE_S)
        self._gate.close()

    def look(self) -> None:
        """Send a heartbeat if one is due and all is well."""
        now_s = self._clock()
        if now_s < self._due_s:
            return
        ill = self._ill()
        failure = None if ill is not None else self._failure()
        if ill is not None:
            self.stats.withheld[ill] += 1
            self._note(f"withheld: {ill}")
        elif failure is not None:
            self.stats.failed[failure] += 1
            self._note(f"not taken: {failure}")
        else:
            self.stats.taken_s = now_s
            self._note("")
        well = ill is None and failure is None
        self._due_s = now_s + (self._every_s if well else min(self._every_s, AGAIN_S))

    def _failure(self) -> str | None:
        """Send one; return why it was not taken, None if it was."""
        answer = self._gate.send("GET", self._url)
        if not isinstance(answer, HttpAnswer):
            return answer.reason
        taken = HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES
        return None if taken else f"http_{answer.status}"

    def _note(self, trouble: str) -> None:
        """Log what has changed."""
        if trouble and trouble != self._trouble:
            _log.error("no heartbeat", reason=trouble)
        elif self._trouble and not trouble:
            _log.warning("heartbeats go on")
        self._trouble = trouble

    def _run(self) -> None:
        while not self._ended.wait(min(LOOK_S, self._every_s)):
            try:
                self.look()
            except Exception as error:  # noqa: BLE001 - the outermost loop of this thread: it must not end unnoticed
                # Only the type is logged: the message may hold the URL.
                self.stats.failed["raised"] += 1
                self._due_s = self._clock() + AGAIN_S
                _log.error("heartbeat raised", error=type(error).__name__)
