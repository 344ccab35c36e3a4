"""Events of a model with segments and versions, and what becomes of them in a replay."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from consumers.closing import ClosedRecord
from consumers.plan import plan_model
from detectors.profile import ReferenceProfile
from detectors.rhythm import BET_SIZES, Rhythm
from detectors.segments import SegmentReference
from schemas.model_settings import ModelSettings
from schemas.settings import Settings
from watchkeeper.event_files import EventBatch
from watchkeeper.policy import policies
from watchkeeper.replay import Replay

MINUTE_MS: Final = 60_000
NOON_MS: Final = 1_793_534_400_000
SETTINGS: Final = Settings.model_validate(
    {
        "models": {
            "fraud": {
                "task": "binary",
                "positive_class": "fraud",
                "segments": ["channel"],
                "allowed_lateness": "30s",
                "label_horizon": "1h",
            }
        }
    }
)
MODEL: Final[ModelSettings] = SETTINGS.models["fraud"]
CALM: Final = Rhythm(inflation=(1.0,) * (2 * len(BET_SIZES)), rate=1.0)


def confusion(n: int, wrong: float) -> tuple[tuple[str, str, int], ...]:
    """Return the answers to n rows, a third of them fraud, of which such a share is wrong."""
    fraud, ok = n // 3, n - n // 3
    bad = [round(wrong * ok), round(wrong * fraud)]
    return (
        ("fraud", "fraud", fraud - bad[1]),
        ("fraud", "ok", bad[0]),
        ("ok", "fraud", bad[1]),
        ("ok", "ok", ok - bad[0]),
    )


def profile(segments: Mapping[str, float], *, wrong: float = 0.1, rows: int = 20_000) -> ReferenceProfile:
    """Return a reference in which so large a share of each segment's answers is wrong."""
    return ReferenceProfile(
        "fraud",
        "binary",
        10 * rows,
        (),
        labelled=10 * rows,
        metrics={"accuracy": 1 - wrong},
        classes=("ok", "fraud"),
        confusion=confusion(10 * rows, wrong),
        error_rhythms={"ok": CALM, "fraud": CALM},
        segments={
            name: SegmentReference(rows, confusion=confusion(rows, share), metrics={"accuracy": 1 - share})
            for name, share in segments.items()
        },
    )


@dataclass(slots=True)
class Traffic:
    """What comes in each minute.

    Parameters
    ----------
    share
        Of the traffic, by a minute, for each value of channel or version.
    wrong, failing
        Share of wrong answers, and of errors, by minute, channel and version.
    """

    channels: Callable[[int], Mapping[str, float]]
    versions: Callable[[int], Mapping[str, float]] = lambda _: {"7": 1.0}
    wrong: Callable[[int, str, str], float] = lambda _minute, _channel, _version: 0.1
    failing: Callable[[int, str, str], float] = lambda _minute, _channel, _version: 0.0
    per_minute: int = 300
    seed: int = 1

    def minutes(self, count: int) -> Iterator[tuple[list[bytes], list[bytes], list[str]]]:
        """Yield predictions, their labels and ids, minute by minute."""
        rng = np.random.default_rng(self.seed)
        for minute in range(count):
            drawn = [
                rng.choice(list(found), self.per_minute, p=list(found.values())).tolist()
                for found in (self.channels(minute), self.versions(minute))
            ]
            predictions: list[bytes] = []
            labels: list[bytes] = []
            ids: list[str] = []
            for n, (channel, version) in enumerate(zip(*drawn, strict=True)):
                name, time_ms = (
                    f"{minute}-{n}",
                    NOON_MS + minute * MINUTE_MS + n * MINUTE_MS // self.per_minute,
                )
                base = {"prediction_id": name, "model": "fraud", "time": time_ms}
                event: dict[str, Any] = {
                    **base,
                    "version": version,
                    "segments": {"channel": channel},
                    "features": {},
                }
                truth = "fraud" if rng.random() < 1 / 3 else "ok"
                other = "ok" if truth == "fraud" else "fraud"
                said = other if rng.random() < self.wrong(minute, channel, version) else truth
                failed = rng.random() < self.failing(minute, channel, version)
                event |= {"status": "error", "error": "x"} if failed else {"output": {"label": said}}
                predictions.append(json.dumps(event).encode())
                labels.append(json.dumps({**base, "label": truth}).encode())
                ids.append(name)
            yield predictions, labels, ids


@dataclass(slots=True)
class Outcome:
    """What a replay found."""

    events: list[bytes] = field(default_factory=list)
    windows: list[ClosedRecord] = field(default_factory=list)

    @property
    def alerts(self) -> list[dict[str, Any]]:
        """The data of every alert event, in order."""
        read = [json.loads(event) for event in self.events]
        return [event["data"] | {"minute": self._minute(event)} for event in read if "alert" in event["type"]]

    @staticmethod
    def _minute(event: Mapping[str, Any]) -> int:
        at = np.datetime64(event["time"].removesuffix("Z"), "ms").astype(np.int64)
        return int((int(at) - NOON_MS) // MINUTE_MS)

    def firing(self) -> list[tuple[str, str | None, str | None]]:
        """Return (check, segment, version) of every alert that fired, in order."""
        return [
            (a["check"], a["segment"], a["version"])
            for a in self.alerts
            if a["status"] == "firing" and a["revision"] == 0
        ]


def replayed(
    traffic: Traffic, minutes: int, reference: ReferenceProfile | None, *, partitions: int = 1
) -> Outcome:
    """Run the minutes through partitions and an evaluator that live in memory."""
    plans = {"fraud": plan_model(MODEL, reference)}
    replay = Replay(plans, partitions=partitions, policies=policies(SETTINGS, plans))
    result = replay.run(minute_batches(traffic.minutes(minutes), partitions))
    return Outcome(result.events, result.windows)


def minute_batches(
    minutes: Iterator[tuple[list[bytes], list[bytes], Sequence[str]]], partitions: int
) -> Iterator[EventBatch]:
    """Yield the minutes as batches, dealt out by id."""
    for minute, (predictions, labels, ids) in enumerate(minutes):
        parts = np.array([zlib.crc32(name.encode()) % partitions for name in ids], dtype=np.int64)
        yield EventBatch(predictions, labels, parts, parts, NOON_MS + minute * MINUTE_MS)
