"""The verifier must see what it is there for: each kind of fault, put in by hand, is found and nothing else is."""

from __future__ import annotations

import copy
import hashlib
import json
from typing import Any

from builders.site import RULES, compare_counts
from chaos.verifier import (
    LABEL_CHECKS,
    Events,
    Published,
    check_alerts,
    check_dead_letters,
    check_windows,
    read_published,
)
from independent.recount import recount
from independent.stream import StreamSpec, generate

from detectors.betting.label_coverage import LABEL_COVERAGE
from detectors.betting.label_lag import LABEL_LAG
from detectors.betting.label_shares import SHARES


def alert(
    number: int,
    *,
    kind: str = "data_drift",
    check: str = "js",
    start: str = "00:10",
    revision: int = 0,
) -> dict[str, Any]:
    data = {"kind": kind, "check": check, "feature": "n0", "version": None, "status": "firing"}
    return {
        "id": f"v1:{number}:{revision}",
        "type": "io.watchkeeper.alert.firing",
        "data": {**data, "window": {"start": start}, "evidence": {"value": number}},
    }


def window(start: str, n: int, stream: str = "predictions") -> dict[str, Any]:
    data = {"stream": stream, "window": {"start": start, "n": n}}
    return {"id": f"{stream}:{start}", "type": "io.watchkeeper.window_complete", "data": data}


def on_topic(*events: dict[str, Any]) -> Published:
    return read_published(("alerts", 0, i, None, json.dumps(e).encode()) for i, e in enumerate(events))


def by_id(*events: dict[str, Any]) -> Events:
    return {event["id"]: event for event in events}


WINDOWS = (window("00:10", 5), window("00:20", 7))


def test_equal_alerts_and_windows_are_right() -> None:
    published = on_topic(*WINDOWS, alert(1), alert(1))
    assert check_alerts(by_id(alert(1)), published) == []
    assert check_windows({("predictions", "00:10"): 5, ("predictions", "00:20"): 7}, published) == []
    assert published.repeats == 1
    assert published.changed == []


def test_a_missing_alert_is_seen() -> None:
    (fault,) = check_alerts(by_id(alert(1), alert(2)), on_topic(*WINDOWS, alert(1)))
    assert fault.startswith("alert missing: v1:2:0")


def test_a_missing_revision_is_seen() -> None:
    (fault,) = check_alerts(by_id(alert(1), alert(1, revision=1)), on_topic(*WINDOWS, alert(1)))
    assert fault.startswith("alert missing: v1:1:1")


def test_an_alert_of_a_window_that_is_still_open_is_not_due() -> None:
    assert check_alerts(by_id(alert(1, start="00:30")), on_topic(*WINDOWS)) == []


def test_an_alert_about_how_labels_come_is_due_by_the_windows_of_labels() -> None:
    expected = by_id(alert(1, kind="data_quality", check="label_conflicts"))
    assert check_alerts(expected, on_topic(*WINDOWS, window("00:10", 5, "errors"))) == []
    (fault,) = check_alerts(expected, on_topic(*WINDOWS, window("00:10", 5, "labels")))
    assert fault.startswith("alert missing: v1:1:0")
    assert {LABEL_COVERAGE, LABEL_LAG, *(share.check for share in SHARES)} == LABEL_CHECKS


def test_an_alert_that_nothing_calls_for_is_seen() -> None:
    (fault,) = check_alerts({}, on_topic(*WINDOWS, alert(3)))
    assert fault.startswith("alert that nothing calls for: v1:3:0")


def test_an_alert_about_the_monitor_itself_may_come() -> None:
    assert check_alerts({}, on_topic(*WINDOWS, alert(3, kind="monitor_integrity"))) == []


def test_an_alert_with_other_data_is_seen() -> None:
    other = alert(1)
    other["data"]["evidence"] = {"value": 2}
    (fault,) = check_alerts(by_id(alert(1)), on_topic(*WINDOWS, other))
    assert fault.endswith("differs: /evidence/value: expected 1, got 2")


def test_an_alert_about_the_monitor_itself_may_come_again_with_newer_figures() -> None:
    first, again = (alert(1, kind="monitor_integrity") for _ in range(2))
    again["data"]["evidence"] = {"value": 2}
    published = on_topic(first, again)
    assert (published.changed, published.repeats) == ([], 1)


def test_an_id_that_comes_again_with_other_bytes_is_seen() -> None:
    other = alert(1)
    other["data"]["evidence"] = {"value": 2}
    (fault,) = on_topic(alert(1), other).changed
    assert "came again at 0:1 with other bytes: /data/evidence/value: expected 1, got 2" in fault


def test_a_missing_an_alien_and_a_wrong_window_are_seen() -> None:
    expected = {("predictions", "00:00"): 1, ("predictions", "00:10"): 5, ("predictions", "00:20"): 8}
    published = on_topic(*WINDOWS, window("00:15", 1))
    assert check_windows(expected, published) == [
        "window missing: ('predictions', '00:00')",
        "window that nobody expects: ('predictions', '00:15')",
        "window ('predictions', '00:20'): expected 8 events, got 7",
    ]


def letter(topic: str, offset: int, value: bytes) -> tuple[str, int, int, None, bytes]:
    data = {"id": f"{topic}:0:{offset}", "topic": topic, "partition": 0, "offset": offset}
    return ("letters", 0, 0, None, json.dumps({**data, "sha256": hashlib.sha256(value).hexdigest()}).encode())


def test_dead_letters_are_the_refused_records_and_no_others() -> None:
    events = generate(StreamSpec(predictions=20, poison=0.0, unknown_models=0.0))
    good = events.predictions[0][1]
    raw = {("predictions", 0, 0): good, ("predictions", 0, 1): b"{", ("labels", 0, 0): b"[]"}
    right = [letter("predictions", 1, b"{"), letter("labels", 0, b"[]")]
    assert check_dead_letters(raw, "labels", right) == []
    assert check_dead_letters(raw, "labels", [right[0], right[0], right[1]]) == []
    assert check_dead_letters(raw, "labels", right[:1]) == ["dead letter missing: ('labels', 0, 0) (decode)"]
    (alien,) = check_dead_letters(raw, "labels", [*right, letter("predictions", 0, good)])
    assert alien == "dead letter of a good record: ('predictions', 0, 0)"
    (spoilt,) = check_dead_letters(raw, "labels", [right[0], letter("labels", 0, b"[1]")])
    assert spoilt == "dead letter of ('labels', 0, 0) holds other bytes"


def test_one_count_that_is_off_by_one_is_seen() -> None:
    events = generate(StreamSpec(predictions=3_000, label_horizon_s=60.0))
    values = [value for _, value in events.predictions], [value for _, value in events.labels]
    report: Any = recount(*values, RULES)
    counted = report["models"]["fraud"]
    assert compare_counts(counted, counted) == []
    other = copy.deepcopy(counted)
    other["versions"]["7"]["joined"] += 1
    (fault,) = compare_counts(counted, other)
    assert fault.startswith("/versions/7/joined")
