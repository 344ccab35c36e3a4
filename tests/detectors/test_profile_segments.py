"""What a profile keeps of declared segments, and that old profiles, which have none, are still read."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from builders.profile_rows import build

from detectors.profile import ReferenceProfile, from_json
from detectors.profile_compare import compare
from detectors.profile_values import Answers, RowBatch
from detectors.segments import OTHER, SegmentReference, segment_name
from detectors.sketch import LATENCY_MS
from schemas.errors import Stop

N = 4_000
CHANNELS = ("web", "app", "shop")


def rows(seed: int = 1, *, cuts: int = 1) -> list[RowBatch]:
    """Return binary answers of three channels, of which the shop is wrong three times as often and slower."""
    rng = np.random.default_rng(seed)
    channel = rng.choice(CHANNELS, N, p=[0.7, 0.28, 0.02])
    truth = rng.random(N) < 0.3
    wrong = rng.random(N) < np.where(channel == "shop", 0.3, 0.1)
    said = np.where(wrong, ~truth, truth)
    latency = rng.gamma(4, np.where(channel == "shop", 20.0, 5.0))
    status = rng.choice(3, N, p=[0.9, 0.08, 0.02])
    batches: list[RowBatch] = []
    for part in np.array_split(np.arange(N), cuts):
        names = [["ok", "fraud"][int(flag)] for flag in truth[part]]
        answers = Answers(
            truth=names,
            predicted=[["ok", "fraud"][int(flag)] for flag in said[part]],
            measured=status[part] == 0,
        )
        keys = ([segment_name("channel", name) for name in channel[part].tolist()],)
        batches.append(
            RowBatch(len(part), {}, answers, latency_ms=latency[part], status=status[part], segments=keys)
        )
    return batches


def profile(batches: list[RowBatch], **options: Any) -> ReferenceProfile:
    return build(batches, task="binary", positive="fraud", **options)[0]


def test_a_segment_has_its_own_errors_latencies_and_statuses() -> None:
    found = profile(rows())
    assert list(found.segments) == ["channel=web", "channel=app"], (
        "fewer than a hundred rows are no reference"
    )
    web, app = found.segments.values()
    assert web.rows + app.rows < N
    assert web.metrics["accuracy"] == pytest.approx(0.9, abs=0.02)
    measured = sum(n for *_, n in web.confusion)
    assert measured == web.statuses[0] < web.rows == sum(web.statuses) == sum(n for _, n in web.latency)
    right = sum(n for said, true, n in web.confusion if said == true)
    assert web.metrics["accuracy"] == right / measured


def test_how_rows_come_in_batches_changes_nothing() -> None:
    assert profile(rows(cuts=7)).to_json() == profile(rows()).to_json()


def test_a_regression_keeps_errors_on_the_profiles_own_bins() -> None:
    rng = np.random.default_rng(2)
    error = rng.normal(0, 1, N) * np.where(np.arange(N) % 4, 1, 3)
    names = [segment_name("region", "far" if place % 4 == 0 else "near") for place in range(N)]
    batch = RowBatch(N, {}, Answers(true_value=np.zeros(N), value=error), segments=(names,))
    found, _ = build([batch])
    assert found.error is not None
    summed = np.sum([segment.errors for segment in found.segments.values()], axis=0)
    assert summed.tolist() == list(found.error.counts)
    far = found.segments["region=far"]
    assert far.metrics["mae"] == pytest.approx(np.abs(error[::4]).mean(), rel=1e-12)


def test_the_most_frequent_segments_are_kept_and_what_is_left_over_is_none_of_them() -> None:
    names = [segment_name("customer", f"c{place % (10 + place // 100)}") for place in range(N)]
    names[::2] = [segment_name("customer", OTHER)] * (N // 2)
    batch = RowBatch(N, {}, Answers(), segments=(names,))
    found, _ = build([batch], max_segments=3)
    counts = {name: names.count(name) for name in set(names) if OTHER not in name}
    most = sorted(counts, key=lambda name: (-counts[name], name))[:3]
    assert {name: reference.rows for name, reference in found.segments.items()} == {
        n: counts[n] for n in most
    }


def test_thousands_of_names_stay_bounded() -> None:
    names = [segment_name("session", str(place)) for place in range(30_000)]
    found, _ = build([RowBatch(len(names), {}, Answers(), segments=(names,))], max_segments=50)
    assert found.segments == {}


def test_a_profile_with_segments_reads_back_as_it_was_written_and_one_without_has_no_such_key() -> None:
    found = profile(rows())
    assert from_json(found.to_json(), source="p.json") == found
    bare = replace(found, segments={})
    assert "segments" not in json.loads(bare.to_json())
    assert from_json(bare.to_json(), source="p.json") == bare
    assert bare.binning_hash == found.binning_hash, "windows are counted alike"
    assert bare.content_hash != found.content_hash


def test_errors_on_other_bins_than_the_profiles_are_a_damaged_file() -> None:
    damaged = replace(profile(rows()), segments={"channel=web": SegmentReference(rows=100, errors=(1, 2, 3))})
    with pytest.raises(Stop, match="3 bins of errors"):
        from_json(damaged.to_json(), source="p.json")


def test_a_comparison_says_how_segments_have_changed_and_which_came_and_went() -> None:
    before = profile(rows())
    after = replace(
        before,
        segments={
            "channel=web": replace(
                before.segments["channel=web"], rows=N // 2, metrics={"accuracy": 0.5}, latency=((5, 100),)
            ),
            "channel=phone": before.segments["channel=app"],
        },
    )
    change = compare(before, after)
    assert (change.segments_added, change.segments_removed) == (("channel=phone",), ("channel=app",))
    [web] = change.segments
    assert web.rows == (before.segments["channel=web"].rows / N, 0.5)
    assert web.metrics["accuracy"][1] == 0.5
    assert web.latency_ms is not None
    counts = np.bincount([5], minlength=LATENCY_MS.size)
    assert web.latency_ms[1] == LATENCY_MS.quantile(counts, 0.5)
    assert compare(before, before).segments == ()
