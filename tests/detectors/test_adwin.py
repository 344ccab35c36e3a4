from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from builders.summaries import (
    MINUTE_MS,
    NOON_MS,
    Values,
    error_counts,
    error_window,
    prediction_window,
    predictions,
    profile_of,
    regressed,
)
from river import drift

from detectors.adaptive_window import DELTA, AdaptiveWindow, Cut
from detectors.adwin_errors import AdwinErrors
from detectors.adwin_features import AdwinFeatures
from detectors.layout import ErrorLayout, prediction_layout
from detectors.onset import READINGS_MAX
from schemas.finding import Finding, Kind, Verdict

LAYOUT = prediction_layout(
    profile_of({"age": np.random.default_rng(1).normal(40, 10, 2000), "c": ["a"] * 2000})
)


def errors(detector: AdwinErrors, wrong: int, index: int, n: int = 100) -> Finding:
    [found] = detector.update(error_window(error_counts(n, wrong), index))
    return found


def features(detector: AdwinFeatures, ages: Values, index: int) -> Finding:
    [found] = detector.update(prediction_window(predictions(LAYOUT, {"age": ages}), index))
    return found


def feed(window: AdaptiveWindow, values: list[float], first: int = 0) -> list[tuple[int, Cut]]:
    cuts = [(i, window.update(value, i)) for i, value in enumerate(values, start=first)]
    return [(i, cut) for i, cut in cuts if cut is not None]


def test_rising_errors_are_told_with_their_onset_and_both_means() -> None:
    detector = AdwinErrors(ErrorLayout("binary"))
    found = [errors(detector, 10 if index < 100 else 50, index) for index in range(140)]
    [breach] = [f for f in found if f.verdict is Verdict.BREACH]
    assert breach.evidence_only
    assert (breach.kind, breach.check) == (Kind.PERFORMANCE, "adwin_errors")
    assert breach.onset_ms == NOON_MS + 100 * MINUTE_MS
    assert breach.evidence["mean_before"] == pytest.approx(0.1)
    assert breach.evidence["mean_now"] == pytest.approx(0.5)


def test_falling_errors_are_no_finding() -> None:
    detector = AdwinErrors(ErrorLayout("binary"))
    found = [errors(detector, 50 if index < 100 else 5, index) for index in range(160)]
    assert {f.verdict for f in found} == {Verdict.CLEAR}
    again = [errors(detector, 50, index).verdict for index in range(160, 220)]
    assert Verdict.BREACH in again


def test_errors_of_a_regression_are_scaled_by_their_spread() -> None:
    rng = np.random.default_rng(3)
    for unit in (1e-3, 1.0, 1e6):
        detector = AdwinErrors(ErrorLayout("regression"), error_sd=6.0 * unit)
        verdicts = []
        for index in range(120):
            error = rng.normal(0, (10 if index < 60 else 30) * unit, 50)
            [found] = detector.update(error_window(regressed(error.tolist(), [0.0] * 50), index))
            verdicts.append(found.verdict)
        assert Verdict.BREACH not in verdicts[:60]
        assert Verdict.BREACH in verdicts[60:]


def test_a_moving_feature_is_told_in_its_own_unit() -> None:
    rng = np.random.default_rng(2)
    detector = AdwinFeatures(LAYOUT)
    found = [features(detector, rng.normal(40 if i < 60 else 55, 10, 200), i) for i in range(100)]
    breach = next(f for f in found if f.verdict is Verdict.BREACH)
    assert (breach.feature, breach.kind, breach.evidence_only) == ("age", Kind.DATA_DRIFT, True)
    assert breach.onset_ms == NOON_MS + 60 * MINUTE_MS
    assert breach.evidence["mean_before"] == pytest.approx(40, abs=1)
    assert breach.evidence["mean_now"] == pytest.approx(55, abs=2)
    assert breach.evidence["direction"] == "up"


def test_few_labels_are_added_up_to_a_reading() -> None:
    detector = AdwinErrors(ErrorLayout("binary"))
    verdicts = [errors(detector, 1, index, n=10).verdict for index in range(6)]
    assert verdicts == [Verdict.UNKNOWN, Verdict.UNKNOWN, Verdict.CLEAR] * 2


@pytest.mark.parametrize("seed", range(5))
def test_an_unchanged_stream_is_hardly_ever_cut(seed: int) -> None:
    rng = np.random.default_rng(seed)
    assert len(feed(AdaptiveWindow(scale=1.0), rng.normal(0, 1, 3000).tolist())) <= 1


@pytest.mark.parametrize("trap", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_does_not_silence_it(trap: float) -> None:
    rng = np.random.default_rng(1)
    calm, moved = rng.normal(0, 1, 100).tolist(), rng.normal(4, 1, 60).tolist()
    trapped, free = AdaptiveWindow(scale=1.0), AdaptiveWindow(scale=1.0)
    with_trap = feed(trapped, calm) + feed(trapped, [trap], 100) + feed(trapped, moved, 100)
    assert with_trap == feed(free, calm + moved)
    assert with_trap


def test_the_onset_does_not_drift_off_with_a_long_history() -> None:
    rng = np.random.default_rng(4)
    values = rng.normal(0, 1, 2000).tolist() + rng.normal(2, 1, 100).tolist()
    [(found, cut)] = feed(AdaptiveWindow(scale=1.0), values)
    assert found < 2030
    assert cut.onset_ms is not None
    assert abs(cut.onset_ms - 2000) <= 5
    assert cut.before == pytest.approx(0, abs=0.5)
    assert cut.now == pytest.approx(2, abs=0.7)


def test_a_change_older_than_the_readings_kept_has_no_onset() -> None:
    for seed in range(30):
        rng = np.random.default_rng(seed)
        values = rng.normal(0, 1, 60).tolist() + rng.normal(0.8, 1, 400).tolist()
        for found, cut in feed(AdaptiveWindow(scale=1.0), values):
            if found > 60 + READINGS_MAX + 20 and cut.onset_ms is None:
                assert math.isfinite(cut.before)
                assert math.isfinite(cut.now)
                return
    pytest.fail("no late cut in thirty streams")


def test_it_cuts_where_the_class_of_river_does() -> None:
    rng = np.random.default_rng(7)
    values = np.concatenate([rng.normal(mean, 1, 200) for mean in (0, 1, 4, 4.5, -2)]).tolist()
    adwin = drift.ADWIN(delta=DELTA, clock=1)
    by_river = []
    for i, value in enumerate(values):
        adwin.update(value)
        if adwin.drift_detected:
            by_river.append((i, adwin.width))
    assert [(i, cut.kept) for i, cut in feed(AdaptiveWindow(scale=1.0), values)] == by_river
    assert len(by_river) > 3


@pytest.mark.parametrize("stop", [0, 1, 30, 95, 104, 107, 120])
def test_a_stored_state_decides_as_if_it_had_never_been_stored(stop: int) -> None:
    rng = np.random.default_rng(6)
    values = rng.normal(0, 1, 100).tolist() + rng.normal(3, 1, 100).tolist()
    whole = feed(AdaptiveWindow(scale=2.0), values)
    first, second = AdaptiveWindow(scale=2.0), AdaptiveWindow(scale=2.0)
    before = feed(first, values[:stop])
    second.restore(first.to_bytes())
    assert second.to_bytes() == first.to_bytes()
    assert before + feed(second, values[stop:], stop) == whole


def edited(window: AdaptiveWindow, place: int, value: object) -> bytes:
    stored = msgspec.msgpack.decode(window.to_bytes())
    stored[place] = value
    return msgspec.msgpack.encode(stored)


REFUSED = {
    "another release of river": (0, "0.0.1", "written with river 0.0.1"),
    "damaged bytes": (2, b"\x00" * 40, "was damaged"),
    "a wrong checksum": (1, 7, "was damaged"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_state_that_river_could_choke_on_never_reaches_it(case: str) -> None:
    place, value, note = REFUSED[case]
    window, again = AdaptiveWindow(scale=1.0), AdaptiveWindow(scale=1.0)
    feed(window, [0.0, 1.0] * 20)
    again.restore(edited(window, place, value))
    assert again.note is not None
    assert note in again.note
    assert feed(again, [0.0, 1.0] * 20 + [9.0] * 20)


def test_a_refused_state_is_told_once_in_the_next_finding() -> None:
    detector = AdwinErrors(ErrorLayout("binary"))
    errors(detector, 10, 0)
    state = detector.state()
    adwin = state["adwin"]
    assert isinstance(adwin, bytes)
    stored = msgspec.msgpack.decode(adwin)
    stored[0] = "0.0.1"
    detector.restore(state | {"adwin": msgspec.msgpack.encode(stored)})
    assert "written with river 0.0.1" in str(errors(detector, 10, 1).evidence["note"])
    assert "note" not in errors(detector, 10, 2).evidence


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x90", b"\x96\x01\x02\x03\x04\x05\x06"])
def test_bytes_that_are_no_state_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="expected the state of an adaptive window"):
        AdaptiveWindow(scale=1.0).restore(data)


@pytest.mark.parametrize(
    ("code", "imported"),
    [
        ("import detectors.registry; d = a.AdwinErrors(l.ErrorLayout('binary')); d.restore(d.state())", []),
        ("w.AdaptiveWindow(scale=1.0).update(0.5, 0)", ["river"]),
        ("g.load_river()", ["river", "river.drift", "sklearn"]),
    ],
    ids=["nothing read", "a reading", "the package"],
)
def test_river_is_imported_by_the_first_reading_and_its_package_only_where_it_is_asked_for(
    code: str, imported: list[str]
) -> None:
    modules = "import detectors.adwin_errors as a, detectors.layout as l, detectors.adaptive_window as w"
    told = "print(*sorted({'river', 'river.drift', 'sklearn'} & sys.modules.keys()))"
    command = f"import sys; {modules}, detectors.river_gate as g; {code}; {told}"
    done = subprocess.run(
        [sys.executable, "-c", command],
        cwd=Path(__file__).parents[2],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == imported
