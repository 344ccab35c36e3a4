"""Stories of labels through `watchkeeper replay`: counts, figures, days and alerts as worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from builders.label_scenarios import DAY, START, ZEROS, Story, flat, merged, models_yaml, stories

from watchkeeper.cli import main
from watchkeeper.loading import load_plans, load_settings
from watchkeeper.report.past import Past, past_from_json

STORIES = {story.model: story for story in stories()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All stories through one replay of three partitions, and one of a single one."""
    place, some = tmp_path_factory.mktemp("stories"), list(STORIES.values())
    config = place / "watchkeeper.yaml"
    config.write_text(f"models:\n{models_yaml(some)}")
    for story in some:
        if story.reference is not None:
            (place / f"{story.model}.json").write_text(story.reference.to_json())
    for name, events in zip(("p", "l"), merged(some), strict=True):
        (place / f"{name}.jsonl").write_bytes(b"".join(value + b"\n" for _, _, value in events))
    files = {
        "predictions": "p.jsonl",
        "labels": "l.jsonl",
        "alerts": "a.jsonl",
        "past": "past.json",
    }
    for partitions in ("1", "3"):
        files |= {"report": f"r{partitions}.json"}
        options = [part for name, file in files.items() for part in (f"--{name}", str(place / file))]
        assert main(["replay", "--config", str(config), "--partitions", partitions, *options]) == 0
    return place


@pytest.fixture(params=STORIES)
def story(request: pytest.FixtureRequest) -> Story:
    return STORIES[request.param]


def model_of(folder: Path, story: Story) -> Any:
    return json.loads((folder / "r3.json").read_text())["models"][story.model]


def test_counts_and_metrics_are_those_worked_out_by_hand(folder: Path, story: Story) -> None:
    found = model_of(folder, story)
    assert found["orphan_labels"] == story.orphans
    assert set(found["versions"]) == set(story.versions)
    for version, expected in story.versions.items():
        told = flat(found["versions"][version], iter(expected.keys() - ZEROS.keys()))
        assert told == pytest.approx({**ZEROS, **expected}, abs=1e-12), version


def test_the_number_of_partitions_changes_no_byte_of_the_report(folder: Path) -> None:
    assert (folder / "r1.json").read_bytes() == (folder / "r3.json").read_bytes()


def test_every_prediction_is_in_one_place(folder: Path, story: Story) -> None:
    for row in model_of(folder, story)["versions"].values():
        parts = sum(row[name] for name in ("joined", "implicit", "unobservable", "expired", "pending"))
        assert row["predictions"] == parts


def test_days_say_how_many_of_their_predictions_are_labelled(folder: Path, story: Story) -> None:
    plans = load_plans(load_settings(folder / "watchkeeper.yaml"), folder)
    past: Past = past_from_json((folder / "past.json").read_text(), plans[story.model], source="past")
    whole = {
        (day - START) // DAY: (sum(c.predictions for c in own), sum(c.labelled for c in own))
        for day, cohorts in past.days.items()
        for own in [[c for (_, segment), c in cohorts.items() if not segment]]
    }
    assert {day: whole[day] for day in story.days} == story.days
    assert sum(n for n, _ in whole.values()) == sum(row["predictions"] for row in story.versions.values())


def test_nothing_pages_but_what_the_story_is_about(folder: Path, story: Story) -> None:
    events = [json.loads(line) for line in (folder / "a.jsonl").read_text().splitlines()]
    alerts = [event["data"] for event in events if event["type"].endswith(".firing")]
    own = [(a["kind"], a["version"], a["segment"]) for a in alerts if a["model"] == story.model]
    assert sorted(own, key=str) == sorted(story.fires, key=str)
