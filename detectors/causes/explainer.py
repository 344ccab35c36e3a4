"""Says what changed when a model's quality fell."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from detectors.betting.budget import VERSIONS_MAX
from detectors.causes.facts import Fact, FactLog
from detectors.causes.feature_figures import BAD, MISSING
from detectors.causes.feature_history import FeatureHistory
from detectors.causes.loss_history import WHOLE, Losses
from detectors.causes.moved_features import Moved, moved_features, shift_of
from detectors.causes.worst_parts import WorstPart, worst_parts
from detectors.detector import OTHERS, ClosedWindow, State
from detectors.layout import PredictionLayout
from detectors.profile import ReferenceProfile
from detectors.state_values import value_in
from schemas.alert_wire import rfc3339, utc_of_ms
from schemas.finding import Finding, JsonValue, Kind, Stream, stream_of
from schemas.model_settings import ModelSettings

EXPLAINED: Final = frozenset(
    {
        *(Kind.PERFORMANCE, Kind.ESTIMATED_PERFORMANCE, Kind.CALIBRATION, Kind.VERSION_REGRESSION),
        Kind.PREDICTION_DRIFT,
    }
)
"""Kinds of alerts that are explained."""

FEATURES_MAX: Final = 5
PARTS_MAX: Final = 3
BEFORE_MAX: Final = 5
"""Most that is said of each."""

Explanation = dict[str, JsonValue]


class Explainer:
    """Remembers what may explain a fall of a model's quality, and tells it when there is one.

    Parameters
    ----------
    settings
        The model's window, the smallest changes that matter to it, and how many segments are followed.
    layout, profile
        Of the model; features are followed where there is a profile.
    version
        The version whose windows are taken in, where it has a reference of its own.

    Notes
    -----
    What is known at the end of a window is told of it, whichever of the streams of windows was read faster: alerts on
    labels wait for all windows of predictions of the time before, and alerts on predictions hear nothing of labels.
    """

    def __init__(
        self,
        settings: ModelSettings,
        layout: PredictionLayout,
        profile: ReferenceProfile | None,
        *,
        version: str = OTHERS,
    ) -> None:
        self.name = "causes" if version == OTHERS else f"causes@{version}"
        self._profile, self._least = profile, settings.min_effect
        self._is_regression = settings.task == "regression"
        zone = "UTC" if profile is None else profile.timezone
        self._features = FeatureHistory(layout, window_ms=settings.window_ms, zone=zone)
        self._grid = self._features.grid
        self._losses = Losses(self._grid, parts_max=settings.max_segments + VERSIONS_MAX)
        self._facts = FactLog()

    def take(self, window: ClosedWindow[Any]) -> None:
        """Take a closed window in."""
        if window.stream is Stream.PREDICTIONS:
            self._features.add(window)
        if window.stream is Stream.ERRORS:
            self._losses.add(window)
            self.settle(window.span.end_ms)

    def settle(self, until_ms: int) -> None:
        """Say that every window of labels that ends up to a time has been taken in."""
        self._features.settle(until_ms)

    def note(self, facts: Iterable[Fact]) -> None:
        """Take in what else has happened."""
        self._facts.note(facts)

    def explain(self, finding: Finding, since_ms: int) -> Explanation | None:
        """Return what changed around the begin of what a finding shows; None where nobody asks.

        Parameters
        ----------
        since_ms
            When it began to show, as its alert says.

        Returns
        -------
        dict
            `onset`: when the predictions were made with which it began: `since` less the median delay of the labels that
            came since (`label_delay_s`); `onset_from`: less the delay that one in ten of them exceeds. `features`: those that moved, by shift times importance; null where too
            little is known. `looked_at` and `moved`: their numbers. `importance`: "profile", or "equal" where it has none.
            `block_s`: length of the blocks that were compared. `segments`: segments and versions, by `loss`:
            "wrong_answers" or "absolute_error". `before`: what came before, the nearest first.
        """
        if finding.kind not in EXPLAINED:
            return None
        on_labels = stream_of(finding.kind, finding.check) is Stream.ERRORS
        end_ms = finding.window.end_ms
        arrival = self._grid.level_for(end_ms - since_ms)
        delay_ms, long_ms = self._losses.delays_ms(arrival, since_ms) if on_labels else (0.0, 0.0)
        onset_ms, from_ms = (self._grid.nearest_ms(since_ms - length) for length in (delay_ms, long_ms))
        level = self._grid.level_for(end_ms - from_ms)
        spoken_ms = self._grid.nearest_ms(end_ms - delay_ms)
        moved = self._moved((from_ms, onset_ms), (spoken_ms, end_ms), level, on_labels=on_labels)
        streams = tuple(Stream) if on_labels else (Stream.PREDICTIONS,)
        known = self._facts.before(
            onset_ms=from_ms, since_ms=since_ms + self._grid.window_ms, until_ms=end_ms, streams=streams
        )
        whole = finding.segment is None and finding.version is None
        parts = worst_parts(self._losses.by_arrival, self._profile, level=arrival, since_ms=since_ms)
        told = [] if moved is None else moved[:FEATURES_MAX]
        segments: list[JsonValue] = [_of_part(part) for part in parts[:PARTS_MAX] if on_labels and whole]
        before: list[JsonValue] = [_of_fact(fact) for fact in known if not _is_said(fact, told, from_ms)]
        features: list[JsonValue] = [_of_feature(feature, known, from_ms) for feature in told]
        return {
            "onset": rfc3339(utc_of_ms(onset_ms)),
            "onset_from": rfc3339(utc_of_ms(from_ms)),
            "label_delay_s": delay_ms / 1_000 if on_labels else None,
            "loss": "absolute_error" if self._is_regression else "wrong_answers",
            "block_s": self._grid.length_ms(level) / 1_000,
            "importance": "profile" if self._profile is not None and self._profile.importances else "equal",
            "looked_at": len(self._features.names),
            "moved": None if moved is None else len(moved),
            "features": None if moved is None else features,
            "segments": segments,
            "before": before[:BEFORE_MAX],
        }

    def _moved(
        self, onset: tuple[int, int], until: tuple[int, int], level: int, *, on_labels: bool
    ) -> list[Moved] | None:
        """Return the features that moved; None where too little is known.

        Parameters
        ----------
        onset
            Earliest and usual time of the predictions with which the fall began.
        until
            Time of the latest predictions that are spoken of, and end of what is known.
        """
        if not self._features.names:
            return None
        blocks = self._features.as_of(until[1]).of(level).until(until[0])
        shift = shift_of(blocks, onset, usual=self._features.usual, least=self._least)
        if shift is None:
            return None
        losses = self._losses.by_prediction.series(level, WHOLE) if on_labels else None
        names, weights = self._features.names, self._importances()
        return moved_features(names, blocks, shift, onset=onset, importances=weights, losses=losses)

    def _importances(self) -> dict[str, float]:
        """Return each feature's share of all importance; one that the profile does not weigh counts as the mean."""
        names = self._features.names
        given = {} if self._profile is None else self._profile.importances
        mean = sum(given.values()) / len(given) if given else 1.0
        weights = {name: given.get(name, mean) for name in names}
        total = sum(weights.values())
        return {name: weight / total if total > 0 else 1 / len(names) for name, weight in weights.items()}

    def state(self) -> State:
        """Return what must be remembered; `restore` of it gives an equal explainer."""
        return {
            "features": self._features.to_bytes(),
            "by_arrival": self._losses.by_arrival.to_bytes(),
            "by_prediction": self._losses.by_prediction.to_bytes(),
            "facts": self._facts.to_bytes(),
        }

    def restore(self, state: State) -> None:
        """Take up a remembered state; what is remembered of another profile's features starts over.

        Raises
        ------
        ValueError
            If the state is not one of an explainer.
        """
        self._features.restore(value_in(state, "features", bytes))
        self._losses.by_arrival.restore(value_in(state, "by_arrival", bytes))
        self._losses.by_prediction.restore(value_in(state, "by_prediction", bytes))
        self._facts.restore(value_in(state, "facts", bytes))


def _is_said(fact: Fact, moved: Iterable[Moved], onset_ms: int) -> bool:
    """Return whether a fact says no more than a feature that is named: that its values moved, or went missing, then."""
    figures = {feature.figure for feature in moved if feature.name == fact.feature}
    if fact.kind == Kind.DATA_DRIFT:
        return bool(figures)
    shown = MISSING if fact.check == "missing_rate" else BAD
    lasts = fact.over_ms is None or fact.over_ms > onset_ms
    return lasts and fact.kind == Kind.DATA_QUALITY and shown in figures


def _of_feature(feature: Moved, facts: Iterable[Fact], onset_ms: int) -> Explanation:
    told = next((fact for fact in facts if _is_said(fact, (feature,), onset_ms)), None)
    over_ms = None if told is None else told.over_ms
    return {
        "name": feature.name,
        "figure": feature.figure,
        "before": feature.before,
        "now": feature.now,
        "shift": feature.size,
        "importance": feature.importance,
        "association": feature.association,
        "n": feature.n,
        "since": rfc3339(utc_of_ms(feature.since_ms)),
        "until": None if over_ms is None else rfc3339(utc_of_ms(over_ms)),
        "title": None if told is None else told.title,
    }


def _of_part(part: WorstPart) -> Explanation:
    return {
        "segment": part.segment,
        "version": part.version,
        "share_of_excess": part.share_of_excess,
        "share_of_labels": part.share_of_labels,
        "loss_before": part.loss_before,
        "loss_now": part.loss_now,
        "n": part.n,
    }


def _of_fact(fact: Fact) -> Explanation:
    return {
        "kind": fact.kind,
        "check": fact.check,
        "feature": fact.feature,
        "segment": fact.segment,
        "version": fact.version,
        "title": fact.title,
        "since": rfc3339(utc_of_ms(fact.since_ms)),
        "until": None if fact.over_ms is None else rfc3339(utc_of_ms(fact.over_ms)),
    }
