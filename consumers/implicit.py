"""Implicit labels: where silence means a class, what predictions without a label come to.

Nobody has to find them when their time has come. Every prediction counts at once as if it had the implicit label, in
figures of its own, and the first real label takes that back; so what is left there is what silence has said so far.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from consumers.joined import joined_type, labelled_rows
from consumers.pending import Records, times_of
from consumers.plan import ModelPlan

Joined = npt.NDArray[np.void]


def assumed_of(plan: ModelPlan, class_code: int, predictions: Records) -> Joined:
    """Return records of predictions as if their labels were the implicit one: rows of `JOINED`.

    Those are left out that have no answer, never get a label, or came before silence meant anything.
    """
    spoken_ms = times_of(predictions) + plan.implicit_ms
    kind = joined_type(probabilities=plan.keeps_probabilities)
    rows = labelled_rows(predictions, class_code, spoken_ms, kind=kind)
    assumed: Joined = rows[rows["assumed"]]
    return assumed


def taken_back(plan: ModelPlan, class_code: int, joined: Joined) -> Joined:
    """Return what the first labels of predictions take back of what was assumed of them, rows of `JOINED`."""
    rows: Joined = joined[joined["first"] & joined["assumed"]].copy()
    rows["sign"] = -1
    rows["truth"] = class_code
    rows["label_ms"] = rows["time_ms"] + plan.implicit_ms
    return rows


def overtaken_of(plan: ModelPlan, class_code: int, joined: Joined) -> Joined:
    """Return the predictions whose first label came after silence had spoken, as it spoke, rows of `JOINED`."""
    late = joined["label_ms"] - joined["time_ms"] > plan.implicit_ms
    rows = taken_back(plan, class_code, joined[late])
    rows["sign"] = 1
    return rows
