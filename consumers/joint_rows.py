"""The figures of each event's features together: columns like any other, and the ids of what is unfamiliar."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from consumers.columns import JointRows
from consumers.envelope import PredictionEnvelope
from consumers.features import RawColumns
from detectors.joint import DISTANCE, Joint, JointScore
from detectors.joint_pairs import followed_values
from detectors.layout import PredictionLayout
from detectors.profile import JOINT_PREFIX, NumericColumn, is_feature


class JointReader:
    """Works the joint figures of one model's events out.

    Parameters
    ----------
    names
        The numeric features, in the order in which events are decoded.
    bound
        An event further away than this is unfamiliar.
    """

    def __init__(self, joint: Joint, names: Sequence[str], bound: float) -> None:
        self._score = JointScore(joint)
        self._places = np.array([names.index(name) for name in joint.features], dtype=np.intp)
        self._followed = len(joint.followed)
        self._bound = bound

    @classmethod
    def of(cls, layout: PredictionLayout) -> JointReader | None:
        """Return the reader for a profile's columns; None where it has no joint figures."""
        columns = [c.column for c in layout.numeric if isinstance(c.column, NumericColumn)]
        bound = next((c.high for c in columns if c.name == f"{JOINT_PREFIX}{DISTANCE}"), None)
        if layout.joint is None or bound is None:
            return None
        return cls(layout.joint, [c.name for c in columns if is_feature(c.name)], bound)

    def append(
        self, raw: RawColumns, events: Sequence[PredictionEnvelope], ids: Sequence[bytes]
    ) -> JointRows:
        """Put the figures behind the features of a batch, and return the rest of what windows keep."""
        numbers = raw.numbers[:, self._places]
        standard = self._score.standard(numbers)
        figures = self._score.figures(numbers, standard)
        raw.numbers = np.column_stack([raw.numbers, figures])
        distance = figures[:, 0]
        unfamiliar = distance > self._bound
        return JointRows(
            followed=followed_values(standard[:, : self._followed]),
            distance=distance,
            unfamiliar=unfamiliar,
            names={ids[row]: events[row].prediction_id for row in np.flatnonzero(unfamiliar).tolist()},
        )
