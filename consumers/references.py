"""The models' plans as workers have them: with the references that evaluators have learned meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import structlog

from consumers.plan import ModelPlan, plan_model
from consumers.store import ModelStore
from detectors.profile import from_json

_log = structlog.get_logger("watchkeeper.learn")


class Counting(Protocol):
    """Whoever counts events by plans (`consumers.partition.Partition`)."""

    def adopt(self, plan: ModelPlan) -> None:
        """Go on with another plan of the same model."""

    def evaluated(self, model: str, until_ms: int) -> None:
        """Take note of how far a model has been evaluated."""


class References:
    """The plans of all models, those that learn kept up to date.

    Parameters
    ----------
    configured
        As the settings and the user's profiles say.
    states
        Where learned profiles are.

    Attributes
    ----------
    plans
        By model; treat it as read only.
    """

    def __init__(self, configured: Mapping[str, ModelPlan], states: ModelStore) -> None:
        self._states = states
        self._learning = sorted(name for name, plan in configured.items() if plan.learning)
        self._configured = configured
        self.plans = dict(configured)
        self._evaluated: dict[str, int] = {}
        self._hashes = dict.fromkeys(self._learning, "")

    def look(self) -> list[str]:
        """Ask what has been learned; returns the models whose plan is another one now.

        Raises
        ------
        Retry
            If the store does not answer; nothing has changed then.
        """
        changed: list[str] = []
        if not self._learning:
            return changed
        for model, found in zip(self._learning, self._states.learned(self._learning), strict=True):
            self._evaluated[model] = found.closed_ms
            if found.content_hash == self._hashes[model]:
                continue
            text = self._states.profile(model) if found.content_hash else None
            profile = None if text is None else from_json(text, source="the learned profile")
            self.plans[model] = plan_model(self._configured[model].settings, profile)
            self._hashes[model] = found.content_hash
            changed.append(model)
            _log.info("reference", model=model, learned=profile is not None, hash=found.content_hash[:16])
        return changed

    def tell(self, counting: Counting, changed: list[str]) -> None:
        """Tell somebody who counts by the plans what `look` has found."""
        for model in changed:
            counting.adopt(self.plans[model])
        for model, closed_ms in self._evaluated.items():
            counting.evaluated(model, closed_ms)
