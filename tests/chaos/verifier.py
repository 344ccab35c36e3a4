"""Says what is wrong after a run. Imports nothing of the product: topics are read raw, the rest is `status --json`.

Each check takes plain values and returns lines, one per fault found, so that a test can hand it a fault.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from builders.site import RULES
from independent.recount import Record
from independent.rejections import refusal

SHOWN: Final = 8
"""Of each kind of fault, so many are listed one by one."""

MAY_COME: Final = {"monitor_integrity", "monitor_lag"}
"""Kinds of alert about the monitor itself, which a fault may raise.

They are about now, so one that is told again after a roll-back keeps its id and may carry newer figures."""

ERROR_KINDS: Final = {"performance", "calibration", "label_drift", "version_regression"}
"""Kinds of alert that are found in windows by label arrival; the others in windows by prediction time."""

LABEL_CHECKS: Final = {
    "label_coverage", "label_lag", "late_labels", "orphan_labels", "label_duplicates", "label_conflicts",
    "label_corrections",
}  # fmt: skip
"""Checks of how labels come, which are found in windows of labels."""

Events = dict[str, dict[str, Any]]
"""CloudEvents by id."""

WindowKey = tuple[str, str]
"""Stream and start."""


@dataclass(slots=True)
class Published:
    """What was on the alerts topic.

    Parameters
    ----------
    alerts, windows
        By CloudEvents id; windows are `window_complete` records.
    repeats
        How many records came again.
    changed
        A line for each id that came again with other bytes.
    """

    alerts: Events = field(default_factory=dict)
    windows: Events = field(default_factory=dict)
    repeats: int = 0
    changed: list[str] = field(default_factory=list)

    def closed_until(self) -> dict[str, str]:
        """Return the start of the last window closed, by stream."""
        last: dict[str, str] = {}
        for event in self.windows.values():
            data = event["data"]
            last[data["stream"]] = max(last.get(data["stream"], ""), data["window"]["start"])
        return last


def read_published(records: Iterable[Record]) -> Published:
    """Take the alerts topic in, record by record."""
    published, bytes_of = Published(), dict[str, bytes]()
    for _, partition, offset, _, value in records:
        event = json.loads(value or b"")
        name = event["id"]
        group = published.windows if event["type"] == "io.watchkeeper.window_complete" else published.alerts
        if name in bytes_of:
            published.repeats += 1
            if bytes_of[name] != value and event["data"].get("kind") not in MAY_COME:
                fault = f"{name} came again at {partition}:{offset} with other bytes"
                published.changed.append(f"{fault}: {'; '.join(differences(group[name], event))}")
        else:
            bytes_of[name] = value or b""
            group[name] = event
    return published


def check_alerts(expected: Mapping[str, Any], published: Published) -> list[str]:
    """Compare alerts with those of a replay: none missing that is due, none of another's, each with its data.

    Parameters
    ----------
    expected
        The replay's alert events by id.
    """
    closed = published.closed_until()
    due = {name: event for name, event in expected.items() if _is_due(event, closed)}
    seen = {n: e for n, e in published.alerts.items() if e["data"]["kind"] not in MAY_COME}
    faults = [f"alert missing: {_named(due[name])}" for name in due.keys() - seen.keys()]
    faults += [
        f"alert that nothing calls for: {_named(seen[name])}" for name in seen.keys() - expected.keys()
    ]
    for name in seen.keys() & expected.keys():
        if found := differences(expected[name]["data"], seen[name]["data"]):
            faults.append(f"alert {_named(seen[name])} differs: {'; '.join(found)}")
    return faults


def check_windows(expected: Mapping[WindowKey, Any], published: Published) -> list[str]:
    """Compare the records of closed windows with those of a replay, up to the last one on the topic."""
    closed = published.closed_until()
    seen = {
        (e["data"]["stream"], e["data"]["window"]["start"]): e["data"]["window"]["n"]
        for e in published.windows.values()
    }
    due = {key for key in expected if key[1] <= closed.get(key[0], "")}
    faults = [f"window missing: {key}" for key in sorted(due - seen.keys())]
    faults += [f"window that nobody expects: {key}" for key in sorted(seen.keys() - expected.keys())]
    faults += [
        f"window {key}: expected {expected[key]} events, got {seen[key]}"
        for key in sorted(seen.keys() & expected.keys())
        if seen[key] != expected[key]
    ]
    return faults


def check_dead_letters(
    raw: Mapping[tuple[str, int, int], bytes | None], labels_topic: str, letters: Iterable[Record]
) -> list[str]:
    """Compare the dead letters with the records that the contract refuses: the same, and each whole.

    Parameters
    ----------
    raw
        Both topics: (topic, partition, offset) to value.
    """
    refused = {
        place: reason
        for place, value in raw.items()
        if (reason := refusal(value, RULES, is_label=place[0] == labels_topic)) is not None
    }
    found: dict[tuple[str, int, int], str] = {}
    faults = []
    for _, _, _, _, data in letters:
        letter = json.loads(data or b"")
        place = (letter["topic"], letter["partition"], letter["offset"])
        if found.setdefault(place, letter["id"]) != letter["id"]:
            faults.append(f"dead letter of {place} has two ids")
        if hashlib.sha256(raw.get(place) or b"").hexdigest() != letter["sha256"]:
            faults.append(f"dead letter of {place} holds other bytes")
    faults += [f"dead letter missing: {place} ({refused[place]})" for place in refused.keys() - found.keys()]
    faults += [f"dead letter of a good record: {place}" for place in found.keys() - refused.keys()]
    return faults


def differences(expected: Any, actual: Any, at: str = "") -> list[str]:
    """List the leaves at which two JSON values differ."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return [
            line
            for key in sorted(expected.keys() | actual.keys())
            for line in differences(expected.get(key), actual.get(key), f"{at}/{key}")
        ]
    return [] if expected == actual else [f"{at}: expected {expected!r}, got {actual!r}"]


def summarized(faults: list[str]) -> list[str]:
    """Keep a list readable."""
    shown = sorted(faults)[:SHOWN]
    return shown if len(shown) == len(faults) else [*shown, f"and {len(faults) - SHOWN} more of this kind"]


def _is_due(event: Mapping[str, Any], closed: Mapping[str, str]) -> bool:
    data = event["data"]
    stream = "errors" if data["kind"] in ERROR_KINDS else "predictions"
    stream = "labels" if data["check"] in LABEL_CHECKS else stream
    return str(data["window"]["start"]) <= closed.get(stream, "")


def _named(event: Mapping[str, Any]) -> str:
    data = event["data"]
    what = f"{data['kind']}/{data['check']} {data['feature'] or ''} version {data['version']}"
    return f"{event['id']} ({data['status']}, {what}, window {data['window']['start']})"
