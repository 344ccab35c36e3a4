"""What was measured, kept in a file: one line per table, row, contender and seed, so that runs add up.

Lines are appended as soon as they are measured, so several runs may write one file, and one that was stopped has
lost little. A later line of the same place replaces an earlier one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Figures = dict[str, Any]
"""By name, as JSON has them; what was never found is infinite, which Python writes as `Infinity`."""
Measured = dict[str, dict[str, dict[int, Figures]]]
"""By row, contender and seed."""


class Results:
    """Figures of all tables.

    Parameters
    ----------
    path
        The file; None keeps them in memory alone.

    Raises
    ------
    ValueError
        A line of something else.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._tables: dict[str, Measured] = {}
        if path is not None and path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                table, row, name, seed, figures = json.loads(line)
                self._put(table, row, name, seed, figures)

    def put(self, table: str, row: str, name: str, seed: int, figures: Mapping[str, Any]) -> None:
        """Keep what one contender did on one row with one seed."""
        self._put(table, row, name, seed, dict(figures))
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as out:
                out.write(json.dumps([table, row, name, seed, figures]) + "\n")

    def _put(self, table: str, row: str, name: str, seed: int, figures: Figures) -> None:
        self._tables.setdefault(table, {}).setdefault(row, {}).setdefault(name, {})[seed] = figures

    def of(self, table: str) -> Measured:
        """Return what is known of a table; rows and contenders in the order in which they came."""
        return self._tables.get(table, {})

    def tidy(self) -> None:
        """Write the file anew, without what has been replaced."""
        if self._path is not None:
            lines = [
                json.dumps([table, row, name, seed, figures])
                for table, rows in self._tables.items()
                for row, names in rows.items()
                for name, seeds in names.items()
                for seed, figures in sorted(seeds.items())
            ]
            self._path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def counted(measured: Measured, what: str) -> str:
    """Return over how many seeds a table was measured, and who had fewer or more: `5 streams (KSWIN 1)`.

    Parameters
    ----------
    what
        Word for a seed, in the plural.
    """
    by_name: dict[str, int] = {}
    for names in measured.values():
        for name, seeds in names.items():
            by_name[name] = max(by_name.get(name, 0), len(seeds))
    if not by_name:
        return f"0 {what}"
    counts = list(by_name.values())
    usual = max(set(counts), key=counts.count)
    others: dict[int, list[str]] = {}
    for name, count in by_name.items():
        if count != usual:
            others.setdefault(count, []).append(name)
    said = "; ".join(f"{', '.join(names)}: {count}" for count, names in sorted(others.items()))
    return f"{usual} {what}{f' ({said})' if said else ''}"


def in_order(measured: Measured, rows: Sequence[str]) -> Measured:
    """Return the rows of a table that are known, in this order."""
    return {row: measured[row] for row in rows if row in measured}
