"""What must be there before anybody is woken: whose model it is, and what to do at three in the morning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.errors import Stop
from schemas.sink_types import JsmSink, OpsgenieSink, PagerDutySink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemas.settings import Settings


def check_paging(settings: Settings) -> None:
    """Refuse settings that would page about a model that has no owner or no runbook.

    Raises
    ------
    Stop
        The message names the models, what they lack and the sink that pages about them.
    """
    problems = list(_problems(settings))
    if problems:
        raise Stop("; ".join(problems))


def _problems(settings: Settings) -> Iterator[str]:
    pagers = [n for n, s in settings.sinks.items() if isinstance(s, PagerDutySink | JsmSink | OpsgenieSink)]
    for pager in pagers:
        for name, model in settings.models.items():
            lacks = [
                what for what, found in (("owner", model.owner), ("runbook", model.runbook)) if found is None
            ]
            if lacks and _reaches(settings, name, pager):
                yield (
                    f"models.{name}: expected {' and '.join(lacks)}, because sink {pager!r} pages about it; "
                    "whoever is woken must know whom to ask and what to do"
                )


def _reaches(settings: Settings, model: str, sink: str) -> bool:
    routes = [route for route in settings.routes if sink in route.sinks]
    stands_in = sink in settings.notify.stand_ins.values()
    return (
        stands_in
        or not settings.routes
        or any(model in route.match.get("model", model).split("|") for route in routes)
    )
