from __future__ import annotations

from pathlib import Path

import pytest
from builders.summaries import profile_of

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


def test_a_profile_for_one_version_alone_is_refused_and_none_is_not(tmp_path: Path) -> None:
    (tmp_path / "fraud-8.json").write_text(profile_of({"amount": [1.0, 2.0] * 100}).to_json(), "utf-8")
    path = tmp_path / "watchkeeper.yaml"
    for profiles, refused in (('{"8": fraud-8.json}', True), ("{}", False)):
        text = f"models: {{fraud: {{task: binary, positive_class: fraud, profiles: {profiles}}}}}"
        path.write_text(text, "utf-8")
        if not refused:
            assert load_plans(load_settings(path), tmp_path)["fraud"].profile is None
            continue
        with pytest.raises(
            Stop, match=r"^models\.fraud\.profiles: expected one profile for all versions"
        ) as found:
            load_plans(load_settings(path), tmp_path)
        assert "\n" not in str(found.value)
        assert found.value.exit_code == 2
