"""The bytes of chunks: what was given becomes records, results become bytes and back."""

from collections.abc import Sequence

from batches.batch import Batch
from batches.counts import Counts
from batches.given import Records, unpacked_layout
from batches.results import Results
from cache.bounded import Bounded
from checks.kinds import KindModule
from verdicts.record import Record
from verdicts.verdict import RecordResult

LAYOUTS_KEPT_MAX = 200


class ChunkPacking:
    """Packs and unpacks the chunks of all batches; satisfies `chunk_work.Packing`."""

    def __init__(self, kinds: Sequence[KindModule]) -> None:
        """Know the kinds that records have."""
        self.results = Results(kinds)
        self._layouts: Bounded[bytes, Records] = Bounded(LAYOUTS_KEPT_MAX)

    def records(self, batch: Batch, given: bytes) -> tuple[Sequence[Record], Sequence[int]]:
        """Return the records of a chunk of `batch`, and the places of those that were erased.

        Raises:
            msgspec.DecodeError: `given` is no chunk of this batch.
        """
        reading = self.reading(batch)
        found = reading.given(given)
        return reading.records(found), found.erased

    def reading(self, batch: Batch) -> Records:
        """Return what reads the chunks of `batch`."""
        found = self._layouts.get(batch.layout)
        if found is None:
            found = Records(unpacked_layout(batch.layout))
            self._layouts.put(batch.layout, found)
        return found

    def blank(self, place: int) -> RecordResult:
        """Return what is said of a record that was erased before it was decided."""
        return self.results.blank(place)

    def packed(
        self, places: Sequence[int], results: Sequence[RecordResult]
    ) -> tuple[bytes, Counts]:
        """Return `results` of the records at `places` of a chunk as bytes, and their counts."""
        return self.results.packed_and_counted(places, results)

    def unpacked(self, blob: bytes) -> tuple[Sequence[int], Sequence[RecordResult]]:
        """Return places and results that `packed` made these bytes of."""
        return self.results.unpacked(blob)
