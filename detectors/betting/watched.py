"""Signals with what they stand for, in banks of about equal size."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from detectors.betting.bank import Reading, SignalBank
from detectors.betting.signal import Signal
from schemas.finding import Hysteresis, Kind

Vector = npt.NDArray[np.int64]

AT_ONCE: Final = Hysteresis(breaches=1, windows=1, clears=1)
"""Evidence has been gathered over all windows that it took: it fires and resolves in one."""

LN_10: Final = float(np.log(10.0))


@dataclass(frozen=True, slots=True)
class Watched:
    """A signal and the trouble that it shows.

    Parameters
    ----------
    feature
        None for what is about the model as a whole.
    column
        Place of the feature's column in the layout; None without one.
    importance
        Of the feature, relative to the mean of all.
    limit
        The user's limit that is bet against, in the metric's unit; None where it is no limit.
    """

    signal: Signal
    kind: Kind
    check: str
    feature: str | None = None
    column: int | None = None
    importance: float = 1.0
    limit: float | None = None


Told: TypeAlias = tuple[int, Reading]
"""Place of a signal among those that are watched, and what a window says of it."""


class Said(NamedTuple):
    """What a window says of watched signals.

    Parameters
    ----------
    readings
        Of those that fire or have just resolved, in order.
    firing, fresh
        Shape (watched,): which fire after it, and of which the leading bet began in it (see `SignalBank.fresh`).
    """

    readings: Sequence[Told]
    firing: npt.NDArray[np.bool_]
    fresh: npt.NDArray[np.bool_]


class WatchedBanks:
    """Watched signals, those of about equal size together, so that padding wastes little.

    Parameters
    ----------
    watched, bars
        Signals, and the log evidence at which each fires.
    window_ms
        Length of a window.
    reference
        Hash of the profile that they compare with.
    """

    def __init__(
        self, watched: Sequence[Watched], bars: Sequence[float], *, window_ms: int, reference: str
    ) -> None:
        self.watched = tuple(watched)
        self._reference = reference
        places: dict[tuple[int, int], list[int]] = {}
        for place, item in enumerate(self.watched):
            bets = sum(len(wager.sizes) for wager in item.signal.wagers)
            size = (len(item.signal.cells).bit_length(), bets.bit_length())
            places.setdefault(size, []).append(place)
        self._places = [places[size] for size in sorted(places)]
        self._banks = [
            SignalBank(
                [self.watched[place].signal for place in members],
                [bars[place] for place in members],
                window_ms=window_ms,
            )
            for members in self._places
        ]

    def update(self, vector: Vector, *, start_ms: int, hour: float | None) -> list[Told]:
        """Take one window in; returns (place in `watched`, reading) of what fires or has resolved, in order."""
        found: list[Told] = []
        for members, bank in zip(self._places, self._banks, strict=True):
            readings = bank.update(vector, start_ms=start_ms, hour=hour)
            found += [(members[reading.signal], reading) for reading in readings]
        return sorted(found, key=lambda pair: pair[0])

    def said(self, vector: Vector, *, start_ms: int, hour: float | None) -> Said:
        """Take one window in and return what it says of all signals."""
        return Said(self.update(vector, start_ms=start_ms, hour=hour), self.firing, self.fresh)

    @property
    def fresh(self) -> npt.NDArray[np.bool_]:
        """Shape (watched,): see `SignalBank.fresh`."""
        found = np.zeros(len(self.watched), dtype=np.bool_)
        for members, bank in zip(self._places, self._banks, strict=True):
            found[members] = bank.fresh
        return found

    @property
    def log_evidence(self) -> npt.NDArray[np.float64]:
        """Shape (watched,): see `SignalBank.log_evidence`."""
        found = np.zeros(len(self.watched))
        for members, bank in zip(self._places, self._banks, strict=True):
            found[members] = bank.log_evidence
        return found

    @property
    def firing(self) -> npt.NDArray[np.bool_]:
        """Shape (watched,): what fires after the last window."""
        found = np.zeros(len(self.watched), dtype=np.bool_)
        for members, bank in zip(self._places, self._banks, strict=True):
            found[members] = bank.firing
        return found

    def effects(self) -> list[tuple[int, float]]:
        """Return (place, how far it is off in standard deviations) of what fires after the last window."""
        return [
            (members[row], effect)
            for members, bank in zip(self._places, self._banks, strict=True)
            for row, effect in bank.effects()
        ]

    def restart(self, places: Collection[int]) -> None:
        """Let signals start over, as if nothing had been counted of them."""
        for members, bank in zip(self._places, self._banks, strict=True):
            bank.restart(np.isin(members, list(places)))

    def adopt(self, other: WatchedBanks, same: Mapping[int, int]) -> None:
        """Take over what other banks remember of the same signals.

        Parameters
        ----------
        same
            Places of the signals in the other banks, by those in these.
        """
        for members, bank in zip(self._places, self._banks, strict=True):
            for their_members, their_bank in zip(other._places, other._banks, strict=True):
                theirs = {place: row for row, place in enumerate(their_members)}
                rows = [(row, theirs[same[p]]) for row, p in enumerate(members) if same.get(p) in theirs]
                bank.adopt(their_bank, rows)

    def to_bytes(self) -> bytes:
        """Return the state for `restore`; it names its signals and their reference."""
        names = [item.signal.name for item in self.watched]
        return msgspec.msgpack.encode((self._reference, names, [bank.to_bytes() for bank in self._banks]))

    def restore(self, data: bytes) -> bool:
        """Take up a state; one of other signals or of another reference starts over, which returns False.

        Raises
        ------
        ValueError
            Bytes of something else.
        """
        try:
            reference, names, parts = msgspec.msgpack.decode(data, type=tuple[str, list[str], list[bytes]])
        except msgspec.DecodeError as error:
            raise ValueError(f"expected the state of signals: {error}") from error
        own = [item.signal.name for item in self.watched]
        if (reference, names, len(parts)) != (self._reference, own, len(self._banks)):
            return False
        for bank, part in zip(self._banks, parts, strict=True):
            bank.restore(part)
        return True
