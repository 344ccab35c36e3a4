"""The figure that an alert is about, over the windows up to it: `evidence.series` of an alert event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from schemas.alert_wire import Text, UtcTime

POINTS_MAX: Final = 48
"""Most points of a series."""
OF_CHARS_MAX: Final = 60
BYTES_MAX: Final = 2_500
"""A series takes no more in an alert event."""

Number: TypeAlias = Annotated[float, Field(ge=-1e300, le=1e300, allow_inf_nan=False)]
"""So far from the end that sums and differences of a few are numbers as well."""


class Series(BaseModel):
    """What a signal did up to an alert, at even steps, against what it is compared with.

    Attributes
    ----------
    figure
        What is shown, such as `median`, `missing` or `wrong_answers`.
    unit
        Of all values: empty for the figure's own, `share` from 0 to 1, `ms`, `s`, or `per_hour`.
    of
        The category, true class or version that it is about.
    start
        Begin of the first point.
    step_s
        Seconds from one point to the next: point i is about the time from `start + i * step_s` to the next.
    values
        At most 48; null where there was nothing to see.
    n
        How many events each value rests on.
    reference
        What is usual.
    usual
        What is usual at the hour of each point, where the profile knows a cycle.
    low, high
        Between these it counts as unchanged.
    threshold
        The limit that fires, of a check that has one in this unit.
    since
        When what is wrong began, by the alert.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    figure: Text
    unit: Literal["", "share", "ms", "s", "per_hour"] = ""
    of: Text | None = None
    start: UtcTime
    step_s: Annotated[float, Field(gt=0, le=1e8)]
    values: Annotated[tuple[Number | None, ...], Field(min_length=2, max_length=POINTS_MAX)]
    n: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(max_length=POINTS_MAX)]
    reference: Number | None = None
    usual: tuple[Number | None, ...] | None = None
    low: Number | None = None
    high: Number | None = None
    threshold: Number | None = None
    since: UtcTime

    @model_validator(mode="after")
    def _lengths_agree(self) -> Self:
        if len(self.n) != len(self.values) or (self.usual and len(self.usual) != len(self.values)):
            raise ValueError("expected as many counts, and as many usual values, as values")
        if all(value is None for value in self.values):
            raise ValueError("expected at least one value")
        return self


SERIES_SCHEMA: Final = Series.model_json_schema(mode="serialization")
"""As it stands in the schema of an alert."""


def series_in(evidence: Mapping[str, Any]) -> Series | None:
    """Return the series of an alert's evidence, None where there is none that can be read."""
    found = evidence.get("series")
    if found is None:
        return None
    try:
        return Series.model_validate(found)
    except ValidationError:
        return None
