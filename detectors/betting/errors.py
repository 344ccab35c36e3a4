"""The budgeted detector of errors: windows by label arrival."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from detectors.betting.dating import Dating
from detectors.betting.error_cells import ErrorCells
from detectors.betting.error_findings import ErrorFindings
from detectors.betting.label_times import label_hour, made_ms
from detectors.betting.promptness import Promptness
from detectors.betting.troubles import Open, Trouble, effects_of, standing_of
from detectors.betting.watched import Said, Watched, WatchedBanks
from detectors.detector import ErrorWindow, State
from detectors.profile import ReferenceProfile
from detectors.state_values import value_in
from schemas.finding import Finding, Stream, Topic


class BudgetedErrors:
    """Sequential bets that the model is wrong more often, within each true class, and on limits of metrics.

    Parameters
    ----------
    profile
        The reference; None where only limits of metrics are watched.
    cells
        What is counted.
    watched, bars
        What is bet on in every window, and the log evidence at which each fires.
    prompt, prompt_bars
        The same of what is bet on only in windows whose labels came promptly: where labels of one kind come
        later than others, the order of arrival would feign a change.
    promptness
        Tells which windows those are.
    positive
        The positive class of a binary model.
    window_ms
        Length of a window.

    Notes
    -----
    Findings come as those of `columns.BudgetedColumns`; see there for the sources.
    """

    name: Final = "budget_errors"
    stream: Final = Stream.ERRORS

    def __init__(  # noqa: PLR0913 - the parts of a detector
        self,
        profile: ReferenceProfile | None,
        cells: ErrorCells,
        watched: Sequence[Watched],
        bars: Sequence[float],
        *,
        prompt: Sequence[Watched] = (),
        prompt_bars: Sequence[float] = (),
        promptness: Promptness,
        positive: str | None,
        window_ms: int,
    ) -> None:
        self._cells = cells
        reference = "" if profile is None else profile.errors_hash
        self._banks = WatchedBanks(watched, bars, window_ms=window_ms, reference=reference)
        self._prompt = WatchedBanks(prompt, prompt_bars, window_ms=window_ms, reference=reference)
        self._dating = Dating((*watched, *prompt))
        self._promptness = promptness
        self._findings = ErrorFindings(profile, cells, (*watched, *prompt), positive=positive)
        self._zone = "UTC" if profile is None else profile.timezone

    @property
    def effects(self) -> dict[Trouble, float]:
        """How far each trouble is off that fires after the last window, in standard deviations."""
        return effects_of((self._banks, self._prompt))

    @property
    def open(self) -> list[Open]:
        """What has been told and is not over."""
        return self._findings.troubles.open

    @property
    def standing(self) -> set[Topic]:
        """See `detectors.detector.Detector`."""
        return standing_of([self._banks, self._prompt])

    def update(self, window: ErrorWindow) -> list[Finding]:
        """Take one window in; a finding for each trouble that fires or has just stopped."""
        if window.span.n <= 0:
            return []
        vector, hour = self._cells.vector(window.overall), label_hour(window, self._zone)
        start_ms = window.span.start_ms
        is_prompt = self._promptness.holds(window)
        left_out = np.repeat([False, not is_prompt], [len(self._banks.watched), len(self._prompt.watched)])
        self._dating.add(vector, made_ms=made_ms(window), left_out=left_out)
        told = self._banks.update(vector, start_ms=start_ms, hour=hour)
        if is_prompt:
            found = self._prompt.update(vector, start_ms=start_ms, hour=hour)
            told += [(len(self._banks.watched) + place, reading) for place, reading in found]
        firing = np.concatenate([self._banks.firing, self._prompt.firing])
        told = self._dating.dated(told, start_ms=start_ms, firing=firing)
        fresh = np.concatenate([self._banks.fresh, self._prompt.fresh])
        return self._findings.of(window, Said(told, firing, fresh))

    def state(self) -> State:
        """Return the evidence and the dates of every signal, the newest labels, the usual confusion and the worst severities."""
        return {
            "banks": self._banks.to_bytes(),
            "prompt": self._prompt.to_bytes(),
            "days": self._dating.to_bytes(),
            **self._findings.state(),
        }

    def restore(self, state: State) -> None:
        """Take up a remembered state; one of another profile or of other signals starts over.

        Raises
        ------
        ValueError
            If the state is not one of this detector.
        """
        known = self._banks.restore(value_in(state, "banks", bytes))
        known = self._prompt.restore(value_in(state, "prompt", bytes)) and known
        if known and "days" in state:  # states of earlier releases have none
            self._dating.restore(value_in(state, "days", bytes))
        self._findings.restore(state, known=known)
