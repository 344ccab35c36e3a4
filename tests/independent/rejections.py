"""Which records the contract refuses, one by one; the same reading as the recount's."""

from __future__ import annotations

from collections.abc import Mapping

from independent.recount import ModelRules, RejectedError, _open_event, _read_label, _read_prediction


def refusal(value: bytes | None, models: Mapping[str, ModelRules], *, is_label: bool) -> str | None:
    """Return why a record is refused (decode, contract or unknown_model), or None for a good one."""
    read = _read_label if is_label else _read_prediction
    try:
        event, model, _ = _open_event(value, models)
        read(event, models[model])
    except RejectedError as refused:
        return str(refused)
    return None
