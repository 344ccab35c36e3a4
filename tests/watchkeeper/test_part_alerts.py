"""Segments and versions from events to alerts: whose trouble it is, and what becomes of the alert."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from builders.part_traffic import MODEL, Outcome, Traffic, profile, replayed

from watchkeeper.profile_command import build_profile

WEB_AND_SHOP = {"web": 0.95, "shop": 0.05}
REFERENCE = profile({"channel=web": 0.2, "channel=shop": 0.2}, wrong=0.2)
SHOP = ("performance", "channel=shop", None)
SINCE = 10
"""The minute in which something goes wrong."""


@cache
def shop_doubles() -> Outcome:
    """Return what is told when the errors of one in twenty events double."""
    traffic = Traffic(
        lambda _: WEB_AND_SHOP,
        wrong=lambda minute, channel, _: 0.4 if channel == "shop" and minute >= SINCE else 0.2,
    )
    return replayed(traffic, 50, REFERENCE)


@cache
def bad_release() -> Outcome:
    """Return what is told of a version of a fifth of the traffic that is rolled back, and of the hour after."""
    traffic = Traffic(
        lambda _: {"web": 1.0},
        versions=lambda minute: {"7": 0.8, "8": 0.2} if SINCE <= minute < 20 else {"7": 1.0},
        wrong=lambda _minute, _channel, version: 0.6 if version == "8" else 0.2,
        per_minute=100,
    )
    return replayed(traffic, 100, REFERENCE)


def test_a_segment_whose_errors_double_is_named_while_the_whole_model_is_within_its_limits() -> None:
    found = shop_doubles()
    assert found.firing() == [SHOP]
    [alert] = found.alerts
    assert SINCE < alert["minute"] < 50
    assert alert["title"].startswith("fraud: accuracy fell (segment channel=shop) from 80% to ")
    assert "Concerns segment channel=shop" in alert["impact"]
    assert alert["evidence"]["wrong_before"] == pytest.approx(0.2, abs=0.001)
    assert alert["evidence"]["wrong_now"] > 0.3
    series = alert["evidence"]["series"]
    assert (series["figure"], series["reference"]) == ("wrong_answers", pytest.approx(0.2, abs=0.001))
    assert max(series["n"]) < 40, "only those of the segment count"
    before, since = series["values"][:SINCE], [v for v in series["values"][SINCE:] if v is not None]
    assert sum(since) / len(since) > sum(before) / len(before) + 0.1
    assert alert["evidence"]["confusion_shift"][0]["share_before"] > 0, (
        "as the segment's own reference has it"
    )


def test_a_segment_that_was_always_as_bad_is_no_news() -> None:
    traffic = Traffic(lambda _: WEB_AND_SHOP, wrong=lambda _m, channel, _v: 0.4 if channel == "shop" else 0.2)
    used_to_it = profile({"channel=web": 0.2, "channel=shop": 0.4}, wrong=0.21)
    assert replayed(traffic, 30, used_to_it).firing() == []


def test_a_bad_version_is_named_and_closed_as_retired_when_it_gets_no_traffic_any_more() -> None:
    found = bad_release()
    version = [a for a in found.alerts if a["version"] == "8" and a["kind"] == "performance"]
    fired, *worse, closed = version
    assert [alert["status"] for alert in version] == ["firing", *["firing"] * len(worse), "resolved"]
    assert all(alert["evidence"]["reason"] == "severity_up" for alert in worse)
    assert SINCE < fired["minute"] < 20
    assert fired["title"].startswith("fraud version 8: accuracy fell from 80% to ")
    change = fired["evidence"]["version_change"]
    assert (change["version"], change["before"], change["since"]) == ("8", "7", "2026-11-01T12:10:00.000Z")
    assert closed["evidence"]["reason"] == "version_retired"
    assert "series" not in closed["evidence"], "no window said anything"
    shown = fired["evidence"]["series"]
    assert shown["start"] == "2026-11-01T12:10:00.000Z", "it begins with the version"
    assert shown["values"] == pytest.approx([0.6] * len(shown["values"]), abs=0.35)
    assert max(shown["n"]) < 30, "one answer in five is of this version, a part of them in each class"
    assert 79 <= closed["minute"] <= 85, "an hour after its last event"
    assert "closed, version gets no traffic any more" in closed["title"]
    assert closed["until"] < closed["detected_at"]
    told, over = (alert for alert in found.alerts if alert["kind"] == "version_regression")
    assert told["evidence"]["decision"] == "roll_back"
    assert SINCE < told["minute"] <= fired["minute"]
    assert over["evidence"]["reason"] == "version_retired"
    assert not any(alert["version"] == "7" for alert in found.alerts)


def test_a_version_that_takes_all_the_traffic_ends_its_alert_when_it_is_mended() -> None:
    traffic = Traffic(
        lambda _: {"web": 1.0},
        versions=lambda minute: (
            {"7": 1.0} if minute < 5 else {"7": 0.7, "8": 0.3} if minute < 15 else {"8": 1.0}
        ),
        wrong=lambda minute, _channel, version: 0.6 if version == "8" and minute < 20 else 0.2,
        per_minute=100,
    )
    version = [a for a in replayed(traffic, 45, REFERENCE).alerts if a["version"] == "8"]
    reasons = [alert["evidence"]["reason"] for alert in version]
    assert (reasons[0], reasons[-1]) == ("first", "recovered")
    assert [alert["status"] for alert in version].count("resolved") == 1


def test_twelve_partitions_give_the_very_alerts_of_one() -> None:
    traffic = Traffic(
        lambda _: {"web": 0.75, "shop": 0.25},
        versions=lambda minute: {"7": 0.8, "8": 0.2} if minute >= SINCE else {"7": 1.0},
        wrong=lambda minute, channel, version: (
            0.7 if minute >= SINCE and "shop" in (channel, version) else 0.2
        ),
        failing=lambda _minute, _channel, version: 0.9 if version == "8" else 0.0,
        per_minute=100,
    )
    one, twelve = (replayed(traffic, 24, REFERENCE, partitions=partitions) for partitions in (1, 12))
    assert {alert[1:] for alert in one.firing()} >= {("channel=shop", None), (None, "8")}
    assert twelve.alerts == one.alerts


def test_what_all_segments_and_versions_have_is_told_once_of_the_whole_model() -> None:
    channels = dict.fromkeys(("web", "app", "shop", "phone", "mail"), 0.2)
    traffic = Traffic(
        lambda _: channels,
        versions=lambda _: {"7": 0.5, "8": 0.5},
        wrong=lambda minute, _channel, _version: 0.4 if SINCE <= minute < 22 else 0.2,
    )
    reference = profile({f"channel={name}": 0.2 for name in channels}, wrong=0.2)
    found = replayed(traffic, 45, reference)
    assert found.firing() == [("performance", None, None)]
    assert [alert["status"] for alert in found.alerts] == ["firing", "resolved"]


def test_a_segment_that_is_much_worse_than_the_rest_is_told_beside_the_whole_model() -> None:
    traffic = Traffic(
        lambda _: {"web": 0.7, "shop": 0.3},
        wrong=lambda minute, channel, _: 0.7 if channel == "shop" and minute >= SINCE else 0.2,
    )
    told = replayed(traffic, 20, REFERENCE).firing()
    assert sorted(told, key=str) == sorted([("performance", None, None), SHOP], key=str)


def test_a_segment_without_reference_is_watched_for_its_statuses_alone() -> None:
    traffic = Traffic(
        lambda _: {"web": 0.8, "new": 0.2},
        wrong=lambda _minute, channel, _version: 0.9 if channel == "new" else 0.2,
        failing=lambda minute, channel, _: 0.3 if channel == "new" and minute >= SINCE else 0.0,
        per_minute=100,
    )
    found = replayed(traffic, 30, profile({"channel=web": 0.2}, wrong=0.2))
    segments = {alert for alert in found.firing() if alert[1] is not None}
    assert segments == {("error_rate", "channel=new", None)}


def test_a_reference_of_events_says_what_a_segment_is_compared_with(tmp_path: Path) -> None:
    traffic = Traffic(
        lambda _: {"web": 0.8, "shop": 0.2}, wrong=lambda _m, c, _v: 0.3 if c == "shop" else 0.1
    )
    sides: tuple[list[bytes], list[bytes]] = ([], [])
    for predictions, labels, _ in traffic.minutes(10):
        sides[0].extend(predictions)
        sides[1].extend(labels)
    for name, lines in zip(("x.jsonl", "y.jsonl"), sides, strict=True):
        (tmp_path / name).write_bytes(b"\n".join(lines))
    found, warnings = build_profile(MODEL, tmp_path / "x.jsonl", labels_path=tmp_path / "y.jsonl")
    assert warnings == []
    assert list(found.segments) == ["channel=web", "channel=shop"]
    shop = found.segments["channel=shop"]
    assert shop.rows == shop.statuses[0] == pytest.approx(600, abs=60)
    assert shop.metrics["accuracy"] == pytest.approx(0.7, abs=0.05)
    assert sum(n for *_, n in shop.confusion) == shop.rows


def test_a_segment_whose_requests_always_failed_does_not_keep_the_model_from_learning() -> None:
    traffic = Traffic(
        lambda _: {"web": 0.92, "kiosk": 0.08},
        failing=lambda _minute, channel, _version: 0.4 if channel == "kiosk" else 0.0,
        per_minute=400,
    )
    found = replayed(traffic, 30, None)
    assert found.firing()[:1] == [("error_rate", "channel=kiosk", None)]
    assert found.windows[-1].profile, "learned meanwhile"
