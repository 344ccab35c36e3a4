"""The figures of quality by the names of the settings, from an error summary alone.

Which rows count is decided where the summary is filled: an answer without a score counts in `n` and in the
confusion pairs, not in `scored` and the sums of scores. A metric that the rows cannot give (no positives, one
class, nothing counted) is left out: it is never NaN and never a made-up 0.
"""

from __future__ import annotations

import math

from detectors.class_cells import PROBABLE
from detectors.error_quantiles import error_quantiles
from detectors.layout import ErrorLayout
from detectors.metrics_classes import Costs, binary_confusion, mean_cost, multiclass_confusion
from detectors.metrics_numbers import number_metrics
from detectors.metrics_scores import calibration_error, rank_metrics
from detectors.summary import Summary
from detectors.tally import Tally, tally_of, weighted_tally_of
from detectors.weight_cells import ROWS
from schemas.metric_settings import WEIGHTED

ErrorSummary = Summary[ErrorLayout]


def metrics_of(
    summary: ErrorSummary, *, positive: str | None, costs: Costs | None = None
) -> dict[str, float]:
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
        * with more than two classes `brier` is the sum over the classes, from 0 to 2, and a true class that the
          probabilities do not name leaves a row out of it and of `log_loss`;
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
    found = _metrics(tally_of(summary), positive, costs) | error_quantiles(summary)
    weighted = weighted_tally_of(summary)
    if weighted is not None:
        own = _metrics(weighted, positive, costs)
        found |= {f"{WEIGHTED}{name}": value for name, value in own.items()}
    return {name: value for name, value in found.items() if value is not None and math.isfinite(value)}


def _metrics(tally: Tally, positive: str | None, costs: Costs | None) -> dict[str, float | None]:
    if tally.task == "regression":
        return number_metrics(tally)
    found = _binary(tally, positive) if tally.task == "binary" else _multiclass(tally)
    return found if costs is None else found | {"cost": mean_cost(tally.pairs, costs)}


def _accuracy(tally: Tally) -> float | None:
    whole = tally.sum(ROWS)
    return (whole - tally.sum("wrong")) / whole if whole > 0 else None


def _binary(tally: Tally, positive: str | None) -> dict[str, float | None]:
    found: dict[str, float | None] = {"accuracy": _accuracy(tally)}
    if positive is not None:
        found |= binary_confusion(tally.pairs, positive=positive)
    return found | {
        **rank_metrics(tally.scores),
        "log_loss": tally.mean("log_loss", "scored"),
        "brier": tally.mean("brier", "scored"),
        "ece": calibration_error(tally.scores),
    }


def _multiclass(tally: Tally) -> dict[str, float | None]:
    return {
        "accuracy": _accuracy(tally),
        **multiclass_confusion(tally.pairs),
        **{name: tally.mean(f"class_{name}", PROBABLE) for name in ("log_loss", "brier")},
        "ece": calibration_error(tally.scores),
    }
