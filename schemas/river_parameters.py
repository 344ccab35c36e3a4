"""The parameters of river's drift detectors and the values that they can take; a test compares them with river's.

River itself checks little: a bad value there is an exception at the first event, or no detection for ever.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from schemas.setting_types import nearest

ParameterValue: TypeAlias = int | float | str | bool | None
Parameters: TypeAlias = Mapping[str, ParameterValue]

_WINDOW_MAX: Final = 10_000
_COUNT_MAX: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Count:
    """A whole number from `low` to `high`; None is allowed where it is the default."""

    default: int | None
    low: int = 1
    high: int = _COUNT_MAX

    def problem(self, value: ParameterValue) -> str | None:
        """Return what is wrong with a value."""
        if value is None and self.default is None:
            return None
        if isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high:
            return None
        return f"expected a whole number from {self.low} to {self.high}"


@dataclass(frozen=True, slots=True)
class Number:
    """A number above 0 and up to `high`."""

    default: float
    high: float = 1.0

    def problem(self, value: ParameterValue) -> str | None:
        """Return what is wrong with a value."""
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= self.high:
            return None
        return f"expected a number above 0 and up to {self.high:g}"


@dataclass(frozen=True, slots=True)
class Switch:
    """True or false."""

    default: bool

    def problem(self, value: ParameterValue) -> str | None:
        """Return what is wrong with a value."""
        return None if isinstance(value, bool) else "expected true or false"


@dataclass(frozen=True, slots=True)
class Word:
    """One of some words."""

    default: str
    words: tuple[str, ...]

    def problem(self, value: ParameterValue) -> str | None:
        """Return what is wrong with a value."""
        return None if value in self.words else f"expected {' or '.join(self.words)}"


Parameter: TypeAlias = Count | Number | Switch | Word


@dataclass(frozen=True, slots=True)
class RiverDetector:
    """One of river's classes.

    Parameters
    ----------
    is_binary
        Whether it takes events that are 0 or 1; the others take numbers.
    parameters
        By name, with river's defaults.
    ours
        Defaults of ours in the place of river's.
    """

    is_binary: bool
    parameters: Mapping[str, Parameter]
    ours: Parameters


_SEED: Final = Count(None, low=0)
_CONFIDENCES: Final[Mapping[str, Parameter]] = {
    "drift_confidence": Number(0.001),
    "warning_confidence": Number(0.005),
    "two_sided_test": Switch(False),
}

RIVER: Final[Mapping[str, RiverDetector]] = {
    "ADWIN": RiverDetector(
        is_binary=False,
        parameters={
            "delta": Number(0.002),
            "clock": Count(32),
            "max_buckets": Count(5, low=2, high=1_000),
            "min_window_length": Count(5),
            "grace_period": Count(10, low=0),
        },
        ours={"clock": 1},  # a reading is a whole window: each is worth a look
    ),
    "KSWIN": RiverDetector(
        is_binary=False,
        parameters={
            "alpha": Number(0.005),
            "window_size": Count(100, low=2, high=_WINDOW_MAX),
            "stat_size": Count(30, high=_WINDOW_MAX),
            "seed": _SEED,
        },
        ours={"seed": 0},
    ),
    "PageHinkley": RiverDetector(
        is_binary=False,
        parameters={
            "min_instances": Count(30),
            "delta": Number(0.005, high=1e9),
            "threshold": Number(50.0, high=1e9),
            "alpha": Number(1 - 0.0001),
            "mode": Word("both", ("up", "down", "both")),
        },
        ours={},
    ),
    "DummyDriftDetector": RiverDetector(
        is_binary=False,
        parameters={
            "trigger_method": Word("fixed", ("fixed", "random")),
            "t_0": Count(300),
            "w": Count(0, low=0),
            "seed": _SEED,
        },
        ours={"seed": 0},
    ),
    "DDM": RiverDetector(
        is_binary=True,
        parameters={
            "warm_start": Count(30),
            "warning_threshold": Number(2.0, high=1e6),
            "drift_threshold": Number(3.0, high=1e6),
        },
        ours={},
    ),
    "EDDM": RiverDetector(
        is_binary=True,
        parameters={"warm_start": Count(30), "alpha": Number(0.95), "beta": Number(0.9)},
        ours={},
    ),
    "FHDDM": RiverDetector(
        is_binary=True,
        parameters={
            "sliding_window_size": Count(100, high=_WINDOW_MAX),
            "confidence_level": Number(0.000001),
            "short_window_size": Count(None, high=_WINDOW_MAX),
        },
        ours={},
    ),
    "HDDMA": RiverDetector(is_binary=True, parameters=_CONFIDENCES, ours={}),
    "HDDMW": RiverDetector(is_binary=True, parameters={**_CONFIDENCES, "lambda_val": Number(0.05)}, ours={}),
}
"""River's drift detectors by the name of their class."""

LEFT_OUT: Final[Mapping[str, frozenset[str]]] = {
    "KSWIN": frozenset({"window"}),
    "DummyDriftDetector": frozenset({"dynamic_cloning"}),
}
"""Parameters that a monitor has no use for: data to begin with, and what copies of a detector do."""


def parameter_problems(name: str, parameters: Parameters) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the parameters of one of river's classes, as pairs of parameter and message."""
    known = RIVER[name].parameters
    sound = True
    for key, value in parameters.items():
        if key not in known:
            yield key, f"{name} has no such parameter; {nearest(key, known)}"
            sound = False
        elif (problem := known[key].problem(value)) is not None:
            yield key, f"{problem}, got {_told(value)}"
            sound = False
    if sound:
        yield from _together(name, {key: spec.default for key, spec in known.items()} | dict(parameters))


def _told(value: ParameterValue) -> str:
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "true", False: "false"}[value]
    return f'"{value[:64]}"' if isinstance(value, str) else f"{value:g}"


def _together(name: str, values: dict[str, ParameterValue]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong between parameters: inside river each of these is an exception, or no detection ever."""

    def number(key: str) -> float:
        value = values[key]
        return value if isinstance(value, int | float) else 0.0

    if name == "KSWIN" and number("window_size") < 2 * number("stat_size"):
        yield "window_size", f"expected at least twice stat_size, {2 * number('stat_size'):g}"
    if name == "KSWIN" and number("alpha") < 2 / math.comb(
        2 * int(number("stat_size")), int(number("stat_size"))
    ):
        yield (
            "alpha",
            "no difference is so unlikely between so few values: expected a larger one, or a larger stat_size",
        )
    if name == "EDDM" and number("alpha") < number("beta"):
        yield "alpha", f"expected at least beta, {number('beta'):g}"
    if name == "FHDDM" and number("short_window_size") > number("sliding_window_size"):
        yield "short_window_size", f"expected at most sliding_window_size, {number('sliding_window_size'):g}"
    is_random = name == "DummyDriftDetector" and values["trigger_method"] == "random"
    if is_random and 100 * number("w") < number("t_0"):
        yield "w", f"expected at least a hundredth of t_0, {number('t_0') / 100:g}, with random triggers"
