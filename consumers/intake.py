"""What a batch says of its producers: how much had to be refused, and whether labels find their predictions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from consumers.columns import DecodedBatch, Records
from consumers.kafka_gate import PartitionMessages
from consumers.ownership import Owned
from consumers.plan import ModelPlan
from consumers.rejects import Reason
from consumers.strays import Strays
from schemas.integrity import IntegrityCheck

KEYS_PER_BATCH: Final = 4


def sample_strays(
    strays: Strays, messages: PartitionMessages, decoded: DecodedBatch, found: Mapping[bytes, bytes]
) -> None:
    """Keep some ids of labels without a prediction, and some keys of both topics.

    Parameters
    ----------
    found
        Stored entries of the batch's ids.
    """
    for model, columns in decoded.labels.items() if strays.wants_ids else ():
        predicted = decoded.predictions.get(model)
        strays.take_ids(columns.ids, found, set() if predicted is None else set(predicted.ids))
    both = (messages.predictions, messages.labels)
    strays.take_keys(*([m.key() for m in batch.messages[:KEYS_PER_BATCH]] for batch in both))


def judge_intake(
    owned: Owned,
    plans: Mapping[str, ModelPlan],
    decoded: DecodedBatch,
    records: tuple[Records, Records],
    wall_ms: Callable[[], int],
) -> None:
    """Count what a committed batch was made of, and tell where too much of a model's was refused.

    Parameters
    ----------
    records
        The batch as it came: predictions and labels.
    """
    accepted: dict[str, int] = {}
    for columns in (decoded.predictions, decoded.labels):
        for model, rows in columns.items():
            accepted[model] = accepted.get(model, 0) + len(rows)
    rejects = (decoded.prediction_rejects, decoded.label_rejects)
    owned.rates.take(accepted, [r for side in rejects for r in side])
    for side, refused in zip(records, rejects, strict=True):
        undecodable = (side.values[r.index] for r in refused if r.reason is Reason.DECODE)
        owned.rates.take_bytes(
            sum(len(value or b"") for value in side.values), sum(len(value or b"") for value in undecodable)
        )
    for model, recent in owned.rates.models.items():
        limit = plans[model].settings.quarantine_above
        shares = {"share": round(recent.share, 3), "limit": limit}
        owned.judge((IntegrityCheck.QUARANTINED, model), recent.above(limit), shares, wall_ms)
        ahead = {"records": int(recent.future)}
        owned.judge((IntegrityCheck.EVENTS_IN_FUTURE, model), recent.ahead(), ahead, wall_ms)
