"""The false-alarm budget: how much evidence each signal must show before it may speak.

A fair game reaches a fortune of A with probability at most 1 / A, and one that is started anew in every
window (Shiryaev and Roberts) reaches A within t windows with probability at most t / A. So a signal that
fires at A / w raises at most w false alarms in A windows, and the rates of all signals add up whatever their
dependence: that is all the correction there is for their number.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from detectors.betting.signal import Signal

LABELLED_GROUPS: Final = ("performance", "label_drift")
"""Shares of the budget that a learned reference keeps for labels: they come later than the rest."""
E_VALUE_MIN: Final = 1_000.0
"""No alarm whose best single game has not multiplied its stake by this much, however generous the budget."""
VERSIONS_MAX: Final = 4
"""So many versions of a model are bet on side by side."""
VERSIONS_SHARE: Final = 0.1
SEGMENTS_SHARE: Final = 0.2
"""What is reserved of the budget for all versions, and for all segments, whether they are there or not.

Evidence grows exponentially, so shares cost little on either side: with these the whole model waits for 0.36 more
of some 12 natural logs, and a segment would save 0.7 of its 17 with twice its share.
"""


def bars(  # noqa: PLR0913 - the budget's figures, and the share of it
    signals: Sequence[Signal],
    *,
    false_alarms: float,
    per_ms: int,
    window_ms: int,
    weights: Mapping[str, float],
    share: float = 1.0,
    reserved: Collection[str] = (),
) -> list[float]:
    """Return the log evidence at which each signal fires.

    Parameters
    ----------
    false_alarms, per_ms
        The budget: at most so many false alarms in so many milliseconds.
    window_ms
        Length of a window; evidence is counted per window.
    weights
        Share of each group, relative to the others'; shares of groups without a signal of some weight go to
        the others.
    share
        Of the budget that all these signals have together.
    reserved
        Groups whose shares are kept for them even while they have no signals.
    """
    windows = per_ms / window_ms / false_alarms
    members: dict[str, float] = dict.fromkeys(reserved, 0.0)
    for signal in signals:
        members[signal.group] = members.get(signal.group, 0.0) + signal.weight
    total = sum(
        weights.get(group, 0.0) for group, weight in members.items() if weight > 0 or group in reserved
    )
    found: list[float] = []
    for signal in signals:
        part = weights.get(signal.group, 0.0) * signal.weight
        part = share * part / total / members[signal.group] if part > 0 else 0.0
        found.append(math.log(windows / part) if part > 0 else math.inf)
    return found
