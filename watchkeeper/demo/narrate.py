"""What the demo prints: the scene, the alerts as they come, how far it is, and what it comes to."""

from __future__ import annotations

import shutil
import textwrap
import time
from collections.abc import Mapping
from typing import Any, Final, TextIO

from alerts.compose import alone
from alerts.plain_text import plain
from alerts.render_text import render_text
from detectors.profile import ReferenceProfile
from schemas.alert import AlertData, AlertEvent
from schemas.clock import format_time
from watchkeeper.demo import story
from watchkeeper.demo.verdict import Verdict, minutes_after
from watchkeeper.progress import progress_line

_ERASE: Final = "\r\x1b[K"
_PLAIN_EVERY: Final = 12
"""Minutes between two lines of progress where there is no terminal."""

_WIDTH: Final = 110
_HAPPENED: Final = f'an upstream system changes the unit of "{story.CHANGED}" (times {story.FACTOR:g})'
_NEXT: Final = (
    ("watchkeeper profile --config F --model M --input X --out P.json", "a reference profile from your data"),
    ("watchkeeper check --config F", "what a night on call needs: is it there?"),
    ("watchkeeper run --config F", "the service, on your Kafka and Redis"),
)


class Narrator:
    """Writes to one stream; where that is a terminal, its last line is the progress.

    Parameters
    ----------
    colour
        Whether alerts may be coloured on a terminal.
    """

    def __init__(self, stream: TextIO, *, colour: bool) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._colour = colour and self._is_terminal
        self._status = ""
        self._begun_s = 0.0

    def say(self, text: str) -> None:
        """Write a text above the progress."""
        self._stream.write(f"{_ERASE if self._status else ''}{text}\n{self._status}")
        self._stream.flush()

    def status(self, text: str) -> None:
        """Show on a terminal what is going on, or nothing for an empty text."""
        if self._is_terminal:
            self._status = text[: shutil.get_terminal_size().columns - 1]
            self._stream.write(_ERASE + self._status)
            self._stream.flush()

    def minute(self, minute: int) -> None:
        """Show how many of the story's minutes have been sent."""
        now = _clock(story.START_MS + minute * story.MINUTE_MS)
        elapsed_s = time.monotonic() - self._begun_s
        self.status(progress_line(f"{now}  minutes", minute, story.MINUTES, elapsed_s=elapsed_s))
        if not self._is_terminal and minute % _PLAIN_EVERY == 0:
            self.say(f"... {now}: {minute} of {story.MINUTES} minutes sent\n")

    def scene(self) -> None:
        """Say what is going to happen."""
        size, predictions = len(story.FEATURES), story.MINUTES * story.PER_MINUTE
        self.say("Watchkeeper demo: an hour of a model that reads biopsies, in less than a minute\n")
        self._row("Model", f"logistic regression on scikit-learn's breast-cancer data, {size} features")
        self._row("Stream", f"{predictions:,} predictions for unseen patients; labels 5 to 15 minutes later")
        self._row("Servers", "Kafka and Valkey, embedded, on 127.0.0.1; they are gone afterwards")
        self._row("Incident", f"at {_clock(story.INCIDENT_MS)} {_HAPPENED}; the model stays as it is")
        self.status("fitting the model and building its reference profile ...")

    def profile(self, profile: ReferenceProfile) -> None:
        """Say what production is compared with; the stream begins."""
        self.status("")
        quality = _quality(profile.metrics)
        self._row("Profile", f"{profile.n:,} earlier predictions: {quality}")
        self.say("")
        self._begun_s = time.monotonic()

    def alert(self, event: AlertEvent) -> None:
        """Print an alert as its reader sees it; of one that another explains, that nobody is told."""
        if event.data.muted_by is None:
            self.say(render_text(alone(event), colour=self._colour))
        else:
            self.say(f"(not told by itself, another alert explains it: {plain(event.data.title)})\n")

    def summary(self, verdict: Verdict, counts: Mapping[str, Any]) -> None:
        """Say what was found and what was not, the counts, and what to try next."""
        self.status("")
        self.say("Summary: " + ("the incident was NOT told as it should be" if verdict.problems else "found"))
        for problem in verdict.problems:
            self._row("FAILED", problem)
        if not verdict.early:
            self._row("before", f"no alert in the {story.INCIDENT_MINUTE} minutes before it")
        self._row(_clock(story.INCIDENT_MS), _HAPPENED)
        for alert in verdict.later:
            self._row(f"{minutes_after(alert):+g} min", _told(alert))
        told = [alert for alert in verdict.later if alert.muted_by is None]
        incidents = {alert.incident for alert in told}
        self._row(
            "told", f"{len(verdict.later)} alerts, {len(incidents)} incidents: one message each, to each sink"
        )
        flagged = {alert.feature for alert in verdict.later}
        self._row("not flagged", ", ".join(name for name in story.FEATURES if name not in flagged))
        self._counts(counts, counts["duplicates"])
        self.say("\nNext, with settings and data of your own")
        for command, what in _NEXT:
            self.say(f"  {command:<64} {what}")

    def _counts(self, counts: Mapping[str, Any], duplicates: Mapping[str, int]) -> None:
        predictions, joined = counts["predictions"], counts["joined"]
        self._row("predictions", f"{predictions:,}, and {duplicates['predictions']} sent twice, counted once")
        labels = f"{joined:,} joined, {duplicates['labels']} duplicates, {counts['corrections']} corrections"
        self._row("labels", f"{labels}; {predictions - joined:,} predictions still wait for theirs")
        self._row("quality", f"{_quality(counts['metrics'])} over the whole hour")

    def _row(self, title: str, text: str) -> None:
        lead = f"  {title:<12} "
        self.say(textwrap.fill(text, _WIDTH, initial_indent=lead, subsequent_indent=" " * len(lead)))


def _told(alert: AlertData) -> str:
    predictions = round(minutes_after(alert) * story.PER_MINUTE)
    return f"after {predictions:,} predictions: {alert.title}"


def _quality(metrics: Mapping[str, float]) -> str:
    return f"accuracy {metrics['accuracy']:.1%}, recall {metrics['recall']:.1%}"


def _clock(time_ms: int) -> str:
    return f"{format_time(time_ms)[11:16]} UTC"
