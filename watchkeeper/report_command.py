"""The `report` command: a model's past, from Redis or from a replay's file, as a page, as text or as JSON."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from consumers.plan import ModelPlan
from consumers.redis_gate import RedisGate
from consumers.redis_models import RedisModels
from consumers.redis_partitions import RedisPartitions
from consumers.references import References
from schemas.duration import parse_duration_ms
from schemas.errors import Retry, Stop
from schemas.settings import Settings
from watchkeeper.loading import load_plans, load_settings
from watchkeeper.output_files import check_outputs, write_text
from watchkeeper.report.build import build_report
from watchkeeper.report.content import Report, report_json
from watchkeeper.report.page import report_page
from watchkeeper.report.past import Past, past_from_json, read_past
from watchkeeper.report.text import report_text
from watchkeeper.status_command import partition_numbers

FORMATS: Final[dict[str, Callable[[Report], str]]] = {
    "text": report_text,
    "html": report_page,
    "json": report_json,
}


def run_report(parsed: argparse.Namespace) -> int:
    """Write the report of one model; returns 0.

    Raises
    ------
    Stop
        The settings are not valid, the model or the file is not known, or Redis does not answer.
    """
    settings = load_settings(parsed.config)
    plans = load_plans(settings, parsed.config.parent)
    if parsed.model not in plans:
        raise Stop(f"--model: expected one of {', '.join(sorted(plans))}, got {parsed.model!r}")
    try:
        since_ms = parse_duration_ms(parsed.since)
    except ValueError as error:
        raise Stop(f"--since: {error}, got {parsed.since!r}") from error
    if since_ms <= 0:
        raise Stop(f"--since: expected a duration above 0s, such as 180d, got {parsed.since!r}")
    check_outputs({"--out": parsed.out}, [parsed.config, parsed.past])
    plan = plans[parsed.model]
    past = _from_redis(settings, plan) if parsed.past is None else _from_file(parsed.past, plan)
    report = build_report(plan, past, since_ms=since_ms)
    write_text(Path(parsed.out), FORMATS[parsed.format](report))
    return 0


def _from_file(path: Path, plan: ModelPlan) -> Past:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Stop(f"{path}: cannot read a past ({error}); check the path") from error
    return past_from_json(text, plan, source=str(path))


def _from_redis(settings: Settings, plan: ModelPlan) -> Past:
    try:
        gate = RedisGate(str(settings.redis.url), cluster=settings.redis.cluster)
        try:
            windows = RedisPartitions(gate, settings.app)
            numbers, _ = partition_numbers(settings.kafka, windows)
            count = max(numbers, default=-1) + 1
            now_ms = int(time.time() * 1000)
            models = RedisModels(gate, settings.app)
            references = References({plan.name: plan}, models)
            references.look()
            return read_past(references.plans[plan.name], windows, models, count, now_ms=now_ms)
        finally:
            gate.close()
    except Retry as error:
        raise Stop(f"{error}; start Redis, or correct redis.url in the settings", exit_code=1) from error
