"""What is expected of segments and versions, whatever their labels: `evidence.estimated_parts` of an alert event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas.alert_wire import Text, UtcTime
from schemas.series import Number

SEGMENTS_MAX: Final = 5
VERSIONS_MAX: Final = 4


class EstimatedPart(BaseModel):
    """What is expected of the answers of one segment, or of one version.

    Attributes
    ----------
    segment, version
        Which part: one of the two.
    n
        Its answers.
    value, low, high
        The metric that is expected of them, with a 95 % interval.
    contribution
        How much of the difference between the metric of all answers and `usual` comes from this part. The contributions of
        all versions come to the whole of it, and so do those of all values of one key of segments.
    reliable
        Whether labels bear such estimates out: the part's own, or if these are too few those of the whole model where they
        refute the estimate; null where too few have come.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    segment: Text | None = None
    version: Text | None = None
    n: Annotated[int, Field(ge=0)]
    value: Number
    low: Number
    high: Number
    contribution: Number
    reliable: bool | None = None


class EstimatedParts(BaseModel):
    """The parts of a model by what is expected of them: the segments that contribute most, then versions.

    Attributes
    ----------
    metric
        What is estimated: `accuracy`, or `mae`.
    usual
        What is expected of the answers of the reference.
    value, n
        The metric that is expected of all answers, and how many these are.
    start
        Begin of the first window whose answers are counted.
    rows
        At most five segments, the worst contribution first, and four versions, those with most answers first.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    metric: Text
    usual: Number
    value: Number
    n: Annotated[int, Field(ge=0)]
    start: UtcTime
    rows: Annotated[tuple[EstimatedPart, ...], Field(min_length=1, max_length=SEGMENTS_MAX + VERSIONS_MAX)]


def _schema() -> dict[str, Any]:
    """Return the schema without references, so that it may stand inside another one."""
    found = EstimatedParts.model_json_schema(mode="serialization")
    del found["$defs"]
    found["properties"]["rows"]["items"] = EstimatedPart.model_json_schema(mode="serialization")
    return found


PARTS_SCHEMA: Final = _schema()
"""As it stands in the schema of an alert."""


def estimated_parts_in(evidence: Mapping[str, Any]) -> EstimatedParts | None:
    """Return what an alert's evidence has of parts, None where there is nothing that can be read."""
    found = evidence.get("estimated_parts")
    if found is None:
        return None
    try:
        return EstimatedParts.model_validate(found)
    except ValidationError:
        return None
