"""What goes wrong with river 0.26 where it is used as it is, each beside the monitor that must not.

A raw misbehaviour that is gone makes its test fail: then river has mended it, and docs/detectors.md and the
wrapper can be simpler.
"""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from builders.summaries import error_counts, error_window, prediction_window, predictions, profile_of
from river import drift
from river.drift import binary

from detectors.layout import prediction_layout
from detectors.reference import reference_of
from detectors.river_change import RiverChange
from detectors.river_monitor import RiverMonitor, river_monitors
from schemas.finding import Finding, Verdict
from schemas.model_settings import ModelSettings
from schemas.river_parameters import parameter_problems

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from detectors.profile import ReferenceProfile


def raw(detector: Any, values: Iterable[float]) -> list[int]:
    """Return the places where river's own detector finds a change."""
    found = []
    for i, value in enumerate(values):
        detector.update(value)
        if detector.drift_detected:
            found.append(i)
    return found


def normal(seed: int, *parts: tuple[int, float]) -> list[float]:
    rng = np.random.default_rng(seed)
    return [float(value) for count, mean in parts for value in rng.normal(mean, 1, count)]


def coins(seed: int, *parts: tuple[int, float]) -> list[int]:
    rng = random.Random(seed)
    return [int(rng.random() < rate) for count, rate in parts for _ in range(count)]


def monitor(profile: ReferenceProfile | None = None, **settings: Any) -> RiverMonitor:
    model = ModelSettings.model_validate(
        {"name": "fraud", "task": "binary", "positive_class": "fraud", "monitors": {"m": settings}}
    )
    [made] = river_monitors(model, reference_of(model, profile))
    return made


def on_errors(detector: RiverMonitor, wrong: Sequence[int], n: int = 100) -> list[Finding]:
    return [detector.update(error_window(error_counts(n, w), i))[0] for i, w in enumerate(wrong)]


def places(findings: list[Finding]) -> list[int]:
    return [i for i, finding in enumerate(findings) if finding.verdict is Verdict.BREACH]


def wrongs(seed: int, *parts: tuple[int, float], n: int = 100) -> list[int]:
    rng = np.random.default_rng(seed)
    return [int(rng.binomial(n, rate)) for count, rate in parts for _ in range(count)]


@pytest.mark.parametrize("name", ["ADWIN", "PageHinkley"])
@pytest.mark.parametrize("trap", [math.nan, math.inf])
def test_one_nan_silences_adwin_and_page_hinkley_for_ever(name: str, trap: float) -> None:
    calm, moved = normal(1, (200, 0.0)), normal(2, (2000, 5.0))
    made = getattr(drift, name)
    assert raw(made(), [*calm, *moved])
    assert raw(made(), [*calm, trap, *moved]) == []
    ours = RiverChange(name, {}, direction="both", scale=1.0)
    assert any(ours.update(1, value, i) is not None for i, value in enumerate([*calm, trap, *moved]))


def test_fhddm_fed_as_its_docstring_says_misses_a_doubled_error_rate() -> None:
    found = {"errors": 0, "correct": 0, "ours": 0}
    for seed in range(5):
        errors = coins(seed, (4000, 0.1), (4000, 0.2))
        found["errors"] += bool(raw(binary.FHDDM(sliding_window_size=1000), errors))
        found["correct"] += bool(raw(binary.FHDDM(sliding_window_size=1000), (1 - e for e in errors)))
        ours = monitor(river="FHDDM", signal="error", parameters={"sliding_window_size": 1000})
        breaches = places(on_errors(ours, [sum(errors[i : i + 100]) for i in range(0, 8000, 100)]))
        found["ours"] += bool(breaches) and min(breaches) >= 40
    assert found == {"errors": 0, "correct": 5, "ours": 5}


def test_fhddm_of_its_defaults_cannot_see_less_than_a_quarter() -> None:
    # The smallest fall that it can prove is the root of ln(1/confidence_level) over twice its window: 0.26.
    assert places(on_errors(monitor(river="FHDDM", signal="error"), [10] * 100 + [35] * 300)) == []
    assert places(on_errors(monitor(river="FHDDM", signal="error"), [10] * 100 + [40] * 300))


def test_hddm_w_of_its_defaults_misses_a_doubled_error_rate() -> None:
    # For a rise it needs the root of lambda / (2 - lambda) * ln(1/drift_confidence): 0.42, but for luck.
    assert sum(bool(raw(binary.HDDMW(), coins(seed, (2000, 0.1), (2000, 0.2)))) for seed in range(10)) < 6
    readings = wrongs(1, (60, 0.1), (60, 0.2))
    assert places(on_errors(monitor(river="HDDMW", signal="error"), readings)) == []
    tuned = monitor(river="HDDMW", signal="error", parameters={"lambda_val": 0.002})
    breaches = places(on_errors(tuned, readings))
    assert breaches
    assert min(breaches) >= 60


def test_eddm_and_kswin_alarm_on_data_that_never_change_and_so_nothing_of_river_alerts_by_itself() -> None:
    eddm = sum(len(raw(binary.EDDM(), coins(seed, (2000, 0.1)))) for seed in range(5))
    kswin = sum(len(raw(drift.KSWIN(seed=1), normal(seed, (1000, 0.0)))) for seed in range(4))
    assert eddm >= 5
    assert kswin >= 1
    for river in ("EDDM", "KSWIN"):
        [finding] = on_errors(monitor(river=river, signal="error"), [10])
        assert finding.evidence_only
        assert finding.evidence["budgeted"] is False
    [asked] = on_errors(monitor(river="EDDM", signal="error", alert=True), [10])
    assert not asked.evidence_only


def test_ddm_takes_the_first_error_after_a_faultless_start_for_a_change() -> None:
    faultless = [0] * 40 + [1] + [0] * 60
    assert raw(binary.DDM(), faultless) == [40]
    assert raw(binary.DDM(warm_start=100), faultless) == []
    rare = [0] * 20 + [1] + [0] * 20
    assert places(on_errors(monitor(river="DDM", signal="error"), rare)) == [20]
    patient = monitor(river="DDM", signal="error", parameters={"warm_start": 3000})
    assert places(on_errors(patient, rare)) == []


SCALES = (0.01, 1.0, 100.0)


def test_ddm_and_page_hinkley_of_river_are_not_free_of_scale() -> None:
    values = normal(1, (400, 0.0), (400, 2.0))
    found = [raw(drift.PageHinkley(), (scale * value for value in values)) for scale in SCALES]
    assert found[0] == []
    assert min(found[1]) > 400
    assert min(found[2]) < 400
    with pytest.raises(ValueError, match="math domain error"):
        raw(binary.DDM(), (100 * abs(value) for value in values))


@pytest.mark.parametrize("river", ["ADWIN", "KSWIN", "PageHinkley", "DDM", "EDDM", "FHDDM", "HDDMA", "HDDMW"])
def test_a_monitor_finds_the_same_shift_in_every_unit(river: str) -> None:
    rng = np.random.default_rng(2)
    reference = rng.normal(0, 1, 2000)
    days = [rng.normal(0 if i < 110 else 1.5, 1, 60) for i in range(150)]
    found = []
    for scale in SCALES:
        profile = profile_of({"amount": (reference * scale).tolist()})
        parameters = {"lambda_val": 0.01} if river == "HDDMW" else {}
        ours = monitor(profile, river=river, signal="feature:amount", parameters=parameters)
        found.append(places([_on_amounts(ours, profile, day * scale, i) for i, day in enumerate(days)]))
    assert found[0] == found[1] == found[2]
    assert any(place >= 110 for place in found[0])


def _on_amounts(ours: RiverMonitor, profile: ReferenceProfile, amounts: Any, index: int) -> Finding:
    window = prediction_window(predictions(prediction_layout(profile), {"amount": amounts.tolist()}), index)
    return ours.update(window)[0]


def test_adwin_of_river_alarms_when_errors_fall() -> None:
    readings = wrongs(3, (60, 0.4), (60, 0.1))
    assert raw(drift.ADWIN(clock=1), [wrong / 10 for wrong in readings])
    assert places(on_errors(monitor(river="ADWIN", signal="error"), readings)) == []
    assert places(on_errors(monitor(river="ADWIN", signal="error", direction="both"), readings))


def test_kswin_without_a_seed_decides_by_chance_and_ours_has_always_one() -> None:
    values = normal(5, (300, 0.0))
    assert len({tuple(raw(drift.KSWIN(alpha=0.05), values)) for _ in range(6)}) > 1
    runs = [RiverChange("KSWIN", {"alpha": 0.05}, direction="both", scale=1.0) for _ in range(3)]
    found = [[run.update(1, value, i) for i, value in enumerate(values)] for run in runs]
    assert found[0] == found[1] == found[2]


def test_parameters_that_end_in_an_exception_inside_river_are_refused_before() -> None:
    with pytest.raises(ValueError, match="larger than population"):
        raw(drift.KSWIN(window_size=50, stat_size=30), normal(1, (50, 0.0)))
    with pytest.raises(OverflowError):
        raw(drift.DummyDriftDetector(trigger_method="random", t_0=10_000, w=1), [0.0])
    assert list(parameter_problems("KSWIN", {"window_size": 50, "stat_size": 30}))
    assert list(parameter_problems("DummyDriftDetector", {"trigger_method": "random", "t_0": 10_000, "w": 1}))


def test_kswin_with_a_level_that_so_few_values_cannot_reach_is_refused_before() -> None:
    tiny: dict[str, Any] = {"alpha": 0.0001, "window_size": 20, "stat_size": 8}
    assert raw(drift.KSWIN(**tiny, seed=1), [0.0] * 50 + [9.0] * 50) == []
    assert [key for key, _ in parameter_problems("KSWIN", tiny)] == ["alpha"]
