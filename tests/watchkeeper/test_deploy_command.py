"""What somebody types after `watchkeeper deploy`, and the deploy that it comes to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from builders.ground import SETTINGS

from schemas.deploy import Deploy
from schemas.errors import Stop
from schemas.settings import Settings
from watchkeeper.cli import build_parser
from watchkeeper.deploy_command import deploy_of, run_deploy
from watchkeeper.ordering import time_of

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def typed(*arguments: str, model: str = "fraud") -> Deploy:
    words = ["deploy", "--config", "f.yaml", "--model", model, "--version", "8", *arguments]
    return deploy_of(SETTINGS, build_parser().parse_args(words), at=NOON)


def test_it_holds_drift_back_for_two_windows_of_the_model_or_as_long_as_is_said() -> None:
    assert typed().holds_until - NOON == timedelta(minutes=2)
    assert typed("--windows", "5").holds_until - NOON == timedelta(minutes=5)
    assert typed("--windows", "0").holds_until == NOON
    assert typed("--for", "3h").holds_until - NOON == timedelta(hours=3)


def test_it_carries_what_messages_say_and_what_routes_match() -> None:
    found = typed("--note", "two more features", "--ticket", "T-1", "--by", "ada")
    assert (found.app, found.version, found.at) == (SETTINGS.app, "8", NOON)
    assert (found.note, found.ticket, found.by, found.teams) == (
        "two more features",
        "T-1",
        "ada",
        ("payments-ml",),
    )


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--windows", "-1"), "--windows: expected 0 to 10080"),
        (("--windows", "99999999999999999999"), "--windows: expected 0 to 10080"),
        (("--for", "8d"), "at most 7 days"),
        (("--for", "soon"), "--for: expected"),
    ],
)
def test_a_hold_that_is_none_is_refused(arguments: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(Stop, match=complaint):
        typed(*arguments)


def test_owners_of_features_are_among_those_whom_routes_may_match() -> None:
    raw = SETTINGS.model_dump(mode="json", by_alias=True, exclude_unset=True)
    owner = {"team": "data-eng", "contact": "@data-eng"}
    raw["models"]["fraud"]["features"] = {"income": {"owner": owner}, "age": {"owner": owner}}
    words = ["deploy", "--config", "f.yaml", "--model", "fraud", "--version", "8"]
    found = deploy_of(Settings.model_validate(raw), build_parser().parse_args(words), at=NOON)
    assert found.teams == ("payments-ml", "data-eng")


def test_an_unknown_model_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(Stop, match='no model "frud"; did you mean "fraud"'):
        typed(model="frud")


def test_windows_and_a_length_of_time_exclude_one_another(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        typed("--windows", "3", "--for", "3h")
    assert "not allowed with" in capsys.readouterr().err


def test_a_time_without_an_offset_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "f.yaml"
    config.write_text("models: {fraud: {task: binary, positive_class: fraud}}\n")
    words = [
        "deploy",
        "--config",
        str(config),
        "--model",
        "fraud",
        "--version",
        "8",
        "--at",
        "2026-11-01T12:00",
    ]
    with pytest.raises(Stop, match="--at: expected a time"):
        run_deploy(build_parser().parse_args(words))


def test_a_time_is_rfc_3339_or_epoch_milliseconds_as_the_message_says() -> None:
    assert time_of("2026-11-01T12:00:00Z", "--at") == time_of("1793534400000", "--at") == NOON
    for text in ("noon", "", "9" * 30, "\u0661"):
        with pytest.raises(Stop, match=r"^--at: expected a time"):
            time_of(text, "--at")
