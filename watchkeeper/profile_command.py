"""`watchkeeper profile`: builds a reference profile from data, or compares two."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from consumers.plan import plan_model
from consumers.redis_gate import RedisGate
from consumers.redis_models import RedisModels
from detectors.profile import ReferenceProfile, from_json, is_feature
from detectors.profile_build import ProfileBuilder
from detectors.profile_compare import compare
from detectors.shared_cells import crowded
from schemas.errors import Retry, Stop
from schemas.model_settings import ModelSettings
from schemas.setting_types import nearest
from schemas.settings import Settings
from watchkeeper.loading import load_profile
from watchkeeper.output_files import check_outputs, write_text
from watchkeeper.profile_input import Meter, open_rows, read_importances
from watchkeeper.profile_table import NamedColumns
from watchkeeper.profile_text import change_json, change_lines, summary, summary_json
from watchkeeper.progress import Progress

NAMES_SHOWN: Final = 5
"""Names in a warning."""


def build_profile(  # noqa: PLR0913 - one keyword per option of the command
    settings: ModelSettings,
    input_path: Path,
    *,
    labels_path: Path | None = None,
    label: str | None = None,
    prediction: str | None = None,
    score: str | None = None,
    time: str | None = None,
    importances: Path | None = None,
    bins_of: ReferenceProfile | None = None,
    progress: Callable[[int], None] = lambda _percent: None,
) -> tuple[ReferenceProfile, list[str]]:
    """Return the reference profile of a file, and warnings for its user.

    Parameters
    ----------
    labels_path
        Ground truth of prediction events.
    label, prediction, score, time
        Columns of a table that are no features.
    importances
        JSON file of the features' importances.
    bins_of
        The model's profile, for a profile of one version: it gets the same features and bins.
    progress
        Called with the percentage done, from 0 to 100, whenever it grows.

    Raises
    ------
    Stop
        Input that cannot be read or used.
    """
    named = NamedColumns(label=label, prediction=prediction, score=score, time=time)
    weights = {} if importances is None else read_importances(importances)
    meter = Meter(progress)
    rows = open_rows(settings, input_path, named=named, labels_path=labels_path, meter=meter)
    builder = ProfileBuilder.of(settings, importances=weights, bins_of=bins_of)
    for batch in rows.batches(meter.advance):
        with _about(input_path):
            builder.sample(batch)
    if not builder.rows:
        raise Stop(f"{input_path}: expected rows, found none; give the data that the model was good on")
    meter.end_reading()
    for batch in rows.batches(meter.advance):
        builder.count(batch)
    meter.end_reading()
    with _about(input_path):
        profile = builder.finish()
    if importances is not None:
        _check_importances(importances, weights, profile, settings)
    warnings = rows.warnings() + builder.warnings()
    return profile, warnings if bins_of is None else warnings + _crowded(bins_of, profile)


def _crowded(bins_of: ReferenceProfile, profile: ReferenceProfile) -> list[str]:
    names = crowded(bins_of, profile)
    if not names:
        return []
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return [
        f"most rows lie beyond the bins of the other profile, which tell them apart no more: "
        f"{', '.join(names[:NAMES_SHOWN])}{more}; profiles of both versions on the bins of this data tell more"
    ]


@contextlib.contextmanager
def _about(path: Path) -> Iterator[None]:
    """Say which file it is that the profile cannot be built from."""
    try:
        yield
    except Stop as error:
        raise Stop(f"{path}: {error}") from error


def _check_importances(
    path: Path, weights: Mapping[str, float], profile: ReferenceProfile, settings: ModelSettings
) -> None:
    features = [column.name for column in profile.columns if is_feature(column.name)]
    for name in weights:
        if name not in features and name not in settings.features:
            raise Stop(f"{path}: no feature {name!r} in the reference; {nearest(name, features)}")


def compare_profiles(a: ReferenceProfile, b: ReferenceProfile) -> list[str]:
    """Return what differs between two profiles, a line per thing."""
    return change_lines(compare(a, b))


def run_profile(args: argparse.Namespace, settings: Settings | None) -> int:
    """Do what the options of `watchkeeper.cli_profile` ask for and return the exit code.

    Parameters
    ----------
    settings
        None is enough for `--compare`.

    Raises
    ------
    Stop
        Options, settings or input that cannot be used.
    """
    if args.compare is not None:
        change = compare(*(load_profile(path) for path in args.compare))
        _say([json.dumps(change_json(change))] if args.json else change_lines(change))
        return 0
    check_outputs({"--out": args.out}, [args.input, args.labels, args.importances, args.bins_of])
    if args.learned:
        profile, source = learned_profile_of(args, settings), "the model's own events"
        return _written(args, profile, [], source=source)
    model = _model(args, settings)
    bins_of = None if args.bins_of is None else load_profile(args.bins_of)
    if bins_of is not None:
        plan_model(model, bins_of)  # refuses that of another model
    with Progress("reading, percent", 100, stream=sys.stderr, clock=time.monotonic) as bar:
        profile, warnings = build_profile(
            model,
            args.input,
            labels_path=args.labels,
            label=args.label,
            prediction=args.prediction,
            score=args.score,
            time=args.time,
            importances=args.importances,
            bins_of=bins_of,
            progress=bar.reach,
        )
    return _written(args, profile, warnings, source=str(args.input))


def _written(args: argparse.Namespace, profile: ReferenceProfile, warnings: list[str], *, source: str) -> int:
    write_text(args.out, profile.to_json())
    if args.json:
        _say([json.dumps(summary_json(profile, warnings, written=str(args.out)))])
    else:
        _say(summary(profile, warnings, source=source, written=str(args.out)))
    return 0


def learned_profile_of(args: argparse.Namespace, settings: Settings | None) -> ReferenceProfile:
    """Return the profile that a model has learned, from where its evaluator keeps it.

    Raises
    ------
    Stop
        Options that do not fit, nothing learned yet, or Redis does not answer.
    """
    model = _model(args, settings, needed=("model", "out"))
    if args.input is not None or settings is None:
        raise Stop("--learned reads what the model has learned: leave --input out")
    if model.profile is not None:
        raise Stop(f"--learned: model {model.name} does not learn, it has the profile {model.profile}")
    try:
        gate = RedisGate(str(settings.redis.url), cluster=settings.redis.cluster)
        try:
            text = RedisModels(gate, settings.app).profile(model.name)
        finally:
            gate.close()
    except Retry as error:
        raise Stop(f"{error}; start Redis, or correct redis.url in the settings", exit_code=1) from error
    if text is None:
        raise Stop(
            f"--learned: model {model.name} has learned nothing yet; `watchkeeper status` shows how far it is"
        )
    return from_json(text, source="the learned profile")


def _model(
    args: argparse.Namespace, settings: Settings | None, *, needed: Sequence[str] = ("model", "input", "out")
) -> ModelSettings:
    absent = [f"--{name}" for name in needed if getattr(args, name) is None]
    if settings is None:
        absent.insert(0, "--config")
    if absent or settings is None:
        raise Stop(
            f"profile: expected {', '.join(absent)} (or --compare A.json B.json), found none; add what is missing"
        )
    if args.model not in settings.models:
        raise Stop(
            f"--model {args.model}: no such model in the settings; {nearest(args.model, settings.models)}"
        )
    return settings.models[args.model]


def _say(lines: list[str]) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
