"""The traffic of a run: every kind of disorder, two incidents, when each event is due, and what must come of it."""

from __future__ import annotations

import heapq
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

from builders.site import PARTITIONS, Site, traffic
from chaos.scene import TOPICS, write_settings
from chaos.schedule import Order
from independent.stream import NEGATIVE_CLASS, POSITIVE_CLASS, Stream, generate, write_jsonl

CALM_EVENTS: Final = 8_000
"""Events that the profile is built from."""

BROKEN_FEATURE: Final = "n0"
UNIT_CHANGE_S: Final = (600, 1500)
"""In this part of the traffic one feature comes in another unit, as an upstream release does it."""

SWAPPED_LABELS_S: Final = (900, 1800)
"""Labels that arrive in this part say the opposite."""

_FEATURE = re.compile(rb'"%s":(-?[0-9.]+)' % BROKEN_FEATURE.encode())
_LABEL = re.compile(rb'"label":"(%s|%s)"' % (POSITIVE_CLASS.encode(), NEGATIVE_CLASS.encode()))


@dataclass(frozen=True, slots=True)
class Traffic:
    """Events, and what a replay of them in files comes to.

    Parameters
    ----------
    profile
        The model's profile, of calm traffic before.
    alerts
        Alert events by id.
    windows
        Stream and start to number of events.
    """

    events: Stream
    profile: Path
    alerts: dict[str, Any]
    windows: dict[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class Due:
    """An event and when it is sent, in seconds after the first."""

    at_s: float
    is_label: bool
    partition: int
    key: bytes
    value: bytes


def prepare(folder: Path, predictions: int, *, seed: int) -> Traffic:
    """Make a seed's traffic and let the product replay it; the profile is built once per folder."""
    site = Site(folder, "127.0.0.1:1", "redis://127.0.0.1:1/0", {name: name for name in TOPICS})
    profile = folder / "fraud.json"
    write_settings(site, profile=profile)
    if not profile.exists():
        _build_profile(site, profile)
    events = incident_traffic(predictions, seed=seed)
    alerts, report = _replay(site, events)
    return Traffic(
        events,
        profile,
        {event["id"]: event for event in alerts},
        {(window["stream"], window["start"]): window["n"] for window in report["windows"]},
    )


def _build_profile(site: Site, profile: Path) -> None:
    calm, labels = site.folder / "calm.jsonl", site.folder / "calm-labels.jsonl"
    write_jsonl(generate(traffic(CALM_EVENTS, seed=99, poison=0.0, unknown_models=0.0)), calm, labels)
    site.run(
        "profile", "--config", str(site.config), "--model", "fraud", "--input", str(calm),
        "--labels", str(labels), "--out", str(profile),
    )  # fmt: skip


def _replay(site: Site, events: Stream) -> tuple[list[Any], Any]:
    names = ("predictions.jsonl", "labels.jsonl", "alerts.jsonl", "report.json")
    predictions, labels, alerts, report = (site.folder / name for name in names)
    write_jsonl(events, predictions, labels)
    site.run(
        "replay", "--config", str(site.config), "--predictions", str(predictions), "--labels", str(labels),
        "--alerts", str(alerts), "--report", str(report), "--partitions", str(PARTITIONS),
    )  # fmt: skip
    return [json.loads(line) for line in alerts.read_bytes().splitlines()], json.loads(report.read_bytes())


def incident_traffic(predictions: int, *, seed: int) -> Stream:
    """Return the seed's stream with both incidents in it."""
    spec = traffic(predictions, seed=seed)
    events = generate(spec)
    return Stream(
        [
            (key, _other_unit(value) if _within(at_ms - spec.start_ms, UNIT_CHANGE_S) else value)
            for (key, value), at_ms in zip(events.predictions, events.prediction_arrivals_ms, strict=True)
        ],
        [
            (key, _swapped(value) if _within(at_ms - spec.start_ms, SWAPPED_LABELS_S) else value)
            for (key, value), at_ms in zip(events.labels, events.label_arrivals_ms, strict=True)
        ],
        events.prediction_arrivals_ms,
        events.label_arrivals_ms,
    )


def _within(since_ms: float, span_s: tuple[int, int]) -> bool:
    return span_s[0] * 1000 <= since_ms < span_s[1] * 1000


def _other_unit(value: bytes) -> bytes:
    return _FEATURE.sub(lambda m: b'"%s":%.6f' % (BROKEN_FEATURE.encode(), float(m[1]) / 100), value)


def _swapped(value: bytes) -> bytes:
    other = {
        POSITIVE_CLASS.encode(): NEGATIVE_CLASS.encode(),
        NEGATIVE_CLASS.encode(): POSITIVE_CLASS.encode(),
    }
    return _LABEL.sub(lambda m: b'"label":"%s"' % other[m[1]], value)


def closing_targets_ms(events: Stream) -> dict[str, float]:
    """Return up to which event time each stream of windows must have been closed when all has been read."""
    end_ms = max(events.prediction_arrivals_ms)
    return {"predictions": end_ms - 180_000, "errors": end_ms + 2_400_000}


def timetable(events: Stream, order: Order, duration_s: float) -> Iterator[Due]:
    """Yield every event in the order in which it is sent, spread evenly over the run.

    A topic that is far ahead of the other is sent at once, at the very beginning.
    """
    predictions = _entries(events.predictions, events.prediction_arrivals_ms, is_label=False)
    labels = _entries(events.labels, events.label_arrivals_ms, is_label=True)
    at_once: list[tuple[float, bool, bytes, bytes]] = []
    if order == "together":
        paced = list(heapq.merge(predictions, labels, key=itemgetter(0)))
    elif order == "labels far ahead":
        at_once, paced = labels, predictions
    else:
        at_once, paced = predictions, labels
    for place, (_, is_label, key, value) in enumerate([*at_once, *paced], start=-len(at_once)):
        at_s = max(0.0, place * duration_s / len(paced))
        yield Due(at_s, is_label, zlib.crc32(key) % PARTITIONS, key, value)


def _entries(
    log: list[tuple[bytes, bytes]], arrivals_ms: list[float], *, is_label: bool
) -> list[tuple[float, bool, bytes, bytes]]:
    return [(at_ms, is_label, key, value) for (key, value), at_ms in zip(log, arrivals_ms, strict=True)]
