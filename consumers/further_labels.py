"""What a further label means for ids that have one prediction and labels: `consumers.fold`, many ids at a time.

What a label changes depends on its own age and on the label that stands, and not on how the stored labels came to
be kept, so the outcomes before and after need not both be worked out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from consumers.pending import Integers, Records, times_of

Mask = npt.NDArray[np.bool_]

REPEATS_MAX: Final = 255
"""Repetitions that a stored label can count."""


@dataclass(frozen=True, slots=True)
class FurtherLabels:
    """What one more label of each id is; each is just one of the first five.

    Parameters
    ----------
    first
        Nothing stood before, so it is the first that counts.
    corrects, repeats, contradicts
        It replaces the standing label; it says nothing new; it says something else of the same revision.
    late
        Beyond the horizon, or beyond that and the memory.
    forgotten
        Of the late ones those beyond both.
    orphaned
        It makes an orphan of its id: no label before it was forgotten.
    standing
        Records of the labels that stood before; of no meaning where none did.
    """

    first: Mask
    corrects: Mask
    repeats: Mask
    contradicts: Mask
    late: Mask
    forgotten: Mask
    orphaned: Mask
    standing: Records


def further_labels(
    made_ms: Integers, stored: Records, new: Records, *, horizon_ms: int, memory_ms: int
) -> FurtherLabels:
    """Return what labels are, each to the id with the same place.

    Parameters
    ----------
    made_ms
        Shape (n,): times of the predictions.
    stored
        Shape (n, k): the labels that each id has, in the order of their topic.
    new
        Shape (n,): one more label of each.
    horizon_ms, memory_ms
        As in `consumers.fold.outcome`.
    """
    standing = stored[:, 0].copy()
    stands = np.zeros(len(stored), dtype=np.bool_)
    for column in range(stored.shape[1]):
        label = stored[:, column]
        in_time = times_of(label) - made_ms <= horizon_ms
        takes = in_time & (~stands | (label["revision"] > standing["revision"]))
        standing[takes] = label[takes]
        stands |= in_time
    ages = times_of(stored) - made_ms[:, None]
    age = times_of(new) - made_ms
    late = age > horizon_ms
    forgotten = age > horizon_ms + memory_ms
    revises = ~late & stands
    corrects = revises & (new["revision"] > standing["revision"])
    contradicts = revises & (new["revision"] == standing["revision"]) & (new["truth"] != standing["truth"])
    return FurtherLabels(
        first=~late & ~stands,
        corrects=corrects,
        repeats=revises & ~corrects & ~contradicts,
        contradicts=contradicts,
        late=late,
        forgotten=forgotten,
        orphaned=forgotten & ~(ages > horizon_ms + memory_ms).any(axis=1),
        standing=standing,
    )


def is_repetition(last: Records, new: Records) -> Mask:
    """Return whether labels are exactly the last stored one again, and so are only counted there."""
    same = (times_of(last) == times_of(new)) & (last["revision"] == new["revision"])
    same &= (last["truth"] == new["truth"]) & (last["repeats"] < REPEATS_MAX)
    found: Mask = same
    return found
