from __future__ import annotations

import inspect
import math
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.evenly import EVENTS_MAX, evenly
from detectors.onset import READINGS_MAX
from detectors.river_change import Change, RiverChange
from detectors.river_gate import MEMORY, make, remember, remembered, step
from schemas.river_parameters import LEFT_OUT, RIVER
from schemas.river_settings import Direction

TUNED: dict[str, dict[str, Any]] = {
    "ADWIN": {},
    "KSWIN": {"window_size": 30, "stat_size": 10},
    "PageHinkley": {"threshold": 10, "min_instances": 10},
    "DummyDriftDetector": {"trigger_method": "random", "t_0": 30, "w": 20, "seed": 3},
    "DDM": {},
    "EDDM": {},
    "FHDDM": {"sliding_window_size": 300, "short_window_size": 200},
    "HDDMA": {},
    "HDDMW": {"lambda_val": 0.01, "two_sided_test": True},
}
"""Every detector of river, tuned to find something in a few dozen readings."""

Readings = list[tuple[int, float]]


def change(name: str, direction: Direction = "both", scale: float = 18.0, **parameters: Any) -> RiverChange:
    return RiverChange(name, parameters or TUNED[name], direction=direction, scale=scale)


def feed(detector: RiverChange, readings: Readings, first: int = 0) -> list[tuple[int, Change]]:
    found = [(i, detector.update(n, total, i)) for i, (n, total) in enumerate(readings, start=first)]
    return [(i, told) for i, told in found if told is not None]


def rates(seed: int, *parts: tuple[int, float], n: int = 100) -> Readings:
    rng = np.random.default_rng(seed)
    return [(n, float(rng.binomial(n, rate))) for count, rate in parts for _ in range(count)]


def test_every_detector_of_river_is_known_and_has_a_memory() -> None:
    from river import base, drift  # noqa: PLC0415 - seconds

    theirs = {
        name
        for module in (drift, drift.binary)
        for name, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, base.DriftDetector | base.BinaryDriftDetector)
    }
    assert theirs - {"NoDrift"} == RIVER.keys() == MEMORY.keys() == TUNED.keys()


@pytest.mark.parametrize("name", RIVER)
def test_the_table_of_parameters_is_the_signature_of_the_class(name: str) -> None:
    from river import base  # noqa: PLC0415

    kind = type(make(name, RIVER[name].ours))
    theirs = {key: value.default for key, value in inspect.signature(kind).parameters.items()}
    assert {key: spec.default for key, spec in RIVER[name].parameters.items()} == {
        key: default for key, default in theirs.items() if key not in LEFT_OUT.get(name, ())
    }
    assert RIVER[name].is_binary == issubclass(kind, base.BinaryDriftDetector)
    assert RIVER[name].ours.keys() <= RIVER[name].parameters.keys()


@pytest.mark.parametrize("name", RIVER)
def test_no_attribute_that_an_update_changes_is_forgotten(name: str) -> None:
    parameters = {**RIVER[name].ours, **TUNED[name]}
    detector, again = make(name, parameters), make(name, parameters)
    values = [float(i % 7 == 0) for i in range(500)]
    for i, value in enumerate(values):
        step(detector, value, i)
        if detector.drift_detected:
            detector = make(name, parameters)
    remember(name, again, remembered(name, detector))
    assert remembered(name, again) == remembered(name, detector)
    flags = {
        "_drift_detected",
        "_warning_detected",
        "p_value",
        "_rng",
        "_short_window",
        "_trigger",
        "_test_drift",
    }
    for key in vars(detector).keys() - flags:
        assert _plain(vars(again)[key]) == _plain(vars(detector)[key]), key


def _plain(value: Any) -> Any:
    if hasattr(value, "__dict__"):
        return {key: _plain(below) for key, below in vars(value).items()}
    is_rust = type(value).__module__ != "collections" and hasattr(value, "__setstate__")
    return bytes(value.__getstate__()) if is_rust else value


@pytest.mark.parametrize("stop", [0, 1, 9, 29, 30, 33, 41, 60])
@pytest.mark.parametrize("name", RIVER)
def test_stored_in_between_it_decides_as_if_it_never_had_been(name: str, stop: int) -> None:
    readings = rates(6, (30, 0.1), (40, 0.5))
    straight, first, second = change(name), change(name), change(name)
    whole = feed(straight, readings)
    before = feed(first, readings[:stop])
    second.restore(first.to_bytes())
    assert second.to_bytes() == first.to_bytes()
    assert before + feed(second, readings[stop:], stop) == whole
    assert second.to_bytes() == straight.to_bytes()
    assert whole


@pytest.mark.parametrize("name", RIVER)
def test_two_runs_are_equal(name: str) -> None:
    readings = rates(2, (40, 0.1), (40, 0.4))
    assert feed(change(name), readings) == feed(change(name), readings)


@pytest.mark.parametrize("name", [name for name in RIVER if name != "DummyDriftDetector"])
@pytest.mark.parametrize(("direction", "rate"), [("up", 0.9), ("down", 0.1)])
def test_each_tells_the_direction_that_it_is_asked_for_and_no_other(
    name: str, direction: Direction, rate: float
) -> None:
    readings = rates(3, (40, 0.5), (50, rate))
    [(_, told), *_] = feed(change(name, direction), readings)
    assert (told.now > told.before) is (direction == "up")
    other: Direction = "down" if direction == "up" else "up"
    assert feed(change(name, other), readings) == []
    assert feed(change(name, "both"), readings)


def test_a_change_is_told_with_its_onset_and_both_means() -> None:
    readings = rates(4, (60, 0.1), (40, 0.3))
    (found, told), *_ = feed(change("HDDMA", "up"), readings)
    assert 60 <= found <= 66
    assert told.onset_ms == 60
    assert told.before == pytest.approx(0.1, abs=0.02)
    assert told.now == pytest.approx(0.3, abs=0.05)
    assert told.readings == found + 1


def test_after_a_change_it_starts_anew_and_finds_the_next_one() -> None:
    readings = rates(5, (60, 0.1), (60, 0.3), (60, 0.6))
    assert [(told.now > 0.2, told.now > 0.5) for _, told in feed(change("DDM", "up"), readings)][-1] == (
        True,
        True,
    )


def test_a_change_older_than_the_readings_kept_has_still_its_direction() -> None:
    slow = change("PageHinkley", "up", 1.0, threshold=60, delta=0.005)
    calm, moved = [(1, 0.0), (1, 0.2)] * 100, [(1, 0.6), (1, 0.8)] * 200
    (found, told), *_ = feed(slow, calm + moved)
    assert found > len(calm) + READINGS_MAX
    assert told.onset_ms is None
    assert told.now > told.before + 0.2


@pytest.mark.parametrize("trap", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", RIVER)
def test_a_reading_that_is_not_finite_is_as_if_it_had_not_been(name: str, trap: float) -> None:
    readings = rates(7, (40, 0.1), (40, 0.5))
    trapped = change(name)
    found = feed(trapped, readings[:40]) + feed(trapped, [(100, trap)], 40) + feed(trapped, readings[40:], 40)
    assert found == feed(change(name), readings)


@pytest.mark.parametrize(("name", "later"), [("ADWIN", 1e9), ("KSWIN", 0.5), ("PageHinkley", 0.5)])
def test_one_absurd_reading_does_not_silence_it_for_ever(name: str, later: float) -> None:
    # ADWIN's own variance has to live with it until the window is cut; it stays finite, and large changes show.
    detector = change(name)
    feed(detector, [*rates(8, (40, 0.1)), (100, 1e300), *rates(9, (200, 0.1))])
    assert feed(detector, [(100, 100 * later)] * 400, 241)


def edited(detector: RiverChange, place: int, value: object) -> bytes:
    stored = msgspec.msgpack.decode(detector.to_bytes())
    stored[place] = value
    return msgspec.msgpack.encode(stored)


REFUSED = {
    "another release of river": (0, "0.0.1", "written with river 0.0.1"),
    "a wrong checksum": (1, 7, "was damaged"),
    "damaged bytes": (2, [b"\x00" * 40], "was damaged"),
    "too many of them": (2, [b"", b"", b""], "was damaged"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("name", RIVER)
def test_a_memory_that_river_could_choke_on_never_reaches_it(name: str, case: str) -> None:
    place, value, note = REFUSED[case]
    detector, again = change(name), change(name)
    feed(detector, rates(1, (10, 0.1)))
    again.restore(edited(detector, place, value))
    assert again.note is not None
    assert note in again.note
    assert feed(again, rates(2, (60, 0.1), (60, 0.6)), 10)


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x90", b"\x9a\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a"])
def test_bytes_that_are_no_state_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="expected the state of a detector of river"):
        change("DDM").restore(data)


class TestEvenly:
    @given(st.integers(1, EVENTS_MAX), st.data())
    def test_small_windows_are_told_hit_by_hit_without_bunches(self, n: int, data: st.DataObject) -> None:
        hits = data.draw(st.integers(0, n))
        events, carried = evenly(n, hits, 0.0)
        assert (len(events), sum(events), carried) == (n, hits, 0.0)
        places = [i for i, hit in enumerate(events) if hit]
        gaps = {after - before for before, after in pairwise(places)}
        assert len(gaps) <= 2
        assert not gaps or max(gaps) - min(gaps) <= 1

    @given(st.lists(st.tuples(st.integers(EVENTS_MAX, 10**9), st.floats(0, 1)), min_size=1, max_size=50))
    def test_large_windows_are_told_in_proportion_and_lose_no_hit(
        self, windows: list[tuple[int, float]]
    ) -> None:
        carried, told, expected = 0.0, 0, 0.0
        for n, share in windows:
            hits = int(n * share)
            events, carried = evenly(n, hits, carried)
            assert len(events) == EVENTS_MAX
            told, expected = told + sum(events), expected + hits * EVENTS_MAX / n
        assert told == pytest.approx(expected, abs=1.0)
        assert 0 <= carried < 1
