"""YAML text to a `Tree`, within bounds. PyYAML is imported here and nowhere else."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import yaml

from schemas.settings_tree import Tree, Value, shown
from schemas.unicode_text import is_unicode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemas.setting_types import Place

TEXT_CHARS_MAX: Final = 1_000_000
NODES_MAX: Final = 100_000
DEPTH_MAX: Final = 40

_TAG: Final = "tag:yaml.org,2002:"
_TEXT_TAGS: Final = frozenset({f"{_TAG}{kind}" for kind in ("str", "timestamp", "value")})
_WORDS: Final = {"yes": True, "no": False, "true": True, "false": False, "on": True, "off": False}
_PLAIN_INT: Final = re.compile(r"[-+]?(?:0|[1-9][0-9_]{0,30})")
_PLAIN_FLOAT: Final = re.compile(r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9_]+)(?:[eE][-+][0-9]+)?")
_UNICODE: Final = "of whole characters, got an escape such as \\ud800 that names half of one"
_NAMED: Final = re.compile(r"'[\w!-]{2,}'")


class TooBigError(ValueError):
    """The text, or what its aliases unfold to, is beyond a bound."""


def read_tree(text: str) -> Tree:
    """Return the tree of a YAML text; a text that is not YAML gives a tree with that one problem."""
    tree = Tree()
    try:
        root = _compose(text, tree)
        if root is not None:
            tree.value = _Reader(tree).value(root, ())
    except TooBigError as error:
        tree.add((), f"{error}: make the file smaller")
    return tree


def _compose(text: str, tree: Tree) -> yaml.Node | None:
    """Return the root of the text; None, with a problem noted, for a text without one."""
    try:
        root: yaml.Node | None = _BoundedLoader(text).get_single_node()
    except yaml.YAMLError as error:
        line, reason = _syntax_problem(error, text)
        tree.add((), reason, line)
        return None
    except TooBigError:
        raise
    except (ValueError, OverflowError):  # PyYAML lets a few of its own escape: "\UFFFFFFFF" is one
        tree.add((), "not YAML: an escape or a number that no text can hold: check the quoted texts")
        return None
    if root is None:
        tree.add((), "the file is empty: add models")
    return root


class _BoundedLoader(yaml.SafeLoader):
    """Composes nodes, and refuses to compose too many or too deep ones."""

    def __init__(self, text: str) -> None:
        if len(text) > TEXT_CHARS_MAX:
            raise TooBigError(f"expected a file of up to {TEXT_CHARS_MAX} characters, got {len(text)}")
        super().__init__(text)
        self._nodes = 0
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._nodes += 1
        self._depth += 1
        if self._nodes > NODES_MAX:
            raise TooBigError(f"expected up to {NODES_MAX} values in the file")
        if self._depth > DEPTH_MAX:
            raise TooBigError(f"expected values nested up to {DEPTH_MAX} deep")
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Reader:
    """Turns nodes into values; aliases unfold here, so the count of values is bounded here too."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._seen = 0

    def value(self, node: yaml.Node, place: Place) -> Value:
        self._count(len(place))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            return self._sequence(node, place)
        return self._scalar(node, place)

    def _count(self, depth: int) -> None:
        self._seen += 1
        if self._seen > NODES_MAX:
            raise TooBigError(f"expected up to {NODES_MAX} values once aliases are unfolded")
        if depth > DEPTH_MAX:
            raise TooBigError(f"expected values nested up to {DEPTH_MAX} deep once aliases are unfolded")

    def _sequence(self, node: yaml.SequenceNode, place: Place) -> list[Value]:
        values: list[Value] = []
        for position, item in enumerate(node.value):
            here = (*place, position)
            self._tree.lines[here] = item.start_mark.line + 1
            values.append(self.value(item, here))
        return values

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Value]:
        self._refuse_other_tag(node, place, "map")
        values: dict[str, Value] = {}
        for key, key_node, value_node in self._pairs(node, place, len(place)):
            if key not in values:
                here = (*place, key)
                self._tree.lines[here] = key_node.start_mark.line + 1
                values[key] = self.value(value_node, here)
        return values

    def _pairs(
        self, node: yaml.MappingNode, place: Place, depth: int
    ) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
        """Give a mapping's own pairs, then those it merges in with `<<`."""
        merged: list[yaml.Node] = []
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            self._count(depth)
            line = key_node.start_mark.line + 1
            if key_node.tag == f"{_TAG}merge":
                merged.append(value_node)
                continue
            key = self._key(key_node, place)
            if key in lines:
                self._tree.add((*place, key), f"given twice, first on line {lines[key]}: remove one", line)
            elif key is not None:
                lines[key] = line
                yield key, key_node, value_node
        for source in merged:
            yield from self._merged_pairs(source, place, depth + 1)

    def _merged_pairs(
        self, source: yaml.Node, place: Place, depth: int
    ) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
        for node in source.value if isinstance(source, yaml.SequenceNode) else [source]:
            if isinstance(node, yaml.MappingNode):
                yield from self._pairs(node, place, depth)
            else:
                line = node.start_mark.line + 1
                self._tree.add(
                    (*place, "<<"), "expected an alias of a mapping to merge, or a list of them", line
                )

    def _key(self, node: yaml.Node, place: Place) -> str | None:
        line = node.start_mark.line + 1
        if not isinstance(node, yaml.ScalarNode):
            self._tree.add(place, "expected keys that are text, got a list or a mapping as a key", line)
            return None
        key = str(node.value)
        if not is_unicode(key):
            self._tree.add(place, f"expected keys {_UNICODE}", line)
            return None
        if node.tag not in _TEXT_TAGS:
            self._tree.add((*place, key), f'keys are text: write "{shown(key)}" in quotes', line)
        return key

    def _scalar(self, node: yaml.Node, place: Place) -> Value:
        text = str(node.value)
        kind = node.tag.removeprefix(_TAG)
        if not is_unicode(text):
            self._tree.add(place, f"expected text {_UNICODE}", node.start_mark.line + 1)
        if node.tag in _TEXT_TAGS:
            return text
        if kind == "null":
            return None
        if kind == "bool" and text.lower() in _WORDS:
            self._tree.words[place] = text
            return _WORDS[text.lower()]
        if kind == "int" and _PLAIN_INT.fullmatch(text):
            return int(text.replace("_", ""))
        if kind == "float" and (
            _PLAIN_FLOAT.fullmatch(text) or text.lower().lstrip("+-") in {".inf", ".nan"}
        ):
            return float(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))
        self._tree.add(place, _other_scalar(kind), node.start_mark.line + 1)
        return text

    def _refuse_other_tag(self, node: yaml.Node, place: Place, kind: str) -> None:
        if node.tag != f"{_TAG}{kind}":
            self._tree.add(
                place, "expected no tag (a word that begins with !): remove it", node.start_mark.line + 1
            )


def _other_scalar(kind: str) -> str:
    if kind in {"int", "float"}:
        return (
            "YAML reads this as a number in another base: write it as a plain decimal, or in quotes as text"
        )
    return "a value that begins with ! is a tag to YAML: write it in quotes"


def _syntax_problem(error: yaml.YAMLError, text: str) -> tuple[int, str]:
    """Return the line of a syntax error and a message without any of the file's own words."""
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        column = error.position - text.rfind("\n", 0, error.position)
        return line, f"not YAML (column {column}): a character that text cannot hold: remove it"
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        parts = [part for part in (error.context, error.problem) if part]
        reason = _NAMED.sub("(not shown)", ", ".join(parts))
        return mark.line + 1, f"not YAML (column {mark.column + 1}): {reason}{_syntax_mend(reason)}"
    return 1, "not YAML: check the file with a YAML checker"


def _syntax_mend(reason: str) -> str:
    if "alias" in reason:
        return ": a text that begins with * must be in quotes"
    if "cannot start any token" in reason:
        return ": indent with spaces, and put text that begins with this character in quotes"
    if "mapping values are not allowed" in reason:
        return ": check the indentation, and put text that holds a colon in quotes"
    return ": check indentation, brackets and quotes"
