"""Is it worse now: than in its first full month, than the profile, than the version before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from consumers.plan import ModelPlan
from consumers.rollup import DAY_MS
from detectors.confidence import Z95, Estimate, difference
from detectors.layout import ErrorLayout
from detectors.profile import ReferenceProfile
from detectors.summary import Summary
from watchkeeper.report.calendar import Unit, day_text, day_words, unit_end, unit_name, unit_start
from watchkeeper.report.content import (
    Comparison,
    Estimates,
    MetricTrend,
    Statement,
    Stretch,
    Tone,
    VersionLife,
)
from watchkeeper.report.ledger import LABELS_MIN, Ledger
from watchkeeper.report.shown import shown_estimates
from watchkeeper.report.wording import (
    between,
    capital,
    figure,
    metric_words,
    name,
    size,
    stretch_words,
    worse,
)

PROFILES_MAX: Final = 4
"""Versions that are set against their profiles, those with most predictions."""

LENGTHS: Final[dict[Unit, int]] = {"month": 30, "week": 7}
"""Days with sound labels that "now", and the time around a switch of versions, are made of."""


def comparisons(ledger: Ledger) -> list[Comparison]:
    """Set the newest sound days against the first full month (a young model: week), and against the profile.

    Not against one that the model learned: the first labels, which it knows, may be mostly of one class.
    """
    found = []
    early = next((c for unit in LENGTHS if (c := _with_first(ledger, unit)) is not None), None)
    if early is not None:
        found.append(early)
    return [*found, *_with_profiles(ledger)]


def _with_profiles(ledger: Ledger) -> Iterator[Comparison]:
    """Yield what is known now beside the profile, by version where some have one of their own."""
    newest = list(ledger.sound(ledger.days))[-LENGTHS["month"] :]
    plan = ledger.plan
    versions = ledger.versions(newest)[:PROFILES_MAX] if plan.versions else [None]
    for version in versions:
        now, profile = ledger.stretch("now", newest, version), plan.reference(version).profile
        built = profile is not None and profile.learned is None  # what was learned is no yardstick
        before = profile_stretch(plan, profile, version) if profile is not None and built else None
        if now is not None and before is not None:
            yield Comparison("profile", before, now, differences(now.metrics, before.metrics))


def _now(ledger: Ledger, days: int) -> Stretch | None:
    newest = list(ledger.sound(ledger.days))[-days:]
    return ledger.stretch("now", newest) if newest else None


def _with_first(ledger: Ledger, unit: Unit) -> Comparison | None:
    if not ledger.days:
        return None
    start = unit_start(ledger.days[0], unit)
    if start < ledger.days[0]:
        start = unit_end(start, unit)
    end = unit_end(start, unit)
    before = ledger.stretch(f"its first full {unit}, {unit_name(start, unit)}", ledger.between(start, end))
    now = _now(ledger, LENGTHS[unit])
    if before is None or now is None or now.first is None or now.first < day_text(end):
        return None
    return Comparison("first period", before, now, differences(now.metrics, before.metrics))


def profile_stretch(plan: ModelPlan, profile: ReferenceProfile, version: str | None = None) -> Stretch | None:
    """Return what a profile knows of the quality of a model or a version, with intervals where its counts give them."""
    if profile.labelled < LABELS_MIN or not profile.metrics:
        return None
    found: Estimates = {}
    if profile.task == "regression":
        if "mae" in profile.metrics:
            value, half = profile.metrics["mae"], Z95 * profile.error_sd / profile.labelled**0.5
            found["mae"] = Estimate(value, value - half, value + half) if half > 0 else Estimate(value)
    elif profile.confusion:
        summary = Summary.empty(ErrorLayout(profile.task))
        summary.pairs = {(predicted, true): n for predicted, true, n in profile.confusion}
        n = sum(summary.pairs.values())
        wrong = sum(n for (p, t), n in summary.pairs.items() if not plan.classes.same(p, t))
        summary.vector[:2] = n, wrong
        if profile.score_cells:
            summary.vector[2] = sum(profile.score_cells)
            summary.vector[ErrorLayout.SCORES : summary.layout.counts] = profile.score_cells
        found = shown_estimates(plan, summary)
        for metric in ("brier", "log_loss"):  # their sums are not in the profile
            found.pop(metric, None)
    called = "the profile" if version is None else f"the profile of version {name(version)}"
    return Stretch(called, None, None, profile.labelled, found) if found else None


def differences(now: Estimates, before: Estimates) -> Estimates:
    """Return the differences of the metrics that both have."""
    return {metric: difference(now[metric], before[metric]) for metric in now if metric in before}


def version_lives(ledger: Ledger, versions: Sequence[str]) -> list[VersionLife]:
    """Return the lives of these versions in the order in which they came, each with what changed at its switch."""
    spans = {version: ledger.days_of(version) for version in versions}
    found: list[VersionLife] = []
    for version in sorted(spans, key=lambda version: (spans[version][0], version)):
        own = spans[version]
        total = ledger.cohort(own, version)
        after, switch = _switch(ledger, version, own, {*spans} - {version})
        found.append(
            VersionLife(
                version=version,
                first=day_text(own[0]),
                last=day_text(own[-1]),
                predictions=total.predictions,
                labelled=total.labelled,
                after=after,
                switch=switch,
            )
        )
    return found


def _switch(
    ledger: Ledger, version: str, own: Sequence[int], others: set[str]
) -> tuple[str | None, Comparison | None]:
    """Return the version that answered most in the month before, and how the two compare around the switch."""
    month = ledger.between(own[0] - LENGTHS["month"] * DAY_MS, own[0])
    before = next((v for v in ledger.versions(month) if v in others), None)
    if before is None:
        return None, None
    old = ledger.stretch(f"version {name(before)}", month, before)
    new = ledger.stretch(f"version {name(version)}", own[: LENGTHS["month"]], version)
    if old is None or new is None:
        return before, None
    return before, Comparison("version before", old, new, differences(new.metrics, old.metrics))


def comparison_statements(found: Sequence[Comparison], headlines: Sequence[str]) -> Iterator[Statement]:
    """Yield one sentence per comparison and headline metric that both sides have."""
    for comparison in found:
        for metric in headlines:
            if metric in comparison.differences:
                yield _sentence(comparison, metric)


def switch_statements(
    lives: Sequence[VersionLife], headlines: Sequence[str], trends: Sequence[MetricTrend]
) -> Iterator[Statement]:
    """Yield one sentence per version that came after another; a trend may say that it changed nothing at once."""
    for life in lives:
        if life.after is None:
            continue
        came = f"Version {name(life.version)} came on {day_words(life.first)}, after {name(life.after)}"
        if life.switch is None:
            yield Statement("unknown", f"{came}: too few labels around the switch to compare them.")
            continue
        told = [m for m in headlines if m in life.switch.differences]
        slow = {m for m in told if _only_slow(life, m, trends)}
        verdicts = {worse(m, life.switch.differences[m]) for m in told if m not in slow}
        words = "; ".join(
            _around(life.switch, m)
            + (", as the slow change goes on: no jump at the switch" if m in slow else "")
            for m in told
        )
        tone: Tone = "bad" if True in verdicts else "good" if False in verdicts else "plain"
        yield Statement(tone, f"{came}: {words}." if told else f"{came}.")


def _only_slow(life: VersionLife, metric: str, trends: Sequence[MetricTrend]) -> bool:
    """Say whether a slow change that was going on explains the difference, and the regression saw no jump."""
    for trend in trends:
        if trend.metric == metric and trend.found and life.switch is not None and life.last >= trend.since:
            same = worse(metric, trend.change) == worse(metric, life.switch.differences[metric])
            return same and all(jump.version != life.version for jump in trend.jumps)
    return False


def _around(switch: Comparison, metric: str) -> str:
    change = switch.differences[metric]
    before, now = (figure(metric, side.metrics[metric].value) for side in (switch.before, switch.now))
    verdict = {True: "worse", False: "better", None: "no difference shown"}[worse(metric, change)]
    return f"{metric_words(metric)} {before} before and {now} after, {verdict} ({between(metric, change)})"


def _sentence(comparison: Comparison, metric: str) -> Statement:
    change = comparison.differences[metric]
    verdict = worse(metric, change)
    before, now = (figure(metric, side.metrics[metric].value) for side in (comparison.before, comparison.now))
    where = f"{comparison.before.name}: {before} then, {now} {stretch_words(comparison.now)}"
    subject = capital(metric_words(metric))
    if verdict is None:
        return Statement("plain", f"{subject}: no difference shown to {where}, {between(metric, change)}.")
    moved = "higher" if change.value > 0 else "lower"
    text = f"{subject} is {'worse' if verdict else 'better'} than in {where}"
    return Statement(
        "bad" if verdict else "good",
        f"{text}; {size(metric, change.value)} {moved}, {between(metric, change)}.",
    )
