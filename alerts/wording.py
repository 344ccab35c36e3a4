"""Puts an alert into words: title, impact, likely causes, and what to do first.

Missing evidence makes a sentence shorter, never wrong. Names from outside are made printable and short.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from alerts.cause_words import likely_causes
from alerts.causes import JOINT_PREFIX
from alerts.compare_words import compared, compared_size, names_of
from alerts.estimate_words import estimate_caution
from alerts.integrity_words import INTEGRITY, is_of_ground, size_of_trouble
from alerts.joint_words import JOINT
from alerts.label_words import LABELS
from alerts.lifecycle import Reason
from alerts.phrasebook import PHRASES, Phrases
from alerts.plain_text import clip, short
from alerts.schema_words import SCHEMA, unlisted_size
from alerts.sizes import direction_of, duration, is_contradicted, metric_name, size_of, text_in, wrong_answers
from schemas.finding import Kind
from schemas.integrity import ALL_MODELS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue

    from alerts.identity import Subject

HEADLINE_CHARS_MAX: Final = 130
"""A title behind its label (see `alerts.message`) still fits the shortest sink."""

_LABEL_CHARS: Final = len("RESOLVED ")
_TITLE_CHARS: Final = HEADLINE_CHARS_MAX - _LABEL_CHARS
_SIZE_CHARS: Final = 50

_QUALITY: Final = (
    (("missing", "null"), "missing values in {thing}"),
    (("invalid", "type", "parse"), "values of {thing} that are not of its type"),
    (("unseen", "unknown", "categor"), "categories of {thing} that the profile does not know"),
    (("range", "bound"), "values of {thing} outside its range"),
    (("constant", "frozen", "stuck"), "one and the same value in {thing}"),
    (("duplicate",), "repeated events"),
)
"""Words in a data-quality check's name, and the bad values it counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What there is to say about one transition.

    Parameters
    ----------
    events
        Number of events in the window.
    lasted_ms
        From the onset to the end of the last breaching window.
    """

    subject: Subject
    reason: Reason
    evidence: Mapping[str, JsonValue]
    events: int
    lasted_ms: int
    fallback: str | None
    team: str | None
    contact: str | None
    escalation: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Words:
    """The texts of an event's data."""

    title: str
    impact: str
    likely_causes: tuple[str, ...]
    suggested_action: str


def words_for(case: Case) -> Words:
    """Return the texts for a transition."""
    phrases = compared(case.evidence) or _phrases(case.subject)
    if case.reason is Reason.RECOVERED:
        return _recovered(case, phrases)
    if case.reason in (Reason.VERSION_RETIRED, Reason.SEGMENT_GONE):
        return _gone(case, phrases)
    if case.reason is Reason.ESTIMATE_REFUTED:
        return _refuted(case, phrases)
    if case.reason is Reason.ACCEPTED:
        return _accepted(case, phrases)
    if case.reason is Reason.NOT_WATCHED:
        return _not_watched(case, phrases)
    fields = _fields(case, phrases)
    return Words(
        title=_title(case, _happened(case, phrases, fields), _size(case)),
        impact=_impact(case, phrases.impact.format_map(fields)),
        likely_causes=likely_causes(
            case.evidence.get("explanation"), tuple(cause.format_map(fields) for cause in phrases.causes)
        ),
        suggested_action=_action(case, phrases, fields),
    )


def _phrases(subject: Subject) -> Phrases:
    if _about_ourselves(subject):
        own = INTEGRITY.get(subject.check)
    else:
        own = JOINT.get(subject.feature or "") or LABELS.get(subject.check) or SCHEMA.get(subject.check)
    return PHRASES[subject.kind] if own is None else own


def _about_ourselves(subject: Subject) -> bool:
    return is_of_ground(subject.kind, subject.check)


def _size(case: Case) -> str | None:
    rare = _rare_mistakes(case)
    if rare is not None:
        return rare[1]
    if _about_ourselves(case.subject):
        return size_of_trouble(case.evidence)
    return compared_size(case.evidence) or unlisted_size(case.evidence) or size_of(case.evidence)


def _rare_mistakes(case: Case) -> tuple[str, str] | None:
    """Return what to say where a class is answered wrongly more often and is too rare to move the metric."""
    is_rare = case.subject.kind is Kind.PERFORMANCE and is_contradicted(case.evidence)
    return wrong_answers(case.evidence) if is_rare else None


def _fields(case: Case, phrases: Phrases) -> dict[str, str]:
    subject = case.subject
    return {
        "thing": _thing(subject.feature) or phrases.thing,
        "metric": _metric(case),
        "version": short(subject.version, 20) if subject.version is not None else "in question",
        **names_of(case.evidence),
    }


def _thing(feature: str | None) -> str | None:
    """Return what to call a feature; what stands for all of them together has no name that people know."""
    if feature is None:
        return None
    return "all features together" if feature.startswith(JOINT_PREFIX) else short(feature)


def _happened(case: Case, phrases: Phrases, fields: Mapping[str, str]) -> str:
    rare = _rare_mistakes(case)
    return f"more {rare[0]}" if rare is not None else _moved(case, phrases).format_map(fields)


def _moved(case: Case, phrases: Phrases) -> str:
    direction = direction_of(case.evidence)
    bad_values = _bad_values(case.subject)
    if bad_values is not None:
        return {"up": f"more {bad_values}", "down": f"fewer {bad_values}"}.get(direction, bad_values)
    return {"up": phrases.up, "down": phrases.down}.get(direction, phrases.changed)


def _bad_values(subject: Subject) -> str | None:
    if subject.kind is not Kind.DATA_QUALITY or subject.check in LABELS:
        return None
    check = subject.check.lower()
    return next((words for marks, words in _QUALITY if any(mark in check for mark in marks)), None)


def _title(case: Case, happened: str, size: str | None) -> str:
    where = _model(case.subject)
    segment = f" (segment {short(case.subject.segment, 24)})" if case.subject.segment is not None else ""
    tail = _tail(case, happened, size)
    room = _TITLE_CHARS - len(where) - len(": ") - len(tail)
    return f"{where}: {clip(happened + segment, room)}{tail}"


def _tail(case: Case, happened: str, size: str | None) -> str:
    """Return the size behind a comma, or as "from 91% to 84%" where the figure has just been named."""
    if size is None:
        return ""
    named = f"{_metric(case)} "
    if size.startswith(named) and named in happened:
        return f" from {clip(size.removeprefix(named), _SIZE_CHARS)}"
    return f", {clip(size, _SIZE_CHARS)}"


def _metric(case: Case) -> str:
    named = text_in(case.evidence, "metric")
    if named is None and "accuracy_now" in case.evidence:
        return "accuracy"
    return metric_name(named) if named else short(case.subject.check.replace("_", " "))


def _model(subject: Subject) -> str:
    version = "" if subject.version is None else f" version {short(subject.version, 12)}"
    if subject.model == ALL_MODELS:
        return "all models"
    return f"{short(subject.model, 24)}{version}"


def _impact(case: Case, text: str) -> str:
    if _about_ourselves(case.subject):
        return text
    part = f"segment {short(case.subject.segment)}" if case.subject.segment is not None else "all traffic"
    version = f" of version {short(case.subject.version)}" if case.subject.version is not None else ""
    concerns = f"{text} Concerns {part}{version}; the window held {case.events:,} events."
    cautions = (
        estimate_caution(case.evidence, of_version=case.subject.version is not None),
        _learned(case.evidence),
        _learning_again(case.evidence),
    )
    return " ".join((concerns, *(caution for caution in cautions if caution is not None)))


def _learned(evidence: Mapping[str, JsonValue]) -> str | None:
    """Return a caution about a reference that nobody vouches for, None where there is a profile."""
    events, since, until = (evidence.get(f"learned_{key}") for key in ("events", "from", "until"))
    if not isinstance(events, int):
        return None
    return (
        f"It is compared with what was learned from {events:,} events, from {since} to {until}: if those were not "
        "usual, neither is this."
    )


def _learning_again(evidence: Mapping[str, JsonValue]) -> str | None:
    """Return that there is no reference for now, None where there is one."""
    since = text_in(evidence, "learning_again_since")
    return (
        None
        if since is None
        else f"The model learns its reference again, since {since}: drift is not watched meanwhile."
    )


def _action(case: Case, phrases: Phrases, fields: Mapping[str, str]) -> str:
    sentences = [phrases.first_step.format_map(fields)]
    if case.subject.version is not None and case.subject.kind is not Kind.VERSION_REGRESSION:
        sentences.insert(
            0, f"If version {fields['version']} is being rolled out, stop and send its traffic back."
        )
    if case.fallback is not None and phrases.fallback_helps:
        sentences.append(f"If answers already do harm, route traffic to {short(case.fallback)} meanwhile.")
    call = _call(case)
    if call is not None:
        sentences.append(call)
    sentences.append(f"If ignored: {phrases.ignored.format_map(fields)}.")
    return " ".join(sentences)


def _call(case: Case) -> str | None:
    """Return who is called first and who after them, or None if the settings name nobody."""
    contact = f" ({short(case.contact)})" if case.contact is not None and case.team is not None else ""
    first = case.team if case.team is not None else case.contact
    people = [f"{short(first)}{contact}"] if first is not None else []
    people += [short(name) for name in case.escalation]
    return f"Call first: {', then '.join(people)}." if people else None


def _recovered(case: Case, phrases: Phrases) -> Words:
    fields = _fields(case, phrases)
    lasted = duration(case.lasted_ms)
    happened = _happened(case, phrases, fields)
    return Words(
        title=_title(case, f"over: {happened}", f"lasted {lasted}"),
        impact=_over(case).format(lasted=lasted),
        likely_causes=(),
        suggested_action="Nothing is needed now. Write down what ended it; if nobody did anything, it may return.",
    )


def _over(case: Case) -> str:
    if compared(case.evidence) is not None:
        return (
            "It no longer holds after {lasted}: the difference has gone, or the versions have changed places."
        )
    return "The figures are back inside their limits after {lasted}."


def _gone(case: Case, phrases: Phrases) -> Words:
    fields = _fields(case, phrases)
    happened = _happened(case, phrases, fields)
    what, get, this, it = "version", "gets", "this", "it"
    if case.reason is Reason.SEGMENT_GONE:
        what = "segment"
    elif case.subject.version is None:  # all that are compared with the model's profile
        what, get, this, it = "versions without a profile of their own", "get", "these", "them"
    return Words(
        title=_title(case, f"closed, {what} {get} no traffic any more: {happened}", None),
        impact=f"The {what} {get} no traffic any more, so this trouble cannot be seen; it was not seen to end.",
        likely_causes=(),
        suggested_action=f"Before {this} {what} {get} traffic again, find out what was wrong with {it}.",
    )


def _accepted(case: Case, phrases: Phrases) -> Words:
    happened = _happened(case, phrases, _fields(case, phrases))
    return Words(
        title=_title(case, f"closed, accepted as the new normal: {happened}", None),
        impact="The owner of the model takes what is now for usual. Its reference is learned anew, and until that is done nothing "
        "compares with one.",
        likely_causes=(),
        suggested_action="Watch the quality of the answers meanwhile; `watchkeeper status` shows how far learning is.",
    )


def _not_watched(case: Case, phrases: Phrases) -> Words:
    happened = _happened(case, phrases, _fields(case, phrases))
    return Words(
        title=_title(case, f"closed, not watched any more: {happened}", None),
        impact="The settings or the reference changed, and nothing watches this any more, or only from its beginning again; it was not "
        "seen to end.",
        likely_causes=(),
        suggested_action="Find out whether it still goes on. What is watched anew is told again once there is evidence enough.",
    )


def _refuted(case: Case, phrases: Phrases) -> Words:
    fields = _fields(case, phrases)
    happened = _happened(case, phrases, fields)
    return Words(
        title=_title(case, f"closed, labels refute the estimate: {happened}", None),
        impact="Labels that have come since do not bear out what the answers made expect, so the estimate is unreliable and "
        "is not told until they do again. Alerts about performance on real labels go on.",
        likely_causes=(
            "the world changed: the same score does not mean the same any more",
            "labels are made differently",
        ),
        suggested_action="Go by the metrics of real labels; calibrate the model anew, or make a new profile from labelled data of "
        "the time since.",
    )
