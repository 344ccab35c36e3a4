"""The words for labels that are not as they usually are, by the check that saw it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from alerts.phrasebook import Phrases

if TYPE_CHECKING:
    from collections.abc import Mapping

LABELS: Final[Mapping[str, Phrases]] = {
    "label_coverage": Phrases(
        up="more labels come than usual",
        down="fewer labels come than usual",
        changed="labels come at another pace",
        impact="Quality is not being measured on the predictions whose labels stay away; a fall there would not be seen.",
        causes=(
            "the job that writes ground truth failed or is late",
            "ids do not match any more",
            "a process stopped reporting back",
        ),
        first_step="Check the last run of the job that writes ground truth, and how many ids it wrote; "
        "run it again for the time since it failed.",
        ignored="a fall in quality goes unseen",
        fallback_helps=False,
    ),
    "late_labels": Phrases(
        up="more labels come after the label horizon",
        down="fewer labels come after the label horizon",
        changed="labels come after the label horizon",
        impact="Those labels are counted and not used, so quality figures lack them.",
        causes=("the label job has a backlog", "the process behind the labels takes longer than it did"),
        first_step="Ask whoever makes the labels how long they take now; if it stays so, raise label_horizon.",
        ignored="quality figures lack those cases for good",
        fallback_helps=False,
    ),
    "label_duplicates": Phrases(
        up="more labels are sent again",
        down="fewer labels are sent again",
        changed="labels are sent again",
        impact="Repeated labels are counted once, so no figure is wrong; they cost work and hint at a job that runs twice.",
        causes=("the label job runs twice or over too long a time", "a producer retries without idempotence"),
        first_step="Check whether the job that writes ground truth ran more than once since the time given under Since.",
        ignored="nothing breaks; the load stays higher than it need be",
        fallback_helps=False,
    ),
    "label_conflicts": Phrases(
        up="more labels contradict one that stands",
        down="fewer labels contradict one that stands",
        changed="labels contradict one another",
        impact="The first label of an id stands and a later one of the same revision is set aside: "
        "quality figures may rest on the wrong one.",
        causes=(
            "two systems write labels for the same ids",
            "corrections are sent without a higher revision",
            "ids are used twice",
        ),
        first_step="Look two labels of one id up in the ground-truth topic; have corrections carry a higher revision.",
        ignored="quality figures may rest on the wrong labels",
        fallback_helps=False,
    ),
    "label_corrections": Phrases(
        up="more labels are corrected",
        down="fewer labels are corrected",
        changed="labels are corrected",
        impact="Quality figures that were told already change afterwards; alerts rested on first labels.",
        causes=("the rule behind the labels changed", "an earlier run of the label job was wrong"),
        first_step="Ask whoever makes the labels what is being corrected and until when; read the report of those days again "
        "when it is over.",
        ignored="decisions may rest on labels that are about to change",
        fallback_helps=False,
    ),
}
