"""A model's past: cohorts that no label can change any more, merged over all partitions, and their days.

Kept per model in one hash of small values: hours for a season, days for years. What is still open lies with the partitions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from consumers.cohorts import Cohorts, encode_cohorts, merge_cohorts, read_cohorts
from consumers.incidents import episode_ms_of
from consumers.plan import ModelPlan
from consumers.store import ModelStore, PartitionStore

DAY_MS: Final = 86_400_000
COHORTS_KEPT_MS: Final = 90 * DAY_MS
DAYS_KEPT_MS: Final = 3 * 366 * DAY_MS
"""Of incidents too."""
COHORTS_MAX: Final = 200
"""Cohorts that are rolled up at once at most."""

_COHORT, _DAY = "c", "d"


@dataclass(frozen=True, slots=True)
class RolledUp:
    """What a commit changes in a model's past.

    Parameters
    ----------
    put
        Field to bytes.
    gone
        Fields whose time is over.
    until_ms
        Start of the last cohort that is in it now.
    """

    put: Mapping[str, bytes]
    gone: tuple[str, ...]
    until_ms: int


class Rollup:
    """Rolls up the cohorts of one model.

    Parameters
    ----------
    plan
        The model.
    windows, states
        Where open cohorts are, and where the past is kept.
    partitions
        Number of partitions.
    """

    def __init__(self, plan: ModelPlan, windows: PartitionStore, states: ModelStore, partitions: int) -> None:
        self._plan = plan
        self._windows = windows
        self._states = states
        self._numbers = range(partitions)

    def final_ms(self, passed_ms: int) -> int:
        """Return the start of the last cohort that no label can change any more.

        Parameters
        ----------
        passed_ms
            Event time that every partition's labels and predictions have passed.
        """
        plan, length = self._plan, self._plan.settings.cohort_window_ms
        over_ms = passed_ms - plan.horizon_ms - plan.memory_ms - plan.lateness_ms
        return over_ms // length * length - length

    def take(self, *, after_ms: int, until_ms: int) -> RolledUp | None:
        """Return what the cohorts with after_ms < start <= until_ms add to the past; None for nothing."""
        found: dict[int, list[bytes]] = {}
        for number in self._numbers:
            stored = self._windows.cohorts(number, self._plan.name, from_ms=after_ms + 1, until_ms=until_ms)
            for start, deltas in stored.items():
                found.setdefault(start, []).extend(deltas)
        if not found:
            return None
        merged = {
            start: _settled(read_cohorts(self._plan, found[start]), silence_speaks=True)
            for start in sorted(found)[:COHORTS_MAX]
        }
        last = max(merged)
        put = {_field(_COHORT, start): encode_cohorts(cohorts) for start, cohorts in merged.items()}
        days: dict[int, list[Cohorts]] = {}
        for start, cohorts in merged.items():
            days.setdefault(start // DAY_MS * DAY_MS, []).append(cohorts)
        known = self._states.past(self._plan.name)
        for day, some in days.items():
            before = known.get(_field(_DAY, day))
            earlier = [] if before is None else [read_cohorts(self._plan, [before])]
            put[_field(_DAY, day)] = encode_cohorts(merge_cohorts([*earlier, *some]))
        return RolledUp(put, tuple(_over(known, last)), last)

    def trim(self, until_ms: int) -> None:
        """Let the partitions' cohorts go that are in the past now."""
        for number in self._numbers:
            self._windows.trim_cohorts(number, self._plan.name, until_ms)


def _over(fields: Iterable[str], now_ms: int) -> list[str]:
    return [name for name in fields if now_ms - _start_of(name) > _kept_ms(name)]


def _start_of(field: str) -> int:
    incident = episode_ms_of(field)
    return int(field[1:]) if incident is None else incident


def _kept_ms(field: str) -> int:
    return COHORTS_KEPT_MS if field[0] == _COHORT else DAYS_KEPT_MS


def _field(kind: str, start_ms: int) -> str:
    return f"{kind}{start_ms}"


def read_days(
    plan: ModelPlan, windows: PartitionStore, states: ModelStore, partitions: int, *, now_ms: int
) -> dict[int, Cohorts]:
    """Return every day of a model's life that is known, open ones included: start of the day to its cohorts.

    Parameters
    ----------
    now_ms
        Silence has spoken, where it means a class, about the predictions that are old enough at this time.
    """
    known: dict[int, list[Cohorts]] = {}
    open_: dict[tuple[int, bool], list[bytes]] = {}
    stored = [windows.cohorts(number, plan.name) for number in range(partitions)]
    past = states.past(plan.name)  # after the rest: a roll-up in between is then seen, and not lost
    for name, data in past.items():
        if name[0] == _DAY:
            known.setdefault(int(name[1:]), []).append(read_cohorts(plan, [data]))
    rolled_ms = max((int(name[1:]) for name in past if name[0] == _COHORT), default=-1)
    for cohorts in stored:
        for start, deltas in cohorts.items():
            if start > rolled_ms:
                speaks = start + plan.settings.cohort_window_ms + plan.implicit_ms <= now_ms
                open_.setdefault((start // DAY_MS * DAY_MS, speaks), []).extend(deltas)
    for (day, speaks), together in open_.items():
        known.setdefault(day, []).append(_settled(read_cohorts(plan, together), silence_speaks=speaks))
    return {day: merge_cohorts(known[day]) for day in sorted(known)}


def _settled(cohorts: Cohorts, *, silence_speaks: bool) -> Cohorts:
    return {key: cohort.settled(silence_speaks=silence_speaks) for key, cohort in cohorts.items()}
