"""A bad version that nobody rolls back is one incident, and the fall of the whole model that follows pages nobody."""

from __future__ import annotations

import pytest
from builders.label_scenarios import merged, models_yaml, rollout
from builders.watch_room import MINUTE_MS, Scene

from schemas.alert import AlertEvent, AlertsRecord, AlertType, parse_alerts_record
from watchkeeper.cli import main


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """The alerts topic of the story."""
    place, story = tmp_path_factory.mktemp("rollout"), rollout()
    assert story.reference is not None
    (place / "w.yaml").write_text(f"models:\n{models_yaml([story])}")
    (place / "rollout.json").write_text(story.reference.to_json())
    for name, events in zip(("p", "l"), merged([story]), strict=True):
        (place / f"{name}.jsonl").write_bytes(b"".join(value + b"\n" for _, _, value in events))
    options = [f"--{name}={place / f'{name[0]}.jsonl'}" for name in ("predictions", "labels", "alerts")]
    assert main(["replay", "--config", str(place / "w.yaml"), *options]) == 0
    return (place / "a.jsonl").read_bytes().splitlines()


def firing(told: list[bytes]) -> list[AlertEvent]:
    records = [parse_alerts_record(line) for line in told]
    return [r for r in records if isinstance(r, AlertEvent) and r.type is AlertType.FIRING]


def test_the_version_is_told_first_and_the_whole_model_joins_its_incident(told: list[bytes]) -> None:
    alerts = [event.data for event in firing(told)]
    assert {(a.kind.value, a.version) for a in alerts[:2]} == {
        ("performance", "2"),
        ("version_regression", "2"),
    }
    assert [(a.kind.value, a.version) for a in alerts[2:]] == [("performance", None)]
    assert alerts[2].detected_at > alerts[1].detected_at
    assert len({a.incident for a in alerts}) == 1
    assert all(a.muted_by is None for a in alerts), "what labels say is never muted"


def test_the_alert_about_the_whole_model_says_that_it_is_the_version(told: list[bytes]) -> None:
    whole = firing(told)[-1].data
    assert whole.likely_causes[0].startswith(
        "version 2 makes 100% of the extra wrong answers with 20% of the labels"
    )


def test_whoever_is_on_call_hears_of_the_version_alone(told: list[bytes]) -> None:
    scene, records = Scene(), [parse_alerts_record(line) for line in told]
    scene.clock.now_ms = _ms(records[0])
    scene.restart()
    for record in records:
        scene.clock.now_ms = max(scene.clock.now_ms, _ms(record))
        scene.topic.records.append(record)
        scene.room.after(MINUTE_MS)
    scene.room.after(5 * MINUTE_MS)
    assert scene.pager.said == ["first error", "severity_up critical"]
    assert all(n.lead.version == "2" for n in scene.pager.got)
    [*_, last] = scene.chat.got
    assert (last.why.value, last.lead.version, last.firing) == ("new_members", "2", 3)


def _ms(record: AlertsRecord) -> int:
    return round(record.time.timestamp() * 1_000)
