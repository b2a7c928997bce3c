"""What is decided of a chunk, record by record, with what the client gave."""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TypeAlias

from msgspec import Struct

from batches.chunk import ChunkResults, ChunkState
from batches.counts import Counts
from batches.given import Given, Records
from verdicts.reason import ReasonCode
from verdicts.verdict import RecordResult, Status, Verdict

Decode: TypeAlias = Callable[[bytes, int], Sequence[RecordResult]]
"""How bytes become results. The index of each is the second argument, that of its chunk's first
record, and its place in the chunk."""


class Decided(Struct, frozen=True, kw_only=True):
    """A chunk as a reader sees it.

    `results` has one for each record, in their order, None where it is still open; in a chunk that
    was given up none is. `given` is None when it is kept no longer.
    """

    seq: int
    first_index: int
    state: ChunkState
    given: Given | None
    results: Sequence[RecordResult | None]

    @property
    def ended(self) -> bool:
        """Whether nothing more will be decided of it, unless somebody retries its batch."""
        return self.state in {ChunkState.DONE, ChunkState.DEAD}


def decided_of(chunk: ChunkResults, records: Records | None, decode: Decode) -> Decided:
    """Return `chunk` unpacked; without `records` its `given` is left out."""
    results: list[RecordResult | None] = [None] * chunk.records
    blobs = [] if chunk.results is None else [chunk.results]
    reopened = len(blobs) + chunk.reopened_parts
    for number, blob in enumerate([*blobs, *chunk.parts]):
        found = decode(blob, chunk.first_index)
        again = chunk.reopened if number < reopened else frozenset[Status]()
        for result in found:
            if result.status not in again:
                results[result.index - chunk.first_index] = result
    given = None
    if chunk.given is not None and records is not None:
        given = records.given(chunk.given)
    if chunk.state is ChunkState.DEAD and None in results:
        refs = refs_of(given, records, chunk.records)
        results = [
            RecordResult(refs[place], chunk.first_index + place, Status.UNKNOWN)
            if result is None
            else result
            for place, result in enumerate(results)
        ]
    return Decided(
        seq=chunk.seq,
        first_index=chunk.first_index,
        state=chunk.state,
        given=given,
        results=results,
    )


def refs_of(given: Given | None, records: Records | None, number: int) -> Sequence[str | None]:
    """Return the client's own names of `number` records, None for all when those are not kept."""
    if given is None or records is None:
        return [None] * number
    return [record.ref for record in records.records(given)]


class Wanted(Struct, frozen=True):
    """Which results a reader wants; what is empty leaves nothing out.

    `kinds`: some verdict is of one of them, and it is that verdict which the rest is about.
    `statuses`: of the record or, with `kinds`, of that verdict. `reasons`: it gives one of them.
    """

    statuses: AbstractSet[Status] = frozenset()
    reasons: AbstractSet[ReasonCode] = frozenset()
    kinds: AbstractSet[str] = frozenset()

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return not (self.statuses or self.reasons or self.kinds)

    def has(self, result: RecordResult) -> bool:
        """Tell whether `result` is wanted."""
        if not self.kinds:
            if self.statuses and result.status not in self.statuses:
                return False
            return not self.reasons or any(map(self._because, result.verdicts))
        return any(
            verdict.kind in self.kinds
            and (not self.statuses or verdict.status in self.statuses)
            and (not self.reasons or self._because(verdict))
            for verdict in result.verdicts
        )

    def may_be_in(self, counts: Counts) -> bool:
        """Tell whether results of these counts can hold a wanted one: False is sure."""
        tallies = [
            tally
            for name, tally in counts.of.items()
            if self.kinds or not self.statuses or Status(name) in self.statuses
        ]
        if not self.kinds and not self.reasons:
            return any(tally.records for tally in tallies)
        statuses = {status.value for status in self.statuses}
        codes = {code.value for code in self.reasons}
        return any(
            (not self.kinds or kind in self.kinds)
            and (not (self.kinds and statuses) or bool(statuses & verdicts.keys()))
            and (not codes or bool(codes & _numbers(tally.reasons, kind).keys()))
            for tally in tallies
            for kind, verdicts in tally.verdicts.items()
        )

    def places(self, chunk: Decided) -> list[int]:
        """Return the places of the wanted records of `chunk` that are decided."""
        if self.everything:
            return [place for place, result in enumerate(chunk.results) if result is not None]
        return [
            place
            for place, result in enumerate(chunk.results)
            if result is not None and self.has(result)
        ]

    def _because(self, verdict: Verdict) -> bool:
        return any(reason.code in self.reasons for reason in verdict.reasons)


def _numbers(by_kind: Mapping[str, dict[str, int]], kind: str) -> Mapping[str, int]:
    return by_kind.get(kind, {})
