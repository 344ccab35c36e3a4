"""Puts what changed around the begin of a fall into sentences, the likeliest cause first.

What is told is what goes together in time (`detectors.causes`); which of it is the cause is for people to find out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

from alerts.plain_text import clip, short
from alerts.sizes import duration, figure, number_in, percent, text_in
from schemas.finding import LABEL_CHECKS, Kind

if TYPE_CHECKING:
    from pydantic import JsonValue

    Told: TypeAlias = Mapping[str, JsonValue]

CAUSES_MAX: Final = 6
FEATURES_MAX: Final = 3
_TITLE_CHARS: Final = 120
_MINUTE_CHARS: Final = len("2026-11-01T12:04")
_FIRST: Final = frozenset({"version_change", Kind.DATA_QUALITY, Kind.SCHEMA})
"""What is told before features that moved: somebody did something, or something broke."""
_MOVES: Final[Mapping[str, tuple[str, str]]] = {
    "location": ("values of {} moved up", "values of {} moved down"),
    "spread": ("values of {} spread out", "values of {} drew together"),
}
_GOES_MISSING: Final[Mapping[str, str]] = {
    "missing": "missing values of {}",
    "bad": "invalid or unknown values of {}",
}


def likely_causes(explanation: JsonValue, generic: tuple[str, ...]) -> tuple[str, ...]:
    """Return what was found, then what such trouble may come from in general.

    Parameters
    ----------
    explanation
        As `detectors.causes.explainer` makes it; anything else is none.
    generic
        Said alone where nothing was found.
    """
    if not isinstance(explanation, Mapping):
        return generic
    found = _found(explanation)[:CAUSES_MAX]
    if not found:
        return generic
    return *found, f"also possible: {'; '.join(generic)}"


def _found(told: Told) -> list[str]:
    facts = _items(told, "before")
    first = [fact for fact in facts if text_in(fact, "kind") in _FIRST and not _is_about_labels(fact)]
    labels = [fact for fact in facts if _is_about_labels(fact)]
    features = _items(told, "features")
    rest = [fact for fact in facts if fact not in first and fact not in labels]
    rest = [fact for fact in rest if not (features and _is_of_all_inputs(fact))]
    parts = [_part(part, told) for part in _items(told, "segments")]
    return [
        *(_fact(fact) for fact in first[:2]),
        *(_feature(feature, told) for feature in features[:FEATURES_MAX]),
        *parts[:2],
        *(_label_fact(fact) for fact in labels[:2]),
        *(_fact(fact) for fact in rest[:2]),
        *_none_moved(told, alone=not (facts or parts)),
    ]


def _items(told: Told, key: str) -> list[Told]:
    items = told.get(key)
    return [item for item in items if isinstance(item, Mapping)] if isinstance(items, list) else []


def _is_about_labels(fact: Told) -> bool:
    return text_in(fact, "check") in LABEL_CHECKS or fact.get("kind") == Kind.LABEL_DRIFT


def _is_of_all_inputs(fact: Told) -> bool:
    """Return whether a fact is about features taken together, which says less than the features that moved."""
    return text_in(fact, "kind") in (Kind.DATA_DRIFT, Kind.OOD_RATE)


def _feature(feature: Told, told: Told) -> str:
    name, kind = text_in(feature, "name") or "a feature", text_in(feature, "figure") or ""
    before, now = number_in(feature, "before") or 0.0, number_in(feature, "now") or 0.0
    if kind in _GOES_MISSING:
        moved = f"{_GOES_MISSING[kind].format(name)}: {percent(before)} to {percent(now)}"
    else:
        up, down = _MOVES.get(kind, ("{} changed", "{} changed"))
        size = figure(abs(now - before), digits=2)
        moved = f"{(up if now > before else down).format(name)} by {size} standard deviations"
    if feature.get("title") is not None:
        moved = _happened(feature)
    until = f" until {_minute(feature, 'until')}" if feature.get("until") is not None else ""
    weight = ", ".join(_weight(feature, told))
    return f"{moved}, since {_minute(feature, 'since')}{until}{f' ({weight})' if weight else ''}"


def _weight(feature: Told, told: Told) -> list[str]:
    """Return how much the model heeds a feature, and how it goes with the loss."""
    found: list[str] = []
    importance, association = number_in(feature, "importance"), number_in(feature, "association")
    if importance is not None and told.get("importance") == "profile":
        found.append(f"{percent(importance, digits=2)} of all importance")
    if association is not None:
        blocks, length_s = number_in(feature, "n") or 0, number_in(told, "block_s") or 0
        found.append(
            f"association with the loss {association:+.2f} over {blocks:.0f} stretches of {duration(int(1_000 * length_s))}"
        )
    return found


def _part(part: Told, told: Told) -> str:
    segment, version = text_in(part, "segment"), text_in(part, "version")
    name = segment if segment is not None else f"version {version}"
    excess, labels = (
        percent(number_in(part, key) or 0.0, digits=2) for key in ("share_of_excess", "share_of_labels")
    )
    before, now = number_in(part, "loss_before") or 0.0, number_in(part, "loss_now") or 0.0
    if told.get("loss") == "wrong_answers":
        losses, rates = (
            "wrong answers",
            f"wrong {percent(before, digits=2)} before, {percent(now, digits=2)} now",
        )
    else:
        losses, rates = "error", f"mean error {figure(before)} before, {figure(now)} now"
    return f"{name} makes {excess} of the extra {losses} with {labels} of the labels ({rates})"


def _fact(fact: Told) -> str:
    until = f" until {_minute(fact, 'until')}" if fact.get("until") is not None else ", not over"
    return f"since {_minute(fact, 'since')}{until}: {_happened(fact)}"


def _label_fact(fact: Told) -> str:
    return f"labels changed, perhaps not the model: {_fact(fact)}"


def _happened(fact: Told) -> str:
    """Return a title without the model that it begins with, which the reader knows."""
    title = fact.get("title")
    words = title if isinstance(title, str) else ""
    return clip(short(words.partition(": ")[2] or words, _TITLE_CHARS), _TITLE_CHARS)


def _none_moved(told: Told, *, alone: bool) -> list[str]:
    """Return that no feature moved, and what follows from that where nothing else was found."""
    looked_at = number_in(told, "looked_at")
    about_inputs = any(
        fact.get("feature") is not None and not _is_about_labels(fact) for fact in _items(told, "before")
    )
    if told.get("moved") != 0 or not looked_at or about_inputs:
        return []
    rest = "; so the same inputs may mean something else now, or labels are made differently" if alone else ""
    return [f"no feature moved with it, of {looked_at:.0f} looked at since {_minute(told, 'onset')}{rest}"]


def _minute(told: Told, key: str) -> str:
    time = told.get(key)
    return f"{time[:_MINUTE_CHARS].replace('T', ' ')} UTC" if isinstance(time, str) else "an unknown time"
