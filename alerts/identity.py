"""What an alert is about, and the names that follow from it: fingerprint, episode and alert id.

All three are functions of content and event time alone, so a replay gives the same ones.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from schemas.alert_wire import clean_name

if TYPE_CHECKING:
    from schemas.finding import Finding, Kind, Topic

FINGERPRINT_VERSION: Final = "v1"
_HEX_DIGITS: Final = 32

OrderKey: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What an alert is about, in names fit for records (cleaned and bounded).

    Parameters
    ----------
    version
        Set only for checks that run per version.
    """

    kind: Kind
    check: str
    model: str
    version: str | None
    feature: str | None
    segment: str | None

    @property
    def order_key(self) -> OrderKey:
        """The place of a subject among others: by kind, check, feature, segment, version, model."""
        rest = (self.feature, self.segment, self.version, self.model)
        return (self.kind, self.check, *(part if part is not None else "" for part in rest))


def subject_of(finding: Finding) -> Subject:
    """Return what a finding is about."""
    return Subject(
        kind=finding.kind,
        check=clean_name(finding.check),
        model=clean_name(finding.model),
        version=_cleaned(finding.version),
        feature=_cleaned(finding.feature),
        segment=_cleaned(finding.segment),
    )


def fingerprint_of(finding: Finding, *, app: str) -> str:
    """Return `v1:` and 32 hexadecimal digits that name the trouble in every window.

    The hash is SHA-256 over canonical JSON: keys sorted, no blanks, everything outside ASCII escaped.
    Score, threshold, severity, window and evidence stay out; the version is in only if the check runs
    per version.

    Examples
    --------
    >>> from schemas.finding import Finding, Kind, Verdict, WindowSpan
    >>> finding = Finding(kind=Kind.VOLUME, check="traffic", model="fraud", window=WindowSpan(0, 60_000, 5),
    ...                   verdict=Verdict.BREACH, score=3.0, fire=2.0, clear=1.0)
    >>> fingerprint_of(finding, app="prod")
    'v1:b10550487467a2eb20868da6638a0776'
    """
    return fingerprint_in(finding.model, finding.topic, app=app)


def fingerprint_in(model: str, topic: Topic, *, app: str) -> str:
    """Return the fingerprint of what is said about a topic of a model."""
    identity: dict[str, str | None] = {
        "app": app,
        "model": model,
        "kind": topic.kind,
        "check": topic.check,
        "feature": topic.feature,
        "segment": topic.segment,
    }
    if topic.version is not None:
        identity["version"] = topic.version
    canonical = json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return f"{FINGERPRINT_VERSION}:{hashlib.sha256(canonical.encode()).hexdigest()[:_HEX_DIGITS]}"


def alert_id_of(fingerprint: str, *, episode_ms: int) -> str:
    """Return the id of one episode of one trouble."""
    return f"{fingerprint}:{episode_ms}"


def _cleaned(name: str | None) -> str | None:
    return None if name is None else clean_name(name)
