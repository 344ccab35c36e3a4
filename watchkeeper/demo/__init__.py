"""`watchkeeper demo`: an hour of a model's life with a real incident, everything embedded."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from schemas.alert import AlertEvent
from schemas.errors import Stop
from watchkeeper.demo import story
from watchkeeper.demo.narrate import Narrator
from watchkeeper.demo.stage import stage
from watchkeeper.demo.verdict import judge


def run_demo(seed: int) -> int:
    """Play the demo; returns 0 if the incident was found and nothing was reported before it, else 1.

    Parameters
    ----------
    seed
        Of production's stream, 0 or more; the model and its profile are the same for every seed.

    Raises
    ------
    Stop
        A bad seed, or a server or the service did not work.
    """
    if seed < 0:
        raise Stop(f"--seed: expected 0 or more, got {seed}")
    narrator = Narrator(sys.stdout, colour="NO_COLOR" not in os.environ)
    events: list[AlertEvent] = []

    def tell(event: AlertEvent) -> None:
        events.append(event)
        narrator.alert(event)

    narrator.scene()
    with (
        tempfile.TemporaryDirectory(prefix="watchkeeper-demo-") as folder,
        stage(Path(folder), tell=tell, ready=narrator.profile) as running,
    ):
        predictions, labels = story.events(seed, incident=True)
        running.play(predictions, labels, progress=narrator.minute)
        counts = running.counts()
    verdict = judge(events)
    narrator.summary(verdict, counts)
    return 1 if verdict.problems else 0
