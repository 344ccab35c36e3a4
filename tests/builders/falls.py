"""A model whose answers get worse for a reason that the test knows, and what its alerts say in a replay."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

import numpy as np
from builders.part_traffic import MINUTE_MS, NOON_MS, Outcome

from consumers.plan import plan_model
from detectors.profile import ReferenceProfile
from detectors.profile_build import ProfileBuilder
from detectors.profile_values import Answers, RowBatch
from schemas.settings import Settings
from watchkeeper.event_files import EventBatch
from watchkeeper.policy import policies
from watchkeeper.replay import Replay

SETTINGS: Final = Settings.model_validate(
    {
        "models": {
            "fraud": {
                "task": "binary",
                "positive_class": "fraud",
                "classes": {"fraud": ["fraud"], "ok": ["ok"]},
                "segments": ["channel"],
                "allowed_lateness": "30s",
                "label_horizon": "3h",
                "cohort_window": "10m",
            }
        }
    }
)
CHANNELS: Final = {"app": 0.6, "shop": 0.35, "web": 0.05}
Row = dict[str, Any]
Side = tuple[list[Any], list[Any]]
"""Lines of a topic, and their ids."""
IMPORTANCES: Final = {"amount": 0.5, "age": 0.3, "income": 0.15, "country": 0.05}


def drawn(rng: np.random.Generator, n: int) -> list[Row]:
    """Return rows as they truly are."""
    columns: dict[str, list[Any]] = {
        "amount": rng.normal(100, 30, n).tolist(),
        "age": rng.normal(40, 12, n).tolist(),
        "income": rng.lognormal(8, 0.5, n).tolist(),
        "country": rng.choice(["DE", "FR", "IT"], n, p=[0.6, 0.3, 0.1]).tolist(),
    }
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def answer(row: Row) -> str:
    """Return what the model says of a row as it sees it; without an amount it guesses."""
    amount, age = row["amount"], row["age"]
    if amount is None:
        return "ok"
    return "fraud" if (amount - 100) / 30 + 0.6 * (age - 40) / 12 > 0.7 else "ok"


def truth(row: Row, luck: float, wrong: float = 0.08) -> str:
    """Return what turns out to be true: what the model would say of the true row, but for a share of the rows."""
    right = answer(row)
    return right if luck >= wrong else {"ok": "fraud", "fraud": "ok"}[right]


@cache
def reference() -> ReferenceProfile:
    """Return the profile of usual rows, spread over the two days before the stream."""
    rng = np.random.default_rng(7)
    rows = drawn(rng, 8_000)
    times = NOON_MS - np.sort(rng.integers(1, 2 * 1440 * MINUTE_MS, len(rows)))[::-1]
    predicted = [answer(row) for row in rows]
    answers = Answers(
        truth=[truth(row, luck) for row, luck in zip(rows, rng.random(len(rows)).tolist(), strict=True)],
        predicted=list(predicted),
    )
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    batch = RowBatch(len(rows), columns, answers, times)
    builder = ProfileBuilder.of(SETTINGS.models["fraud"])
    builder.sample(batch)
    builder.count(batch)
    return builder.finish()


@dataclass(slots=True)
class Fall:
    """What comes in each minute.

    Parameters
    ----------
    seen
        By minute, channel and true row: the row as the model sees it.
    wrong
        Share of wrong answers by minute and channel, beside those that what is seen brings.
    lag
        Minutes until a label comes.
    """

    seen: Callable[[int, str, Row], Row] = lambda _minute, _channel, row: row
    wrong: Callable[[int, str], float] = lambda _minute, _channel: 0.08
    lag: int = 0
    per_minute: int = 100
    seed: int = 1

    def minutes(self, count: int) -> Iterator[tuple[list[bytes], list[bytes], list[str], list[str]]]:
        """Yield predictions and labels with their ids, minute by minute."""
        rng = np.random.default_rng(self.seed)
        waiting: list[list[tuple[str, bytes]]] = []
        for minute in range(count):
            rows = drawn(rng, self.per_minute)
            channels = rng.choice(list(CHANNELS), self.per_minute, p=list(CHANNELS.values())).tolist()
            predictions, labels = [], []
            for n, (row, channel, luck) in enumerate(
                zip(rows, channels, rng.random(self.per_minute).tolist(), strict=True)
            ):
                name, at_ms = f"{minute}-{n}", minute * MINUTE_MS + n * MINUTE_MS // self.per_minute
                base = {"prediction_id": name, "model": "fraud", "time": NOON_MS + at_ms}
                seen = self.seen(minute, channel, row)
                said = {"features": seen, "output": {"label": answer(seen)}}
                event = base | {"version": "7", "segments": {"channel": channel}} | said
                true = truth(row, luck, self.wrong(minute, channel))
                label = base | {"time": NOON_MS + at_ms + self.lag * MINUTE_MS, "label": true}
                predictions.append((name, json.dumps(event).encode()))
                labels.append((name, json.dumps(label).encode()))
            waiting.append(labels)
            due = waiting[minute - self.lag] if minute >= self.lag else []
            names, lines = zip(*predictions, strict=True)
            yield list(lines), [line for _, line in due], list(names), [name for name, _ in due]


def replayed(
    fall: Fall,
    minutes: int,
    *,
    importances: Mapping[str, float] | None = IMPORTANCES,
    partitions: int = 1,
    batch: int = 1,
    labels_behind: int = 0,
) -> Outcome:
    """Run the minutes, some to a batch, through partitions and an evaluator that live in memory.

    Parameters
    ----------
    labels_behind
        So many batches later than predictions of the same time are labels read.
    """
    profile = replace(reference(), importances=importances or {})
    plans = {"fraud": plan_model(SETTINGS.models["fraud"], profile)}
    replay = Replay(plans, partitions=partitions, policies=policies(SETTINGS, plans))
    batches = list(_batches(fall, minutes, batch))
    late: list[Side] = [([], [])] * labels_behind
    sides = zip(
        [predictions for predictions, _ in batches] + late,
        late + [labels for _, labels in batches],
        strict=True,
    )
    result = replay.run(_batch(*pair, partitions) for pair in sides)
    return Outcome(result.events, result.windows)


def _batches(fall: Fall, minutes: int, size: int) -> Iterator[tuple[Side, Side]]:
    found = list(fall.minutes(minutes))
    for start in range(0, minutes, size):
        lines, labels, names, label_names = (
            [value for part in column for value in part]
            for column in zip(*found[start : start + size], strict=True)
        )
        yield (lines, names), (labels, label_names)


def _batch(predictions: Side, labels: Side, partitions: int) -> EventBatch:
    parts = [
        np.array([zlib.crc32(str(name).encode()) % partitions for name in names], dtype=np.int64)
        for _, names in (predictions, labels)
    ]
    return EventBatch(predictions[0], labels[0], parts[0], parts[1], NOON_MS)
