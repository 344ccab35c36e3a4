"""The demo: its story, its verdict, what it prints, and the whole of it as a user runs it."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from alerts.policy import AlertBook, AlertContext, step
from schemas.alert import AlertEvent, parse_alerts_record
from schemas.errors import Stop
from schemas.finding import Finding, Hysteresis, Kind, WindowSpan
from schemas.finding import Verdict as Reading
from watchkeeper.demo import run_demo, story
from watchkeeper.demo.narrate import Narrator
from watchkeeper.demo.stage import PARTITIONS, make_profile
from watchkeeper.demo.verdict import judge
from watchkeeper.event_files import read_events
from watchkeeper.loading import load_plans, load_settings
from watchkeeper.policy import policies
from watchkeeper.replay import Replay
from watchkeeper.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
DEMO = (sys.executable, "-m", "watchkeeper", "demo")
BROKER_BYTES_MAX = 5 * 1024 * 1024
QUIET_SEEDS = range(20)
INCIDENT_SEEDS = range(5)


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int, bool], list[AlertEvent]]:
    """Give a function that replays a seed's stream, with or without the incident, and returns its alerts."""
    folder = tmp_path_factory.mktemp("demo")
    (folder / "watchkeeper.yaml").write_text(story.settings_text(), "utf-8")
    settings = load_settings(folder / "watchkeeper.yaml")
    make_profile(settings, folder)
    plans = load_plans(settings, folder)

    def replay(seed: int, incident: bool) -> list[AlertEvent]:
        paths = (folder / "predictions.jsonl", folder / "labels.jsonl")
        for path, lines in zip(paths, story.events(seed, incident=incident), strict=True):
            path.write_bytes(b"".join(line.value + b"\n" for line in lines))
        run = Replay(plans, partitions=1, policies=policies(settings, plans))
        result = run.run(read_events(*map(str, paths), partitions=1))
        records = map(parse_alerts_record, result.events)
        return [record for record in records if isinstance(record, AlertEvent)]

    return replay


@pytest.mark.parametrize("seed", QUIET_SEEDS)
def test_without_the_incident_no_alert_is_raised(
    replayed: Callable[[int, bool], list[AlertEvent]], seed: int
) -> None:
    events = replayed(seed, False)
    assert [event.data.title for event in events] == []
    assert len(judge(events).problems) == 2, "a demo without its incident must fail"


@pytest.mark.parametrize("seed", INCIDENT_SEEDS)
def test_with_the_incident_it_is_found_and_unchanged_inputs_are_left_alone(
    replayed: Callable[[int, bool], list[AlertEvent]], seed: int
) -> None:
    verdict = judge(replayed(seed, True))
    assert verdict.problems == ()
    assert {alert.feature for alert in verdict.later} & set(story.FEATURES) == {story.CHANGED}


def test_a_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    assert story.events(3, incident=True) == story.events(3, incident=True)
    assert story.events(3, incident=True) != story.events(4, incident=True)


def test_the_incident_changes_one_feature_and_the_answers_from_its_moment_on() -> None:
    usual, changed = (story.events(3, incident=incident)[0] for incident in (False, True))
    differences: set[str] = set()
    first_ms = story.END_MS
    for before, after in zip(usual, changed, strict=True):
        if before != after:
            first_ms = min(first_ms, after.sent_ms)
            old, new = json.loads(before.value), json.loads(after.value)
            differences |= {name for name in story.FEATURES if old["features"][name] != new["features"][name]}
            assert {key for key in old if old[key] != new[key]} <= {"features", "output"}
    assert differences == {story.CHANGED}
    assert first_ms == story.INCIDENT_MS


def test_labels_come_late_some_never_some_twice_and_some_are_corrected() -> None:
    predictions, labels = story.events(3, incident=False)
    sent_ms = {line.key: line.sent_ms for line in reversed(predictions)}
    events = [json.loads(line.value) for line in labels]
    first_ms = {line.key: line.sent_ms for line in reversed(labels)}
    delays = {at - sent_ms[key] for key, at in first_ms.items()}
    assert 5 * story.MINUTE_MS <= min(delays) <= max(delays) < 15 * story.MINUTE_MS
    assert len(sent_ms) == story.MINUTES * story.PER_MINUTE < len(predictions), "some are sent twice"
    assert any(event["revision"] == 1 for event in events)
    assert len(labels) > len(first_ms) + sum(event["revision"] for event in events), "some come twice"
    due = [key for key, at in sent_ms.items() if at < story.END_MS - 15 * story.MINUTE_MS]
    assert 0.9 < sum(key in first_ms for key in due) / len(due) < 1.0, "some never come"


def test_ids_have_the_form_of_uuid7_and_do_not_repeat() -> None:
    keys = {line.key.decode() for line in story.events(3, incident=False)[0]}
    form = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
    assert len(keys) == story.MINUTES * story.PER_MINUTE
    assert all(form.fullmatch(key) for key in keys)


def test_the_stream_stays_far_below_what_the_embedded_broker_keeps() -> None:
    for lines in story.events(3, incident=True):
        size_bytes = sum(len(line.key) + len(line.value) for line in lines)
        assert size_bytes / PARTITIONS < BROKER_BYTES_MAX / 2


def alert(kind: Kind, feature: str | None, *, minutes_after: int) -> AlertEvent:
    """Return an alert that fired so long after the incident."""
    end_ms = story.INCIDENT_MS + minutes_after * story.MINUTE_MS
    found = Finding(
        kind=kind,
        check="any",
        model=story.MODEL,
        feature=feature,
        window=WindowSpan(end_ms - story.MINUTE_MS, end_ms, 200),
        verdict=Reading.BREACH,
        score=2.0,
        fire=1.0,
        clear=0.5,
        hysteresis=Hysteresis(1, 1, 1),
    )
    _, events = step(AlertBook(), [found], context=AlertContext(app="demo"))
    return events[0]


DRIFT = alert(Kind.DATA_DRIFT, story.CHANGED, minutes_after=3)
PERFORMANCE = alert(Kind.PERFORMANCE, None, minutes_after=11)


@pytest.mark.parametrize(
    ("events", "problems"),
    [
        ([DRIFT, PERFORMANCE], []),
        ([DRIFT, alert(Kind.PREDICTION_DRIFT, "output.score", minutes_after=3), PERFORMANCE], []),
        ([], ["missed: no data-drift", "missed: no performance"]),
        ([PERFORMANCE], ["missed: no data-drift"]),
        ([DRIFT], ["missed: no performance"]),
        (
            [alert(Kind.DATA_DRIFT, "worst texture", minutes_after=3), PERFORMANCE],
            ["missed: no data-drift"],
        ),
        (
            [alert(Kind.DATA_QUALITY, story.CHANGED, minutes_after=3), PERFORMANCE],
            ["missed: no data-drift"],
        ),
        (
            [alert(Kind.DATA_DRIFT, "worst texture", minutes_after=-9), DRIFT, PERFORMANCE],
            ["false alarm before the incident: biopsy: values of worst texture"],
        ),
        (
            [alert(Kind.DATA_DRIFT, story.CHANGED, minutes_after=0), PERFORMANCE],
            ["false alarm before the incident", "missed: no data-drift"],
        ),
        (
            [DRIFT, alert(Kind.PERFORMANCE, None, minutes_after=-1)],
            ["false alarm before the incident", "missed: no performance"],
        ),
    ],
)
def test_the_verdict_names_what_was_missed_and_what_came_too_early(
    events: list[AlertEvent], problems: list[str]
) -> None:
    found = judge(events).problems
    assert len(found) == len(problems)
    assert all(text.startswith(begin) for text, begin in zip(found, problems, strict=True))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


COUNTS = {
    "predictions": 12_000,
    "joined": 9_000,
    "duplicates": {"predictions": 5, "labels": 7},
    "corrections": 3,
    "metrics": {"accuracy": 0.9, "recall": 0.8},
}


def test_a_failed_demo_says_what_failed_and_does_not_claim_quiet_before_it() -> None:
    stream = io.StringIO()
    early = alert(Kind.DATA_DRIFT, "worst texture", minutes_after=-9)
    Narrator(stream, colour=False).summary(judge([early, DRIFT]), COUNTS)
    text = stream.getvalue()
    assert "NOT told as it should be" in text
    assert "false alarm before the incident: biopsy: values of worst texture" in text
    assert "missed: no performance alert" in text
    assert "no alert in the" not in text
    assert "3,000 predictions still wait" in text


def test_on_a_terminal_alerts_stand_above_the_progress() -> None:
    stream = Terminal()
    narrator = Narrator(stream, colour=True)
    narrator.minute(30)
    narrator.alert(DRIFT)
    before, _, after = stream.getvalue().partition("values of worst area")
    assert before.count("\x1b[K") == 2, "the progress is drawn, and taken away for the alert"
    assert "50%" in after, "and drawn again below it"
    assert "\x1b[33mWARN\x1b[0m" in before


@pytest.mark.parametrize(("stream", "colour"), [(io.StringIO(), True), (Terminal(), False)])
def test_colours_are_for_terminals_and_only_if_wanted(stream: io.StringIO, *, colour: bool) -> None:
    Narrator(stream, colour=colour).alert(DRIFT)
    assert "WARN biopsy: values of worst area" in stream.getvalue()
    assert "\x1b[3" not in stream.getvalue()


def test_without_a_terminal_progress_is_a_line_now_and_then() -> None:
    stream = io.StringIO()
    narrator = Narrator(stream, colour=True)
    for minute in range(story.MINUTES):
        narrator.minute(minute + 1)
    lines = [line for line in stream.getvalue().splitlines() if line]
    assert 3 <= len(lines) <= 6
    assert lines[0] == "... 08:12 UTC: 12 of 60 minutes sent"


def test_a_negative_seed_is_refused_in_one_line() -> None:
    with pytest.raises(Stop, match="--seed: expected 0 or more, got -1"):
        run_demo(-1)


def test_a_service_that_fails_ends_the_demo_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_service: Service) -> None:
        raise Stop("redis: no answer; start Redis", exit_code=1)

    monkeypatch.setattr(Service, "run", fail)
    with pytest.raises(Stop, match="redis: no answer; start Redis"):
        run_demo(7)


def environment(folder: Path) -> dict[str, str]:
    """Return an environment in which everything temporary goes to a folder of the test."""
    return {**os.environ, "TMPDIR": str(folder), "NO_COLOR": "1"}


@pytest.mark.slow
def test_the_demo_finds_its_incident_within_a_minute_and_leaves_nothing_behind(tmp_path: Path) -> None:
    done = subprocess.run(
        DEMO, cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr
    assert done.stderr == ""
    alerts, _, summary = done.stdout.partition("Summary: found")
    assert re.search(r"^(WARN|ERROR|CRIT) biopsy: values of worst area moved down", alerts, re.MULTILINE)
    assert re.search(
        r"^(ERROR|CRIT) biopsy: accuracy fell from 9\d(\.\d)?% to \d\d(\.\d)?%", alerts, re.MULTILINE
    )
    assert "no alert in the 36 minutes before it" in summary
    assert "not flagged  worst texture, worst smoothness" in summary
    assert re.search(r"12,000, and \d+ sent twice", summary)
    assert re.search(
        r"9,\d{3} joined, \d+ duplicates, \d+ corrections; 2,\d{3} predictions still wait", summary
    )
    assert "watchkeeper run --config" in summary
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_ctrl_c_ends_the_demo_and_everything_it_has_started(tmp_path: Path) -> None:
    with subprocess.Popen(
        DEMO, cwd=ROOT, env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as demo:
        assert demo.stdout is not None
        try:
            assert any("minutes sent" in line for line in demo.stdout), "it ended before it had begun"
            assert list(tmp_path.iterdir()) != [], "the store and the demo have folders while it runs"
            demo.send_signal(signal.SIGINT)
            output, _ = demo.communicate(timeout=20)
        finally:
            demo.kill()
    assert demo.returncode == 130
    assert output.splitlines()[-1] == "watchkeeper: interrupted"
    assert list(tmp_path.iterdir()) == []
