"""What is kept of a closed window."""

from __future__ import annotations

import pytest
from builders.part_traffic import MODEL, profile
from builders.summaries import classified, error_window

from consumers.closing import record_of
from consumers.plan import plan_model
from detectors.profile import ReferenceProfile


def test_a_window_names_its_reference_without_hashing_the_profile_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reference = profile({})
    plan, expected = plan_model(MODEL, reference), reference.content_hash[:16]

    def hashed_again(_: ReferenceProfile) -> str:
        pytest.fail("a profile of hundreds of columns takes longer to hash than a window to evaluate")

    monkeypatch.setattr(ReferenceProfile, "content_hash", property(hashed_again))
    window = error_window(classified(["fraud"], ["ok"], positive="fraud"))
    assert record_of(plan, window, 0).profile == expected
    assert record_of(plan_model(MODEL, None), window, 0).profile == ""
