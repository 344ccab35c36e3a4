"""Whether the profile of one version is counted on the cells of its model's profile, and whether those suit it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from detectors.classes import ClassNames
from detectors.profile import CategoricalColumn, Column, ReferenceProfile
from schemas.model_settings import ModelSettings

CROWDED_SHARE: Final = 0.5
"""A cell at an end that holds so many of the values hides what happens among them."""
CROWDED_TIMES: Final = 5.0
"""Unless it holds nearly as many in the reference that the cells come from."""


def difference(settings: ModelSettings, main: ReferenceProfile, own: ReferenceProfile) -> str | None:
    """Return what a version's profile counts otherwise than the model's, in a few words; None where they count alike."""
    return next(_differences(settings, main, own), None)


def _differences(settings: ModelSettings, main: ReferenceProfile, own: ReferenceProfile) -> Iterator[str]:
    yield from _of_columns(main, own)
    if main.joint != own.joint:
        yield "its numeric features are looked at together by other figures"
    for what, usual, found in (("errors", main.error, own.error), ("deviances", main.deviance, own.deviance)):
        if found is not None and (usual is None or usual.edges != found.edges):
            yield f"its {what} have other bins"
    answers = [p.calibration for p in (main, own) if p.calibration is not None]
    if len({(known.edges, known.sizes) for known in answers}) > 1:
        yield "its answers have other bins"
    if settings.task == "binary":
        given = settings.classes, settings.positive_class
        negative, other = (ClassNames(*given, p.classes).negative for p in (main, own))
        if negative != other:
            yield f"its negative class is {other} and not {negative}"


def _of_columns(main: ReferenceProfile, own: ReferenceProfile) -> Iterator[str]:
    names, own_names = ([column.name for column in profile.columns] for profile in (main, own))
    yield from (f"it lacks {name}" for name in names if name not in own_names)
    yield from (f"it has {name}, which the model's profile lacks" for name in own_names if name not in names)
    if names != own_names:
        yield "its columns are in another order"
    for usual, found in zip(main.columns, own.columns, strict=True):
        if _cells(usual) != _cells(found):
            yield f"{usual.name} has other {'bins' if usual.type == 'numeric' else 'categories'}"


def _cells(column: Column) -> tuple[str, tuple[str, ...] | tuple[float, ...]]:
    return column.type, column.categories if isinstance(column, CategoricalColumn) else column.edges


def crowded(main: ReferenceProfile, own: ReferenceProfile) -> list[str]:
    """Return the columns of which most of a version's rows lie in one end of the model's cells, where nothing tells them apart."""
    found: list[str] = []
    for ours, theirs in zip(main.columns, own.columns, strict=True):
        for before, now in zip(_ends(ours), _ends(theirs), strict=True):
            if now >= CROWDED_SHARE and now >= CROWDED_TIMES * before:
                found.append(ours.name)
    return found


def _ends(column: Column) -> tuple[float, float]:
    """Return the shares of values in the lowest and the highest cell; of categories, 0 and that of the unlisted ones."""
    n = max(column.n - column.missing - column.invalid, 1)
    if isinstance(column, CategoricalColumn):
        return 0.0, column.other / n
    return column.counts[0] / n, column.counts[-1] / n
