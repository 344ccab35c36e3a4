"""The budgeted detector of the parts of a model: its segments, or its versions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Final, Generic, Literal, Protocol, TypeAlias

from detectors.betting.part_cells import PartCells
from detectors.betting.roster import Roster, Rules
from detectors.betting.seats import Part, Seats
from detectors.betting.troubles import Open, Trouble, trouble_of
from detectors.betting.watched import Said, Told
from detectors.detector import FALLBACK_SUFFIX, ClosedWindow, State
from detectors.layout import LayoutT
from detectors.segments import is_other
from detectors.state_codec import states_from_bytes
from detectors.state_values import value_in
from detectors.summary import Summary
from schemas.errors import Stop
from schemas.finding import Finding, Topic, WindowSpan

PartKind: TypeAlias = Literal["segment", "version"]

WORSE_TIMES: Final = 2.0
SHARE_MAX: Final = 0.9
"""Of a part with more of the traffic, what is left says too little to compare with."""


class Whole(Protocol):
    """The detector of the whole model on the same stream."""

    @property
    def effects(self) -> Mapping[Trouble, float]:
        """How far each trouble is off that fires after the last window, in standard deviations."""


class BudgetedParts(Generic[LayoutT]):
    """Sequential bets on each segment, or each version, against a reference of its own.

    Parameters
    ----------
    kind
        Which parts.
    cells
        What is counted of each.
    make
        Makes a part that has come.
    rules
        Who may stay.
    is_refuted
        Whether nothing is believed of a part in windows that start then: what was told of it is over, as refuted, and it
        starts over.
    whole
        Watches the whole model, and takes each window in first: a trouble that it shows too is told of a part only
        where the part is at least `WORSE_TIMES` as far off as the rest. What was held back starts over when that of
        the whole model is over: by then it mostly is so too.
    reference
        Hash of the profile; a state of another one starts over.
    window_ms
        Length of a window.

    Notes
    -----
    A part is bet on in windows in which it is not all there is, as otherwise the whole model says the same; while
    something of it fires also in those, so that it can be over. One that gets no events any more is told as gone.
    """

    def __init__(  # noqa: PLR0913 - the parts of a detector
        self,
        kind: PartKind,
        cells: PartCells[LayoutT],
        make: Callable[[str], Part[LayoutT]],
        rules: Rules,
        *,
        whole: Whole | None,
        is_refuted: Callable[[str, int], bool] = lambda _name, _start_ms: False,
        reference: str,
        window_ms: int,
    ) -> None:
        self.name = f"budget_{kind}_{cells.name}"
        self.stream = cells.stream
        self._kind, self._cells, self._whole = kind, cells, whole
        self._new_seats = partial(Seats[LayoutT], cells.width, make, reference=reference, window_ms=window_ms)
        self._rules, self._is_refuted = rules, is_refuted
        self._begin()

    def _begin(self) -> None:
        self._roster, self._seats = Roster(self._rules), self._new_seats()

    @property
    def standing(self) -> list[Topic]:
        """See `detectors.detector.Detector`."""
        return [told.topic for told in self.open]

    def update(self, window: ClosedWindow[LayoutT]) -> list[Finding]:
        """Take one window in; a finding for each trouble of a part that fires, has just stopped, or is gone."""
        counted = self._counted(window)
        events = {name: int(summary.vector[0]) for name, summary in counted.items()}
        firing = self._seats.firing
        gone = self._roster.see(window.span, events, firing=firing)
        left = [
            told.gone(window) for part in self._seats.parts if part.name in gone for told in self._open(part)
        ]
        self._seats.seat(self._roster.names)
        refuted = self._refuted(window)
        left += [f for part in refuted for f in self._let_go(window, part)]
        heeded = {
            part.name: self._cells.summary(counted[part.name])
            for part in self._seats.parts
            if part.name in events
            and part not in refuted
            and (events[part.name] < window.span.n or part.name in firing)
        }
        if not heeded:
            return left
        said = self._seats.said(
            {name: self._cells.vector(summary, window) for name, summary in heeded.items()},
            start_ms=window.span.start_ms,
            hour=self._cells.hour(window),
        )
        effects = {} if self._whole is None else self._whole.effects
        for part in self._seats.parts:
            if part.name in heeded:
                worth = self._worth_telling(part, said[part.name], effects)
                left += self._told(window, part, heeded[part.name], worth)
        return left

    def _refuted(self, window: ClosedWindow[LayoutT]) -> list[Part[LayoutT]]:
        start_ms = window.span.start_ms
        return [part for part in self._seats.parts if self._is_refuted(part.name, start_ms)]

    def _let_go(self, window: ClosedWindow[LayoutT], part: Part[LayoutT]) -> list[Finding]:
        """Return what was told of a part that is refuted, and let it start over."""
        found = [replace(told.gone(window), refuted=True) for told in self._open(part)]
        part.findings.troubles.forget()
        self._seats.restart(part.name, range(len(part.watched)))
        return found

    def _counted(self, window: ClosedWindow[LayoutT]) -> dict[str, Summary[LayoutT]]:
        """Return the parts that have events in a window."""
        found = window.segments if self._kind == "segment" else window.versions
        passed = is_other if self._kind == "segment" else _is_fallback
        return {name: s for name, s in found.items() if s.vector[0] > 0 and not passed(name)}

    def _worth_telling(self, part: Part[LayoutT], said: Said, effects: Mapping[Trouble, float]) -> Said:
        """Return what a window says of a part beside what it says of the whole model."""
        stay = self._roster.stays[part.name]
        worth: list[Told] = []
        over: list[int] = []
        for place, reading in said.readings:
            whole = effects.get(trouble_of(part.watched[place]))
            if part.findings.troubles.is_open(place):
                worth.append((place, reading))
            elif whole is None and not reading.fired:
                over.append(place)
            elif whole is None or stands_out(reading.effect, whole=whole, share=stay.n / stay.of):
                worth.append((place, reading))
        self._seats.restart(part.name, over)
        return said._replace(readings=worth)

    def _told(
        self, window: ClosedWindow[LayoutT], part: Part[LayoutT], summary: Summary[LayoutT], said: Said
    ) -> list[Finding]:
        span = WindowSpan(window.span.start_ms, window.span.end_ms, int(summary.vector[0]))
        found = part.findings.of(ClosedWindow(window.model, window.stream, span, summary), said)
        return [self._named(finding, part) for finding in found]

    @property
    def open(self) -> list[Open]:
        """What has been told of parts and is not over."""
        return [told for part in self._seats.parts for told in self._open(part)]

    def _open(self, part: Part[LayoutT]) -> list[Open]:
        found = part.findings.troubles.open
        if self._kind == "segment":
            return [told._replace(segment=part.name) for told in found]
        return [told._replace(version=part.name) for told in found]

    def _named(self, finding: Finding, part: Part[LayoutT]) -> Finding:
        if self._kind == "segment":
            return replace(finding, segment=part.name)
        return replace(finding, version=part.name)

    def state(self) -> State:
        """Return who is there, the evidence of every part, and what its findings must remember."""
        return {
            "roster": self._roster.to_bytes(),
            "banks": self._seats.banks.to_bytes(),
            "parts": self._seats.states(),
        }

    def restore(self, state: State) -> None:
        """Take up a remembered state; one of another profile or of other signals starts over.

        Raises
        ------
        ValueError
            If the state is not one of this detector.
        """
        roster, banks, parts = (value_in(state, key, bytes) for key in ("roster", "banks", "parts"))
        self._begin()
        self._roster.restore(roster)
        self._seats.seat(self._roster.names)
        if not self._seats.banks.restore(banks):
            self._begin()
            return
        try:
            states_from_bytes(self._seats.parts, parts)
        except Stop as error:
            raise ValueError(f"expected the states of parts: {error}") from error


def stands_out(effect: float, *, whole: float, share: float) -> bool:
    """Return whether a part of the traffic is clearly further off than the rest.

    Parameters
    ----------
    effect, whole
        How far the part, and everything together, are off, in standard deviations.
    share
        Of the part in everything.

    Examples
    --------
    >>> stands_out(1.0, whole=0.2, share=0.2), stands_out(1.0, whole=0.9, share=0.2)
    (True, False)
    """
    part = min(share, SHARE_MAX)
    rest = (whole - part * effect) / (1 - part)
    return effect * rest <= 0 or abs(effect) >= WORSE_TIMES * abs(rest)


def _is_fallback(version: str) -> bool:
    return version.endswith(FALLBACK_SUFFIX)
