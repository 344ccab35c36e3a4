"""Do labels come: stretches of days that had predictions and next to no labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from consumers.plan import ModelPlan
from schemas.duration import format_duration
from watchkeeper.report.calendar import day_text, day_words
from watchkeeper.report.content import LabelGap, Row, Statement
from watchkeeper.report.ledger import Ledger
from watchkeeper.report.wording import name

DRY_SHARE: Final = 0.1
"""A day with less than this part of its usual labels is dry."""

EXPECTED_MIN: Final = 20
"""Labels that dry days in a row must have lacked: fewer may be missing by chance."""


def label_gaps(ledger: Ledger, days: Sequence[int]) -> list[LabelGap]:
    """Return the gaps among these days, of which only those count whose label horizon is over."""
    usual = ledger.usual(None)
    final = [day for day in days if ledger.is_final(day)]
    if usual is None:
        return []
    found = []
    for dry, some in groupby(final, key=lambda day: ledger.cohort([day]).received < DRY_SHARE * usual):
        own = list(some)
        total = ledger.cohort(own)
        if dry and total.observable * usual >= EXPECTED_MIN:
            found.append(
                LabelGap(
                    first=day_text(own[0]),
                    last=day_text(own[-1]),
                    predictions=total.predictions,
                    labelled=total.labelled - total.implicit,
                    ongoing=own[-1] == final[-1],
                )
            )
    return found


def label_statements(gaps: Sequence[LabelGap], total: Row, *, any_final: bool) -> Iterator[Statement]:
    """Yield a sentence per gap, or one that there is none."""
    if total.predictions and not total.labelled:
        until = "" if any_final else " yet; the label horizon of all of them is still open"
        text = f"No label has come for {total.predictions:,} predictions{until}: the quality is not known."
        yield Statement("unknown", text)
    for gap in gaps:
        few = f"only {gap.labelled:,} labels came" if gap.labelled else "none has a label"
        when = f"from {day_words(gap.first)} to {day_words(gap.last)}"
        if gap.first == gap.last:
            when = f"on {day_words(gap.first)}"
        ends = ", the last day whose labels are due" if gap.ongoing else ""
        yield Statement("bad", f"Labels stopped {when}{ends}: of {gap.predictions:,} predictions {few}.")
    if total.usual is not None and not gaps:
        text = f"Labels came without a gap; usually {100 * total.usual:.1f}% of the predictions get one."
        yield Statement("good", text)


def rule_statements(total: Row, plan: ModelPlan) -> Iterator[Statement]:
    """Yield what the settings say of labels that nobody sends."""
    if total.implicit:
        after = format_duration(plan.implicit_ms)
        yield Statement(
            "plain",
            f"{100 * total.implicit / total.labelled:.1f}% of the labels are implicit: no label within {after} "
            f"counts as {name(plan.implicit or '')}.",
        )
    if total.unobservable:
        yield Statement(
            "plain",
            f"{total.unobservable:,} of {total.predictions:,} predictions never get a label, by what was decided "
            "on them: no figure of quality is about them.",
        )
