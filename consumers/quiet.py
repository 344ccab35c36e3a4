"""How long a topic has been caught up and quiet, counted in what was observed, not in what a clock says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

OBSERVED_S_MAX: Final = 2.0
"""A process that was stopped, or waited for a server, has watched nothing meanwhile: one look counts no more."""


@dataclass(slots=True)
class Quiet:
    """One topic of one partition.

    Parameters
    ----------
    ended
        The end of the log was reached, and nothing has come since.
    for_s
        Seconds of observed quiet since then.
    """

    ended: bool = False
    for_s: float = 0.0

    def heard(self) -> None:
        """Note that records came."""
        self.ended, self.for_s = False, 0.0

    def reset(self) -> None:
        """Begin to count anew: nobody could have heard anything."""
        self.for_s = 0.0

    def look(self, passed_s: float, *, led: bool) -> None:
        """Note one look.

        Parameters
        ----------
        passed_s
            Seconds since the last look.
        led
            Whether the broker answers for this partition: silence of a dead broker is not quiet.
        """
        self.for_s = self.for_s + min(passed_s, OBSERVED_S_MAX) if led and self.ended else 0.0

    def idle(self, after_s: float) -> bool:
        """Return whether nobody has to wait for this topic."""
        return self.ended and self.for_s >= after_s
