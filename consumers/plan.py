"""A model as the hot path needs it: settings and profile worked out once, before the first event."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from detectors.classes import ClassNames
from detectors.codec import EncodedSums, decode_service, layout_hash_of
from detectors.detector import FALLBACK_SUFFIX, OTHERS, SHADOW_SUFFIX
from detectors.estimation.cells import AnswerLayout
from detectors.label_layout import LabelLayout
from detectors.layout import ErrorLayout, Layout, PredictionLayout, life_layout, prediction_layout
from detectors.pair_layout import PairLayout, pair_layout
from detectors.profile import ReferenceProfile
from detectors.profile_calibration import learned_layout
from detectors.reference import Reference, reference_of, reference_of_version
from detectors.shared_cells import difference
from detectors.split_layout import SplitLayout, split_layout_of
from detectors.summary import KeyT, Summary
from schemas.errors import Stop
from schemas.finding import Stream
from schemas.setting_types import Label
from schemas.settings import ModelSettings

HASH_DIGITS: Final = 16

PAIRS: Final = "pairs@"
"""Segment of the windows of pairs, which are stored beside those of errors; a real segment has an equals sign in its name."""
DUE: Final = "due@"
"""The same of the versions' labels that fall due."""

LABEL_LAYOUT: Final = LabelLayout()
"""The same for every model."""


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """One model's settings with everything derived from them.

    Parameters
    ----------
    profile
        None when the model has none: its inputs are then counted, not compared.
    unlabelled_decisions
        What the business may decide so that no label ever comes, with their types: `1`, `"1"` and `true` are three.
    pairs
        What two versions that answered the same ids are counted in.
    split
        What versions that share the traffic are; None where they are not compared.
    compared_with
        By stream: the beginning of the hash of what its windows are compared with; empty without a profile.
    versions
        The references of versions that have one of their own; all are counted on the cells of `profile`.
    """

    name: str
    settings: ModelSettings
    profile: ReferenceProfile | None
    classes: ClassNames
    predictions: PredictionLayout
    service: PredictionLayout
    errors: ErrorLayout
    totals: ErrorLayout
    pairs: PairLayout
    split: SplitLayout | None = None
    unlabelled_decisions: frozenset[tuple[type, Label]] = frozenset()
    compared_with: Mapping[Stream, str] = field(default_factory=dict)
    versions: Mapping[str, Reference] = field(default_factory=dict)

    def reference(self, version: str | None) -> Reference:
        """Return what a version is compared with; of None, what the model is."""
        own = None if version is None else self.versions.get(self.set_apart(version))
        return own or Reference(self.profile, self.predictions, self.errors)

    def set_apart(self, version: str) -> str:
        """Return the name under which a version, its fallback and its shadow are set apart: its own, or `OTHERS`."""
        name = version.removesuffix(FALLBACK_SUFFIX).removesuffix(SHADOW_SUFFIX)
        return name if name in self.versions else OTHERS

    def layout(self, stream: Stream, segment: str) -> Layout:
        """Return what a window of a stream is counted on; segments have service figures and answers, no columns of features."""
        if stream is Stream.LABELS:
            return LABEL_LAYOUT
        if stream is Stream.ERRORS:
            if segment == DUE and self.split is not None:
                return self.split
            return self.pairs if segment == PAIRS else self.errors
        return self.service if segment else self.predictions

    def window(self, stream: Stream, segment: str, data: bytes) -> Summary[Any]:
        """Read one stored window; see `windows`."""
        return self.windows(stream, segment, [("", data)])[""]

    def windows(
        self, stream: Stream, segment: str, stored: Iterable[tuple[KeyT, bytes]]
    ) -> dict[KeyT, Summary[Any]]:
        """Read stored windows that are counted on the same, and merge those of a key.

        One that was counted before the model's reference was learned, or with one that is lost, has its service
        figures alone, and so has one of a segment that was counted without answers, or on other cells of them. Versions that were compared with other costs, or by other times, do not count any more.

        Raises
        ------
        Stop
            If the bytes are damaged, or counted on the cells of another profile of the user's.
        """
        layout = self.layout(stream, segment)
        sums: EncodedSums[KeyT, Any] = EncodedSums(layout)
        others: list[tuple[KeyT, Summary[Any]]] = []
        compares = isinstance(layout, PairLayout | SplitLayout)
        learns = isinstance(layout, PredictionLayout) and (
            bool(segment) or self.settings.learning is not None
        )
        for key, data in stored:
            if not (compares or learns) or layout_hash_of(data) == layout.hash:
                sums.add(key, data)
            elif isinstance(layout, PredictionLayout):
                others.append((key, decode_service(layout, data)))
            else:
                others.append((key, Summary.empty(layout)))
        found = sums.read()
        for key, summary in others:
            found[key] = found[key].merge(summary) if key in found else summary
        return found

    @property
    def learning(self) -> bool:
        """True while the model's reference is to be learned from its events, and is not known yet."""
        return self.profile is None and self.settings.learning is not None

    @property
    def answers(self) -> AnswerLayout | None:
        """What the answers of cohorts and segments are counted in; of a model that learns the same before and after."""
        return self.service.answers

    @property
    def compares(self) -> bool:
        """True where versions are compared."""
        return self.settings.monitor("compare").enabled

    @property
    def keeps_probabilities(self) -> bool:
        """True where the probabilities of all classes are kept until the label comes."""
        return self.settings.task == "multiclass"

    @property
    def window_ms(self) -> int:
        """Length of a detection window, milliseconds."""
        return self.settings.window_ms

    def length_ms(self, stream: Stream) -> int:
        """Return the length of a stream's windows, milliseconds."""
        return self.settings.cohort_window_ms if stream is Stream.LABELS else self.window_ms

    @property
    def lateness_ms(self) -> int:
        """How long a detection window waits, milliseconds."""
        return self.settings.allowed_lateness_ms

    @property
    def horizon_ms(self) -> int:
        """How long after its prediction a label still counts, milliseconds."""
        return self.settings.label_horizon_ms

    @property
    def memory_ms(self) -> int:
        """How long an expired prediction is remembered, milliseconds."""
        return self.settings.labels.late_memory_ms

    @property
    def implicit(self) -> str | None:
        """Class that a prediction without a label counts as after `implicit_ms`; None for none."""
        rule = self.settings.labels.implicit
        return None if rule is None else self.classes(rule.class_label)

    @property
    def implicit_ms(self) -> int:
        """How long after its prediction silence means `implicit`, milliseconds; the horizon where it means nothing."""
        rule = self.settings.labels.implicit
        return self.horizon_ms if rule is None else rule.after_ms

    @property
    def quiet_ms(self) -> int:
        """After this much of the partition's time without an event the model follows that time."""
        return max(5 * 60_000, 2 * self.window_ms + self.lateness_ms)

    @property
    def is_regression(self) -> bool:
        """True for a model whose answer is a number."""
        return self.settings.task == "regression"


def plan_model(
    settings: ModelSettings,
    profile: ReferenceProfile | None,
    versions: Mapping[str, ReferenceProfile] | None = None,
) -> ModelPlan:
    """Work a model's settings out.

    Parameters
    ----------
    versions
        Profiles of versions that have one of their own.

    Raises
    ------
    Stop
        If a profile is of another model or task, or that of a version is not counted on the cells of the model's.
    """
    name = settings.name
    if profile is not None:
        _check_owner(settings, profile, "profile")
    main = reference_of(settings, profile)
    own: dict[str, Reference] = {}
    for version, found in (versions or {}).items():
        _check_version(settings, version, profile, found)
        own[version] = reference_of_version(found, main)
    # What was learned from events names no class that they do not name, and must not rename any.
    known = profile.classes if profile is not None and profile.learned is None else ()
    answers = main.predictions.answers
    if answers is None and settings.learning is not None:
        answers = learned_layout(settings.task)
    unlabelled = (settings.labels.unlabelled_when or {}).get("decision", ())
    return ModelPlan(
        name=name,
        settings=settings,
        profile=profile,
        classes=ClassNames(settings.classes, settings.positive_class, known),
        predictions=main.predictions,
        service=replace(prediction_layout(None), answers=answers),
        errors=main.errors,
        totals=life_layout(settings.task, profile, settings.loss),
        pairs=pair_layout(settings.task, settings.costs),
        split=split_layout_of(settings, profile),
        unlabelled_decisions=frozenset((type(value), value) for value in unlabelled),
        compared_with={} if profile is None else _references(profile),
        versions=own,
    )


def _check_owner(settings: ModelSettings, profile: ReferenceProfile, key: str) -> None:
    name = settings.name
    if (profile.model, profile.task) != (name, settings.task):
        raise Stop(
            f"models.{name}.{key}: expected the profile of model {name!r} ({settings.task}), found one of "
            f"{profile.model!r} ({profile.task}); build it with `watchkeeper profile --model {name}`"
        )


def _check_version(
    settings: ModelSettings, version: str, main: ReferenceProfile | None, own: ReferenceProfile
) -> None:
    place, key = f"models.{settings.name}", f"profiles.{version}"
    if main is None:
        raise Stop(
            f"{place}.{key}: expected `profile` too, for the versions without one of their own: add it"
        )
    _check_owner(settings, own, key)
    found = difference(settings, main, own)
    if found is not None:
        path = settings.profile or "P.json"
        raise Stop(
            f"{place}.{key}: expected a profile on the bins of {path}, as all versions are counted on them, but {found}; "
            f"build it with `watchkeeper profile --model {settings.name} --bins-of {path}`"
        )


def _references(profile: ReferenceProfile) -> dict[Stream, str]:
    """Return the beginnings of hashes by stream; labels may be learned later than the rest."""
    found = dict.fromkeys(Stream, profile.content_hash[:HASH_DIGITS])
    if profile.learned is not None:
        found[Stream.PREDICTIONS] = profile.inputs_hash[:HASH_DIGITS]
    return found
