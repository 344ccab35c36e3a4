"""River's drift detectors by name: made, stepped, and their memory as plain values and back.

The only module that imports river. Its classes come with a package that imports SciPy, scikit-learn and river's
data sets: seconds and some hundred megabytes, which only a process with a detector of that package should pay.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Mapping
from operator import attrgetter
from typing import Any, Final

import msgspec

_MEAN: Final = ("n", "_mean")
_SAMPLE: Final = ("_ewma._ewmean", "_is_init", "_ibc")
_SAMPLES: Final = ("_total", "_s1_decr", "_s1_incr", "_s2_decr", "_s2_incr")


def _below(parents: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{parent}.{name}" for parent in parents for name in names)


MEMORY: Final[Mapping[str, tuple[str, ...]]] = {
    "ADWIN": ("_helper",),
    "KSWIN": ("n", "window"),
    "PageHinkley": (
        *_below(("_x_mean",), _MEAN),
        *("_sum_increase", "_sum_decrease", "_min_increase", "_max_decrease"),
    ),
    "DummyDriftDetector": ("_n", "_warmup", "_warmup_done"),
    "DDM": (*_below(("_p",), _MEAN), "_p_min", "_s_min", "_ps_min"),
    "EDDM": (
        *_below(("_error_distances.mean",), _MEAN),
        *("_error_distances._S", "_n", "_last_error", "_n_errors", "_p2s_prime_max"),
    ),
    "FHDDM": ("_sliding_window", "n_one", "_u_max", "_u_short_max"),
    "HDDMA": _below(("_x_min", "_x_max", "_z"), _MEAN),
    "HDDMW": (*_below(_SAMPLES, _SAMPLE), "_incr_cutpoint", "_decr_cutpoint"),
}
"""The attributes that a detector's next decisions depend on, by class.

A detector that has just found a change is thrown away and never stored, so the flags are not among them.
"""


def load_river() -> None:
    """Import the package now: a process that must not pause for seconds at its first reading does so at its start."""
    import river.drift  # noqa: F401, PLC0415 - see above


def make(name: str, parameters: Mapping[str, Any]) -> Any:
    """Return a new detector of river."""
    from river import drift  # noqa: PLC0415 - see above

    module = drift if hasattr(drift, name) else drift.binary
    return getattr(module, name)(**parameters)


def make_adwin(*, delta: float) -> Any:
    """Return what river's ADWIN decides with, at its defaults but looking for a change at every reading.

    It is taken without the class around it, and so without the package.
    """
    from river._river_rust.drift import AdaptiveWindowing  # noqa: PLC0415 - see above

    return AdaptiveWindowing(delta=delta, clock=1, max_buckets=5, min_window_length=5, grace_period=10)


def reason_to_start_over(river: str, crc: int, memory: bytes) -> str | None:
    """Return why a stored memory must not reach river, None where it may.

    River aborts on bytes that it does not know, so those of another release, or damaged ones, are dropped.
    """
    if river != river_version():
        return f"started over: its state was written with river {river}"
    return "started over: its state was damaged" if zlib.crc32(memory) != crc else None


def river_version() -> str:
    """Return the release of river; what a detector remembers is known to fit that release alone."""
    import river  # noqa: PLC0415 - see above

    return str(river.__version__)  # type: ignore[attr-defined]  # it does not list its exports


def step(detector: Any, value: float, number: int) -> bool:
    """Feed one value, and return whether the detector found a change.

    Parameters
    ----------
    number
        How many values came before. Chance in KSWIN and DummyDriftDetector is a function of their seed and
        this number, so that it is the same whether or not the detector was stored in between.
    """
    rng = getattr(detector, "_rng", None)
    if rng is not None:
        rng.seed(f"{detector.seed}:{number}")
    detector.update(value)
    return bool(detector.drift_detected)


def remembered(name: str, detector: Any) -> bytes:
    """Return what a detector remembers, for `remember`."""
    return msgspec.msgpack.encode([_plain(attrgetter(path)(detector)) for path in _paths(name, detector)])


def remember(name: str, detector: Any, data: bytes) -> None:
    """Give a new detector of the same parameters what another one remembered.

    Its Rust parts abort on bytes that they do not know: only bytes that are known to be whole, and of this
    release of river, may come here.
    """
    for path, value in zip(_paths(name, detector), msgspec.msgpack.decode(data), strict=True):
        owner, _, attribute = path.rpartition(".")
        parent = attrgetter(owner)(detector) if owner else detector
        now = getattr(parent, attribute)
        if isinstance(value, bytes):
            now.__setstate__(value)
        elif isinstance(now, deque):
            setattr(parent, attribute, deque(value, maxlen=now.maxlen))
        else:
            setattr(parent, attribute, value)


def _paths(name: str, detector: Any) -> list[str]:
    """Return the paths of the attributes that exist: some depend on the parameters."""
    return [path for path in MEMORY[name] if "." in path or hasattr(detector, path)]


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    return list(value) if isinstance(value, deque) else bytes(value.__getstate__())
