from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from builders.summaries import profile_of
from builders.watched import BUDGETED, LABEL_DETECTORS, SETTINGS, TUNED, day, every_detector, profile
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.detector import Detector
from detectors.registry import detectors_for
from detectors.state_codec import states_from_bytes, states_to_bytes
from schemas.errors import Stop
from schemas.finding import Finding, Verdict

GOLDEN = Path(__file__).parents[1] / "golden" / "detectors"
TASKS = ("binary", "regression")
WINDOWS = 25
OTHER = profile_of(
    {"size": [float(n % 50) for n in range(500)]}, task="binary", labelled=500, metrics={"accuracy": 0.8}
)


def fresh(task: str) -> list[Detector[Any]]:
    return list(every_detector(task).values())


def lived(task: str) -> list[Detector[Any]]:
    """Return detectors that have seen calm days, and half a window's worth of a pool."""
    detectors = fresh(task)
    for detector in detectors:
        for index in range(WINDOWS):
            detector.update(day(task, detector.stream, index))
        detector.update(day(task, detector.stream, WINDOWS, n=40))
    return detectors


def names_in(data: bytes) -> set[str]:
    """Return the detectors of stored states; those that came later have none in an old file."""
    return set(msgspec.msgpack.decode(data)[1])


def next_findings(detectors: list[Detector[Any]], task: str) -> dict[str, list[Finding]]:
    return {
        d.name: [f for i in range(30, 50) for f in d.update(day(task, d.stream, i, broken=True))]
        for d in detectors
    }


@pytest.mark.parametrize("task", TASKS)
def test_detectors_go_on_from_their_bytes_as_if_never_stopped(task: str) -> None:
    detectors, again = lived(task), fresh(task)
    states_from_bytes(again, states_to_bytes(detectors))
    assert states_to_bytes(again) == states_to_bytes(detectors)
    assert next_findings(again, task) == next_findings(detectors, task)


@pytest.mark.parametrize("task", TASKS)
def test_version_1_loads_for_ever(task: str) -> None:
    detectors = fresh(task)
    golden = (GOLDEN / f"states-v1-{task}.msgpack").read_bytes()
    states_from_bytes(detectors, golden)
    told, expected = next_findings(detectors, task), next_findings(lived(task), task)
    assert names_in(golden) <= {d.name for d in detectors}
    for name in names_in(golden):
        # Another release of river starts ADWIN over: then it has less to go on, but it goes on.
        if name.startswith("adwin"):
            assert any(f.verdict is Verdict.BREACH for f in told[name])
        else:
            assert told[name] == expected[name]


def told_of(findings: list[Finding]) -> list[tuple[object, ...]]:
    """Return what does not depend on how a processor rounds."""
    return [
        (f.kind, f.check, f.feature, f.segment, f.version, f.verdict, f.window, f.onset_ms) for f in findings
    ]


@pytest.mark.parametrize("task", TASKS)
def test_the_evidence_of_the_budgeted_ones_is_taken_up_from_what_was_written_then(task: str) -> None:
    """A form that changes on purpose gets a file of its own: `UPDATE_GOLDEN=1 pytest tests/detectors/test_state_codec.py`."""
    path = GOLDEN / f"states-budget-v1-{task}.msgpack"
    budgeted = [d for d in lived(task) if d.name in BUDGETED]
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_bytes(states_to_bytes(budgeted))
    again = [d for d in fresh(task) if d.name in BUDGETED]
    states_from_bytes(again, path.read_bytes())
    assert names_in(path.read_bytes()) == {d.name for d in again} - set(LABEL_DETECTORS), "those came later"
    told, expected, anew = (
        next_findings(found, task)
        for found in (again, budgeted, [d for d in fresh(task) if d.name in BUDGETED])
    )
    for name in told:
        assert told_of(told[name]) == told_of(expected[name]), name
    assert any(told_of(told[name]) != told_of(anew[name]) for name in told), "the state matters"


@pytest.mark.parametrize("task", TASKS)
def test_states_from_before_the_budget_lose_what_is_not_there_any_more_and_the_budget_starts_empty(
    task: str,
) -> None:
    detectors = detectors_for(SETTINGS[task], profile(task))
    golden = (GOLDEN / f"states-v1-{task}.msgpack").read_bytes()
    gone = names_in(golden) - {d.name for d in detectors}
    assert {"psi", "missing_rate", "error_rate"} <= gone
    states_from_bytes(detectors, golden)
    new = {d.name: d for d in detectors_for(SETTINGS[task], profile(task))}
    states = {d.name: d.state() for d in detectors}
    assert states.keys() & set(BUDGETED)
    assert all(states[name] == new[name].state() for name in states.keys() & set(BUDGETED))
    assert all(states[name] != new[name].state() for name in ("jensen_shannon", "adwin_features"))
    assert gone.isdisjoint(names_in(states_to_bytes(detectors)))


def test_no_bytes_are_no_state() -> None:
    detectors = fresh("binary")
    states_from_bytes(detectors, b"")
    assert states_to_bytes(detectors) == states_to_bytes(fresh("binary"))


def test_a_monitor_that_was_switched_off_is_dropped_and_a_new_one_starts_empty() -> None:
    stored = states_to_bytes(lived("binary"))
    fewer = [d for d in fresh("binary") if d.name != "psi"]
    states_from_bytes(fewer, stored)
    assert "psi" not in {d.name for d in fewer}
    more = fresh("binary")
    states_from_bytes(more, states_to_bytes(fewer))
    by_name = {d.name: d for d in more}
    assert by_name["psi"].state() == every_detector("binary")["psi"].state()
    assert by_name["performance"].state() == {d.name: d for d in lived("binary")}["performance"].state()


def test_another_profile_starts_the_pools_over() -> None:
    stored = states_to_bytes(lived("binary"))
    other = detectors_for(TUNED["binary"], OTHER)
    states_from_bytes(other, stored)
    expected = {d.name: d.state() for d in detectors_for(TUNED["binary"], OTHER)}
    found = {d.name: d.state() for d in other}
    assert {name: found[name] for name in ("psi", "budget_columns")} == {
        name: expected[name] for name in ("psi", "budget_columns")
    }


def test_another_version_is_refused_with_the_mend() -> None:
    with pytest.raises(Stop, match="expected version 1, found 2; run the release that wrote it"):
        states_from_bytes(fresh("binary"), msgspec.msgpack.encode((2, "whatever that release writes")))


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=40))
def test_bytes_that_are_no_states_are_refused_in_one_line(data: bytes) -> None:
    with pytest.raises(Stop) as refused:
        states_from_bytes(fresh("binary"), data)
    assert "\n" not in str(refused.value)


def test_a_damaged_state_names_its_monitor() -> None:
    data = msgspec.msgpack.encode((1, {"error_rate": {"pool_n": "many"}}))
    with pytest.raises(Stop, match="stored state of the monitor error_rate: expected pool_n as int, got str"):
        states_from_bytes(fresh("binary"), data)


def test_an_integer_that_fits_no_array_is_refused() -> None:
    stored = msgspec.msgpack.decode((GOLDEN / "states-v1-binary.msgpack").read_bytes())
    stored[1]["psi"]["pool_start_ms"][0] = 2**63
    with pytest.raises(
        Stop, match=r"stored state of the monitor psi: expected pool_start_ms below 2 \*\* 63"
    ):
        states_from_bytes(fresh("binary"), msgspec.msgpack.encode(stored))


@settings(deadline=None)
@given(st.data())
def test_a_flipped_byte_is_refused_or_harmless(data: st.DataObject) -> None:
    damaged = bytearray((GOLDEN / "states-v1-binary.msgpack").read_bytes())
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    detectors = fresh("binary")
    try:
        states_from_bytes(detectors, bytes(damaged))
    except Stop:
        return
    for detector in detectors:
        detector.update(day("binary", detector.stream, 30))
