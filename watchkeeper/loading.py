"""Settings and profiles from their files."""

from __future__ import annotations

import os
from pathlib import Path

import structlog

from consumers.plan import ModelPlan, plan_model
from detectors.profile import ReferenceProfile, from_json
from detectors.river_monitor import river_monitors
from schemas.errors import Stop
from schemas.model_settings import ModelSettings
from schemas.settings import Settings
from schemas.settings_text import parse_settings

_log = structlog.get_logger("watchkeeper.settings")


def load_settings(path: Path) -> Settings:
    """Read a settings file.

    Raises
    ------
    Stop
        If it cannot be read or is not valid; one line per problem, with its place and the mend.
    """
    text = _read(path, "a settings file")
    return parse_settings(text, source=str(path), env=os.environ, read_secret=_read_secret)


def load_plans(settings: Settings, folder: Path) -> dict[str, ModelPlan]:
    """Work out every model of the settings; profile paths are relative to `folder`.

    Raises
    ------
    Stop
        If a profile cannot be used, or lacks what a monitor of the settings watches.
    """
    plans = {name: _plan(model, folder) for name, model in settings.models.items()}
    for plan in plans.values():
        errors = plan.errors
        if plan.profile and errors.power is not None and errors.edges and not errors.deviance_edges:
            _log.warning(
                "the profile was not built for this loss, so errors are watched by their size: build it again",
                model=plan.name,
                loss=plan.settings.loss.name,
            )
        for reference in (plan.reference(None), *plan.versions.values()):
            river_monitors(plan.settings, reference)  # at the start, not when a model is claimed
    return plans


def _plan(model: ModelSettings, folder: Path) -> ModelPlan:
    profile = load_profile(folder / model.profile) if model.profile else None
    versions = {version: load_profile(folder / path) for version, path in model.profiles.items()}
    return plan_model(model, profile, versions)


def load_profile(path: Path) -> ReferenceProfile:
    """Read a reference profile's file; raises `Stop` as `detectors.profile.from_json` does."""
    return from_json(_read(path, "a reference profile"), source=str(path))


def _read(path: Path, what: str) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise Stop(f"{path}: expected {what} in UTF-8: {error.reason} at byte {error.start}") from error
    except OSError as error:
        raise Stop(f"{path}: cannot read {what}: {error.strerror}; check the path") from error


def _read_secret(name: str) -> str:
    return _read(Path(name), "a secret").strip()
