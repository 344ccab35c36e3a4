"""Bounds of the YAML border: hostile and broken files end soon, with one Stop."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.errors import Stop
from schemas.settings_text import parse_settings
from schemas.settings_yaml import NODES_MAX, TEXT_CHARS_MAX, read_tree


def stop_of(text: str) -> str | None:
    """Return the message that a text is refused with, None for good settings; anything else is raised."""
    try:
        parse_settings(text, source="f", env={}, read_secret=lambda _: "")
    except Stop as stop:
        return str(stop)
    return None


def laughs(item: str) -> str:
    lines = [f"a{level + 1}: &a{level + 1} [{', '.join([f'*a{level}'] * 9)}]" for level in range(9)]
    return "\n".join([f"a0: &a0 {item}", *lines])


def merging_laughs() -> str:
    lines = [f"a{level + 1}: &a{level + 1} {{<<: [{', '.join([f'*a{level}'] * 9)}]}}" for level in range(9)]
    return "\n".join(["a0: &a0 {k: 1}", *lines])


TOO_MANY = f"f:1: expected up to {NODES_MAX} values once aliases are unfolded: make the file smaller"
TOO_DEEP = "f:1: expected values nested up to 40 deep once aliases are unfolded: make the file smaller"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (laughs("[x, x, x]"), TOO_MANY),
        (merging_laughs(), TOO_MANY),
        ("a: &a [*a]", TOO_DEEP),
        ("a: &a {b: *a}", TOO_DEEP),
        ("a: &a {<<: *a}", TOO_DEEP),
        ("[" * 50_000, "f:1: expected values nested up to 40 deep: make the file smaller"),
        ("- " * 50_000, "f:1: expected values nested up to 40 deep: make the file smaller"),
        (
            "- a\n" * (NODES_MAX + 1),
            f"f:1: expected up to {NODES_MAX} values in the file: make the file smaller",
        ),
        (
            "#" * (TEXT_CHARS_MAX + 1),
            f"f:1: expected a file of up to {TEXT_CHARS_MAX} characters, got {TEXT_CHARS_MAX + 1}: make the file smaller",
        ),
    ],
    ids=["laughs", "merging laughs", "loop", "map loop", "merge loop", "deep", "deep list", "many", "long"],
)
def test_a_file_beyond_a_bound_is_refused(text: str, message: str) -> None:
    assert stop_of(text) == message


@given(st.text(max_size=200))
@example('"\\UFFFFFFFF"')
@example("%YAML 1.99999999999\n---\n")
@example("!<tag:x> a")
@example("a: !!int x\nb: !!float y\nc: !!bool z\nd: !!binary '='\ne: !!timestamp q")
@example("=: =\n<<: {}\n")
def test_any_text_is_settings_or_a_stop(text: str) -> None:
    assert all(line.startswith("f:") for line in (stop_of(text) or "f:").split("\n"))


YAML_WORDS = st.sampled_from(
    [
        *("models", "task", "binary", "regression", "positive_class", "classes", "kafka", "redis", "sinks"),
        *("routes", "type", "slack", "url", "metrics", "monitors", "psi", "window", "labels", "match"),
        *("yes", "off", "null", "~", "1", "-2", "0.5", "1e3", ".nan", "1:30", "010", '"1"', "1m", "${X}"),
        *(
            ": ",
            ":",
            ", ",
            "{",
            "}",
            "[",
            "]",
            "\n",
            "\n  ",
            "\n    ",
            "- ",
            "&a ",
            "*a",
            "<<: ",
            "? ",
            "!x ",
            "#",
        ),
    ]
)


@given(st.lists(YAML_WORDS, max_size=40).map("".join))
def test_any_words_of_settings_are_settings_or_a_stop(text: str) -> None:
    assert all(line.startswith("f:") for line in (stop_of(text) or "f:").split("\n"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(YAML_WORDS, below, max_size=3),
    max_leaves=10,
)
KEYS = [
    *("app", "kafka", "redis", "sinks", "routes"),
    *(
        f"models.m.{key}"
        for key in ("task", "classes", "positive_class", "labels", "metrics", "monitors", "loss")
    ),
    *(
        f"models.m.{key}"
        for key in ("min_effect", "segments", "features", "owner", "window", "learn", "timezone")
    ),
]


@given(st.sampled_from(KEYS), JSON)
def test_any_value_at_any_key_is_settings_or_a_stop(key: str, value: object) -> None:
    data: dict[str, object] = {"models": {"m": {"task": "multiclass"}}}
    target: dict[str, object] = data
    *path, last = key.split(".")
    for part in path:
        child = target[part]
        assert isinstance(child, dict)
        target = child
    target[last] = value
    assert (stop_of(written(data)) or "f:").startswith("f:")


def written(value: object) -> str:
    """Return a value as YAML in flow style, with all text in quotes."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{written(key)}: {written(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(written(item) for item in value) + "]"
    if isinstance(value, str):
        return "'" + "".join(c for c in value if c.isprintable()).replace("'", "''") + "'"
    if value is None:
        return "null"
    return (
        str(value).lower()
        if isinstance(value, bool)
        else str(value).replace("inf", ".inf").replace("nan", ".nan")
    )


def test_each_key_and_item_knows_its_line() -> None:
    tree = read_tree("a:\n  b:\n  - x\n  - {c: 1,\n     d: 2}\n")
    assert tree.lines == {
        ("a",): 1,
        ("a", "b"): 2,
        ("a", "b", 0): 3,
        ("a", "b", 1): 4,
        ("a", "b", 1, "c"): 4,
        ("a", "b", 1, "d"): 5,
    }
    assert tree.line(("a", "b", 1, "nope")) == 4
    assert tree.line(("nope",)) == 1


def test_dates_stay_text_and_numbers_keep_their_kind() -> None:
    tree = read_tree("{a: 2026-11-01, b: 1_000, c: 1.50, d: -.inf, e: 1e3, f: ~, g: On, h: =, i: +5}")
    assert tree.value == {
        "a": "2026-11-01",
        "b": 1_000,
        "c": 1.5,
        "d": float("-inf"),
        "e": "1e3",
        "f": None,
        "g": True,
        "h": "=",
        "i": 5,
    }
    assert tree.words == {("g",): "On"}
