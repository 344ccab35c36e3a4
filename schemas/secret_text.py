"""Text that must not be seen by accident, and `${...}` that brings it in from outside."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MASK: Final = "**********"

_SECRET_MARKS: Final = (
    "password",
    "passwd",
    "secret",
    "token",
    "credential",
    "sasl.",
    "ssl.key",
    "ssl_key",
    "private",
    "api.key",
    "api_key",
    "apikey",
    "auth",
    "jaas",
    "webhook_url",
)
_REFERENCE: Final = re.compile(r"\$\{(?:file:(?P<file>[^${}]+)|(?P<env>[A-Za-z_][A-Za-z0-9_]*))\}")


class SecretText(str):
    """Text whose repr shows a mask, alone and inside any container.

    `str()` gives the real text, because librdkafka's client reads its values with `str()`.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"'{MASK}'"


def looks_secret(key: str) -> bool:
    """Say whether the value of a key must be kept from eyes, judged by the key's name."""
    lowered = key.lower()
    return any(mark in lowered for mark in _SECRET_MARKS)


def expand(text: str, *, env: Mapping[str, str], read_secret: Callable[[str], str]) -> str:
    """Return `text` with each `${NAME}` and `${file:/path}` replaced by what it stands for.

    What is brought in is not expanded again; line ends at the end of a file are cut off.

    Parameters
    ----------
    env
        The environment variables.
    read_secret
        Gives the text of the file at a path; raises OSError or UnicodeDecodeError when it cannot.

    Raises
    ------
    ValueError
        A malformed reference, an unset or empty variable, an unreadable or empty file. The message
        names the variable or the path, never what surrounds it.
    """
    parts: list[str] = []
    position = 0
    while (start := text.find("${", position)) >= 0:
        match = _REFERENCE.match(text, start)
        if match is None:
            raise ValueError("expected ${NAME} or ${file:/path} after the dollar sign")
        parts.append(text[position:start])
        parts.append(
            _from_file(match["file"], read_secret) if match["file"] else _from_env(match["env"], env)
        )
        position = match.end()
    return "".join(parts) + text[position:]


def _from_env(name: str, env: Mapping[str, str]) -> str:
    value = env.get(name)
    if not value:
        state = "not set" if value is None else "empty"
        raise ValueError(f"the environment variable {name} is {state}: set it, or use ${{file:/path}}")
    return value


def _from_file(path: str, read_secret: Callable[[str], str]) -> str:
    try:
        value = read_secret(path).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        raise ValueError(f"cannot read the secret file {path}: {reason}") from None
    if not value:
        raise ValueError(f"the secret file {path} is empty: write the secret into it")
    return value
