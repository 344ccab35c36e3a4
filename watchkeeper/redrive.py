"""Puts dead letters back into their topics, each once, as far as receipts tell.

The dead-letter topic is read twice. The first pass collects receipts: some hundred bytes of memory for each.
The second streams the letters; only a bundle of them is in memory at a time. A letter is put back, then its
receipt is written; a crash in between puts it back again, and the event then counts as a duplicate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from consumers.kafka_letters import Answer, Record, RecordReader, RecordWriter, TopicReader
from consumers.letters import (
    Verdict,
    Wanted,
    is_original,
    judge,
    mark_of,
    original_of,
    read_letter,
    read_receipt,
    receipt_of,
)
from consumers.rejects import DeadLetter
from schemas.errors import Stop
from schemas.undelivered import is_undelivered

BUNDLE_LETTERS: Final = 500
BUNDLE_BYTES: Final = 16_000_000
HEADER: Final = "watchkeeper-dead-letter"
"""Names the letter that a record comes from."""

PROBLEMS_KEPT: Final = 100

_BECAUSE: Final = {
    Verdict.UNREADABLE: "neither a dead letter nor a receipt",
    Verdict.DAMAGED: "its bytes are not those that its SHA-256 was taken of",
    Verdict.OTHER_TOPIC: "the settings name no such input topic; put it back with the settings that do",
    Verdict.NO_PARTITION: "the topic has no such partition any more",
    Verdict.GONE: "lost: the letter holds only a part, and retention has removed the record from its topic",
    Verdict.CHANGED: "lost: the letter holds only a part, and the topic has another record at this place",
}


@dataclass(slots=True)
class Redriven:
    """What a redrive did.

    Parameters
    ----------
    counts
        Letters by what became of them.
    problems
        One line for each letter that should have been put back and could not, the first `PROBLEMS_KEPT`.
    """

    counts: Counter[Verdict] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def fail(self, verdict: Verdict, where: str, because: str) -> None:
        """Count a letter that cannot be put back, and say why."""
        self.counts[verdict] += 1
        if len(self.problems) < PROBLEMS_KEPT:
            self.problems.append(f"{where}: {because}")


@dataclass(frozen=True, slots=True)
class Gates:
    """Where letters are read and records written.

    Parameters
    ----------
    writer
        None for a dry run.
    """

    letters: TopicReader
    sources: RecordReader
    writer: RecordWriter | None


@dataclass(frozen=True, slots=True)
class _Bundled:
    """A letter, the record to put back, and where its receipt goes."""

    letter: DeadLetter
    record: Record
    receipt: Record


class Redrive:
    """One run over the dead-letter topic.

    Parameters
    ----------
    wanted
        Which letters.
    partitions
        Number of partitions of both input topics.
    progress
        Told how many records more have been read; the total is twice the topic's.
    """

    def __init__(
        self,
        gates: Gates,
        *,
        wanted: Wanted,
        partitions: Mapping[str, int],
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._gates = gates
        self._wanted = wanted
        self._partitions = partitions
        self._progress = progress
        self._receipts: set[bytes] = set()
        self._seen: set[bytes] = set()
        self._bundle: list[_Bundled] = []
        self._bundle_bytes = 0
        self.result = Redriven()

    def run(self) -> Redriven:
        """Put the wanted letters back and return what became of all of them.

        Raises
        ------
        Retry
            If the broker does not answer.
        Stop
            If it did not acknowledge what was written; the message says how to go on.
        """
        for record in self._gates.letters.records():
            receipt = read_receipt(record.value)
            if receipt is not None:
                self._receipts.add(receipt)
            self._progress(1)
        for record in self._gates.letters.records():
            self._take(record)
            self._progress(1)
        self._send()
        return self.result

    def _take(self, record: Record) -> None:
        if record.value is None or read_receipt(record.value) is not None:
            return
        letter = read_letter(record.value)
        if letter is None and is_undelivered(record.value):
            self.result.counts[Verdict.UNDELIVERED] += 1
            return
        if letter is None:
            self._fail(Verdict.UNREADABLE, f"{record.topic}[{record.partition}] offset {record.offset}")
            return
        verdict = judge(
            letter,
            wanted=self._wanted,
            partitions=self._partitions,
            receipts=self._receipts,
            seen=self._seen,
        )
        if verdict in (Verdict.REDRIVEN, Verdict.REREAD):
            self._put_back(letter, record, again=verdict is Verdict.REREAD)
        elif verdict in _BECAUSE:
            self._fail(verdict, _where(letter))
        else:
            self.result.counts[verdict] += 1

    def _put_back(self, letter: DeadLetter, record: Record, *, again: bool) -> None:
        """Bundle a letter up with its whole key and value."""
        self._seen.add(mark_of(letter))
        original = self._read_again(letter) if again else original_of(letter)
        if original is None:
            return
        key, value = original
        back = Record(
            letter.topic,
            letter.partition,
            key,
            value,
            timestamp_ms=letter.timestamp_ms,
            headers=((HEADER, letter.id.encode()),),
        )
        receipt = Record(record.topic, record.partition, record.key, receipt_of(letter))
        self._bundle.append(_Bundled(letter, back, receipt))
        self._bundle_bytes += len(value)
        if len(self._bundle) >= BUNDLE_LETTERS or self._bundle_bytes >= BUNDLE_BYTES:
            self._send()

    def _read_again(self, letter: DeadLetter) -> tuple[bytes | None, bytes] | None:
        """Return the key and value that stand in the source, or count the letter as lost."""
        found = self._gates.sources.read(letter.topic, letter.partition, letter.offset)
        if found is None:
            self._fail(Verdict.GONE, _where(letter))
        elif found.value is None or not is_original(letter, found.value):
            self._fail(Verdict.CHANGED, _where(letter))
        else:
            return found.key, found.value
        return None

    def _fail(self, verdict: Verdict, where: str) -> None:
        self.result.fail(verdict, where, _BECAUSE[verdict])

    def _send(self) -> None:
        """Write the bundle, then a receipt for each record that was acknowledged."""
        bundle, self._bundle, self._bundle_bytes = self._bundle, [], 0
        writer = self._gates.writer
        if writer is None or not bundle:
            self.result.counts[Verdict.REDRIVEN] += len(bundle)
            return
        answers = writer.write([bundled.record for bundled in bundle])
        done = [b for b, answer in zip(bundle, answers, strict=True) if answer.error is None]
        receipts = writer.write([bundled.receipt for bundled in done])
        self.result.counts[Verdict.REDRIVEN] += len(done)
        for bundled, answer in zip(bundle, answers, strict=True):
            if answer.error is not None and answer.is_final:
                because = f"the broker refuses it: {answer.error}"
                self.result.fail(Verdict.REFUSED, _where(bundled.letter), because)
        _demand_receipts(receipts)
        _demand_answers(answers)


def _demand_receipts(answers: list[Answer]) -> None:
    missing = [answer.error for answer in answers if answer.error is not None]
    if missing:
        raise Stop(
            f"kafka: {len(missing)} events were put back, and their receipts could not be written ({missing[0]}); "
            "mend that before the next redrive, which will put them back again, as duplicates",
            exit_code=1,
        )


def _demand_answers(answers: list[Answer]) -> None:
    open_ = [answer.error for answer in answers if not answer.is_final]
    if open_:
        raise Stop(
            f"kafka: the broker did not acknowledge {len(open_)} events ({open_[0]}); start the same redrive "
            "again: what has a receipt is passed over, the rest may come a second time and counts as duplicates",
            exit_code=1,
        )


def _where(letter: DeadLetter) -> str:
    return f"{letter.topic}[{letter.partition}] offset {letter.offset}"
