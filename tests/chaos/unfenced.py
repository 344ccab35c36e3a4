"""The negative control: `python -m chaos.unfenced` is `python -m watchkeeper` with its fence taken out.

Taken out is what compares before it writes, and what looks afterwards:

* of `partition_commit.lua` the token, whether the batch is already applied, and both offsets and the sequence;
* of `model_commit.lua` the token, whether the evaluation is already applied, and the sequence;
* of `outbox_drop.lua` and `partition_note.lua` the token;
* `verify` of both stores, which finds nothing wrong.

A commit that meets an emptied Redis would fail for want of a number of buckets; it is given one, so that it is
written as everything else is. All the rest stays: claims and what they compare with Kafka, and an evaluator's
refusal to read a partition that went back.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final
from unittest.mock import patch

from consumers.redis_buckets import BUCKETS
from consumers.redis_gate import RedisGate
from consumers.redis_models import RedisModels
from consumers.redis_partitions import RedisPartitions
from consumers.store import Position
from watchkeeper import cli

CHANGES: Final = {
    "partition_commit": {
        "if state[1] ~= ARGV[1] then return 'fenced' end": "",
        "if po == ARGV[5] and lo == ARGV[6] and seq == ARGV[7] then return 'already' end": "",
        "if po ~= ARGV[2] or lo ~= ARGV[3] or seq ~= ARGV[4] then return 'mismatch' end": "",
        "tonumber(state[5])": f"tonumber(state[5] or '{BUCKETS}')",
    },
    "model_commit": {
        "if state[1] ~= ARGV[1] then return 'fenced' end": "",
        "if seq == old + 1 and state[3] == ARGV[3] then return 'already' end": "",
        "if seq ~= old then return 'mismatch' end": "",
    },
    "outbox_drop": {"if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return 0 end": ""},
    "partition_note": {"if redis.call('HGET', meta, 'token') ~= ARGV[1] then return 0 end": ""},
}
"""Script to what is replaced in it."""

_fenced_source = RedisGate.source


def source(gate: RedisGate, name: str) -> str:
    """Return a script's text without its checks."""
    text = _fenced_source(gate, name)
    for taken_out, put_in in CHANGES.get(name, {}).items():
        assert taken_out in text, f"{name}.lua does not say {taken_out!r} any more: correct the control"
        text = text.replace(taken_out, put_in)
    return text


def verify_partitions(_: RedisPartitions, __: Sequence[tuple[int, str, Position]]) -> list[int]:
    return []


def verify_models(_: RedisModels, __: Sequence[tuple[str, str, int]]) -> list[str]:
    return []


def main() -> int:
    with ExitStack() as stack:
        stack.enter_context(patch.object(RedisGate, "source", source))
        stack.enter_context(patch.object(RedisPartitions, "verify", verify_partitions))
        stack.enter_context(patch.object(RedisModels, "verify", verify_models))
        return cli.main()


if __name__ == "__main__":
    sys.exit(main())
