"""What a budgeted detector remembers: all of it, little, and nothing of another reference."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from builders.bets import (
    EVENTS,
    SETTINGS,
    Columns,
    Floats,
    Vectors,
    built,
    category,
    counted,
    drawn,
    layout_of,
    minutes,
)
from builders.summaries import classified, error_window
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.betting.errors import BudgetedErrors
from detectors.detector import ClosedWindow
from detectors.profile import ReferenceProfile
from detectors.registry import detectors_for
from detectors.state_codec import states_from_bytes, states_to_bytes
from schemas.errors import Stop
from schemas.finding import Verdict
from schemas.model_settings import ModelSettings

if TYPE_CHECKING:
    from detectors.detector import Detector, State

ROWS = 4_000
NUMERIC_BYTES_MAX = 4_000


def references(seed: int = 1) -> dict[str, Floats]:
    rng = np.random.default_rng(seed)
    return {"x": rng.normal(size=ROWS), "y": np.rint(rng.normal(0, 2, ROWS)), "z": np.full(ROWS, 1.0)}


WITH_TIMES = built(references(), minutes(ROWS))
WITHOUT_TIMES = built(references())


def windows(watch: Columns, seed: int = 2) -> Vectors:
    rng = np.random.default_rng(seed)
    found = []
    for window in range(60):
        mean = 1.5 if 20 <= window < 40 else 0.0
        values = {"x": rng.normal(mean, 1, EVENTS), "y": np.rint(rng.normal(mean, 2, EVENTS))}
        values["x"][rng.random(EVENTS) < mean / 4] = np.nan
        found.append(counted(watch.layout, values | {"z": np.full(EVENTS, 1.0)}))
    return np.array(found)


def stored(watch: Columns) -> bytes:
    return states_to_bytes([watch.detector])


@pytest.mark.parametrize("profile", [WITH_TIMES, WITHOUT_TIMES], ids=["times", "no times"])
def test_a_state_of_any_window_goes_on_as_if_nothing_had_happened(profile: ReferenceProfile) -> None:
    straight, restarted = Columns(profile), Columns(profile)
    stream = windows(straight)
    for vector in stream:
        again = Columns(profile, windows=restarted.windows, said=restarted.said)
        states_from_bytes([again.detector], stored(restarted))
        assert again.feed(vector) == straight.feed(vector)
        restarted = again
    assert stored(restarted) == stored(straight)
    assert {Verdict.BREACH, Verdict.CLEAR} <= {verdict for *_, verdict in straight.said}


def carried_over(before: ReferenceProfile, after: ReferenceProfile) -> tuple[Columns, Columns]:
    """Return a watch of `after` that was given the state of one of `before` amid a change, and a new one."""
    old = Columns(before)
    old.feed(*windows(old)[:30])
    assert old.first("drift")
    given_state, fresh = Columns(after), Columns(after)
    states_from_bytes([given_state.detector], stored(old))
    return given_state, fresh


OTHERS = {
    "other rows": built(references(9), minutes(ROWS)),
    "other columns": built({"x": references()["x"], "w": references()["y"]}, minutes(ROWS)),
    "one column less": built({"x": references()["x"]}, minutes(ROWS)),
    "no times": WITHOUT_TIMES,
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_state_of_another_profile_starts_over(name: str) -> None:
    given_state, fresh = (watch.detector.state() for watch in carried_over(WITH_TIMES, OTHERS[name]))
    assert [given_state[key] for key in ("banks", "worst")] == [fresh[key] for key in ("banks", "worst")]


def test_a_state_of_other_categories_starts_over() -> None:
    def profile(counts: list[int]) -> ReferenceProfile:
        columns = [cells.column for cells in layout_of(category("c", counts)).columns]
        return ReferenceProfile("fraud", "binary", ROWS, tuple(columns))

    old, new = Columns(profile([3_000, 900, 100])), Columns(profile([2_000, 1_000, 700, 200, 100]))
    old.feed(*drawn(np.random.default_rng(1), old.layout, 5, chances={0: [0.1, 0.1, 0.8, 0, 0, 0]}))
    assert old.said
    states_from_bytes([new.detector], stored(old))
    assert stored(new) == stored(Columns(profile([2_000, 1_000, 700, 200, 100])))


def test_a_state_of_fewer_checks_starts_over() -> None:
    raw = {"name": "fraud", "task": "binary", "positive_class": "1"}
    monitors = {"missing_rate": False, "volume": False, "adwin_features": False, "adwin_errors": False}
    watch = Columns(WITH_TIMES, ModelSettings.model_validate(raw | {"monitors": monitors}))
    watch.feed(*windows(watch)[:30])
    assert watch.first("drift")
    other = Columns(WITH_TIMES)
    states_from_bytes([other.detector], stored(watch))
    other.feed(windows(other)[0])
    assert not other.said


def _early() -> State:
    watch = Columns(WITH_TIMES)
    watch.feed(*windows(watch)[:3])
    return watch.detector.state()


EARLY = _early()


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_damaged_bytes_are_refused_or_read_and_nothing_else(data: st.DataObject) -> None:
    state = dict(EARLY)
    key = data.draw(st.sampled_from(["banks", "worst"]))
    if key == "banks":
        banks = bytearray(state["banks"])  # type: ignore[arg-type] # these are bytes
        banks[data.draw(st.integers(0, len(banks) - 1))] ^= data.draw(st.integers(1, 255))
        state["banks"] = bytes(banks[: data.draw(st.integers(0, len(banks)))])
    else:
        state["worst"] = data.draw(
            st.one_of(st.lists(st.integers(-9, 99), max_size=12), st.none(), st.binary())
        )
    fresh = Columns(WITH_TIMES)
    try:
        fresh.detector.restore(state)
    except ValueError:
        return
    assert len(stored(fresh)) <= len(stored(Columns(WITH_TIMES))) + len(EARLY["banks"])  # type: ignore[arg-type] # bytes


@pytest.mark.parametrize("cut", [0, 1, 40, -1])
def test_cut_bytes_stop_with_the_mend(cut: int) -> None:
    watch = Columns(WITH_TIMES)
    watch.feed(*windows(watch)[:3])
    state = watch.detector.state()
    banks = state["banks"]
    assert isinstance(banks, bytes)
    whole: dict[str, Any] = msgspec.msgpack.decode(stored(watch))[1]
    whole[watch.detector.name]["banks"] = banks[:cut]
    with pytest.raises(Stop, match="run the release that wrote it"):
        states_from_bytes([Columns(WITH_TIMES).detector], msgspec.msgpack.encode((1, whole)))


@pytest.mark.parametrize("times", [True, False])
def test_a_numeric_feature_costs_at_most_four_kilobytes(times: bool, record_property: Any) -> None:
    rng = np.random.default_rng(3)
    columns = {f"x{place}": rng.normal(size=ROWS) for place in range(20)}
    watch = Columns(built(columns, minutes(ROWS) if times else None))
    for _ in range(50):
        values = {name: rng.normal(1, 1, 1_000) for name in columns}
        watch.feed(counted(watch.layout, values))
    per_feature = len(stored(watch)) / len(columns)
    record_property("bytes of state per numeric feature", per_feature)
    assert per_feature <= NUMERIC_BYTES_MAX


ANSWERS = ReferenceProfile(
    "fraud",
    "binary",
    5_000,
    (),
    labelled=5_000,
    metrics={"accuracy": 0.9},
    classes=("0", "1"),
    confusion=(("0", "0", 3_600), ("1", "0", 400), ("1", "1", 900), ("0", "1", 100)),
)


def errors_of(profile: ReferenceProfile) -> Detector[Any]:
    [found] = [d for d in detectors_for(SETTINGS, profile) if isinstance(d, BudgetedErrors)]
    return found


def error_windows() -> list[ClosedWindow[Any]]:
    rng = np.random.default_rng(4)
    found = []
    for window in range(50):
        true = rng.random(EVENTS) < 0.2
        right = rng.random(EVENTS) < (0.5 if 15 <= window < 30 else 0.9)
        said = np.where(right, true, ~true)
        names = [["1" if value else "0" for value in side.tolist()] for side in (said, true)]
        found.append(error_window(classified(names[0], names[1], positive="1"), window))
    return found


def test_a_state_of_errors_goes_on_as_if_nothing_had_happened() -> None:
    straight, restarted = errors_of(ANSWERS), errors_of(ANSWERS)
    verdicts = set()
    for window in error_windows():
        again = errors_of(ANSWERS)
        states_from_bytes([again], states_to_bytes([restarted]))
        found = straight.update(window)
        assert again.update(window) == found
        verdicts |= {finding.verdict for finding in found}
        restarted = again
    assert {Verdict.BREACH, Verdict.CLEAR} <= verdicts


def test_the_evidence_of_errors_against_another_profile_starts_over() -> None:
    old, new = (
        errors_of(ANSWERS),
        errors_of(replace(ANSWERS, confusion=(("0", "0", 4_000), ("1", "1", 1_000)))),
    )
    for window in error_windows()[:20]:
        old.update(window)
    fresh = new.state()["banks"]
    states_from_bytes([new], states_to_bytes([old]))
    assert new.state()["banks"] == fresh
