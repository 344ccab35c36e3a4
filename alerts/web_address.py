"""Makes a link of a stranger's URL, or refuses to: only http and https, and nothing that can leave its quotes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

_WEB: Final = re.compile(r"https?://[^\s]+")
_SAFE: Final = ":/?#[]@!$&'()*+,;=%~"
_IMAGES: Final = (".png", ".jpg", ".jpeg", ".gif")
ADDRESS_CHARS_MAX: Final = 1_000


def web_address(url: str) -> str | None:
    """Return a URL as a link may hold it, percent-encoded, or None where it is no short web address.

    Examples
    --------
    >>> web_address("https://wiki.example/a b"), web_address("https://wiki.example/<a|b>")
    (None, 'https://wiki.example/%3Ca%7Cb%3E')
    >>> web_address("javascript:alert(1)") is None
    True
    """
    if len(url) > ADDRESS_CHARS_MAX or _WEB.fullmatch(url) is None:
        return None
    address = quote(url, safe=_SAFE, errors="replace")
    return address if len(address) <= ADDRESS_CHARS_MAX else None


def is_image(address: str) -> bool:
    """Return whether a web address is that of a picture which everybody may load: https, and a picture's name."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme == "https" and parts.path.lower().endswith(_IMAGES)


def web_links(links: Mapping[str, str] | tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Return the names and addresses of the links that are web addresses."""
    pairs = links if isinstance(links, tuple) else tuple(links.items())
    found = ((name, web_address(url)) for name, url in pairs)
    return tuple((name, address) for name, address in found if address is not None)
