"""What a segment is called, and what a profile keeps of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

NONE: Final = "(none)"
"""Stands for the value of events that do not say it."""
OTHER: Final = "(other)"
"""Stands for values beyond the limit: which they are depends on the partition, so nothing is bet on about them."""
VALUE_CHARS_MAX: Final = 128


def segment_name(key: str, value: str) -> str:
    """Return the name of a segment in windows, profiles and alerts.

    Examples
    --------
    >>> segment_name("channel", "web"), segment_name("channel", NONE)
    ('channel=web', 'channel=(none)')
    """
    return f"{key}={value[:VALUE_CHARS_MAX]}"


def is_other(name: str) -> bool:
    """Return whether a segment is what was left over."""
    return name.endswith(f"={OTHER}")


@dataclass(frozen=True, slots=True)
class SegmentReference:
    """What a segment looked like when the model was good, on the cells of the model's profile.

    Parameters
    ----------
    rows
        Of the reference.
    statuses
        Rows per status of `detectors.layout.STATUSES`; empty where the reference does not say.
    latency, confusion
        As those of `ReferenceProfile`.
    errors
        Of a regression: labelled rows per bin of the profile's `error`.
    metrics
        The accuracy, or the mean absolute error, of labelled rows.
    """

    rows: int
    statuses: tuple[int, ...] = ()
    latency: tuple[tuple[int, int], ...] = ()
    confusion: tuple[tuple[str, str, int], ...] = ()
    errors: tuple[int, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def unlabelled(self) -> SegmentReference:
        """The same without what labels say."""
        return replace(self, confusion=(), errors=(), metrics={})


def segments_from(raw: Mapping[str, Any], *, bins: int) -> dict[str, SegmentReference]:
    """Read segments by name out of a profile's JSON.

    Parameters
    ----------
    bins
        Of the profile's errors, 0 where it has none.

    Raises
    ------
    ValueError
        Errors on other bins.
    """
    return {str(name): _reference(name, value, bins) for name, value in raw.items()}


def _reference(name: str, raw: Mapping[str, Any], bins: int) -> SegmentReference:
    found = SegmentReference(
        rows=int(raw["rows"]),
        statuses=tuple(int(n) for n in raw["statuses"]),
        latency=tuple((int(cell), int(n)) for cell, n in raw["latency"]),
        confusion=tuple((str(p), str(t), int(n)) for p, t, n in raw["confusion"]),
        errors=tuple(int(n) for n in raw["errors"]),
        metrics={str(k): float(v) for k, v in raw["metrics"].items()},
    )
    if len(found.errors) not in (0, bins):
        raise ValueError(f"segment {name}: {len(found.errors)} bins of errors, expected {bins}")
    return found
