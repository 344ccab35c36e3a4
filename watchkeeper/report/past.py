"""The past of a model, as a report reads it: from a store, or from the file that a replay writes."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from consumers.cohorts import Cohorts, encode_cohorts, read_cohorts
from consumers.incidents import Incident, read_incidents
from consumers.plan import ModelPlan, plan_model
from consumers.rollup import read_days
from consumers.store import ModelStore, PartitionStore
from detectors.profile import ReferenceProfile, from_json
from schemas.clock import format_time, parse_time_ms
from schemas.errors import Stop
from watchkeeper.version_pairs import describe_pairs

FORMAT: Final = "watchkeeper.past/1"


@dataclass(frozen=True, slots=True)
class Past:
    """What is known of a model's life.

    Parameters
    ----------
    days
        Start of the day, epoch milliseconds, to its cohorts.
    incidents
        By onset.
    now_ms
        The time up to which it is known: labels that are due after it may still come.
    pairs
        How versions that answered the same ids compare, see `watchkeeper.version_pairs`.
    learned
        The profile that the model has learned; None where it has not, or has one from a file.
    """

    days: Mapping[int, Cohorts]
    incidents: Sequence[Incident]
    now_ms: int
    pairs: Sequence[dict[str, Any]] = ()
    learned: ReferenceProfile | None = None

    def known(self, plan: ModelPlan) -> ModelPlan:
        """Return the model with what it has learned."""
        return plan if self.learned is None or not plan.learning else plan_model(plan.settings, self.learned)


class _ModelFile(msgspec.Struct):
    days: dict[str, str]
    incidents: list[Incident]
    pairs: list[dict[str, Any]] = []
    learned: dict[str, Any] | None = None


class _File(msgspec.Struct):
    format: str
    until: str
    models: dict[str, _ModelFile]


def read_past(
    plan: ModelPlan, windows: PartitionStore, states: ModelStore, partitions: int, *, now_ms: int
) -> Past:
    """Read a model's past from its stores.

    Parameters
    ----------
    plan
        The model, with the profile that it has learned.
    """
    days = read_days(plan, windows, states, partitions, now_ms=now_ms)
    pairs = describe_pairs(plan, states.state(plan.name))
    learned = None if plan.profile is None or plan.profile.learned is None else plan.profile
    return Past(days, read_incidents(states.past(plan.name)), now_ms, pairs, learned)


def past_to_json(pasts: Mapping[str, Past], *, until_ms: int) -> str:
    """Return the text of a file of pasts by model; a day's figures are the bytes that the stores keep, in base64."""
    models = {
        name: _ModelFile(
            {format_time(day): base64.b64encode(encode_cohorts(c)).decode() for day, c in past.days.items()},
            list(past.incidents),
            list(past.pairs),
            None if past.learned is None else msgspec.json.decode(past.learned.to_json()),
        )
        for name, past in sorted(pasts.items())
    }
    file = _File(FORMAT, format_time(until_ms), models)
    return msgspec.json.format(msgspec.json.encode(file), indent=1).decode() + "\n"


def past_from_json(text: str, plan: ModelPlan, *, source: str) -> Past:
    """Return the past of one model out of a file's text.

    Raises
    ------
    Stop
        Another format, a model that is not in it, damaged figures or figures of another profile.
    """
    try:
        file = msgspec.json.decode(text, type=_File)
        if file.format != FORMAT:
            raise Stop(f"{source}: expected the format {FORMAT}, found {file.format!r}; write it again")
        if plan.name not in file.models:
            raise Stop(f"{source}: knows no model {plan.name!r}; replay with settings that have it")
        found = file.models[plan.name]
        learned = (
            None if found.learned is None else from_json(msgspec.json.encode(found.learned), source=source)
        )
        past = Past({}, found.incidents, parse_time_ms(file.until), found.pairs, learned)
        known = past.known(plan)
        days = {
            parse_time_ms(day): read_cohorts(known, [base64.b64decode(data, validate=True)])
            for day, data in found.days.items()
        }
        return replace(past, days=dict(sorted(days.items())))
    except (msgspec.DecodeError, binascii.Error, ValueError) as error:
        raise Stop(f"{source}: expected a past that `watchkeeper replay --past` wrote ({error})") from error
