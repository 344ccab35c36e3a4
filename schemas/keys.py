"""Every Redis key that Watchkeeper writes, in one place.

All keys of a partition share one hash tag, and so do all keys of a model, so that each lies in one slot
of a Redis Cluster and one script can write it as a whole.

========================  ======  ===================================================================
key                       type    holds
========================  ======  ===================================================================
`{app:p}m`                hash    owner token, offsets, sequence, topic ids, clocks, tables, number of buckets
`{app:p}e:<bucket>`       hash    pending predictions and labels: id digest to entry
`{app:p}i:<model>:<s>`    zset    starts of the windows of stream `s` that are stored
`{app:p}w:<model>:<s>:t`  hash    one window: version and segment to summary
`{app:p}t`                hash    totals: model and version to counters and figures
`{app:p}o`                list    dead letters that wait to be published
`{app:p}n`                hash    what is known to be wrong: check and model to notice
`{app:m:model}m`          hash    owner token, sequence, evaluator state, closed-until times
`{app:m:model}o`          list    alert events that wait to be published
`{app:m:model}h`          list    the last closed windows, newest first
========================  ======  ===================================================================
"""

from __future__ import annotations

from typing import Final

FIELD_SEPARATOR: Final = "\x1f"
"""Parts version and segment in a window's hash fields, and model and version in the totals'."""


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
    """Return the hash field of several names."""
    return FIELD_SEPARATOR.join(parts)


def split_field(field: str) -> tuple[str, str]:
    """Return the two names of a hash field."""
    first, _, second = field.partition(FIELD_SEPARATOR)
    return first, second
