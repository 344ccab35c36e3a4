"""Every Redis key that Watchkeeper writes, in one place.

All keys of a partition share one hash tag, and so do all keys of a model, so that each lies in one slot
of a Redis Cluster and one script can write it as a whole.

========================  ======  ===================================================================
key                       type    holds
========================  ======  ===================================================================
`{app:p}m`                hash    owner token, offsets, sequence, topic ids, clocks, tables, layout of buckets
`{app:p}e:<bucket>`       hash    pending predictions and labels: id digest to entry
`{app:p}i:<model>:<s>`    zset    starts of the windows of stream `s` that are stored
`{app:p}w:<model>:<s>:t`  hash    one window: version and segment to summary
`{app:p}t`                hash    totals: model and version to counters and figures
`{app:p}o`                list    dead letters that wait to be published
`{app:p}n`                hash    what is known to be wrong: check and model to notice
`{app:m:model}m`          hash    owner token, sequence, evaluator state, last closed window, learned profile
`{app:m:model}o`          list    alert events that wait to be published
`{app:m:model}h`          list    the last closed windows, newest first
========================  ======  ===================================================================
"""

from __future__ import annotations

from typing import Final

FIELD_SEPARATOR: Final = "\x1f"
"""Parts version and segment in a window's hash fields, and model and version in the totals'."""

_ESCAPE: Final = "\x1e"
_SPELLED: Final = {_ESCAPE: _ESCAPE + "0", FIELD_SEPARATOR: _ESCAPE + "1"}
"""How a name that holds one of the two is written, so that no event can name another's field."""


def partition_prefix(app: str, partition: int) -> str:
    """Return what all keys of a partition begin with."""
    return f"{{{app}:{partition}}}"


def model_prefix(app: str, model: str) -> str:
    """Return what all keys of a model's evaluator begin with."""
    return f"{{{app}:m:{model}}}"


def window_index(prefix: str, model: str, stream: str) -> str:
    """Return the key of a stream's index of stored windows."""
    return f"{prefix}i:{model}:{stream}"


def window(prefix: str, model: str, stream: str, start_ms: int) -> str:
    """Return the key of one stored window."""
    return f"{prefix}w:{model}:{stream}:{start_ms}"


def joined_fields(*parts: str) -> str:
    r"""Return the hash field of several names, whatever characters they hold.

    Examples
    --------
    >>> split_fields(joined_fields("7", "a\x1fb", ""))
    ['7', 'a\x1fb', '']
    """
    return FIELD_SEPARATOR.join(map(_escaped, parts))


def split_fields(field: str) -> list[str]:
    """Return the names of a hash field."""
    return [_plain(part) for part in field.split(FIELD_SEPARATOR)]


def _escaped(name: str) -> str:
    for character, spelled in _SPELLED.items():
        name = name.replace(character, spelled)
    return name


def _plain(name: str) -> str:
    for character, spelled in reversed(_SPELLED.items()):
        name = name.replace(spelled, character)
    return name
