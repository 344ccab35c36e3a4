"""How long labels take, and so how many would come now if all were as usual."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.detector import State
from detectors.label_layout import LabelLayout
from detectors.sketch import LABEL_LAG_S
from detectors.state_values import value_in

KEPT_MAX: Final = 2_500
"""Windows of predictions that are remembered: a hundred days of hours. Older labels are taken to be that old."""
LABELS_MIN: Final = 50
"""With fewer labels nothing is known of how long they take."""

Vector = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class LabelDelays:
    """Predictions of the last windows, weighed by how many labels usually come at their age.

    Parameters
    ----------
    length_ms
        Of a window of labels.
    horizon_ms
        How long after its prediction a label counts.

    Attributes
    ----------
    came
        Shape (LABEL_LAG_S.size,): labels by their delay, the older ones fading.

    Notes
    -----
    State: up to 3,000 numbers.
    """

    def __init__(self, length_ms: int, horizon_ms: int) -> None:
        windows = min(math.ceil(horizon_ms / length_ms) + 1, KEPT_MAX)
        self._made = np.zeros(windows)
        self.came = np.zeros(LABEL_LAG_S.size)
        ages = LABEL_LAG_S.values() * 1_000 // length_ms
        self._age = np.minimum(ages, windows - 1).astype(np.intp)
        # Half of what was learned is forgotten in a horizon, so that slow changes of the process are followed.
        self._kept = 0.5 ** (1 / windows)

    @property
    def windows(self) -> int:
        """Windows of predictions that are remembered."""
        return len(self._made)

    def make(self, predictions: int) -> None:
        """Take in the predictions of the next window."""
        self._made = np.roll(self._made, 1)
        self._made[0] = predictions

    def learn(self, vector: Vector) -> None:
        """Learn from the labels of a window how long they take."""
        self.came *= self._kept
        self.came += vector[LabelLayout.LAG :]

    @property
    def exposure(self) -> float | None:
        """Predictions whose labels are due in the last window, each weighed by the share of labels of its age.

        None while too little is known.
        """
        total = float(self.came.sum())
        return float(self._due().sum()) / total if total >= LABELS_MIN else None

    def share_within(self, cells: int) -> float | None:
        """Return the share of the labels due in the last window whose delay lies in the first cells; None if unknown."""
        due = self._due()
        total = float(due.sum())
        return float(due[:cells].sum()) / total if total > 0 else None

    def _due(self) -> Floats:
        return self._made[self._age] * self.came

    def state(self) -> State:
        """Return what is remembered."""
        return {"made": self._made.astype("<f8").tobytes(), "came": self.came.astype("<f8").tobytes()}

    def restore(self, state: State) -> None:
        """Take up a remembered state; one of another horizon keeps what fits.

        Raises
        ------
        ValueError
            Bytes of something else.
        """
        for name, own in (("made", self._made), ("came", self.came)):
            data = value_in(state, name, bytes)
            found = np.frombuffer(data, dtype="<f8") if len(data) % 8 == 0 else np.array([math.nan])
            if not np.isfinite(found).all():
                raise ValueError(f"expected finite numbers as {name}")
            own[...] = 0.0
            own[: len(found)] = found[: len(own)]
