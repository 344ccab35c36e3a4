"""What one figure does not say: which classes are mistaken for which, how scores come true, how each decile does."""

from __future__ import annotations

from typing import Final, TypeAlias

from detectors.confidence import wilson
from detectors.metrics_classes import ClassCounts, by_class
from detectors.metrics_scores import CALIBRATION_BINS, calibration_sums
from detectors.number_cells import PredictionBins
from detectors.summary import Pairs
from detectors.tally import ErrorSummary, score_counts, tally_of, weighted_tally_of
from schemas.metric_settings import WEIGHTED

Row: TypeAlias = dict[str, float]
Table: TypeAlias = "dict[str, Row] | list[Row]"
"""Rows by name, or in order."""

TABLES: Final = ("confusion", "classes", "reliability", "deciles", f"{WEIGHTED}deciles")


def tables_of(summary: ErrorSummary) -> dict[str, Table]:
    """Return the tables of `TABLES` that the summary can give.

    Returns
    -------
    dict
        `confusion`: true class to predicted class to answers. `classes`: class to `n` (how often it was true),
        `predicted`, `precision`, `recall` and `f1`; a figure that is undefined is absent. `reliability`: per bin of the
        score with answers `low`, `high`, `n`, `mean_score`, `observed` (share that came true) and its 95 % interval.
        `deciles`: per tenth of the profile's predictions `decile`, `n`, `mean_prediction`, `mean_truth` and
        `actual_to_expected`; with `weighted.` before it every row counts by its weight, and there is a `weight`.

    Notes
    -----
    Scores are taken to be the middles of their cells, so `mean_score` is off by at most half a cell; the rest has no
    error but that of `detectors.fixed`.
    """
    found: dict[str, Table] = {}
    if summary.layout.task == "regression":
        return _of_numbers(summary)
    if summary.pairs:
        found["confusion"] = _confusion(summary.pairs)
        found["classes"] = {name: _class_row(counts) for name, counts in by_class(summary.pairs).items()}
    reliability = _reliability(summary)
    return found | {"reliability": reliability} if reliability else found


def _confusion(pairs: Pairs) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for (predicted, true), n in sorted(pairs.items()):
        found.setdefault(true, {})[predicted] = n
    return dict(sorted(found.items()))


def _class_row(counts: ClassCounts) -> Row:
    figures = {"precision": counts.precision, "recall": counts.recall, "f1": counts.f1}
    known = {name: value for name, value in figures.items() if value is not None}
    return {"n": counts.true, "predicted": counts.predicted, **known}


def _reliability(summary: ErrorSummary) -> list[Row]:
    counts = score_counts(summary)
    if not counts.any():
        return []
    rows: list[Row] = []
    expected, observed, ns = (sums.tolist() for sums in calibration_sums(counts))
    for place, (scores, hits, n) in enumerate(zip(expected, observed, ns, strict=True)):
        if n > 0:
            share = wilson(round(hits), round(n))
            rows.append(
                {
                    "low": place / CALIBRATION_BINS,
                    "high": (place + 1) / CALIBRATION_BINS,
                    "n": round(n),
                    "mean_score": scores / n,
                    "observed": share.value,
                    "observed_low": share.low or 0.0,
                    "observed_high": share.value if share.high is None else share.high,
                }
            )
    return rows


def _of_numbers(summary: ErrorSummary) -> dict[str, Table]:
    numbers, plain, weighted = summary.layout.numbers, tally_of(summary).bins, weighted_tally_of(summary)
    if numbers is None or not numbers.deciles or plain is None or not plain.weight.any():
        return {}
    groups = numbers.deciles
    rows = plain.grouped(groups)
    found: dict[str, Table] = {"deciles": _deciles(rows, rows, "n")}
    if weighted is not None and weighted.bins is not None:
        found[f"{WEIGHTED}deciles"] = _deciles(rows, weighted.bins.grouped(groups), "weight")
    return found


def _deciles(plain: PredictionBins, sums: PredictionBins, weight_name: str) -> list[Row]:
    rows: list[Row] = []
    columns = (plain.weight, sums.weight, sums.prediction, sums.truth)
    for place, (n, weight, prediction, truth) in enumerate(zip(*(c.tolist() for c in columns), strict=True)):
        if weight > 0:
            row: Row = {"decile": place + 1, "n": round(n)}
            row |= {} if weight_name == "n" else {weight_name: weight}
            row |= {"mean_prediction": prediction / weight, "mean_truth": truth / weight}
            rows.append(row | ({"actual_to_expected": truth / prediction} if prediction else {}))
    return rows
