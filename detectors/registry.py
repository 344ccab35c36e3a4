"""Which detectors watch a model, by its settings and its profile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from detectors import adwin_errors, adwin_features, drift, performance, quality, service
from detectors.betting.setup import budgeted, unbudgeted_limits
from detectors.classes import ClassNames
from detectors.compare import VersionComparison
from detectors.detector import Detector
from detectors.distance_table import DISTANCES
from detectors.layout import ErrorLayout, PredictionLayout, error_layout, prediction_layout
from detectors.metric_limits import MetricLimits
from detectors.metrics_classes import mean_cost
from detectors.pair_layout import pair_layout
from detectors.profile import ReferenceProfile, is_feature
from detectors.river_monitor import river_monitors
from detectors.split_layout import split_layout_of
from detectors.unlisted import EVENTS_MIN, HYSTERESIS, THRESHOLD, UnlistedFeatures
from schemas.finding import Hysteresis
from schemas.model_settings import ModelSettings
from schemas.monitor_settings import MonitorSettings

Watch = Detector[Any]

_BAD_VALUES: Final[tuple[quality.BadValue, ...]] = ("missing_rate", "invalid_rate", "unseen_rate")
_STATUS_RATES: Final[tuple[service.Rate, ...]] = ("error_rate", "fallback_rate")


def detectors_for(settings: ModelSettings, profile: ReferenceProfile | None) -> list[Watch]:
    """Return the detectors of a model in a fixed order, without any state.

    Parameters
    ----------
    settings
        `monitors` switches detectors off and tunes them; `metrics` and `min_effect` are heeded too.
    profile
        None leaves out everything that needs a reference.

    Notes
    -----
    What is not tuned is left to the budgeted detectors (`detectors.betting`). Distances are evidence in their
    findings, and detectors of their own only where the settings tune them.

    Raises
    ------
    Stop
        If the profile does not have what one of river's detectors is to watch.
    """
    predictions, errors = prediction_layout(profile), error_layout(settings.task, profile, settings.loss)
    found: list[Watch] = budgeted(settings, profile, strict=True)
    found += [*_drift(settings, predictions), *_quality(settings, predictions), *_service(settings)]
    found += _labelled(settings, profile, errors)
    if settings.monitor("adwin_features").enabled and predictions.numeric:
        events_min = settings.monitor("adwin_features").min_events or adwin_features.VALUES_MIN
        found.append(adwin_features.AdwinFeatures(predictions, values_min=events_min))
    compared = version_comparison(settings, profile)
    return [*found, *([] if compared is None else [compared]), *river_monitors(settings, profile)]


def version_comparison(settings: ModelSettings, profile: ReferenceProfile | None) -> VersionComparison | None:
    """Return what compares versions; None where that is switched off."""
    if not settings.monitor("compare").enabled:
        return None
    layouts = pair_layout(settings.task, settings.costs), split_layout_of(settings, profile)
    return VersionComparison(*layouts, min_gain=settings.compare.min_gain, champion=settings.champion)


def _drift(settings: ModelSettings, layout: PredictionLayout) -> list[Watch]:
    found: list[Watch] = []
    for distance in DISTANCES:
        monitor = settings.monitor(distance)
        if monitor.enabled and _is_asked(distance, monitor) and layout.columns:
            found.append(
                drift.DistanceDrift(
                    layout,
                    distance=distance,
                    threshold=monitor.threshold,
                    events_min=monitor.min_events or drift.EVENTS_MIN,
                    hysteresis=monitor.hysteresis(Hysteresis()),
                )
            )
    return found


def _is_asked(distance: str, monitor: MonitorSettings) -> bool:
    return monitor.threshold is not None or (distance == "psi" and monitor.tuned)


def _quality(settings: ModelSettings, layout: PredictionLayout) -> list[Watch]:
    found: list[Watch] = []
    for rate in _BAD_VALUES:
        monitor = settings.monitor(rate)
        if monitor.enabled and monitor.tuned and layout.columns:
            found.append(
                quality.BadValueRate(
                    layout,
                    rate=rate,
                    threshold=monitor.threshold,
                    share_min=settings.min_effect.share,
                    events_min=monitor.min_events or quality.EVENTS_MIN,
                    hysteresis=monitor.hysteresis(quality.HYSTERESIS[rate]),
                )
            )
    monitor = settings.monitor("unlisted_features")
    if monitor.enabled and any(is_feature(c.column.name) for c in layout.columns):
        found.append(
            UnlistedFeatures(
                threshold=monitor.threshold or THRESHOLD,
                events_min=monitor.min_events or EVENTS_MIN,
                hysteresis=monitor.hysteresis(HYSTERESIS),
            )
        )
    return found


def _service(settings: ModelSettings) -> list[Watch]:
    found: list[Watch] = []
    for rate in _STATUS_RATES:
        monitor = settings.monitor(rate)
        if monitor.enabled and monitor.tuned:
            found.append(
                service.StatusRate(
                    rate=rate,
                    threshold=monitor.threshold or service.THRESHOLD,
                    events_min=monitor.min_events or service.EVENTS_MIN,
                    hysteresis=monitor.hysteresis(Hysteresis()),
                )
            )
    return found


def _labelled(settings: ModelSettings, profile: ReferenceProfile | None, layout: ErrorLayout) -> list[Watch]:
    """Return the detectors on error windows."""
    is_regression = settings.task == "regression"
    known = () if profile is None else profile.classes
    positive = ClassNames(settings.classes, settings.positive_class, known).positive
    monitor = settings.monitor("performance")
    labels_min = monitor.min_events or performance.LABELS_MIN
    hysteresis = monitor.hysteresis(Hysteresis())
    found: list[Watch] = []
    loss = "mae" if is_regression else "accuracy"
    has_reference = profile is not None and profile.labelled > 0 and loss in profile.metrics
    old = is_regression and (profile is None or profile.error is None)
    wanted = has_reference and (old or monitor.tuned)
    if monitor.enabled and (wanted or monitor.threshold is not None):
        found.append(
            performance.PerformanceDrop(
                layout,
                profile,
                positive=positive,
                threshold=monitor.threshold,
                relative_error=settings.min_effect.relative_error,
                labels_min=labels_min,
                hysteresis=hysteresis,
            )
        )
    limits = unbudgeted_limits(settings, profile)
    if limits:
        found.append(
            MetricLimits(
                layout,
                limits,
                reference=_reference_metrics(settings, profile),
                positive=positive,
                costs=settings.costs,
                labels_min=labels_min,
                hysteresis=hysteresis,
            )
        )
    return [*found, *_adwin_errors(settings, profile, layout)]


def _reference_metrics(settings: ModelSettings, profile: ReferenceProfile | None) -> Mapping[str, float]:
    """Return the profile's metrics; what its mistakes would cost is not in it, but follows from its confusion."""
    if profile is None or settings.costs is None:
        return {} if profile is None else profile.metrics
    pairs = {(predicted, true): n for predicted, true, n in profile.confusion}
    cost = mean_cost(pairs, settings.costs)
    return profile.metrics if cost is None else {**profile.metrics, "cost": cost}


def _adwin_errors(
    settings: ModelSettings, profile: ReferenceProfile | None, layout: ErrorLayout
) -> list[Watch]:
    """Return ADWIN on errors; a regression needs the profile's spread of errors to put them on its scale."""
    monitor = settings.monitor("adwin_errors")
    error_sd = 1.0
    if settings.task == "regression":
        error_sd = 0.0 if profile is None else profile.error_sd
    if not monitor.enabled or error_sd <= 0:
        return []
    return [
        adwin_errors.AdwinErrors(
            layout, error_sd=error_sd, labels_min=monitor.min_events or adwin_errors.LABELS_MIN
        )
    ]
