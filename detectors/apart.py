"""What watches the versions of one reference, where versions of a model have references of their own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, Protocol, runtime_checkable

import msgspec

from detectors.betting.roster import Stay, is_gone
from detectors.betting.troubles import Open
from detectors.detector import OTHERS, ClosedWindow, Detector, State
from detectors.state_values import value_in
from schemas.finding import Finding, Topic, Verdict

_KEY: Final = "apart"

_Identity = tuple[str, str, str | None, str | None, str | None]


class _Memory(msgspec.Struct, array_like=True):
    """What is remembered beside the detector's own state."""

    stay: Stay | None
    told: list[Open]


@runtime_checkable
class Opening(Protocol):
    """A detector that knows what it has told and is not over."""

    @property
    def open(self) -> list[Open]:
        """All of that."""


class Apart:
    """A detector that is shown the versions of one reference alone.

    What it says of a version with a reference of its own carries the version's name. Windows without events of its versions are
    passed over. Once there have been none for `gone_ms`, in which they would have had some, what is open is told as gone and the detector
    starts over.

    Parameters
    ----------
    detector
        As it would watch a model with this reference.
    version
        Whose reference it is; `OTHERS` for that of the model.
    gone_ms
        As in `detectors.betting.roster.Rules`.
    """

    def __init__(self, detector: Detector[Any], version: str, *, gone_ms: int) -> None:
        self.name = detector.name if version == OTHERS else f"{detector.name}@{version}"
        self.stream = detector.stream
        self._detector, self._version, self._gone_ms = detector, version, gone_ms
        self._new = detector.state()
        self._stay: Stay | None = None
        self._told: dict[_Identity, Open] = {}

    @property
    def standing(self) -> list[Topic]:
        """All that has been told: windows without events of these versions say nothing of it."""
        return [told.topic for told in self._told.values()]

    def update(self, window: ClosedWindow[Any]) -> list[Finding]:
        """Take one window of the whole model in; findings in the detector's manner."""
        own = window.apart.get(self._version)
        if own is None or own.span.n <= 0:
            return self._missed(window)
        stay = self._stay or Stay(window.span.end_ms, 0, 0)
        of = stay.of + stay.missed + window.span.n
        self._stay = Stay(window.span.end_ms, stay.n + own.span.n, of)
        found = self._detector.update(own)
        if self._version != OTHERS:
            found = [replace(finding, version=self._version) for finding in found]
        self._remember(found)
        return found

    def _missed(self, window: ClosedWindow[Any]) -> list[Finding]:
        if self._stay is None and not self._told:
            return []
        if self._stay is None:  # told while all versions were watched together, which they were then all of
            self._stay = Stay(window.span.end_ms, 1, 1)
        self._stay.missed += window.span.n
        if not is_gone(self._stay, window.span.end_ms, gone_ms=self._gone_ms):
            return []
        told = list(self._told.values())
        self._detector.restore(self._new)
        self._stay, self._told = None, {}
        return [one.gone(window) for one in told]

    def _remember(self, found: list[Finding]) -> None:
        """Keep what is told until it is over; what takes several clear windows may not be, and being told as gone again does no harm."""
        for said in found:
            one = Open(said.kind, said.check, said.severity, said.feature, said.version, said.segment)
            if said.verdict is Verdict.BREACH and not said.evidence_only:
                self._told[_identity(one)] = one
            elif said.verdict is Verdict.GONE or (
                said.verdict is Verdict.CLEAR and said.hysteresis.clears <= 1
            ):
                self._told.pop(_identity(one), None)

    def state(self) -> State:
        """Return the detector's own state, with what has been told and when there were events."""
        memory = _Memory(self._stay, list(self._told.values()))
        return {**self._detector.state(), _KEY: msgspec.msgpack.encode(memory)}

    def restore(self, state: State) -> None:
        """Take up a remembered state, also that of a detector that was shown all versions.

        Raises
        ------
        ValueError
            If the state is not one of this detector.
        """
        self._detector.restore(state)
        if _KEY in state:
            try:
                memory = msgspec.msgpack.decode(value_in(state, _KEY, bytes), type=_Memory)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise ValueError(f"expected what has been told of versions: {error}") from error
        else:
            opened = self._detector.open if isinstance(self._detector, Opening) else []
            memory = _Memory(None, opened)
        self._stay, self._told = memory.stay, {_identity(one): one for one in memory.told}


def _identity(one: Open) -> _Identity:
    return one.kind.value, one.check, one.feature, one.version, one.segment
