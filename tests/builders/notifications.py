"""Notifications as sinks get them: a first alert, a crowd of forty, an end, a trial, and hostile ones."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from alert_builders import CONTEXT, MEDIAN_EVIDENCE, MINUTE_MS, NOON_MS, fired, resolved

from alerts.compose import alone, compose
from alerts.pictures.gallery import PictureLink
from schemas.alert import AlertData
from schemas.deploy import Deploy
from schemas.finding import Kind, Severity
from schemas.notification import Notification, Why

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

INCIDENT: Final = "v1:0123456789abcdef0123456789abcdef:1793534400000"


def first() -> Notification:
    return alone(fired(severity=Severity.CRITICAL), app=CONTEXT.app, sink="ops")


SERIES: Final[dict[str, Any]] = {
    "figure": "median",
    "unit": "",
    "of": None,
    "start": "2026-11-01T11:13:00.000Z",
    "step_s": 60.0,
    # Quiet for forty minutes, one window without events, then up.
    "values": [round(42 + 1.1 * math.sin(2.4 * n) + 0.7 * math.sin(0.9 * n), 4) for n in range(40)]
    + [None, 44.1, 55.2, 60.4, 61.3, 60.2, 61.8, 61.0],
    "n": [1200] * 40 + [0] + [1200] * 7,
    "reference": 42.0,
    "low": 39.6,
    "high": 44.5,
    "threshold": None,
    "since": "2026-11-01T11:54:00.000Z",
}


LINK: Final = PictureLink(
    f"https://pictures.example/watch/{'5eed' * 10}.png", "median of amount went up <!channel> " * 3
)


def signal(**changes: Any) -> Notification:
    """Return an alert that carries what its signal did."""
    series = SERIES | changes
    onset_ms = NOON_MS - 6 * MINUTE_MS
    evidence = {**MEDIAN_EVIDENCE, "series": series}
    event = fired(severity=Severity.CRITICAL, onset_ms=onset_ms, evidence=evidence)
    return alone(event, app=CONTEXT.app, sink="ops")


def over() -> Notification:
    return alone(resolved(), app=CONTEXT.app, sink="ops")


def trial() -> Notification:
    return told([fired().data], why=Why.TEST, test=True)


def crowd(size: int = 40, *, prefix: str = "feature_") -> Notification:
    levels = (Severity.WARNING, Severity.ERROR)
    alerts = [fired(feature=f"{prefix}{n:03}", severity=levels[n % 10 == 0]).data for n in range(size)]
    return told(alerts, why=Why.FIRST)


def a_change(**changes: Any) -> Deploy:
    """Return a deploy as somebody announces it."""
    at = datetime(2026, 11, 1, 12, tzinfo=UTC)
    fields = {
        "id": "0123456789abcdef",
        "app": CONTEXT.app,
        "model": "fraud",
        "version": "8",
        "at": at,
        "holds_until": at + timedelta(minutes=2),
        "by": "ada",
        "note": "two more features",
        "ticket": "https://tickets.example/ML-7",
    }
    return Deploy.model_validate({**fields, **changes})


def told(alerts: Sequence[AlertData], *, why: Why, test: bool = False) -> Notification:
    return compose(
        alerts,
        sink="ops",
        app=CONTEXT.app,
        incident=INCIDENT,
        cause="drift",
        why=why,
        sequence=0,
        test=test,
    )


KINDS: Final[dict[str, Callable[[], Notification]]] = {
    "first": first,
    "signal": signal,
    "crowd": crowd,
    "over": over,
    "trial": trial,
}
"""What the golden payloads show."""

HOSTILE: Final = (
    "<!channel> @everyone <at>all</at> [x](javascript:alert(1)) <script>alert(1)</script>\r\n"
    "Bcc: eve@evil.example\x00\x1b[31m\u202egnp.exe &amp; *bold* `tick`"
)


def hostile(text: str = HOSTILE) -> Notification:
    """Return a notification with a stranger's text wherever a stranger may write."""
    event = fired(
        feature=text,
        segment=text,
        version=text,
        model=text,
        check=text,
        kind=Kind.OOD_RATE,
        severity=Severity.ERROR,
    )
    fields = event.data.model_dump(mode="json") | {
        "evidence": {"series": SERIES | {"figure": text, "of": text}},
        "title": text[:130],
        "impact": text,
        "likely_causes": [text],
        "suggested_action": text,
        "suppressed": [text],
        "owner": {"team": text, "contact": text, "escalation": [text]},
        "runbook": f"javascript:{text}",
        "links": {
            text: f"https://evil.example/{text}",
            "plot": "https://plots.example/p.png?x=<y>&z",
            "j": text,
        },
        "reproduce": {"command": text, "config_hash": text, "profile_hash": text},
    }
    return told([AlertData.model_validate(fields)], why=Why.FIRST)


def enormous(name: str, *, size: int = 500) -> Notification:
    """Return an incident of many alerts with long names and long texts everywhere."""
    feature = name[:190]
    event = fired(feature=f"{feature}00000", model=name, segment=name, version=name, check=name)
    fields = event.data.model_dump(mode="json") | {
        "impact": (name * 20)[:4_000],
        "likely_causes": [(name * 20)[:4_000]] * 10,
        "suggested_action": (name * 20)[:4_000],
        "suppressed": [f"{feature}{n:05}" for n in range(size)],
        "owner": {"team": name, "contact": name, "escalation": [name] * 50},
        "runbook": f"https://wiki.example/{name}",
        "links": {f"{feature}{n}": f"https://wiki.example/{n}/{name}" for n in range(50)},
        "evidence": {f"{feature}{n}": name for n in range(150)}
        | {"series": SERIES | {"figure": name, "of": name, "values": [1e300] * 48}},
        "reproduce": {
            "command": (name * 20)[:4_000],
            "offsets": {f"{feature}{n}": [n, n] for n in range(150)},
        },
    }
    lead = AlertData.model_validate(fields)
    rest = [
        lead.model_copy(
            update={
                "alert_id": f"v1:{n:032x}:{lead.episode}",
                "fingerprint": f"v1:{n:032x}",
                "feature": f"{feature}{n:05}",
                "title": (f"{n:05} {name}" * 3)[:130],
            }
        )
        for n in range(1, size)
    ]
    return told([lead, *rest], why=Why.FIRST)
