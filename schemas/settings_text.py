"""The text of a settings file as `Settings`, or one `Stop` that names every problem with its line.

The file itself is read elsewhere; text, environment and a reader of secret files come in as arguments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from schemas.errors import Stop
from schemas.secret_text import expand
from schemas.settings import Settings
from schemas.settings_problems import settings_problems
from schemas.settings_tree import HEARTBEAT_URL, Problem, Tree, Value
from schemas.settings_yaml import read_tree
from schemas.sink_settings import secret_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from schemas.setting_types import Place

_SHOWN_PROBLEMS_MAX: Final = 50
_NO_EXPANSION: Final = (
    "${...} expands in secrets of sinks (such as webhook_url) and notify.heartbeat.url only: "
    "write the value itself here"
)


def parse_settings(
    text: str, *, source: str, env: Mapping[str, str], read_secret: Callable[[str], str]
) -> Settings:
    """Return the settings that a YAML text holds.

    Parameters
    ----------
    source
        The name of the file, for messages.
    env
        The environment variables that `${NAME}` stands for.
    read_secret
        Gives the text of the file that `${file:/path}` names; raises OSError or UnicodeDecodeError
        when it cannot. Relative paths are relative to the settings file: resolving them is its task.

    Raises
    ------
    Stop
        With exit code 2 and a line per problem: `watchkeeper.yaml:12: models.fraud.windw: unknown key;
        did you mean "window"?`. No message holds a secret.
    """
    tree = read_tree(text)
    problems = list(tree.problems)
    settings = None
    if tree.value is not None or not problems:
        value = _Expansion(tree, problems, env, read_secret).walk(tree.value, ())
        problems += _ambiguous_labels(tree)
        settings = _validate(value, tree, problems)
    if problems or settings is None:
        raise Stop(_report(problems, source))
    return settings


def require_servers(settings: Settings, *, source: str) -> None:
    """Raise `Stop` unless the settings say where Kafka is, which `run` needs and `replay` does not."""
    if settings.kafka.bootstrap_servers is None:
        raise Stop(
            f"{source}: kafka.bootstrap.servers: missing; `run` needs it: "
            'add kafka: {bootstrap.servers: "host:9092"}'
        )


@dataclass(frozen=True, slots=True)
class _Expansion:
    """Copies a value with the references in secrets replaced, and notes the others as problems."""

    tree: Tree
    problems: list[Problem]
    env: Mapping[str, str]
    read_secret: Callable[[str], str]

    def walk(self, value: Value, place: Place) -> Value:
        if isinstance(value, dict):
            for key in value:
                self._refuse(key, (*place, key))
            return {key: self.walk(item, (*place, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.walk(item, (*place, position)) for position, item in enumerate(value)]
        if isinstance(value, str) and "${" in value:
            return self._text(value, place)
        return value

    def _text(self, text: str, place: Place) -> str:
        if not _is_expanded(place, self.tree.value):
            self._refuse(text, place)
            return text
        try:
            return expand(text, env=self.env, read_secret=self.read_secret)
        except ValueError as error:
            self.problems.append(Problem(self.tree.line(place), place, str(error)))
        return text

    def _refuse(self, text: str, place: Place) -> None:
        if "${" in text:
            self.problems.append(Problem(self.tree.line(place), place, _NO_EXPANSION))


def _is_expanded(place: Place, value: Value) -> bool:
    if place == HEARTBEAT_URL:
        return True
    match place, value:
        case ("sinks", str() as name, str() as key, *rest), {"sinks": dict() as sinks} if len(rest) <= 1:
            sink = sinks[name]
            return isinstance(sink, dict) and key in secret_keys(sink.get("type"))
    return False


def _ambiguous_labels(tree: Tree) -> list[Problem]:
    """Return a problem for each label written as `yes`, `no`, `on` or `off`.

    YAML reads these words as booleans, and a boolean is a label too: the wrong one.
    """
    problems: list[Problem] = []
    for place, word in tree.words.items():
        if _is_label(place) and word.lower() not in {"true", "false"}:
            meant = "true" if word.lower() in {"yes", "on"} else "false"
            text = (
                f'YAML reads {word} as the boolean {meant}: write "{word}" in quotes for the text, '
                f"or {meant} for the boolean"
            )
            problems.append(Problem(tree.line(place), place, text))
    return problems


def _is_label(place: Place) -> bool:
    match place:
        case ("models", _, "positive_class") | ("models", _, "labels", "implicit", "class"):
            return True
        case ("models", _, "classes", _, int()) | ("models", _, "labels", "unlabelled_when", _, int()):
            return True
    return False


def _validate(value: Value, tree: Tree, problems: list[Problem]) -> Settings | None:
    try:
        return Settings.model_validate(value)
    except ValidationError as error:
        problems += settings_problems(error, tree)
    return None


def _report(problems: list[Problem], source: str) -> str:
    """Return a line per place, in the order of the file; the first problem of a place hides the rest."""
    first: dict[Place, Problem] = {}
    for problem in problems:
        first.setdefault(problem.place, problem)
    ordered = sorted(first.values(), key=lambda problem: problem.line)
    lines = [f"{source}:{problem}" for problem in ordered[:_SHOWN_PROBLEMS_MAX]]
    if len(ordered) > _SHOWN_PROBLEMS_MAX:
        lines.append(f"{source}: and {len(ordered) - _SHOWN_PROBLEMS_MAX} more problems")
    return "\n".join(lines)
