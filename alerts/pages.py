"""How often people are woken: a budget of pages for each pager, and one digest where it is spent.

A night with thirty pages is a night in which nobody reads the thirty-first. Beyond the budget a pager hears once that
there is a storm; whoever reads hears of everything all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alerts.telling import Rules


@dataclass(slots=True)
class PageBudget:
    """The pages of the last while.

    Parameters
    ----------
    spent
        Pager to the times of its pages, wall clock.
    """

    rules: Rules
    spent: dict[str, list[int]]

    def left(self, pager: str, now_ms: int) -> int:
        """Return how many more pages a pager may have now; -1 once the digest was sent too."""
        recent = [ms for ms in self.spent.get(pager, []) if now_ms - ms < self.rules.pages_span_ms]
        return self.rules.pages_max - len(recent)

    def spend(self, pager: str, now_ms: int) -> None:
        """Count a page."""
        recent = [ms for ms in self.spent.get(pager, []) if now_ms - ms < self.rules.pages_span_ms]
        self.spent[pager] = [*recent, now_ms]
