"""Text that can be written out: JSON and YAML escapes can name half of a surrogate pair, UTF-8 cannot."""

from __future__ import annotations


def is_unicode(text: str) -> bool:
    """Say whether text can be encoded as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
