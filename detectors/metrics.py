"""The figures of quality by the names of the settings, from an error summary alone.

Which rows count is decided where the summary is filled: an answer without a score counts in `n` and in the
confusion pairs, not in `scored` and the sums of scores. A metric that the rows cannot give (no positives, one
class, nothing counted) is left out: it is never NaN and never a made-up 0.
"""

from __future__ import annotations

import math
from typing import Final

from detectors.layout import DEVIANCE, ERROR_COUNTS, ErrorLayout
from detectors.metrics_classes import binary_confusion, multiclass_confusion
from detectors.metrics_scores import calibration_error, rank_metrics, score_counts
from detectors.summary import Summary

ErrorSummary = Summary[ErrorLayout]

LOWER_IS_BETTER: Final = frozenset({"log_loss", "brier", "ece", "mae", "rmse", "mape", "smape", "deviance"})
"""Every other metric is better when it is higher, but for `bias` and `actual_to_expected`."""

VARIANCE_SHARE_MIN: Final = 1e-12
"""Below this share of the mean square a variance is rounding error: `r2` is then left out."""


def metrics_of(summary: ErrorSummary, *, positive: str | None) -> dict[str, float]:
    """Return every metric that the summary can give.

    Parameters
    ----------
    positive
        Class that a binary model's scores are the probability of, and that precision, recall and F1 are
        about; None for other tasks.

    Returns
    -------
    dict
        Finite numbers. Conventions are those of scikit-learn, and where one had to be chosen:

        * binary metrics set the positive class against all others; precision without a predicted positive,
          recall without a true one, and `mcc` with an empty row or column are absent;
        * multiclass averages run over the classes that were predicted or true; a class that was never
          predicted has precision 0 in them, as with `zero_division=0`;
        * `ece` has 16 bins of equal width; `mape` leaves rows out whose truth is 0; `smape` lies in [0, 2];
        * `deviance` is there where the model's loss is one, and leaves rows out that this loss does not allow.

    Notes
    -----
    Counts and sums are exact: accuracy and everything from the confusion pairs has no error, and log loss,
    Brier score and the errors of a regression have that of one division. `roc_auc`, `pr_auc` and `ece` are
    read from the layout's score bins (128 in a window, 1024 in a version's life), whose scores count as
    ties. `roc_auc` is off by at most half the share of (positive, negative) pairs that share a bin, `pr_auc`
    by what reordering inside bins can do: with smooth scores about 0.001 for 1024 bins and 0.01 for 128, and
    nothing where equal bins hold equal scores. `ece` is off by at most half a bin.

    Examples
    --------
    >>> summary = Summary.empty(ErrorLayout("multiclass"))
    >>> summary.vector[:2] = 10, 3
    >>> summary.pairs |= {("a", "a"): 4, ("b", "b"): 3, ("a", "b"): 3}
    >>> {name: round(value, 3) for name, value in metrics_of(summary, positive=None).items()}["accuracy"]
    0.7
    """
    if summary.layout.task == "regression":
        found = _regression(summary)
    elif summary.layout.task == "binary":
        found = _binary(summary, positive)
    else:
        found = _multiclass(summary)
    return {name: value for name, value in found.items() if value is not None and math.isfinite(value)}


def error_counts(summary: ErrorSummary) -> dict[str, int]:
    """Return the leading counts of an error summary by the names of `ERROR_COUNTS`."""
    return dict(zip(ERROR_COUNTS, summary.vector[: len(ERROR_COUNTS)].tolist(), strict=True))


def _binary(summary: ErrorSummary, positive: str | None) -> dict[str, float | None]:
    counts = error_counts(summary)
    found: dict[str, float | None] = {"accuracy": _ratio(counts["n"] - counts["wrong"], counts["n"])}
    if positive is not None:
        found |= binary_confusion(summary.pairs, positive=positive)
    scored = counts["scored"]
    return found | {
        **rank_metrics(score_counts(summary)),
        "log_loss": _ratio(_sum(summary, "log_loss"), scored),
        "brier": _ratio(_sum(summary, "brier"), scored),
        "ece": calibration_error(score_counts(summary)),
    }


def _multiclass(summary: ErrorSummary) -> dict[str, float | None]:
    counts = error_counts(summary)
    return {
        "accuracy": _ratio(counts["n"] - counts["wrong"], counts["n"]),
        **multiclass_confusion(summary.pairs),
        "ece": calibration_error(score_counts(summary)),
    }


def _regression(summary: ErrorSummary) -> dict[str, float | None]:
    counts = error_counts(summary)
    n = counts["n"]
    mean_square = _ratio(_sum(summary, "squared"), n)
    return {
        "mae": _ratio(_sum(summary, "absolute"), n),
        "rmse": None if mean_square is None else math.sqrt(max(mean_square, 0.0)),
        "bias": _ratio(_sum(summary, "error"), n),
        "mape": _ratio(_sum(summary, "ape"), counts["ape_n"]),
        "smape": _ratio(_sum(summary, "smape"), n),
        "r2": _explained(summary, n),
        "actual_to_expected": _ratio(_sum(summary, "truth"), _sum(summary, "prediction")),
        "deviance": _mean_deviance(summary, n),
    }


def _mean_deviance(summary: ErrorSummary, n: int) -> float | None:
    """Return the mean over the rows that the loss allows, None where the loss is no deviance."""
    layout = summary.layout
    if layout.power is None:
        return None
    return _ratio(_sum(summary, DEVIANCE), n - int(summary.vector[layout.refused]))


def _explained(summary: ErrorSummary, n: int) -> float | None:
    """Return 1 - (squared errors / squared distances of the truth from its mean), None without a spread."""
    if n < 2:
        return None
    truth, square = _sum(summary, "truth"), _sum(summary, "truth_squared")
    spread = square - truth * (truth / n)
    if not spread > VARIANCE_SHARE_MIN * square:
        return None
    return 1 - _sum(summary, "squared") / spread


def _sum(summary: ErrorSummary, name: str) -> float:
    return summary.layout.sum(summary.vector, name)


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
