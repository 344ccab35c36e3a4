"""The words for each kind of trouble: what happened, what it means, why, what to do first.

Braces are filled by `alerts.wording`: {thing} is the feature (or what stands for it), {metric} the
figure that moved, {version} the model version. Nothing from outside is ever used as a pattern.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from schemas.finding import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrases:
    """What is said about one kind of trouble.

    Parameters
    ----------
    up, down, changed
        What happened, by the evidence's direction; fits after "fraud: ".
    thing
        Stands for {thing} when the finding names no feature.
    first_step
        The one concrete thing to do first.
    ignored
        What happens if nobody does anything; fits after "If ignored: ".
    fallback_helps
        Whether switching to the fallback protects anybody.
    """

    up: str
    down: str
    changed: str
    thing: str = "the inputs"
    impact: str
    causes: tuple[str, ...]
    first_step: str
    ignored: str
    fallback_helps: bool = True


PHRASES: Final[Mapping[Kind, Phrases]] = {
    Kind.DATA_DRIFT: Phrases(
        up="values of {thing} moved up",
        down="values of {thing} moved down",
        changed="values of {thing} are spread differently",
        impact="The model answers for inputs that look different from its training data; "
        "its quality on them is not known yet.",
        causes=(
            "a change in the system that supplies {thing}",
            "a real change of customers, season or campaign",
            "a new unit or encoding of {thing}",
        ),
        first_step="Ask the owner of the source of {thing} whether it changed at the time given under Since; "
        "if it was a release, have it rolled back.",
        ignored="errors may rise and will show only when labels arrive",
    ),
    Kind.PREDICTION_DRIFT: Phrases(
        up="the answers moved up",
        down="the answers moved down",
        changed="the mix of answers changed",
        impact="Whoever acts on the answers now acts differently often, though nothing was decided.",
        causes=(
            "the inputs changed (see other alerts of the same window)",
            "a new model version or threshold",
            "a real change in what the model predicts",
        ),
        first_step="Compare with the time of the last deployment; if they match, roll it back.",
        ignored="decisions follow the shifted answers, right or wrong",
    ),
    Kind.LABEL_DRIFT: Phrases(
        up="the true outcomes moved up",
        down="the true outcomes moved down",
        changed="the mix of true outcomes changed",
        impact="What the model was trained to expect is no longer as frequent; thresholds and scores may not fit.",
        causes=(
            "a real change in the world",
            "a change in how labels are made",
            "labels of one class come late",
        ),
        first_step="Ask whoever makes the labels whether their rule or process changed; "
        "if it did not, plan a retraining on recent data.",
        ignored="the model stays tuned to a mix of outcomes that no longer exists",
        fallback_helps=False,
    ),
    Kind.PERFORMANCE: Phrases(
        up="{metric} rose",
        down="{metric} fell",
        changed="{metric} got worse",
        impact="The model makes more or larger mistakes than it was accepted with, measured on real labels.",
        causes=(
            "an input changed or broke (see other alerts of the same window)",
            "the world changed and the model is out of date",
            "a bad release of the model",
        ),
        first_step="Look for a deployment or a data-quality alert just before the time given under Since; "
        "roll back the release or mend the source. With neither, start a retraining.",
        ignored="every further answer carries the higher error",
    ),
    Kind.ESTIMATED_PERFORMANCE: Phrases(
        up="estimated {metric} rose",
        down="estimated {metric} fell",
        changed="estimated {metric} got worse",
        impact="The answers themselves tell that the model is less sure, or further off, than it was; labels are still to come and will confirm or refute it.",
        causes=("inputs moved to where the model is unsure", "an input broke", "a new kind of case"),
        first_step="Look at the data-drift and data-quality alerts of the same window and mend the worst input; "
        "label a sample of recent cases by hand.",
        ignored="the fall will be known for certain only after the label delay",
    ),
    Kind.CALIBRATION: Phrases(
        up="scores are too low for what happens",
        down="scores are too high for what happens",
        changed="scores no longer match how often things happen",
        impact="Thresholds and expected costs computed from the scores are off, even if the ranking is still right.",
        causes=(
            "the mix of outcomes changed",
            "the model is out of date",
            "scores are transformed differently",
        ),
        first_step="Re-fit the calibration on labels since the time given under Since, "
        "and check whether a threshold was moved.",
        ignored="decisions by threshold drift further from what was agreed",
    ),
    Kind.DATA_QUALITY: Phrases(
        up="more bad values in {thing}",
        down="fewer bad values in {thing} than the profile knows",
        changed="values of {thing} are not as they should be",
        impact="The model guesses where {thing} is missing or wrong.",
        causes=(
            "an upstream job failed or was released",
            "a field was renamed, retyped or is no longer filled",
            "a join in the feature pipeline finds fewer partners",
        ),
        first_step="Ask the owner of the source of {thing} to look at their last release and their failed jobs, "
        "and have the field filled again.",
        ignored="answers that rest on {thing} are guesses until the source is mended",
    ),
    Kind.SCHEMA: Phrases(
        up="{thing} does not have the agreed form more often",
        down="{thing} does not have the agreed form",
        changed="{thing} does not have the agreed form",
        thing="the event",
        impact="Values that do not have the agreed form are treated as missing.",
        causes=("a producer was released with another schema", "a field was renamed or retyped"),
        first_step="Compare the producer's current schema with the profile; roll the producer back, "
        "or make a new profile if the change was meant.",
        ignored="the affected fields stay missing for the model",
    ),
    Kind.OOD_RATE: Phrases(
        up="more cases unlike anything in the training data",
        down="fewer cases unlike the training data",
        changed="the share of cases unlike the training data changed",
        impact="For such cases the model extrapolates; nobody has measured its quality there.",
        causes=("a new group of customers or products", "a broken or rescaled input", "an attack or a test"),
        first_step="Look at alerts on single features of the same window, then at the predictions named under How bad; "
        "decide whether such cases are real, and mend the source if they are not.",
        ignored="the model goes on answering where it knows nothing",
    ),
    Kind.VOLUME: Phrases(
        up="more traffic than usual",
        down="less traffic than usual",
        changed="traffic is not as usual",
        impact="With less traffic somebody is not being served; with more, costs and latency rise.",
        causes=(
            "a caller was released, stopped or sends again what failed",
            "an outage upstream, or events that do not reach the topic",
            "a campaign or a holiday",
        ),
        first_step="Compare the requests that the serving service counts with the events of the predictions topic: "
        "if they agree, ask the callers what they changed at the time given under Since; if not, mend what lies "
        "between the two.",
        ignored="an outage upstream stays unnoticed, and other checks have less to go on",
        fallback_helps=False,
    ),
    Kind.LATENCY: Phrases(
        up="answers take longer",
        down="answers come faster than usual",
        changed="answer times changed",
        impact="Callers wait longer and may give up or time out.",
        causes=("more load or fewer instances", "a slow feature store", "a heavier model version"),
        first_step="Check load and instances of the serving service, then its slowest dependency; scale out or "
        "roll back the last release.",
        ignored="callers run into their time limits",
    ),
    Kind.ERROR_RATE: Phrases(
        up="more requests end without an answer",
        down="fewer requests end without an answer",
        changed="the share of requests without an answer changed",
        impact="Those callers get no answer from the model.",
        causes=("a bad release", "a dependency is down", "inputs that the model cannot take"),
        first_step="Read the `error` field of recent prediction events and roll back the last release "
        "if it began with it.",
        ignored="callers go without answers",
    ),
    Kind.FALLBACK_RATE: Phrases(
        up="more answers come from the fallback",
        down="fewer answers come from the fallback",
        changed="the share of fallback answers changed",
        impact="Those answers are not the model's; they are measured apart.",
        causes=("the model times out", "a dependency is down", "a rule sends more cases to the fallback"),
        first_step="Find out in the serving service's logs why it falls back, and mend that cause.",
        ignored="the business runs on the fallback without having decided so",
        fallback_helps=False,
    ),
    Kind.LABEL_COVERAGE: Phrases(
        up="more predictions get a label than usual",
        down="fewer predictions get a label",
        changed="the share of predictions with a label changed",
        impact="Quality figures rest on fewer cases, perhaps on a biased part of them.",
        causes=("the label job failed", "ids do not match", "a process stopped reporting back"),
        first_step="Check the last run of the job that writes ground truth and how many ids it wrote.",
        ignored="a fall in quality may go unseen",
        fallback_helps=False,
    ),
    Kind.LABEL_LAG: Phrases(
        up="labels arrive later",
        down="labels arrive sooner than usual",
        changed="labels arrive at other times",
        impact="Quality is known later than agreed.",
        causes=("the label job is late", "a manual step has a backlog"),
        first_step="Check the schedule and the backlog of the job that writes ground truth.",
        ignored="mistakes are found later than agreed",
        fallback_helps=False,
    ),
    Kind.ORPHAN_LABELS: Phrases(
        up="more labels without a prediction",
        down="fewer labels without a prediction",
        changed="labels without a prediction",
        impact="Those labels count for nothing, so quality figures lack them.",
        causes=(
            "ids are written differently by the two producers",
            "the two producers use different partitioners",
            "predictions are lost before they reach the topic",
        ),
        first_step="Take one orphan id from the ground-truth topic and look for its prediction; "
        "compare how both producers write and partition ids.",
        ignored="quality figures miss those cases",
        fallback_helps=False,
    ),
    Kind.VERSION_REGRESSION: Phrases(
        up="version {version} does worse than the version before",
        down="version {version} does worse than the version before",
        changed="version {version} does worse than the version before",
        impact="Traffic on this version gets worse answers than it would from the version before.",
        causes=("the release itself", "other features or data in training than in serving"),
        first_step="Stop the roll-out of version {version} and send its traffic back to the version before.",
        ignored="the roll-out spreads the worse answers",
    ),
    Kind.MONITOR_LAG: Phrases(
        up="Watchkeeper is behind the stream",
        down="Watchkeeper is behind the stream",
        changed="Watchkeeper is behind the stream",
        impact="Alerts come later than they should.",
        causes=("more traffic than the workers can take", "a slow or unreachable Kafka or Redis"),
        first_step="Add a worker, up to the number of partitions; if that does not help, look at Redis and Kafka.",
        ignored="trouble is told later and later",
        fallback_helps=False,
    ),
    Kind.MONITOR_INTEGRITY: Phrases(
        up="Watchkeeper's own figures may be wrong",
        down="Watchkeeper's own figures may be wrong",
        changed="Watchkeeper's own figures may be wrong",
        impact="Counts or windows may lack events; treat figures of this time with care.",
        causes=("a topic was recreated or cut", "Redis lost data", "most events cannot be decoded"),
        first_step="Run `watchkeeper check`, and read the evidence: it names the topic, partition or rejected events.",
        ignored="alerts may be missing or wrong, and nobody would know",
        fallback_helps=False,
    ),
}
