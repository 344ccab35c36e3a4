"""The days of a model added up over any stretch, with what is known of how complete their labels are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Final

from consumers.cohorts import Cohort
from consumers.plan import ModelPlan
from consumers.rollup import DAY_MS
from detectors.confidence import Estimate, wilson
from detectors.detector import OTHERS, is_own
from detectors.intervals import MAIN_METRICS
from detectors.reference import Reference
from detectors.summary import Summary
from watchkeeper.estimates import estimates_in, leading
from watchkeeper.report.calendar import day_text
from watchkeeper.report.content import Row, Standing, Stretch
from watchkeeper.report.past import Past
from watchkeeper.report.shown import shown_estimates

LABELS_MIN: Final = 30
"""With fewer labels no metric is told."""

USUAL_SHARE: Final = 0.9
"""Labels for surely less than this part of what is usual make a figure provisional."""

SOUND_SHARE: Final = 0.5
"""Days with less than this part of the usual labels are left out of trends and comparisons."""


class Ledger:
    """Looks cohorts up by day and version and adds them up.

    Parameters
    ----------
    plan
        The model.
    past
        Its days; those after `past.now_ms` are passed over.
    """

    def __init__(self, plan: ModelPlan, past: Past) -> None:
        self.plan = plan
        self.now_ms = past.now_ms
        self._days = {day: past.days[day] for day in sorted(past.days) if day <= past.now_ms}
        self._usual: dict[str | None, float | None] = {}

    @cached_property
    def days(self) -> list[int]:
        """The days with predictions of the model's own."""
        return [day for day in self._days if self.cohort([day]).predictions > 0]

    def between(self, first_ms: int, until_ms: int) -> list[int]:
        """Return the days with predictions in first_ms <= day < until_ms."""
        return [day for day in self.days if first_ms <= day < until_ms]

    def versions(self, days: Iterable[int], *, others: bool = False) -> list[str]:
        """Return the versions of these days, those with most predictions first.

        Parameters
        ----------
        others
            With answers of the fallback, and those in the shadow, as versions of their own.
        """
        found: dict[str, int] = {}
        for day in days:
            for (version, segment), cohort in self._days[day].items():
                if not segment and (others or is_own(version)):
                    found[version] = found.get(version, 0) + cohort.predictions
        return sorted((v for v in found if found[v] > 0), key=lambda version: (-found[version], version))

    def cohort(self, days: Iterable[int], version: str | None = None) -> Cohort:
        """Return the days together: of one version, or of all with answers of the fallback and in the shadow left out."""
        total = Cohort(0, Summary.empty(self.plan.errors))
        for day in days:
            for (name, segment), cohort in self._days.get(day, {}).items():
                own = is_own(name) if version is None else name == version
                if not segment and own:
                    total = total.merge(cohort)
        return total

    def leading(self, days: Iterable[int]) -> str:
        """Return which versions have most predictions of these days: one with a reference of its own, or `OTHERS`."""
        return leading(self.plan, (self._days[day] for day in days))

    def reference(self, days: Iterable[int], version: str | None = None) -> Reference | None:
        """Return what a version is compared with, or all that have answered on these days; None where they differ."""
        if version is not None:
            return self.plan.reference(version)
        apart = {self.plan.set_apart(name) for name in self.versions(days)} or {OTHERS}
        return self.plan.reference(apart.pop()) if len(apart) == 1 else None

    def segments(self, days: Iterable[int], *, lead: str | None = None) -> dict[str, Cohort]:
        """Return the days together by segment; `lead` is as of `leading`, None for all versions."""
        found: dict[str, Cohort] = {}
        for day in days:
            for (name, segment), cohort in self._days[day].items():
                if segment and is_own(name) and lead in (None, self.plan.set_apart(name)):
                    found[segment] = found[segment].merge(cohort) if segment in found else cohort
        return found

    def days_of(self, version: str) -> list[int]:
        """Return the days on which a version has predictions."""
        return [
            day
            for day, cohorts in self._days.items()
            if (version, "") in cohorts and cohorts[version, ""].predictions > 0
        ]

    def is_final(self, day: int) -> bool:
        """Say whether every label of a day is in, by the label horizon."""
        return day + DAY_MS + self.plan.horizon_ms <= self.now_ms

    def usual(self, version: str | None) -> float | None:
        """Return the share of labels that a version usually gets: the median prediction's, over final days with any.

        Implicit labels do not count: they come whatever happens to the others.
        """
        if version not in self._usual:
            days = self.days if version is None else self.days_of(version)
            cohorts = [self.cohort([day], version) for day in days if self.is_final(day)]
            labelled = [(c.received, c.observable) for c in cohorts if c.labelled > 0]
            self._usual[version] = _median(labelled)
        return self._usual[version]

    def sound(self, days: Iterable[int]) -> Iterator[int]:
        """Yield the days whose labels are in, and about as many as usual."""
        usual = self.usual(None) or 0.0
        for day in days:
            cohort = self.cohort([day])
            if self.is_final(day) and cohort.labelled > 0 and cohort.received >= SOUND_SHARE * usual:
                yield day

    def row(self, days: Iterable[int], version: str | None = None) -> Row:
        """Return the figures of these days."""
        days = list(days)
        cohort = self.cohort(days, version)
        own = [day for day in days if version is None or (version, "") in self._days[day]]
        usual = self.usual(version)
        standing = self._standing(cohort, final=all(map(self.is_final, own)), usual=usual)
        metrics = {} if standing == "too few labels" else self.metrics(cohort)
        return Row(
            version=version,
            predictions=cohort.predictions,
            labelled=cohort.labelled,
            coverage=cohort.coverage,
            usual=usual,
            standing=standing,
            metrics=metrics,
            implicit=cohort.implicit,
            unobservable=cohort.unobservable,
            estimated=self.estimates(cohort, self.reference(days, version)),
        )

    @staticmethod
    def _standing(cohort: Cohort, *, final: bool, usual: float | None) -> Standing:
        if cohort.labelled < LABELS_MIN:
            return "too few labels"
        if not final:
            return "horizon open"
        reached = wilson(cohort.labelled - cohort.implicit, cohort.observable).high
        thin = usual is not None and reached is not None and reached < USUAL_SHARE * usual
        return "few labelled" if thin else "final"

    def metrics(self, cohort: Cohort) -> dict[str, Estimate]:
        """Return the metrics of a cohort that are shown, with their intervals."""
        return shown_estimates(self.plan, cohort.figures)

    def estimates(self, cohort: Cohort, reference: Reference | None) -> dict[str, Estimate]:
        """Return the main metrics that are expected of all answers of a cohort."""
        found = estimates_in(reference, cohort)
        return {metric: found[metric] for metric in MAIN_METRICS[self.plan.settings.task] if metric in found}

    def stretch(self, name: str, days: Iterable[int], version: str | None = None) -> Stretch | None:
        """Return the figures of sound days; None with too few labels."""
        sound = list(self.sound(days))
        cohort = self.cohort(sound, version)
        if cohort.labelled < LABELS_MIN:
            return None
        first, last = day_text(sound[0]), day_text(sound[-1])
        return Stretch(name, first, last, cohort.labelled, self.metrics(cohort))


def _median(weighed: list[tuple[float, int]]) -> float | None:
    half, passed = sum(weight for _, weight in weighed) / 2, 0
    for value, weight in sorted(weighed):
        passed += weight
        if passed >= half:
            return value
    return None
