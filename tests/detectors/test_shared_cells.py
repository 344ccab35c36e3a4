"""The profile of one version on the cells of its model's: what is the same, what is its own, and what does not fit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from builders.profile_rows import batch, build
from builders.summaries import predictions
from builders.version_profiles import NEW, OLD, SETTINGS, Data, profile, rows

from detectors.layout import MOMENT_SCALE, prediction_layout
from detectors.profile import CategoricalColumn, NumericColumn, ReferenceProfile, from_json
from detectors.profile_values import Answers
from detectors.reference import on_own_scale, reference_of, reference_of_version
from detectors.shared_cells import crowded, difference
from schemas.model_settings import ModelSettings

MODEL = SETTINGS.models["fraud"]
PRICES = ModelSettings.model_validate({"name": "m", "task": "regression", "loss": "gamma"})


def prices(seed: int, *, scale: float) -> Any:
    """Return rows of a regression whose loss is a deviance."""
    rng = np.random.default_rng(seed)
    x, z = rng.normal(scale, 1.0, 3_000), rng.normal(0.0, scale, 3_000)
    truth = rng.gamma(2.0, scale, 3_000)
    said = truth * rng.lognormal(0.0, 0.3 * scale, 3_000)
    return batch(3_000, Answers(value=said, true_value=truth), x=x.tolist(), z=z.tolist())


def test_a_profile_on_the_bins_of_another_one_has_the_same_cells_and_its_own_figures() -> None:
    main, free, own = profile(OLD), profile(NEW), profile(NEW, OLD)
    assert difference(MODEL, main, own) is None
    assert difference(MODEL, main, free) == "x has other bins"
    assert from_json(own.to_json(), source="own") == own
    for usual, found, apart in zip(main.columns, own.columns, free.columns, strict=True):
        assert found.name == usual.name
        assert found.n == apart.n or found.name.startswith("joint."), "whatever the cells, every row counts"
        if (
            isinstance(found, NumericColumn)
            and isinstance(usual, NumericColumn)
            and isinstance(apart, NumericColumn)
        ):
            assert found.edges == usual.edges
            assert found.counts != usual.counts
            if not found.name.startswith("joint."):
                assert (found.mean, found.sd, found.median) == (apart.mean, apart.sd, apart.median)
            assert set(found.rhythms) == set(usual.rhythms)
    assert own.metrics == free.metrics
    assert own.confusion == free.confusion
    assert own.calibration is not None
    assert free.calibration is not None
    assert own.calibration.n == free.calibration.n
    assert set(own.segments) == set(main.segments)
    east = next(column for column in own.columns if isinstance(column, CategoricalColumn))
    assert east.categories == ("west", "east"), "in the order of the other one"
    assert east.counts[1] > east.counts[0]


def test_on_its_own_bins_a_profile_is_built_again_but_for_what_was_learned_of_its_rows() -> None:
    main, again = profile(OLD), profile(OLD, OLD)
    joint = {column.name for column in main.columns if column.name.startswith("joint.")}
    same = [c for c in again.columns if c.name not in joint]
    assert same == [c for c in main.columns if c.name not in joint]
    assert (again.calibration, again.metrics, again.joint) == (main.calibration, main.metrics, main.joint)


def test_errors_and_deviances_of_a_regression_lie_in_the_same_bins() -> None:
    loss = PRICES.loss
    main, _ = build([prices(1, scale=1.0)], loss=loss)
    own, _ = build([prices(2, scale=1.5)], loss=loss, bins_of=main)
    free, _ = build([prices(2, scale=1.5)], loss=loss)
    assert difference(PRICES, main, own) is None
    assert main.error is not None
    assert own.error is not None
    assert main.deviance is not None
    assert own.deviance is not None
    assert (own.error.edges, own.deviance.edges) == (main.error.edges, main.deviance.edges)
    assert own.metrics == free.metrics
    assert difference(PRICES, main, replace(own, error=free.error)) == "its errors have other bins"
    assert difference(PRICES, main, replace(own, deviance=free.deviance)) == "its deviances have other bins"
    assert (
        difference(PRICES, main, replace(own, calibration=free.calibration)) == "its answers have other bins"
    )
    reference = reference_of_version(own, reference_of(PRICES, main))
    assert reference.errors == reference_of(PRICES, main).errors
    assert reference.predictions.answers == prediction_layout(main).answers


def test_features_that_the_other_profile_lacks_are_left_out_and_those_that_are_gone_count_as_missing() -> (
    None
):
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=400).tolist(), rng.normal(size=400).tolist()
    main, _ = build([batch(400, a=a, b=b)])
    own, warnings = build([batch(400, b=b, new=a, newer=a)], bins_of=main)
    assert [c.name for c in own.columns if not c.name.startswith("joint.")] == ["a", "b"]
    assert (own.columns[0].missing, own.columns[1].missing) == (400, 0)
    assert "left out, as the profile whose bins are used lacks them: new, newer" in warnings


def test_without_labels_nothing_is_known_of_errors_and_the_cells_are_those_of_the_model() -> None:
    main = profile(OLD)
    features, score, said, _ = rows(np.random.default_rng(1), 500, NEW)
    answers = Answers(predicted=list(said), value=score)
    given = {"positive": "fraud", "classes": MODEL.classes, "task": "binary"}
    own, _ = build([batch(500, answers, **features)], bins_of=main, **given)
    assert difference(MODEL, main, own) is None
    assert (own.calibration, own.labelled) == (None, 0)
    reference = reference_of_version(own, reference_of(MODEL, main))
    assert reference.predictions.size == prediction_layout(main).size


def test_moments_are_moved_to_the_scale_of_the_version_and_counts_stay_as_they_are() -> None:
    main, own = (prediction_layout(profile(data, OLD)) for data in (OLD, NEW))
    features, _, _, _ = rows(np.random.default_rng(3), 400, NEW)
    moved = on_own_scale(predictions(main, features), own)
    counted = predictions(own, features)
    assert moved.layout.hash == own.hash
    first, last = own.counts, own.counts + 2 * len(own.numeric)
    assert (moved.vector[:first] == counted.vector[:first]).all()
    assert (moved.vector[last:] == counted.vector[last:]).all()
    off = np.abs(moved.vector[first:last] - counted.vector[first:last])
    assert off.max() < 2 * 400, "each value was rounded once on either scale"
    assert np.abs(counted.vector[first:last]).max() > MOMENT_SCALE


@pytest.mark.parametrize("far", [1e-300, 1e300])
def test_a_scale_that_is_absurdly_far_off_gives_numbers_still(far: float) -> None:
    main = prediction_layout(profile(OLD))
    known = profile(NEW, OLD)
    columns = [replace(c, mean=far, sd=far) if isinstance(c, NumericColumn) else c for c in known.columns]
    own = prediction_layout(replace(known, columns=tuple(columns)))
    features, _, _, _ = rows(np.random.default_rng(3), 100, NEW)
    assert np.abs(on_own_scale(predictions(main, features), own).vector).max() <= 2**62


def test_a_column_most_of_which_lies_beyond_the_bins_is_told() -> None:
    def crowded_by(data: Data) -> list[str]:
        return crowded(profile(OLD), profile(data, OLD, 2_000))

    assert crowded_by(NEW) == []
    assert crowded_by(OLD._replace(shift=9.0)) == ["x", "joint.distance", "joint.outside", "output.score"]


def changed(own: ReferenceProfile, **more: Any) -> str | None:
    return difference(MODEL, profile(OLD), replace(own, **more))


def test_what_does_not_fit_is_named() -> None:
    own = profile(NEW, OLD)
    country = own.column("country")
    assert isinstance(country, CategoricalColumn)
    renamed = tuple(replace(c, categories=("w", "e")) if c is country else c for c in own.columns)
    assert changed(own, columns=renamed) == "country has other categories"
    assert changed(own, columns=own.columns[1:]) == "it lacks x"
    assert changed(own, columns=own.columns[::-1]) == "its columns are in another order"
    assert changed(own, joint=None) == "its numeric features are looked at together by other figures"
    unnamed = MODEL.model_copy(update={"classes": None})
    other = replace(own, classes=("fraud", "legal"))
    assert difference(unnamed, profile(OLD), other) == "its negative class is legal and not ok"
