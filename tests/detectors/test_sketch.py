from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.sketch import LABEL_LAG_S, LATENCY_MS, LogCells

SHARES = (0.0, 0.01, 0.5, 0.9, 0.99, 1.0)


@pytest.mark.parametrize("cells", [LATENCY_MS, LABEL_LAG_S], ids=["latency", "lag"])
@pytest.mark.parametrize("share", SHARES)
@given(data=st.data())
def test_a_quantile_is_within_its_relative_error(cells: LogCells, share: float, data: st.DataObject) -> None:
    values = data.draw(
        st.lists(st.floats(cells.lowest * 1.0001, cells.highest), min_size=1, max_size=60), label="values"
    )
    counts = np.bincount(cells.index(np.array(values)), minlength=cells.size)
    found = cells.quantile(counts, share)
    true = sorted(values)[int(share * (len(values) - 1))]
    assert found == pytest.approx(true, rel=cells.relative_error * 1.0001)


@given(st.lists(st.floats(0, 1e300), max_size=40))
def test_every_finite_value_has_a_cell(values: list[float]) -> None:
    places = LATENCY_MS.index(np.array(values, dtype=np.float64))
    assert all(0 <= place < LATENCY_MS.size for place in places.tolist())


def test_nothing_counted_has_no_quantile() -> None:
    assert LATENCY_MS.quantile(np.zeros(LATENCY_MS.size, dtype=np.int64), 0.5) is None


def test_values_up_to_the_lowest_share_its_cell() -> None:
    assert LATENCY_MS.index(np.array([0.0, 0.005, 0.01])).tolist() == [0, 0, 0]
