"""Which records the contract refuses, one by one; the same reading as the recount's."""

from __future__ import annotations

from collections.abc import Mapping

from independent.recount import ModelRules, RejectedError, _open_event, _read_label, _read_prediction


def refusal(value: bytes | None, models: Mapping[str, ModelRules], *, is_label: bool) -> str | None:
    """Return why a record is refused (decode, contract or unknown_model), or None for a good one."""
    try:
        time_and_id(value, models, is_label=is_label)
    except RejectedError as refused:
        return str(refused)
    return None


def time_and_id(value: bytes | None, models: Mapping[str, ModelRules], *, is_label: bool) -> tuple[int, str]:
    """Return a good record's event time in epoch microseconds and its id; raises RejectedError for any other."""
    event, model, prediction_id = _open_event(value, models)
    if is_label:
        return _read_label(event, models[model])[0], prediction_id
    return _read_prediction(event, models[model]).time_us, prediction_id
