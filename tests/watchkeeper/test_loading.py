from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from builders.summaries import profile_of

from consumers.plan import ModelPlan
from detectors.profile import NumericColumn, ReferenceProfile
from schemas.errors import Stop
from watchkeeper.loading import load_plans, load_settings


def test_a_monitor_on_a_column_that_the_profile_lacks_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "fraud.json").write_text(profile_of({"amount": [1.0, 2.0] * 100}).to_json(), "utf-8")
    (tmp_path / "watchkeeper.yaml").write_text(
        "models: {fraud: {task: binary, positive_class: fraud, profile: fraud.json,"
        " monitors: {ph: {river: PageHinkley, signal: 'feature:amuont'}}}}",
        "utf-8",
    )
    with pytest.raises(Stop) as refused:
        load_plans(load_settings(tmp_path / "watchkeeper.yaml"), tmp_path)
    assert str(refused.value) == (
        "models.fraud.monitors.ph.signal: the profile has no column 'amuont'; did you mean \"amount\"?"
    )
    assert refused.value.exit_code == 2


def loaded(folder: Path, more: str) -> ModelPlan:
    path = folder / "watchkeeper.yaml"
    path.write_text(f"models: {{fraud: {{task: binary, positive_class: fraud, {more}}}}}", "utf-8")
    return load_plans(load_settings(path), folder)["fraud"]


def test_profiles_by_version_are_relative_to_the_settings_too(tmp_path: Path) -> None:
    for name, values in (("fraud.json", [1.0, 2.0]), ("fraud-8.json", [2.0, 2.0])):
        known = profile_of({"amount": [1.0, 2.0] * 100})
        [column] = known.columns
        assert isinstance(column, NumericColumn)
        column = replace(column, median=values[0])
        (tmp_path / name).write_text(replace(known, columns=(column,)).to_json(), "utf-8")
    plan = loaded(tmp_path, 'profile: fraud.json, profiles: {"8": fraud-8.json}')
    assert list(plan.versions) == ["8"]
    assert plan.reference("7").profile == plan.reference(None).profile == plan.profile
    own = plan.reference("8").profile
    assert own is not None
    assert own.columns == (column,)
    assert plan.profile is not None
    assert plan.profile.columns != own.columns
    assert plan.reference("8+fallback") == plan.reference("8+shadow") == plan.reference("8")
    assert loaded(tmp_path, "profile: fraud.json, profiles: {}").versions == {}


PROFILE_OF_8: Final = 'profile: fraud.json, profiles: {"8": fraud-8.json}'


@pytest.mark.parametrize(
    ("of_version", "more", "expected"),
    [
        (
            profile_of({"amount": [1.0, 2.0] * 100}),
            'profiles: {"8": fraud-8.json}',
            "models.fraud.profiles.8: expected `profile` too, for the versions without one of their own: add it",
        ),
        (
            profile_of({"amount": [1.0, 3.0] * 100}),
            PROFILE_OF_8,
            "models.fraud.profiles.8: expected a profile on the bins of fraud.json, as all versions are counted on them, but "
            "amount has other bins; build it with `watchkeeper profile --model fraud --bins-of fraud.json`",
        ),
        (profile_of({"sum": [1.0, 2.0] * 100}), PROFILE_OF_8, "but it lacks amount; build it"),
        (
            profile_of({"amount": [1.0, 2.0] * 100, "sum": [1.0] * 200}),
            PROFILE_OF_8,
            "but it has sum, which the model's profile lacks; build it",
        ),
        (
            replace(profile_of({"amount": [1.0, 2.0] * 100}), model="churn"),
            PROFILE_OF_8,
            "models.fraud.profiles.8: expected the profile of model 'fraud' (binary), found one of 'churn' (binary)",
        ),
        (None, PROFILE_OF_8, "fraud-8.json: cannot read a reference profile: No such file or directory"),
    ],
)
def test_a_profile_of_a_version_that_does_not_fit_stops_the_start(
    tmp_path: Path, of_version: ReferenceProfile | None, more: str, expected: str
) -> None:
    (tmp_path / "fraud.json").write_text(profile_of({"amount": [1.0, 2.0] * 100}).to_json(), "utf-8")
    if of_version is not None:
        (tmp_path / "fraud-8.json").write_text(of_version.to_json(), "utf-8")
    with pytest.raises(Stop) as found:
        loaded(tmp_path, more)
    assert expected in str(found.value)
    assert "\n" not in str(found.value)
    assert found.value.exit_code == 2
