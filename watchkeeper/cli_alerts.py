"""The arguments of the commands with which people operate alerts."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_alert_commands(commands: Any) -> None:
    """Add `alerts`, `ack`, `silence`, `deploy`, `accept`, `test-alert` and `redeliver`."""
    _alerts(_added(commands, "alerts", "the incidents that are open, who was told and who looks after them"))
    _ack(_added(commands, "ack", "say that somebody looks after an incident: no repeats, no escalation"))
    _silence(_added(commands, "silence", "hear nothing of some alerts for a while, or list and end silences"))
    _deploy(
        _added(commands, "deploy", "announce that a version goes live: what it changes is told as planned")
    )
    _accept(_added(commands, "accept", "answer a drift: it is the new normal, or the reference is kept"))
    _test(_added(commands, "test-alert", "send a message that is marked as a test through the routes"))
    _redeliver(_added(commands, "redeliver", "try messages again that were given up for a sink"))


def _added(commands: Any, name: str, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text)
    parser.add_argument("--config", type=Path, required=True, metavar="F", help="the settings, a YAML file")
    return parser


def _alerts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", metavar="M", help="only incidents of this model")
    parser.add_argument("--all", action="store_true", help="those that are over, of the last day, too")
    parser.add_argument("--json", action="store_true", help="machine output")
    parser.set_defaults(command=_run_alerts)


def _run_alerts(parsed: argparse.Namespace) -> int:
    from watchkeeper.order_commands import run_alerts

    return run_alerts(parsed)


def _ack(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("incident", metavar="INCIDENT", help="its id, or the begin of it")
    parser.add_argument("--by", required=True, metavar="NAME", help="who looks after it")
    parser.add_argument(
        "--for", dest="span", default="24h", metavar="D", help="for how long (default 24h, at most 7d)"
    )
    parser.add_argument("--note", metavar="TEXT", help="what is known")
    parser.add_argument("--undo", action="store_true", help="take it back")
    parser.set_defaults(command=_run_ack)


def _run_ack(parsed: argparse.Namespace) -> int:
    from watchkeeper.order_commands import run_ack

    return run_ack(parsed)


def _silence(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--match",
        action="append",
        metavar="FIELD=VALUE",
        help="a condition; all must hold. Also != and, for patterns with * and |, =~ and !~",
    )
    parser.add_argument(
        "--for", dest="span", default="2h", metavar="D", help="for how long (default 2h, at most 30d)"
    )
    parser.add_argument("--by", metavar="NAME", help="who orders it")
    parser.add_argument("--reason", metavar="TEXT", help="why")
    parser.add_argument("--ticket", metavar="T", help="where more is said")
    parser.add_argument("--dry-run", action="store_true", help="say what would be muted, order nothing")
    parser.add_argument("--list", action="store_true", help="show what is silenced")
    parser.add_argument("--end", metavar="ID", help="end a silence")
    parser.set_defaults(command=_run_silence)


def _run_silence(parsed: argparse.Namespace) -> int:
    from watchkeeper.order_commands import run_silence

    return run_silence(parsed)


def _deploy(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", required=True, metavar="M", help="the model")
    parser.add_argument("--version", required=True, metavar="V", help="the version that goes live")
    parser.add_argument("--at", metavar="TIME", help="when, RFC 3339 with an offset (default now)")
    hold = parser.add_mutually_exclusive_group()
    hold.add_argument(
        "--windows",
        type=int,
        default=2,
        metavar="N",
        help="hold alerts of drift back for so many windows (default 2; 0 for none)",
    )
    hold.add_argument("--for", dest="span", metavar="D", help="or for so long (at most 7d)")
    parser.add_argument("--note", metavar="TEXT", help="what is new")
    parser.add_argument("--ticket", metavar="T", help="where more is said")
    parser.add_argument("--by", metavar="WHO", help="who deploys it")
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be held back, announce nothing"
    )
    parser.set_defaults(command=_run_deploy)


def _run_deploy(parsed: argparse.Namespace) -> int:
    from watchkeeper.deploy_command import run_deploy

    return run_deploy(parsed)


def _accept(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", required=True, metavar="M", help="the model")
    decision = parser.add_mutually_exclusive_group(required=True)
    decision.add_argument(
        "--new-normal", action="store_true", help="take what is now for usual: the reference is learned anew"
    )
    decision.add_argument(
        "--keep", action="store_true", help="keep the reference: its incidents of drift are looked after"
    )
    parser.add_argument(
        "--alert", metavar="ID", help="only the incident of this alert, with --keep (default all of drift)"
    )
    parser.add_argument(
        "--at", metavar="TIME", help="learn from this time on, with --new-normal (default from now on)"
    )
    parser.add_argument("--by", required=True, metavar="NAME", help="who decides")
    parser.add_argument("--note", metavar="TEXT", help="why")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, do nothing")
    parser.set_defaults(command=_run_accept)


def _run_accept(parsed: argparse.Namespace) -> int:
    from watchkeeper.accept_command import run_accept

    return run_accept(parsed)


def _test(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", metavar="M", help="the model that it names (default the first of the settings)"
    )
    parser.add_argument(
        "--severity",
        choices=["info", "warning", "error", "critical"],
        default="error",
        help="how bad it says it is (default error)",
    )
    parser.add_argument("--sink", metavar="NAME", help="this sink alone, whatever the routes say")
    parser.set_defaults(command=_run_test)


def _run_test(parsed: argparse.Namespace) -> int:
    from watchkeeper.trial_command import run_test_alert

    return run_test_alert(parsed)


def _redeliver(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sink", metavar="NAME", help="only messages of this sink")
    parser.add_argument("--dry-run", action="store_true", help="send nothing, say what would be tried")
    parser.set_defaults(command=_run_redeliver)


def _run_redeliver(parsed: argparse.Namespace) -> int:
    from watchkeeper.redeliver_command import run_redeliver

    return run_redeliver(parsed)
