"""The one interface of everything that watches closed windows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, Protocol, TypeVar

from detectors.label_layout import LabelLayout
from detectors.layout import ErrorLayout, Layout, PredictionLayout
from detectors.pair_layout import PairLayout
from detectors.split_layout import SplitLayout
from detectors.summary import Summary
from schemas.finding import Finding, JsonValue, Stream, Topic, WindowSpan

LayoutT_co = TypeVar("LayoutT_co", bound=Layout, covariant=True)
LayoutT = TypeVar("LayoutT", bound=Layout)

FALLBACK_SUFFIX: Final = "+fallback"
"""Behind the version, of answers that the fallback gave."""

SHADOW_SUFFIX: Final = "+shadow"
"""Behind the version, of answers that nobody acted on."""


def is_own(version: str) -> bool:
    """Return whether a version's name is that of the model's own answers: not of the fallback, not in the shadow."""
    return not version.endswith((FALLBACK_SUFFIX, SHADOW_SUFFIX))


OTHERS: Final = ""
"""Among versions that have a reference of their own: all that have none."""

State = dict[str, "int | float | str | bytes | list[float] | list[int] | None"]
"""What a detector remembers between windows: plain values, encoded by `detectors.codec`."""


@dataclass(frozen=True, slots=True)
class ClosedWindow(Generic[LayoutT]):
    """One closed detection window of one model, merged over all partitions.

    Parameters
    ----------
    overall
        All versions together; answers of the fallback are left out of error windows.
    versions, segments
        The same events, apart by version (fallback answers as `<version>+fallback`) and by segment
        (`dimension=value`). Segments carry no feature columns.
    pairs
        Of error windows: ids that two versions answered, by their names in order.
    due
        Of error windows: labels by version, in the window in which their cells are complete.
    apart
        The same window for the versions of one reference alone, without `pairs` and `due`: by version that has one of its own, and
        of all others under `OTHERS`. Empty where all are compared with one.
    whole
        Of such a window: that of the whole model.
    """

    model: str
    stream: Stream
    span: WindowSpan
    overall: Summary[LayoutT]
    versions: Mapping[str, Summary[LayoutT]] = field(default_factory=dict)
    segments: Mapping[str, Summary[LayoutT]] = field(default_factory=dict)
    pairs: Mapping[tuple[str, str], Summary[PairLayout]] = field(default_factory=dict)
    due: Mapping[str, Summary[SplitLayout]] = field(default_factory=dict)
    apart: Mapping[str, ClosedWindow[LayoutT]] = field(default_factory=dict)
    whole: ClosedWindow[LayoutT] | None = None


PredictionWindow = ClosedWindow[PredictionLayout]
ErrorWindow = ClosedWindow[ErrorLayout]
LabelWindow = ClosedWindow[LabelLayout]


class Detector(Protocol[LayoutT]):
    """Watches the closed windows of one stream of one model, in order, each once.

    Implementations are pure: no clock, no randomness, no I/O; the same windows give the same findings.
    Their memory is bounded whatever the number of windows. NaN never enters them. A detector keeps to one of
    two manners of speaking:

    * **Always**: one finding per thing watched in every window, clear ones too, and UNKNOWN where there is too
      little to judge. Breaches are counted over windows by the finding's hysteresis. All detectors with a
      threshold, ADWIN and river's.
    * **Of trouble only**: nothing while nothing fires. From the window in which something fires a BREACH in
      every informed window, and one CLEAR when it is over, or one GONE when what it is about gets no events any
      more; all at once, by a hysteresis of 1 of 1, 1. Windows
      without events for it are passed over. Evidence comes with the news alone: firing, a rise in severity and
      the end. The budgeted detectors (`detectors.betting`), which have gathered evidence over many windows
      before they speak.
    """

    @property
    def name(self) -> str:
        """The monitor's name in the settings, or that of a detector of many checks; the key of its state."""

    @property
    def stream(self) -> Stream:
        """Which windows it wants."""

    def update(self, window: ClosedWindow[LayoutT]) -> list[Finding]:
        """Take one window in and say what it shows, in the detector's manner; never two findings of one identity."""

    @property
    def standing(self) -> Collection[Topic]:
        """What it has told and not yet that it is over, where it does not speak of that in every window.

        An alert that is neither spoken of nor standing is closed as not watched. So a detector whose state is one of other signals, and
        which starts over, need not say what it has forgotten.
        """

    def state(self) -> State:
        """Return what must be remembered; `restore` of it gives an equal detector."""

    def restore(self, state: State) -> None:
        """Take up a remembered state.

        Raises
        ------
        ValueError
            If the state is not one of this detector.
        """


Evidence = dict[str, JsonValue]
