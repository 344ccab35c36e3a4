"""The life of a model, drawn day by day at the level of its cohorts, so that half a year costs a second."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from builders.summaries import classified

from consumers.cohorts import Cohort, Cohorts
from consumers.incidents import Incident
from consumers.plan import ModelPlan, plan_model
from consumers.rollup import DAY_MS
from detectors.profile import ReferenceProfile
from detectors.summary import Summary
from schemas.model_settings import ModelSettings
from watchkeeper.report.past import Past

FIRST_MS: Final = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)
DAYS: Final = 181
"""1 January to 30 June 2026."""

HORIZON_DAYS: Final = 14


def plan(profile: ReferenceProfile | None = None, **more: Any) -> ModelPlan:
    raw: dict[str, Any] = {
        "name": "fraud",
        "task": "binary",
        "positive_class": "fraud",
        "label_horizon": f"{HORIZON_DAYS}d",
        "segments": ["channel"],
    }
    return plan_model(ModelSettings.model_validate(raw | more), profile)


def day_ms(day: int) -> int:
    """Return the start of a day by its number, 0 for 1 January 2026."""
    return FIRST_MS + day * DAY_MS


def cohort(model: ModelPlan, predictions: int, right: dict[tuple[str, str], int]) -> Cohort:
    """Return a cohort of so many predictions, with labelled ones by (predicted, true) class, all scored."""
    pairs = [pair for pair, n in right.items() for _ in range(n)]
    if not pairs:
        return Cohort(predictions, Summary.empty(model.errors))
    predicted, true = (list(side) for side in zip(*pairs, strict=True))
    scores = np.where(np.array(predicted) == "fraud", 0.8, 0.2)
    return Cohort(predictions, classified(predicted, true, scores, positive="fraud"))


def drawn(
    rng: np.random.Generator, model: ModelPlan, n: int, *, accuracy: float, coverage: float = 0.95
) -> Cohort:
    """Return a cohort of n predictions, of which one in five is of a fraud."""
    labelled = int(rng.binomial(n, coverage))
    frauds = int(rng.binomial(labelled, 0.2))
    caught, passed = int(rng.binomial(frauds, accuracy)), int(rng.binomial(labelled - frauds, accuracy))
    counts = {
        ("fraud", "fraud"): caught,
        ("ok", "fraud"): frauds - caught,
        ("ok", "ok"): passed,
        ("fraud", "ok"): labelled - frauds - passed,
    }
    return cohort(model, n, counts)


def life(
    model: ModelPlan,
    version: Callable[[int], str],
    accuracy: Callable[[int], float],
    *,
    days: int = DAYS,
    n: int = 2000,
    coverage: Callable[[int], float] = lambda _: 0.95,
    seed: int = 7,
    incidents: tuple[Incident, ...] = (),
) -> Past:
    """Return a past in which every day has one version, an accuracy and a coverage of its own.

    Labels of the last days, whose horizon is open, have come for a part of the predictions.
    """
    rng = np.random.default_rng(seed)
    found: dict[int, Cohorts] = {}
    for day in range(days):
        come = min(1.0, (days - day) / HORIZON_DAYS) * coverage(day)
        web = drawn(rng, model, n // 4, accuracy=accuracy(day) - 0.02, coverage=come)
        rest = drawn(rng, model, n - n // 4, accuracy=accuracy(day) + 0.02 / 3, coverage=come)
        name = version(day)
        found[day_ms(day)] = {
            (name, ""): web.merge(rest),
            (name, "channel=web"): web,
            (name, "channel=app"): rest,
        }
    return Past(found, incidents, day_ms(days))


def half_year(model: ModelPlan) -> Past:
    """Return six months with three versions, a slow decay of 3 points from 1 April on and two weeks without labels."""
    return life(
        model,
        lambda day: "7" if day < 45 else "8" if day < 120 else "9",
        lambda day: 0.92 - 0.03 * max(0, day - 90) / (DAYS - 1 - HORIZON_DAYS - 90),
        coverage=lambda day: 0.0 if 59 <= day < 73 else 0.95,
        incidents=(
            Incident(
                alert_id="v1:ab:60000",
                status="resolved",
                severity="error",
                kind="data_drift",
                check="drift",
                title="amount is higher than in the profile",
                since="2026-02-27T09:30:00.000Z",
                detected_at="2026-02-27T09:35:00.000Z",
                until="2026-03-02T11:00:00.000Z",
            ),
            Incident(
                alert_id="v1:cd:60000",
                status="firing",
                severity="warning",
                kind="performance",
                check="budget",
                title="fraud is answered wrongly more often",
                since="2026-06-20T00:00:00.000Z",
                detected_at="2026-06-20T04:00:00.000Z",
            ),
        ),
    )
