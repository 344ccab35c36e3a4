from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from builders.summaries import INVALID, profile_of
from hypothesis import given
from hypothesis import strategies as st

from detectors.profile import ReferenceProfile, from_json
from schemas.errors import Stop

values = st.lists(st.one_of(st.floats(-1e6, 1e6), st.none(), st.just(INVALID)), max_size=30)
texts = st.lists(st.one_of(st.text(min_size=1, max_size=5), st.none()), max_size=30)


def a_profile() -> ReferenceProfile:
    return profile_of(
        {"amount": [1.5, 2.5, None, 1e9], "country": ["DE", "é", None, INVALID]},
        labelled=3,
        metrics={"accuracy": 0.9},
        classes=("fraud", "ok"),
        error_sd=0.3,
        importances={"amount": 0.75},
    )


@given(values, texts)
def test_a_profile_comes_back_from_its_text(numbers: list[Any], names: list[Any]) -> None:
    profile = profile_of({"x": numbers, "c": names})
    again = from_json(profile.to_json(), source="p.json")
    assert again == profile
    assert again.content_hash == profile.content_hash
    assert again.binning_hash == profile.binning_hash


def test_a_profile_with_everything_comes_back() -> None:
    assert from_json(a_profile().to_json().encode(), source="p.json") == a_profile()


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [leaf for key, item in items for leaf in leaves(item, (*path, key))]
    return found or [path]


@pytest.mark.parametrize("path", leaves(json.loads(a_profile().to_json())), ids=str)
def test_an_edit_of_any_value_is_noticed(path: tuple[Any, ...]) -> None:
    raw = json.loads(a_profile().to_json())
    place = raw
    for step in path[:-1]:
        place = place[step]
    old = place[path[-1]]
    place[path[-1]] = old + 1 if isinstance(old, int | float) else f"{old}x"
    with pytest.raises(Stop, match=r"p\.json: .*build it again with `watchkeeper profile"):
        from_json(json.dumps(raw), source="p.json")


@pytest.mark.parametrize("cut", [0, 1, 10, 200, -2])
def test_a_text_that_was_cut_off_is_refused(cut: int) -> None:
    with pytest.raises(Stop, match="expected a reference profile in JSON"):
        from_json(a_profile().to_json()[:cut], source="p.json")


@pytest.mark.parametrize("text", ["[]", "3", '"x"', "{}", '{"format": "watchkeeper.profile/3"}', "null"])
def test_json_that_is_no_profile_is_refused(text: str) -> None:
    with pytest.raises(Stop, match="expected a profile of format"):
        from_json(text, source="p.json")


def test_a_profile_that_lacks_a_key_is_damaged() -> None:
    for key in json.loads(a_profile().to_json()):
        raw = json.loads(a_profile().to_json())
        del raw[key]
        with pytest.raises(Stop):
            from_json(json.dumps(raw), source="p.json")


def test_profiles_that_count_alike_have_the_same_binning_whatever_they_counted() -> None:
    profile = a_profile()
    more = dataclasses.replace(profile, n=99, labelled=1, metrics={}, importances={})
    assert more.binning_hash == profile.binning_hash
    assert more.content_hash != profile.content_hash
