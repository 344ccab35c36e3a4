"""Which detectors watch a model, by its settings and its profile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from detectors import adwin_errors, adwin_features, drift, performance, quality, service
from detectors.apart import Apart
from detectors.betting.part_setup import VERSION_GONE_MS
from detectors.betting.setup import budgeted, budgeted_by_version, unbudgeted_limits
from detectors.betting.volume_signals import VOLUME
from detectors.classes import ClassNames
from detectors.compare import VersionComparison
from detectors.detector import OTHERS, Detector
from detectors.distance_table import DISTANCES
from detectors.layout import ErrorLayout, PredictionLayout
from detectors.metric_limits import MetricLimits
from detectors.metrics_classes import mean_cost
from detectors.pair_layout import pair_layout
from detectors.profile import ReferenceProfile, is_feature
from detectors.reference import Reference, reference_of
from detectors.river_monitor import river_monitors
from detectors.split_layout import split_layout_of
from detectors.unlisted import EVENTS_MIN, HYSTERESIS, THRESHOLD, UnlistedFeatures
from schemas.finding import Hysteresis, Stream
from schemas.model_settings import ModelSettings
from schemas.monitor_settings import MonitorSettings

Watch = Detector[Any]

_BAD_VALUES: Final[tuple[quality.BadValue, ...]] = ("missing_rate", "invalid_rate", "unseen_rate")
_STATUS_RATES: Final[tuple[service.Rate, ...]] = ("error_rate", "fallback_rate")


def detectors_for(
    settings: ModelSettings,
    profile: ReferenceProfile | None,
    versions: Mapping[str, Reference] | None = None,
) -> list[Watch]:
    """Return the detectors of a model in a fixed order, without any state.

    Parameters
    ----------
    settings
        `monitors` switches detectors off and tunes them; `metrics` and `min_effect` are heeded too.
    profile
        None leaves out everything that needs a reference.
    versions
        References of versions that have one of their own: those are shown to detectors of their own alone, and the
        other versions to those of the model's profile. Traffic, labels, names of features and the comparison of versions are
        watched once, over all of them.

    Notes
    -----
    What is not tuned is left to the budgeted detectors (`detectors.betting`). Distances are evidence in their
    findings, and detectors of their own only where the settings tune them.

    Raises
    ------
    Stop
        If the profile does not have what one of river's detectors is to watch.
    """
    main = reference_of(settings, profile)
    compared = version_comparison(settings, profile)
    once = [*_unlisted(settings, main.predictions), *([] if compared is None else [compared])]
    if not versions:
        watching = [*budgeted(settings, profile, strict=True), *_tuned(settings, main), *once]
        return [*watching, *river_monitors(settings, main)]
    rest, own = budgeted_by_version(settings, main, versions)
    found: list[Watch] = [d if _is_of_all(d) else _apart(d, OTHERS) for d in rest]
    for version, reference in {OTHERS: main, **versions}.items():
        judging = (
            *own.get(version, ()),
            *_tuned(settings, reference),
            *river_monitors(settings, reference),
        )
        found += [_apart(detector, version) for detector in judging]
    return [*found, *once]


def _is_of_all(detector: Watch) -> bool:
    """Return whether a budgeted detector goes by the stream itself, whatever the versions."""
    return detector.stream is Stream.LABELS or detector.name == VOLUME


def _apart(detector: Watch, version: str) -> Watch:
    return Apart(detector, version, gone_ms=VERSION_GONE_MS)


def _tuned(settings: ModelSettings, reference: Reference) -> list[Watch]:
    """Return our detectors outside the budget that watch what is compared with a reference."""
    predictions = reference.predictions
    found = [*_drift(settings, predictions), *_quality(settings, predictions), *_service(settings)]
    found += _labelled(settings, reference)
    if settings.monitor("adwin_features").enabled and predictions.numeric:
        events_min = settings.monitor("adwin_features").min_events or adwin_features.VALUES_MIN
        found.append(adwin_features.AdwinFeatures(predictions, values_min=events_min))
    return found


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
    return found


def _unlisted(settings: ModelSettings, layout: PredictionLayout) -> list[Watch]:
    monitor = settings.monitor("unlisted_features")
    if not monitor.enabled or not any(is_feature(c.column.name) for c in layout.columns):
        return []
    return [
        UnlistedFeatures(
            threshold=monitor.threshold or THRESHOLD,
            events_min=monitor.min_events or EVENTS_MIN,
            hysteresis=monitor.hysteresis(HYSTERESIS),
        )
    ]


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


def _labelled(settings: ModelSettings, reference: Reference) -> list[Watch]:
    """Return the detectors on error windows."""
    profile, layout = reference.profile, reference.errors
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
    limits = unbudgeted_limits(settings, reference)
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
