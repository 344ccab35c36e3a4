"""What a claim makes of what Kafka and the store say of each other, as a table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consumers.claim_checks import LOSS_TOLD_MS, TopicState, judge_claim
from consumers.store import Claimed, Position
from schemas.integrity import IntegrityCheck

NOW_MS = 1_800_000_000_000
IDS = "p-id/l-id"
STORED = Claimed("token", Position(100, 200, 7), topics=IDS)
PREDICTIONS = TopicState("predictions", 0, 150)
LABELS = TopicState("ground-truth", 0, 250)


def judge(
    claimed: Claimed = STORED,
    predictions: TopicState = PREDICTIONS,
    labels: TopicState = LABELS,
    *,
    ids: str = IDS,
    known: Position | None = None,
) -> tuple[Position | None, set[str]]:
    found = judge_claim(claimed, predictions, labels, topics=ids, known=known, now_ms=NOW_MS)
    return found.start, {check.value for check in found.notices}


NEVER_STORED = Claimed("token", None)


@pytest.mark.parametrize(
    ("case", "start", "notices"),
    [
        (judge(), Position(100, 200, 7), set()),
        (judge(ids=""), Position(100, 200, 7), set()),
        (judge(replace(STORED, topics="")), Position(100, 200, 7), set()),
        (judge(ids="p-id/other"), None, {"topic_recreated"}),
        (judge(predictions=replace(PREDICTIONS, end=99)), None, {"topic_recreated"}),
        (judge(predictions=replace(PREDICTIONS, end=100)), Position(100, 200, 7), set()),
        (judge(labels=replace(LABELS, end=0)), None, {"topic_recreated"}),
        (judge(labels=replace(LABELS, first=230)), Position(100, 230, 7), {"offsets_gone"}),
        (judge(predictions=replace(PREDICTIONS, committed=100)), Position(100, 200, 7), set()),
        (
            judge(predictions=replace(PREDICTIONS, committed=101)),
            Position(100, 200, 7),
            {"redis_rolled_back"},
        ),
        (judge(known=Position(100, 201, 8)), Position(100, 200, 7), {"redis_rolled_back"}),
        (judge(known=Position(100, 200, 7)), Position(100, 200, 7), set()),
        (judge(NEVER_STORED), Position(0, 0, 0), set()),
        (judge(NEVER_STORED, replace(PREDICTIONS, first=40)), Position(40, 0, 0), set()),
        (judge(NEVER_STORED, replace(PREDICTIONS, committed=0)), Position(0, 0, 0), set()),
        (judge(NEVER_STORED, replace(PREDICTIONS, committed=90)), Position(0, 0, 0), {"redis_emptied"}),
        (
            judge(
                replace(STORED, position=Position(10, 20, 3)), replace(PREDICTIONS, first=50, committed=100)
            ),
            Position(50, 20, 3),
            {"offsets_gone", "redis_rolled_back"},
        ),
    ],
    ids=[
        *("as it should be", "broker tells no ids", "ids never known before", "other ids"),
        *("predictions cut", "read up to the very end", "labels emptied", "retention has passed us"),
        *("witness agrees", "witness is ahead", "we had seen more stored", "we had seen the same stored"),
        *("new", "new on a topic that has lost its beginning", "nothing was ever read", "emptied"),
        "gone and rolled back",
    ],
)
def test_a_claim_starts_where_it_must_and_tells_what_is_wrong(
    case: tuple[Position | None, set[str]], start: Position | None, notices: set[str]
) -> None:
    assert case == (start, notices)


def test_lost_records_are_counted_and_their_range_is_kept() -> None:
    labels = replace(LABELS, first=230)
    found = judge_claim(STORED, PREDICTIONS, labels, topics=IDS, known=None, now_ms=NOW_MS)
    notice = found.notices[IntegrityCheck.OFFSETS_GONE]
    assert notice.detail == {"topics": "ground-truth", "records": 30, "ranges": ["ground-truth: 200 to 229"]}
    assert not notice.healed(10**9, 10**9, now_ms=NOW_MS + LOSS_TOLD_MS - 1)
    assert notice.healed(0, 0, now_ms=NOW_MS + LOSS_TOLD_MS)


def test_a_roll_back_is_over_once_everything_has_been_read_again() -> None:
    predictions = replace(PREDICTIONS, committed=130)
    found = judge_claim(STORED, predictions, LABELS, topics=IDS, known=Position(120, 240, 9), now_ms=NOW_MS)
    notice = found.notices[IntegrityCheck.REDIS_ROLLED_BACK]
    assert notice.detail["records"] == 30 + 40
    assert not notice.healed(129, 240, now_ms=NOW_MS)
    assert not notice.healed(130, 239, now_ms=NOW_MS)
    assert notice.healed(130, 240, now_ms=NOW_MS)


def test_healing_never_waits_for_records_that_kafka_does_not_have() -> None:
    predictions = replace(PREDICTIONS, end=110, committed=130)
    found = judge_claim(STORED, predictions, LABELS, topics=IDS, known=None, now_ms=NOW_MS)
    assert found.notices[IntegrityCheck.REDIS_ROLLED_BACK].healed(110, 200, now_ms=NOW_MS)
