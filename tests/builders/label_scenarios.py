"""Stories of labels, each a model of its own, with what they come to worked out by hand.

All models live side by side in one pair of topics, from 2 March 2026 on; the last event of all is a prediction of `month`, fifty
days later. So every other prediction without a label has expired by then.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from builders.part_traffic import profile

from detectors.profile import ReferenceProfile

SECOND: Final = 1_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
START: Final = 1_772_409_600_000
"""2 March 2026, midnight."""

Keyed = tuple[int, bytes, bytes]
"""When it is sent, key and value."""


@dataclass
class Story:
    """One model, its events, and what they come to.

    Parameters
    ----------
    versions
        By version: the counts that are not 0, and the metrics that are worth a look.
    days
        By day since the start: (predictions, labelled ones) of all versions.
    fires
        Alerts: (kind, version, segment).
    """

    model: str
    versions: dict[str, dict[str, Any]]
    orphans: int = 0
    settings: str = ""
    reference: ReferenceProfile | None = None
    days: dict[int, tuple[int, int]] = field(default_factory=dict)
    fires: set[tuple[str, str | None, str | None]] = field(default_factory=set)
    predictions: list[Keyed] = field(default_factory=list)
    labels: list[Keyed] = field(default_factory=list)

    def predict(self, name: str, at: int, answer: str, *, version: str = "1", **more: Any) -> None:
        """Add a prediction, `at` milliseconds after the start."""
        event = {"version": version, "output": {"label": answer}, **more}
        self._add(self.predictions, name, at, at, event)

    def label(self, name: str, at: int, truth: str, *, sent: int | None = None, revision: int = 0) -> None:
        """Add a label, sent at its own time if no other is given."""
        self._add(self.labels, name, at, at if sent is None else sent, {"label": truth, "revision": revision})

    def _add(self, side: list[Keyed], name: str, at: int, sent: int, event: dict[str, Any]) -> None:
        key = f"{self.model}-{name}"
        value = {"prediction_id": key, "model": self.model, "time": START + at, **event}
        side.append((START + sent, key.encode(), json.dumps(value).encode()))


def early() -> Story:
    """Return labels that come before their predictions, and some whose predictions never come."""
    counts = {"predictions": 100, "labels": 100, "joined": 100, "duplicate_predictions": 7, "ok": 100}
    story = Story("early", {"1": {**counts, "accuracy": 0.8, "recall": 0.8}}, orphans=5, days={0: (100, 100)})
    for i in range(105):
        story.label(str(i), i * MINUTE, "fraud")
    for i in (*range(100), *range(7)):
        story.predict(str(i), 3 * HOUR + i * SECOND, "ok" if i % 5 == 0 else "fraud")
    return story


def month() -> Story:
    """Return labels a month late, within the horizon of forty days, beyond it, and beyond the memory of seven days more.

    A hundred predictions every twelve hours, labelled an hour later, let the time pass; the last one is not labelled.
    """
    counts = {
        "predictions": 200, "labels": 189, "joined": 159, "late": 30, "expired": 40, "pending": 1, "ok": 200,
        "accuracy": 144 / 159,
    }  # fmt: skip
    story = Story(
        "month", {"1": counts}, orphans=10, settings="label_horizon: 40d, labels: {late_memory: 7d}",
        days={0: (101, 61), 1: (2, 2), 49: (2, 2), 50: (1, 0)},
    )  # fmt: skip
    for i in range(100):
        story.predict(str(i), i * MINUTE, "fraud")
        days = 30 if i < 60 else 45 if i < 90 else 48
        story.label(str(i), i * MINUTE + days * DAY, "ok" if i % 4 == 0 else "fraud")
    for i in range(1, 101):
        story.predict(f"tick{i}", i * DAY // 2, "fraud")
        if i < 100:
            story.label(f"tick{i}", i * DAY // 2 + HOUR, "fraud")
    story.labels.sort(key=lambda one: one[0])
    return story


def conflicts() -> Story:
    """Return labels of which three in a hundred are contradicted, under the same revision."""
    counts = {"predictions": 200, "labels": 206, "joined": 200, "conflicts": 6, "ok": 200}
    story = Story("conflicts", {"1": {**counts, "accuracy": 0.9}}, days={0: (200, 200)})
    for i in range(200):
        truth = "ok" if i % 10 == 0 else "fraud"
        story.predict(str(i), i * SECOND, "fraud")
        story.label(str(i), HOUR + i * SECOND, truth)
        if i < 6:
            story.label(str(i), HOUR + i * SECOND, "fraud" if truth == "ok" else "ok")
    return story


def missing() -> Story:
    """Return predictions of which two in five get no label."""
    counts = {"predictions": 100, "labels": 60, "joined": 60, "expired": 40, "ok": 100}
    story = Story("missing", {"1": {**counts, "accuracy": 0.5}}, days={0: (100, 60)})
    for i in range(100):
        story.predict(str(i), i * MINUTE, "fraud" if i % 2 else "ok")
        if i < 60:
            story.label(str(i), i * MINUTE + HOUR, "fraud")
    return story


def corrected() -> Story:
    """Return labels that are corrected twice; ten of the last ones are sent again."""
    counts = {
        "predictions": 100, "labels": 310, "joined": 100, "corrections": 200, "duplicate_labels": 10, "ok": 100,
        "accuracy": 0.7,
    }  # fmt: skip
    story = Story("corrected", {"1": counts}, days={0: (100, 100)})
    for i in range(100):
        story.predict(str(i), i * MINUTE, "fraud")
    for revision in range(3):
        for i in range(100):
            truth = "ok" if revision < 2 or i < 30 else "fraud"
            story.label(str(i), (2 + revision) * HOUR + i * SECOND, truth, revision=revision)
    for i in range(10):
        story.label(str(i), 5 * HOUR + i * SECOND, "ok", revision=2)
    return story


def one_class() -> Story:
    """Return labels that are all of one class, so that nothing is to be recalled."""
    counts = {"predictions": 100, "labels": 100, "joined": 100, "ok": 100}
    story = Story(
        "one_class",
        {"1": {**counts, "accuracy": 0.9, "precision": 0.0, "recall": None}},
        days={0: (100, 100)},
    )
    for i in range(100):
        story.predict(str(i), i * MINUTE, "fraud" if i % 10 == 0 else "ok")
        story.label(str(i), i * MINUTE + HOUR, "ok")
    return story


def silent() -> Story:
    """Return predictions whose silence means "ok" after two days, and of which some never get a label.

    Seventy of ninety answers are right: twenty "fraud" that are labelled so, and fifty "ok" of the seventy that nobody
    speaks of. Ten were declined.
    """
    counts = {
        "predictions": 100, "labels": 20, "joined": 20, "implicit": 70, "unobservable": 10, "ok": 100,
        "accuracy": 7 / 9, "precision": 0.5, "recall": 1.0,
    }  # fmt: skip
    rules = "labels: {implicit: {class: ok, after: 2d}, unlabelled_when: {decision: [decline]}}"
    story = Story("silent", {"1": counts}, settings=rules, days={0: (100, 90)})
    for i in range(100):
        decision = "decline" if i >= 90 else "accept"
        said = "fraud" if i < 40 else "ok"
        story.predict(str(i), i * MINUTE, said, output={"label": said, "decision": decision})
        if i < 20:
            story.label(str(i), i * MINUTE + DAY, "fraud")
    return story


def _minutes(
    story: Story, minutes: int, per_minute: int, wrong: Callable[[int, int], bool], **more: Any
) -> None:
    """Add so many predictions a minute with prompt labels, one in three of them "fraud"; `more` are functions of (minute, place)."""
    for minute in range(minutes):
        for i in range(per_minute):
            at, name = minute * MINUTE + i * MINUTE // per_minute, f"{minute}-{i}"
            truth, other = ("fraud", "ok") if (i // 5) % 3 == 0 else ("ok", "fraud")
            said = other if wrong(minute, i) else truth
            story.predict(name, at, said, **{key: value(minute, i) for key, value in more.items()})
            story.label(name, at, truth)


def _is_new(i: int) -> bool:
    """Return whether version 2 answers an event: every fifth."""
    return i % 5 == 4


def _rolled_out(story: Story, minutes: int, until: int) -> None:
    """Add a version 2 from minute 10 on that is wrong in three fifths of its answers, version 1 in a fifth; a minute has a hundred events."""

    def version(minute: int, i: int) -> str:
        return "2" if 10 <= minute < until and _is_new(i) else "1"

    def wrong(minute: int, i: int) -> bool:
        turn = (i // 5 + minute) % 5
        return turn < 3 if version(minute, i) == "2" else turn == 0

    _minutes(story, minutes, 100, wrong, version=version)


def release() -> Story:
    """Return a bad version that takes a fifth of the traffic and is rolled back after fifteen minutes.

    That version 2 is worse than its reference is one alert, and that it is worse than version 1 was at the same time another one.
    """
    story = Story(
        "release",
        {
            "1": {"predictions": 2_700, "labels": 2_700, "joined": 2_700, "ok": 2_700, "accuracy": 0.8},
            "2": {"predictions": 300, "labels": 300, "joined": 300, "ok": 300, "accuracy": 0.4},
        },
        reference=replace(profile({}, wrong=0.2), model="release"),
        days={0: (3_000, 3_000)},
        fires={("performance", "2", None), ("version_regression", "2", None)},
    )
    _rolled_out(story, 30, until=25)
    return story


def rollout() -> Story:
    """Return the same version when nobody rolls it back; in time it moves the whole model."""
    story = Story("rollout", {}, reference=replace(profile({}, wrong=0.2), model="rollout"))
    _rolled_out(story, 36, until=36)
    return story


def segment() -> Story:
    """Return a segment of a twentieth of the traffic whose answers go from a fifth to three fifths wrong after ten minutes.

    A minute has 300 events, fifteen of them of the shop. The first ten minutes have 600 wrong answers of 3,000; the
    other twenty 1,140 of 5,700 in the web and 180 of 300 in the shop: 7,080 of 9,000 are right.
    """

    def is_shop(i: int) -> bool:
        return i % 20 == 19

    def wrong(minute: int, i: int) -> bool:
        turn = (i // 20 + minute) % 5 if is_shop(i) else (i + minute) % 5
        return turn < 3 if is_shop(i) and minute >= 10 else turn == 0

    counts = {"predictions": 9_000, "labels": 9_000, "joined": 9_000, "ok": 9_000}
    story = Story(
        "segment",
        {"1": {**counts, "accuracy": 7_080 / 9_000}},
        settings="segments: [channel]",
        reference=replace(profile({"channel=web": 0.2, "channel=shop": 0.2}, wrong=0.2), model="segment"),
        days={0: (9_000, 9_000)},
        fires={("performance", None, "channel=shop")},
    )
    _minutes(story, 30, 300, wrong, segments=lambda _minute, i: {"channel": "shop" if is_shop(i) else "web"})
    return story


def stories() -> list[Story]:
    """Return all of them."""
    return [
        early(),
        month(),
        conflicts(),
        missing(),
        corrected(),
        one_class(),
        silent(),
        release(),
        segment(),
    ]


SHARED: Final = "task: binary, positive_class: fraud, classes: {fraud: [fraud], ok: [ok]}"


def models_yaml(some: list[Story]) -> str:
    """Return the `models` part of the settings."""
    return "".join(
        f"  {story.model}: {{{', '.join(filter(None, (SHARED, story.settings, _profile(story))))}}}\n"
        for story in some
    )


def _profile(story: Story) -> str:
    return f"profile: {story.model}.json" if story.reference else ""


def merged(some: list[Story]) -> Iterator[list[Keyed]]:
    """Yield the predictions and then the labels of all, each in the order in which they are sent."""
    for sides in ([story.predictions for story in some], [story.labels for story in some]):
        yield sorted((one for side in sides for one in side), key=lambda one: one[0])


ZEROS: Final = dict.fromkeys(
    ("predictions", "labels", "joined", "implicit", "unobservable", "duplicate_predictions", "duplicate_labels",
     "corrections", "conflicts", "late", "expired", "pending", "ok", "fallback", "error"), 0
)  # fmt: skip


def flat(row: dict[str, Any], metrics: Iterator[str]) -> dict[str, Any]:
    """Return a version of a report, or of `status`, in the form of `Story.versions`."""
    twice = {f"duplicate_{name}": n for name, n in row["duplicates"].items()}
    plain = {name: row[name] for name in ZEROS if name in row}
    return {**plain, **twice, **row["status"], **{name: row["metrics"].get(name) for name in metrics}}
