"""The `replay` command: settings and event files in, alerts and a report out."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from schemas.alert import AlertEvent, parse_alerts_record
from schemas.errors import Stop
from watchkeeper.event_files import read_events
from watchkeeper.loading import load_plans, load_settings
from watchkeeper.output_files import check_outputs, write_text
from watchkeeper.policy import policies
from watchkeeper.progress import Progress
from watchkeeper.replay import Replay, report
from watchkeeper.report.past import past_to_json

PARTITIONS_MAX = 1024


def run_replay(parsed: argparse.Namespace) -> int:
    """Replay files; equal inputs give equal bytes in both outputs."""
    if not 1 <= parsed.partitions <= PARTITIONS_MAX:
        raise Stop(f"--partitions: expected 1 to {PARTITIONS_MAX}, got {parsed.partitions}")
    if parsed.predictions == parsed.labels == "-":
        raise Stop("--predictions and --labels cannot both be stdin; give one of them a file")
    outputs = {"--alerts": parsed.alerts, "--report": parsed.report, "--past": parsed.past}
    check_outputs(outputs, [parsed.config, parsed.predictions, parsed.labels])
    settings = load_settings(parsed.config)
    plans = load_plans(settings, parsed.config.parent)
    bytes_max = settings.kafka.max_message_bytes
    replay = Replay(
        plans,
        partitions=parsed.partitions,
        policies=policies(settings, plans),
        message_bytes_max=bytes_max,
    )
    progress = Progress("replay", stream=sys.stderr, clock=time.monotonic)
    batches = read_events(
        parsed.predictions, parsed.labels, partitions=parsed.partitions, message_bytes_max=bytes_max
    )
    result = replay.run(batches, progress=progress.advance)
    progress.close()
    write_text(Path(parsed.alerts), "".join(line + "\n" for line in alert_lines(result.events)))
    if parsed.report is not None:
        write_text(Path(parsed.report), json.dumps(report(result), indent=1, allow_nan=False) + "\n")
    if parsed.past is not None:
        pasts = replay.pasts()
        until_ms = max((past.now_ms for past in pasts.values()), default=0)
        write_text(Path(parsed.past), past_to_json(pasts, until_ms=until_ms))
    return 0


def alert_lines(events: list[bytes]) -> list[str]:
    """Return the alert events as JSON lines, in an order that does not depend on the partitions."""
    alerts = [a for a in map(parse_alerts_record, events) if isinstance(a, AlertEvent)]
    alerts.sort(key=lambda a: (a.time, a.data.model, a.data.alert_id, a.data.revision))
    return [alert.to_json_bytes().decode() for alert in alerts]
