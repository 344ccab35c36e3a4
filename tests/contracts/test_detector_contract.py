"""One suite that every detector of the registry passes, and every detector of river that settings can ask for.

There are two manners of speaking (see `detectors.detector.Detector`): the budgeted detectors speak of trouble
only, all others of every thing that they watch in every window. What is asked of both is asked of each.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from builders.river_watch import EVERY_RIVER, RIVER_SETTINGS, every_river
from builders.streams import Watch
from builders.summaries import error_window, prediction_window, predictions, profile_of
from builders.volumes import acquainted
from builders.watched import BUDGETED, EVENTS, EVERY, SETTINGS, day, every_detector, layout, profile

from detectors.layout import ErrorLayout, prediction_layout
from detectors.reference import reference_of
from detectors.river_monitor import river_monitors
from detectors.state_codec import states_from_bytes, states_to_bytes
from detectors.summary import Summary
from schemas.errors import Stop
from schemas.finding import Hysteresis, Stream, Topic, Verdict, stream_of
from schemas.monitor_settings import MONITORS

if TYPE_CHECKING:
    from detectors.detector import ClosedWindow, Detector
    from detectors.profile import ReferenceProfile
    from schemas.finding import Finding

pytestmark = pytest.mark.parametrize(("task", "name"), [*EVERY, *EVERY_RIVER], ids=str)

STATE_BYTES_MAX = 200_000


@functools.cache
def _unused(task: str) -> dict[str, Detector[Any]]:
    return every_detector(task) | every_river(task)


def made(task: str, name: str) -> Detector[Any]:
    """Return a detector that has seen nothing: to make them all takes far longer than to copy one.

    The one of volume knows the traffic of calm days, as its reference is the stream.
    """
    detector = copy.deepcopy(_unused(task)[name])
    return acquainted(detector, EVENTS + 2) if name == "volume" else detector


def days(detector: Detector[Any], task: str, start: int, stop: int, **how: Any) -> list[list[Finding]]:
    if detector.name == "volume" and how.get("broken"):
        how |= {"n": 10 * EVENTS}
    return [detector.update(day(task, detector.stream, index, **how)) for index in range(start, stop)]


def empty(detector: Detector[Any], task: str, index: int = 0) -> ClosedWindow[Any]:
    if detector.stream is Stream.PREDICTIONS:
        return prediction_window(Summary.empty(layout(task)), index)
    return error_window(Summary.empty(ErrorLayout(task)), index)


def breaches(findings: list[list[Finding]]) -> list[Finding]:
    return [f for window in findings for f in window if f.verdict is Verdict.BREACH]


def restored(detector: Detector[Any], task: str) -> Detector[Any]:
    again = made(task, detector.name)
    states_from_bytes([again], states_to_bytes([detector]))
    return again


def test_its_name_is_one_of_the_settings_or_that_of_a_budgeted_detector(task: str, name: str) -> None:
    assert name in {*MONITORS, "metrics", *BUDGETED, *RIVER_SETTINGS[task].monitors}
    assert made(task, name).name == name


def test_it_finds_a_known_change(task: str, name: str) -> None:
    detector = made(task, name)
    calm = days(detector, task, 0, 30)
    broken = days(detector, task, 30, 70, broken=True)
    assert breaches(calm) == []
    assert breaches(broken)


def test_it_is_silent_without_a_change(task: str, name: str) -> None:
    detector, watch = made(task, name), Watch()
    for findings in days(detector, task, 0, 300):
        watch.take(findings)
    assert watch.alerts == []
    assert watch.breaches <= 1


@pytest.mark.parametrize("n", [17, 240])
def test_a_state_that_was_stored_after_every_window_decides_the_same(task: str, name: str, n: int) -> None:
    straight, stored = made(task, name), made(task, name)
    for index in range(40):
        window = day(task, straight.stream, index, broken=index >= 20, n=n)
        assert stored.update(window) == straight.update(window)
        stored = restored(stored, task)
    assert states_to_bytes([stored]) == states_to_bytes([straight])


def test_the_same_windows_give_the_same_findings(task: str, name: str) -> None:
    runs = [days(made(task, name), task, 0, 50, broken=True) for _ in range(2)]
    assert runs[0] == runs[1]


def test_its_memory_is_bounded(task: str, name: str) -> None:
    detector = made(task, name)
    sizes = []
    for index in range(600):
        detector.update(day(task, detector.stream, index % 100, n=17 if index % 3 else 240))
        if (index + 1) % 30 == 0:
            sizes.append(len(states_to_bytes([detector])))
    assert max(sizes) <= STATE_BYTES_MAX
    assert max(sizes[10:]) <= 1.2 * max(sizes[:10]), "a byte or two more in each window would be seen"


def test_every_finding_is_finite_and_holds_together(task: str, name: str) -> None:
    detector = made(task, name)
    windows = [
        empty(detector, task),
        *(day(task, detector.stream, i, broken=i > 9, n=60 * i) for i in range(1, 15)),
    ]
    for window in windows:
        for finding in detector.update(window):
            assert finding.model == window.model
            assert stream_of(finding.kind, finding.check) is detector.stream
            assert finding.window.end_ms == window.span.end_ms
            assert finding.window.start_ms <= window.span.start_ms
            numbers = [finding.score, finding.fire, finding.clear]
            numbers += [v for v in finding.evidence.values() if isinstance(v, float)]
            assert finding.verdict is Verdict.UNKNOWN or all(math.isfinite(v) for v in numbers)
            assert math.isfinite(finding.score)
            assert finding.clear <= finding.fire
            if finding.verdict is Verdict.BREACH:
                assert finding.score >= finding.fire
            if finding.verdict is Verdict.CLEAR:
                assert finding.score < finding.clear


def test_every_thing_watched_has_one_finding_in_every_window_or_none_while_nothing_fires(
    task: str, name: str
) -> None:
    detector = made(task, name)
    identities = [[f.identity for f in detector.update(day(task, detector.stream, i))] for i in range(3)]
    assert bool(identities[0]) is (name not in BUDGETED)
    assert len(set(identities[0])) == len(identities[0])
    assert identities[0] == identities[1] == identities[2]


def test_what_it_has_told_is_spoken_of_or_stands_until_it_is_over_and_no_longer(task: str, name: str) -> None:
    detector, told = made(task, name), set[Topic]()
    for index in range(60):
        window = day(task, detector.stream, index, broken=10 <= index < 30)
        found = detector.update(empty(detector, task, index) if index % 4 == 3 else window)
        breached, over = (
            {f.topic for f in found if f.verdict is verdict} for verdict in (Verdict.BREACH, Verdict.CLEAR)
        )
        told = (told | breached) - over
        standing = {*detector.standing}
        assert told <= {f.topic for f in found} | standing
        assert standing <= told
        assert {*restored(detector, task).standing} == standing


def test_no_window_says_two_things_of_the_same_trouble(task: str, name: str) -> None:
    detector = made(task, name)
    for found in days(detector, task, 0, 10) + days(detector, task, 10, 40, broken=True):
        assert len({f.identity for f in found}) == len(found)


def test_what_speaks_of_trouble_only_breaches_in_every_window_until_it_is_over_and_clears_once(
    task: str, name: str
) -> None:
    if name not in BUDGETED:  # the others speak in every window, as the test above asks
        return
    detector = made(task, name)
    windows = [*days(detector, task, 0, 10), *days(detector, task, 10, 30, broken=True)]
    windows += days(detector, task, 30, 400)
    for identity in {f.identity for found in windows for f in found}:
        of_it = [[f for f in found if f.identity == identity] for found in windows]
        first = next(place for place, found in enumerate(of_it) if found)
        last = max(place for place, found in enumerate(of_it) if found)
        told = [f for found in of_it[first : last + 1] for f in found]
        assert len(told) == last + 1 - first, "one in every window"
        assert [f.verdict for f in told[:-1]] == [Verdict.BREACH] * (last - first)
        assert told[-1].verdict is Verdict.CLEAR, f"{identity} is over by then"
        assert {f.hysteresis for f in told} == {Hysteresis(1, 1, 1)}
        assert told[0].evidence, "what is new comes with evidence"
        assert told[-1].evidence
        assert {f.evidence["budgeted"] for f in told if f.evidence} == {True}
        ranks = [f.severity.rank for f in told]
        worse = [place for place in range(1, len(told)) if ranks[place] > ranks[place - 1]]
        assert all(told[place].evidence for place in worse), "what gets worse is news"
        assert ranks == sorted(ranks), "milder it is only when it is over"


def test_empty_windows_are_unknown_or_passed_over_and_do_not_silence_it(task: str, name: str) -> None:
    detector = made(task, name)
    days(detector, task, 0, 30)
    for index in range(30, 60):
        found = detector.update(empty(detector, task, index))
        assert {f.verdict for f in found} == (set() if name in BUDGETED else {Verdict.UNKNOWN})
    assert breaches(days(detector, task, 60, 100, broken=True))


def test_windows_without_any_value_do_not_silence_it(task: str, name: str) -> None:
    detector = made(task, name)
    days(detector, task, 0, 30)
    for index in range(30, 40):
        if detector.stream is Stream.PREDICTIONS:
            detector.update(prediction_window(predictions(layout(task), {}, ok=300), index))
    assert breaches(days(detector, task, 40, 80, broken=True))


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_a_profile_of_next_to_nothing_neither_crashes_it_nor_makes_it_alarm(
    task: str, name: str, rows: int
) -> None:
    tiny, found = _barely_profiled(task, rows)
    if name in RIVER_SETTINGS[task].monitors:
        found = _river_on(tiny, task, name)
    if name not in found:
        assert (
            not tiny.metrics or not tiny.columns or not tiny.segments or name in RIVER_SETTINGS[task].monitors
        )
        return
    detector = copy.deepcopy(found[name])
    rng = np.random.default_rng(1)
    for index in range(20):
        if detector.stream is Stream.ERRORS:
            detector.update(day(task, Stream.ERRORS, index))
            continue
        values = {"amount": rng.normal(2, 1, 300).tolist(), "country": ["DE"] * 300, "constant": [1.0] * 300}
        window = prediction_window(predictions(prediction_layout(tiny), values), index)
        assert breaches([detector.update(window)]) == []


@functools.cache
def _barely_profiled(task: str, rows: int) -> tuple[ReferenceProfile, dict[str, Detector[Any]]]:
    tiny = profile_of(
        {"amount": [1.0, 2.0, 3.0][:rows], "country": ["DE", "FR", "DE"][:rows], "constant": [1.0] * rows},
        model=SETTINGS[task].name,
        task=task,
        labelled=rows,
        metrics={"accuracy": 1.0, "mae": 0.0} if rows else {},
        error_sd=1.0,
    )
    return tiny, every_detector(task, tiny)


def _river_on(tiny: ReferenceProfile, task: str, name: str) -> dict[str, Detector[Any]]:
    """Return the monitor as `detectors_for` makes it; one whose category the profile lacks is refused."""
    alone = RIVER_SETTINGS[task].model_copy(update={"monitors": {name: RIVER_SETTINGS[task].monitors[name]}})
    with contextlib.suppress(Stop):
        return {monitor.name: monitor for monitor in river_monitors(alone, reference_of(alone, tiny))}
    return {}


def test_a_constant_feature_and_a_single_category_stay_clear(task: str, name: str) -> None:
    detector = made(task, name)
    found = [f for window in days(detector, task, 0, 30) for f in window if f.feature in {"constant", "only"}]
    assert {f.verdict for f in found} <= {Verdict.CLEAR}


def test_a_state_of_another_kind_is_refused(task: str, name: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        made(task, name).restore({"unknown": 1})


def test_the_profile_of_the_suite_is_not_changed_by_it(task: str, name: str) -> None:
    before = profile(task).content_hash
    days(made(task, name), task, 0, 3, broken=True)
    assert profile(task).content_hash == before
