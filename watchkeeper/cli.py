"""The command line: arguments in, exit code out, errors on one line each."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, TextIO

import structlog

from schemas.errors import WatchkeeperError
from watchkeeper.cli_alerts import add_alert_commands
from watchkeeper.cli_profile import add_profile_arguments

Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = build_parser()
    parsed = parser.parse_args(arguments)
    configure_logging(sys.stderr, verbose=parsed.verbose)
    command: Command = parsed.command
    try:
        return command(parsed)
    except WatchkeeperError as error:
        print(f"watchkeeper: {error}", file=sys.stderr)
        return int(getattr(error, "exit_code", 1))
    except KeyboardInterrupt:
        print("watchkeeper: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # somebody piped us into `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="watchkeeper", description="The officer of the watch for machine-learning models in production."
    )
    parser.add_argument("--version", action="version", version=f"watchkeeper {version('watchkeeper')}")
    parser.add_argument("-v", "--verbose", action="store_true", help="log every state change")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _demo(commands)
    _run(commands)
    _replay(commands)
    _profile(commands)
    _check(commands)
    _status(commands)
    _report(commands)
    add_alert_commands(commands)
    _redrive(commands)
    _schema(commands)
    return parser


def _config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, required=True, metavar="F", help="the settings, a YAML file")


def _demo(commands: Any) -> None:
    parser = commands.add_parser("demo", help="see it find an incident: everything embedded, one minute")
    parser.add_argument("--seed", type=int, default=7, help="seed of the stream (default 7)")
    parser.set_defaults(command=_run_demo)


def _run_demo(parsed: argparse.Namespace) -> int:
    from watchkeeper.demo import run_demo

    return run_demo(seed=parsed.seed)


def _run(commands: Any) -> None:
    parser = commands.add_parser("run", help="run the service")
    _config(parser)
    parser.add_argument(
        "--roles",
        default="join,evaluate,notify",
        metavar="R,R",
        help="any of join, evaluate, notify (default all)",
    )
    parser.add_argument(
        "--metrics-address",
        default="127.0.0.1:9464",
        metavar="HOST:PORT",
        help="where /metrics and /healthz listen; `off` for nowhere (default 127.0.0.1:9464)",
    )
    parser.set_defaults(command=_run_service)


def _run_service(parsed: argparse.Namespace) -> int:
    from watchkeeper.run_command import run_service

    return run_service(parsed.config, parsed.roles, parsed.metrics_address)


def _replay(commands: Any) -> None:
    parser = commands.add_parser("replay", help="the same steps over files, with no server")
    _config(parser)
    parser.add_argument(
        "--predictions", required=True, metavar="A.jsonl[.gz]", help="prediction events; - is stdin"
    )
    parser.add_argument("--labels", metavar="B.jsonl[.gz]", help="ground-truth events; - is stdin")
    parser.add_argument("--alerts", required=True, metavar="OUT.jsonl", help="where alerts go; - is stdout")
    parser.add_argument(
        "--report", metavar="OUT.json", help="where counts, windows and metrics go; - is stdout"
    )
    parser.add_argument(
        "--past", metavar="PAST.json", help="where days and alerts go, for `watchkeeper report --past`"
    )
    parser.add_argument(
        "--partitions", type=int, default=1, metavar="N", help="deal the ids out to N partitions"
    )
    parser.set_defaults(command=_run_replay)


def _run_replay(parsed: argparse.Namespace) -> int:
    from watchkeeper.replay_command import run_replay

    return run_replay(parsed)


def _profile(commands: Any) -> None:
    parser = commands.add_parser(
        "profile", help="build a reference profile from training data, or compare two"
    )
    parser.add_argument("--config", type=Path, metavar="F", help="the settings, a YAML file")
    add_profile_arguments(parser)
    parser.set_defaults(command=_run_profile)


def _run_profile(parsed: argparse.Namespace) -> int:
    from watchkeeper.loading import load_settings
    from watchkeeper.profile_command import run_profile

    return run_profile(parsed, None if parsed.config is None else load_settings(parsed.config))


def _check(commands: Any) -> None:
    parser = commands.add_parser("check", help="is everything there that a night on call needs?")
    _config(parser)
    parser.add_argument("--offline", action="store_true", help="do not talk to Kafka and Redis")
    parser.add_argument("--json", action="store_true", help="machine output")
    parser.set_defaults(command=_run_check)


def _run_check(parsed: argparse.Namespace) -> int:
    from watchkeeper.check_command import run_check

    return run_check(parsed.config, offline=parsed.offline, json_output=parsed.json)


def _status(commands: Any) -> None:
    parser = commands.add_parser("status", help="what is known right now")
    _config(parser)
    parser.add_argument("--json", action="store_true", help="machine output")
    parser.set_defaults(command=_run_status)


def _run_status(parsed: argparse.Namespace) -> int:
    from watchkeeper.status_command import run_status

    return run_status(parsed.config, json_output=parsed.json)


def _report(commands: Any) -> None:
    parser = commands.add_parser("report", help="the quality of a model over its life, for its owner")
    _config(parser)
    parser.add_argument("--model", required=True, metavar="M", help="the model, by its name in the settings")
    parser.add_argument(
        "--since", default="180d", metavar="D", help="how far back; by weeks up to 60d (default 180d)"
    )
    parser.add_argument("--format", choices=["text", "html", "json"], default="text", help="default text")
    parser.add_argument("--out", default="-", metavar="FILE", help="where it goes (default stdout)")
    parser.add_argument(
        "--past", type=Path, metavar="FILE", help="read what `replay --past` wrote, not Redis"
    )
    parser.set_defaults(command=_run_report)


def _run_report(parsed: argparse.Namespace) -> int:
    from watchkeeper.report_command import run_report

    return run_report(parsed)


def _redrive(commands: Any) -> None:
    parser = commands.add_parser("redrive", help="put dead letters back into their topics after a fix")
    _config(parser)
    parser.add_argument("--reason", metavar="R[,R]", help="only letters with one of these reasons")
    parser.add_argument("--model", metavar="M", help="only letters of this model, known or not")
    parser.add_argument("--topic", metavar="T", help="only letters from this input topic")
    parser.add_argument("--dry-run", action="store_true", help="write nothing, say what would be done")
    parser.add_argument("--json", action="store_true", help="machine output")
    parser.set_defaults(command=_run_redrive)


def _run_redrive(parsed: argparse.Namespace) -> int:
    from watchkeeper.redrive_command import run_redrive

    return run_redrive(parsed)


def _schema(commands: Any) -> None:
    parser = commands.add_parser("schema", help="the contracts as JSON Schema")
    parser.add_argument("action", choices=["export"])
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.set_defaults(command=_run_schema)


def _run_schema(parsed: argparse.Namespace) -> int:
    from schemas.export import json_schemas
    from watchkeeper.output_files import write_text

    for name, schema in json_schemas().items():
        write_text(parsed.folder / name, json.dumps(schema, indent=2, sort_keys=True) + "\n")
        print(parsed.folder / name)
    return 0


def configure_logging(stream: TextIO, *, verbose: bool) -> None:
    """Log state changes to `stream`: coloured on a terminal, one JSON object a line elsewhere."""
    terminal = stream.isatty() and "NO_COLOR" not in os.environ
    renderer: Any = (
        structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer(sort_keys=True)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO if verbose else logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
