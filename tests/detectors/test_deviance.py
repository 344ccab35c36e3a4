from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pytest
from builders.summaries import MINUTE_MS, NOON_MS, error_window
from sklearn import metrics as sk

from consumers.joined import JOINED
from consumers.losses import Losses
from consumers.plan import ModelPlan, plan_model
from detectors.betting.calendar import HOURS_PER_DAY
from detectors.betting.error_cells import error_cells
from detectors.betting.part_signals import segment_profile
from detectors.betting.watching import watched_errors
from detectors.classes import ClassNames
from detectors.deviance import GAMMA, POISSON, deviance_power, unit_deviance
from detectors.layout import ErrorLayout
from detectors.metrics import metrics_of
from detectors.number_cells import LEARNED_EDGES
from detectors.profile import ReferenceProfile, from_json
from detectors.profile_build import ProfileBuilder
from detectors.profile_values import Answers, RowBatch
from detectors.registry import detectors_for
from detectors.segments import SegmentReference
from detectors.summary import Summary, SummaryTable
from schemas.finding import Finding, Verdict
from schemas.model_parts import Loss
from schemas.model_settings import ModelSettings

Floats = npt.NDArray[np.float64]

LOSSES: Final[dict[str, Any]] = {
    "poisson": "poisson",
    "gamma": "gamma",
    "tweedie": {"name": "tweedie", "power": 1.5},
}
SKLEARN: Final[dict[str, Any]] = {
    "poisson": sk.mean_poisson_deviance,
    "gamma": sk.mean_gamma_deviance,
    "tweedie": lambda truth, said: sk.mean_tweedie_deviance(truth, said, power=1.5),
}
PER_WINDOW = 40


def settings(loss: str) -> ModelSettings:
    return ModelSettings.model_validate({"name": "fraud", "task": "regression", "loss": LOSSES[loss]})


def claims(rng: np.random.Generator, n: int, loss: str, *, worse: float = 1.0) -> tuple[Floats, Floats]:
    """Return truths of a pricing model's customers and its prices; `worse` spreads the prices about the means."""
    mean = rng.lognormal(0, 0.5, n) * 3
    truth = rng.poisson(mean).astype(np.float64) if loss == "poisson" else rng.gamma(2.0, mean / 2)
    if loss == "tweedie":
        truth[rng.random(n) < 0.3] = 0.0
    return truth, mean * np.exp(rng.normal(0, worse - 1, n))


def profile_of_claims(loss: str, truth: Floats, said: Floats, **batch: Any) -> ReferenceProfile:
    builder = ProfileBuilder("fraud", "regression", positive=None, feature_rules={}, loss=settings(loss).loss)
    rows = RowBatch(len(truth), {}, Answers(value=said, true_value=truth), **batch)
    builder.sample(rows)
    builder.count(rows)
    return builder.finish()


def counted(plan: ModelPlan, truth: Floats, said: Floats, *, parts: int = 1) -> Summary[ErrorLayout]:
    """Return the summary of rows that were counted in so many partitions, as the join counts them."""
    rows = np.zeros(len(truth), dtype=JOINED)
    rows["sign"], rows["value"], rows["truth"] = 1, said, truth
    merged = Summary.empty(plan.errors)
    for part in range(parts):
        table: SummaryTable[str, ErrorLayout] = SummaryTable(plan.errors)
        own = rows[part::parts]
        places = np.full(len(own), table.row("all"), dtype=np.intp)
        Losses(plan, own, []).add_to(table, places, pick=np.arange(len(own)))
        merged = merged.merge(Summary(plan.errors, table.matrix[table.row("all")].copy(), {}))
    return merged


@pytest.mark.parametrize(
    ("truth", "said", "power", "expected"),
    [
        (2.0, 1.0, POISSON, 2 * (2 * math.log(2) - 1)),
        (0.0, 3.0, POISSON, 6.0),
        (2.0, 1.0, GAMMA, 2 * (2 - 1 - math.log(2))),
        (1.0, 4.0, GAMMA, 2 * (math.log(4) + 0.25 - 1)),
        (4.0, 1.0, 1.5, 2 * (2 * 1 + 2 * 4 - 4 * 2)),
        (0.0, 4.0, 1.5, 8.0),
        (5.0, 5.0, 1.5, 0.0),
    ],
)
def test_a_unit_deviance_is_that_of_the_formula(
    truth: float, said: float, power: float, expected: float
) -> None:
    found, known = unit_deviance(np.array([truth]), np.array([said]), power=power)
    assert found[0] == pytest.approx(expected, abs=1e-12)
    assert known.all()


@pytest.mark.parametrize(
    ("power", "refused"),
    [
        (POISSON, [(1.0, 0.0), (1.0, -2.0), (-1.0, 2.0)]),
        (1.5, [(1.0, 0.0), (-1.0, 2.0)]),
        (GAMMA, [(0.0, 1.0), (1.0, 0.0)]),
    ],
)
def test_a_row_that_the_loss_does_not_allow_has_no_deviance(
    power: float, refused: list[tuple[float, float]]
) -> None:
    truth, said = np.array(refused).T
    found, known = unit_deviance(truth, said, power=power)
    assert not known.any()
    assert not found.any()


@pytest.mark.parametrize("power", [POISSON, 1.2, 1.9, GAMMA])
def test_extreme_numbers_have_finite_deviances_of_0_or_more(power: float) -> None:
    extreme = np.array([5e-324, 1e-300, 1e-8, 1.0, 1e8, 1e154, 1.7e308])
    truth, said = (axis.ravel() for axis in np.meshgrid(extreme, extreme))
    found, known = unit_deviance(truth, said, power=power)
    assert known.all()
    assert np.isfinite(found).all()
    assert (found >= 0).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_the_mean_deviance_equals_scikit_learn_in_profile_and_stream(loss: str) -> None:
    truth, said = claims(np.random.default_rng(1), 3_000, loss, worse=1.4)
    if loss == "gamma":
        truth = np.maximum(truth, 1e-6)
    expected = SKLEARN[loss](truth, said)
    profile = profile_of_claims(loss, truth, said)
    assert profile.metrics["deviance"] == pytest.approx(expected, rel=1e-10)
    found = metrics_of(counted(plan_model(settings(loss), profile), truth, said), positive=None)
    assert found["deviance"] == pytest.approx(expected, rel=1e-10)
    without = metrics_of(counted(plan_model(settings(loss), None), truth, said), positive=None)
    assert without["deviance"] == found["deviance"]


@pytest.mark.parametrize("loss", LOSSES)
def test_twelve_partitions_count_what_one_does(loss: str) -> None:
    truth, said = claims(np.random.default_rng(2), 1_000, loss, worse=1.4)
    said[::50], truth[::70] = 0.0, -1.0
    plan = plan_model(settings(loss), profile_of_claims(loss, truth, said))
    one = counted(plan, truth, said)
    assert counted(plan, truth, said, parts=12) == one
    cells = one.vector[plan.errors.deviances : plan.errors.outcomes]
    assert cells.sum() == 1_000
    assert cells[-1] == ((said <= 0) | (truth < 0)).sum()


def test_a_corrected_label_takes_its_deviance_back() -> None:
    plan = plan_model(settings("poisson"), None)
    rows = np.zeros(3, dtype=JOINED)
    rows["sign"], rows["value"], rows["truth"] = [1, -1, 1], 2.0, [7.0, 7.0, 0.0]
    table: SummaryTable[str, ErrorLayout] = SummaryTable(plan.totals)
    places = np.full(3, table.row("all"), dtype=np.intp)
    Losses(plan, rows, []).add_to(table, places, pick=np.arange(3))
    summary = Summary(plan.totals, table.matrix[table.row("all")], {})
    assert metrics_of(summary, positive=None)["deviance"] == 4.0


def test_another_loss_has_no_deviance_and_the_cells_that_it_always_had() -> None:
    plain = ModelSettings.model_validate({"name": "fraud", "task": "regression", "loss": "squared"})
    assert deviance_power(plain.loss) is None
    layout = plan_model(plain, None).errors
    assert layout.hash == ErrorLayout("regression", edges=LEARNED_EDGES).hash
    assert "deviance" not in metrics_of(
        counted(plan_model(plain, None), np.ones(9), np.ones(9)), positive=None
    )
    powers = [deviance_power(settings(loss).loss) for loss in LOSSES]
    assert powers == [1.0, 2.0, 1.5]
    assert len({ErrorLayout("regression", power=power).hash for power in (None, *powers)}) == 4


def test_a_profile_keeps_its_deviances_and_an_older_one_its_hash() -> None:
    truth, said = claims(np.random.default_rng(3), 500, "poisson")
    said[:5] = 0.0
    profile = profile_of_claims("poisson", truth, said)
    assert profile.deviance is not None
    assert (profile.deviance.invalid, profile.deviance_power) == (5, 1.0)
    assert from_json(profile.to_json(), source="p.json") == profile
    old = ReferenceProfile("fraud", "regression", 9, ())
    assert not {"deviance", "deviance_power"} & json.loads(old.to_json()).keys()
    assert from_json(old.to_json(), source="p.json") == old


def test_a_profile_of_another_loss_is_watched_by_the_size_of_errors() -> None:
    truth, said = claims(np.random.default_rng(4), 2_000, "gamma")
    profile = profile_of_claims("gamma", truth, said)
    names = {loss: bets(settings(loss), profile) for loss in LOSSES}
    assert names == {"gamma": ["deviance", "bias"], "poisson": ["loss", "bias"], "tweedie": ["loss", "bias"]}


def test_a_segment_is_watched_by_the_size_of_its_errors() -> None:
    profile = profile_of_claims("gamma", *claims(np.random.default_rng(9), 2_000, "gamma"))
    assert profile.error is not None
    model, names = settings("gamma"), ClassNames(None, None)
    found = SegmentReference(2_000, errors=profile.error.counts, metrics={"mae": profile.metrics["mae"]})
    cells = error_cells(plan_model(model, profile).errors, profile, names)
    whole = watched_errors(model, profile, cells)
    own = watched_errors(model, segment_profile(profile, found, names), cells)
    assert [item.signal.name for item in whole] == ["deviance", "bias"]
    assert [item.signal.name for item in own] == ["loss", "bias"]


def bets(model: ModelSettings, profile: ReferenceProfile) -> list[str]:
    [detector] = [d for d in detectors_for(model, profile) if d.name == "budget_errors"]
    return [item.signal.name for item in detector._banks.watched]  # type: ignore[attr-defined]


def judged(
    model: ModelSettings, profile: ReferenceProfile, truth: Floats, said: Floats
) -> list[list[Finding]]:
    plan = plan_model(model, profile)
    [detector] = [d for d in detectors_for(model, profile) if d.name == "budget_errors"]
    found = []
    for index in range(len(truth) // PER_WINDOW):
        own = slice(index * PER_WINDOW, (index + 1) * PER_WINDOW)
        found.append(detector.update(error_window(counted(plan, truth[own], said[own]), index)))
    return found


@pytest.mark.parametrize("loss", LOSSES)
def test_prices_whose_deviance_doubles_are_found_and_good_ones_are_not(loss: str) -> None:
    rng = np.random.default_rng(5)
    profile = profile_of_claims(loss, *claims(rng, 20_000, loss))
    truth, said = claims(rng, 200 * PER_WINDOW, loss)
    assert not any(judged(settings(loss), profile, truth, said))
    off = {"poisson": 1.55, "gamma": 1.7, "tweedie": 2.1}[loss]
    truth, said = claims(rng, 60 * PER_WINDOW, loss, worse=off)
    now = SKLEARN[loss](np.maximum(truth, 1e-9) if loss == "gamma" else truth, said)
    assert 1.4 < now / profile.metrics["deviance"] < 3
    told = [
        f for found in judged(settings(loss), profile, truth, said) for f in found if f.check == "performance"
    ]
    assert told
    first = told[0]
    assert first.verdict is Verdict.BREACH
    assert first.evidence["metric"] == "deviance"
    assert first.evidence["deviance_before"] == profile.metrics["deviance"]
    assert isinstance(first.evidence["deviance_now"], float)


def test_predictions_of_0_where_the_loss_allows_none_are_found() -> None:
    rng = np.random.default_rng(6)
    profile = profile_of_claims("poisson", *claims(rng, 20_000, "poisson"))
    truth, said = claims(rng, 60 * PER_WINDOW, "poisson")
    said[rng.random(len(said)) < 0.2] = 0.0
    told = [f for found in judged(settings("poisson"), profile, truth, said) for f in found]
    assert "performance" in {f.check for f in told}


@pytest.mark.parametrize("loss", ["absolute", "poisson"])
def test_a_daily_cycle_of_the_errors_size_is_no_change(loss: str) -> None:
    model = ModelSettings.model_validate(
        {"name": "fraud", "task": "regression", "loss": loss, "window": "1h", "min_effect": 0}
    )
    rng = np.random.default_rng(7)

    def stream(days: int) -> tuple[npt.NDArray[np.int64], Floats, Floats]:
        times = NOON_MS + np.arange(days * HOURS_PER_DAY * PER_WINDOW) * (60 * MINUTE_MS // PER_WINDOW)
        hour = times / (60 * MINUTE_MS) % HOURS_PER_DAY
        truth = rng.poisson(5, len(times)).astype(np.float64)
        return (
            times,
            truth,
            np.maximum(truth, 0.5)
            * np.exp(rng.normal(0, 1, len(times)) * 0.3 * np.exp(np.sin(hour * np.pi / 12))),
        )

    times, truth, said = stream(14)
    builder = ProfileBuilder("fraud", "regression", positive=None, feature_rules={}, loss=model.loss)
    rows = RowBatch(len(times), {}, Answers(value=said, true_value=truth), times)
    builder.sample(rows)
    builder.count(rows)
    profile = builder.finish()
    column = profile.error if loss == "absolute" else profile.deviance
    assert column is not None
    assert len(column.rhythms["absolute" if loss == "absolute" else "deviance"].season) >= HOURS_PER_DAY
    if loss == "absolute":
        old, learned = (
            np.resize(season, 168)
            for season in (_season_of_old(model, profile), column.rhythms["absolute"].season)
        )
        assert np.corrcoef(old, learned)[0, 1] > 0.9, "an older profile tells about as much"
        assert 0.5 < old.std() / learned.std() < 2
    _, truth, said = stream(5)
    plan = plan_model(model, profile)
    [detector] = [d for d in detectors_for(model, profile) if d.name == "budget_errors"]
    for index in range(5 * HOURS_PER_DAY):
        own = slice(index * PER_WINDOW, (index + 1) * PER_WINDOW)
        window = error_window(counted(plan, truth[own], said[own]), index * 60)
        assert detector.update(window) == []


def _season_of_old(model: ModelSettings, profile: ReferenceProfile) -> tuple[float, ...]:
    assert profile.error is not None
    rhythms = {name: r for name, r in profile.error.rhythms.items() if name not in {"absolute", "squared"}}
    old = replace(profile, error=replace(profile.error, rhythms=rhythms))
    [detector] = [d for d in detectors_for(model, old) if d.name == "budget_errors"]
    loss = detector._banks.watched[0]  # type: ignore[attr-defined]
    assert loss.signal.name == "loss"
    season: tuple[float, ...] = loss.signal.rhythms[0].season
    return season


def test_a_loss_by_name_alone_and_tweedie_with_its_power_are_accepted() -> None:
    assert [settings(loss).loss for loss in LOSSES] == [
        Loss(name="poisson"),
        Loss(name="gamma"),
        Loss(name="tweedie", power=1.5),
    ]
