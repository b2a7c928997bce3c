"""A file as it arrives, made into portions that go into the store: all that needs no waiting."""

import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import TypeVar

import msgspec
from msgspec import Struct

from batches.chunk import RECORDS_USUAL, NewChunk, RowError
from batches.given import (
    DIGEST,
    Layout,
    empty_rows,
    packed_layout,
    packed_records,
    packed_rows,
)
from batches.source.blocks import PAUSE_S, BlockReader, ObjectBlocks, TableBlocks
from batches.source.buffer import Buffer
from batches.source.dialect import HEAD_BYTES, Dialect, dialect_of
from batches.source.errors import SourceError
from batches.source.objects import Carried, empty_records
from batches.source.unpacking import Body

BLOCK_BYTES = 1 << 19
"""What is read and kept in one go, a row that is not whole apart."""
READ_BYTES = 1 << 18
BYTES_MAX = 20_000_000_000
CHUNKS_PER_TURN = 4
"""So many chunks are packed in one go, which takes as long as reading `PIECE_LINES`."""
T = TypeVar("T")
NOTHING = "has nothing to validate: each of its fields is empty"


class OtherFile(Exception):
    """What was sent again does not begin as what was kept: it is another file."""


class Portion(Struct, frozen=True):
    """What goes into the store in one transaction: chunks, errors by row, and where that leads.

    `offsets` are the bytes of the unpacked file that it comes from.
    """

    chunks: Sequence[NewChunk]
    errors: Sequence[RowError]
    offsets: tuple[int, int]
    layout: Layout

    @property
    def records(self) -> int:
        """How many records are in it."""
        return sum(chunk.records for chunk in self.chunks)

    @property
    def packed_layout(self) -> bytes:
        """The layout as the store keeps it."""
        return packed_layout(self.layout)


class Intake:
    """Takes bytes in, gives portions out. Not for the event loop: it computes."""

    def __init__(
        self,
        layout: Layout,
        offset: int,
        packing: str | None = None,
        *,
        again: bool = False,
        bytes_max: int = BYTES_MAX,
        chunk_records: int = RECORDS_USUAL,
    ) -> None:
        """Go on at `offset`, where a batch with this `layout` stands.

        `again`: the file comes from its first byte on, so what is kept of it is passed over.
        Chunks have `chunk_records` records at most.
        """
        assert layout.upload is not None, "a file is taken in"
        self._body = Body(packing)
        self._names = layout.names
        self._upload = layout.upload
        self._kept = self._size = offset
        self._bytes_max = bytes_max
        self._chunk_records = chunk_records
        self._to_pass, self._passed = (offset if again else 0), DIGEST
        self._head = b""
        self._blocks: _Blocks | None = None
        self._partial = self._done = False
        if self._upload.dialect is not None:
            self._blocks = _Blocks(layout, self._upload.dialect, offset, chunk_records)

    @property
    def understood(self) -> bool:
        """Whether enough arrived to know how the file is written."""
        return self._blocks is not None

    def feed(self, data: bytes) -> None:
        """Take bytes as they arrived."""
        self._body.feed(data)

    def end(self, *, partial: bool) -> None:
        """Take note that nothing more arrives; `partial`: that is not the end of the file."""
        self._body.end(partial=partial)
        self._partial = partial

    def take(self) -> Portion | None:
        """Return the next portion; None: more has to arrive first, or there is no more.

        Raises:
            SourceError: the file can't be taken.
            OtherFile: it is not the one that was begun.
        """
        while not self._done:
            data = self._body.read(READ_BYTES)
            over = not data and self._body.ended
            if not data and not over:
                return None
            if self._to_pass:
                data = self._passed_over(data)
            self._size += len(data)
            if self._size > self._bytes_max:
                raise SourceError(
                    "TOO_LARGE",
                    f"The file is larger than {self._bytes_max:,} bytes (uploads.bytes_max), not"
                    " packed. Split it.",
                )
            self._add(data)
            self._done = over
            portion = self._portion(over=over)
            if portion is not None:
                return portion
        return None

    def _passed_over(self, data: bytes) -> bytes:
        """Return what of `data` is behind that which is kept.

        Raises:
            OtherFile: what is before it is not what was kept.
        """
        known, data = data[: self._to_pass], data[self._to_pass :]
        self._to_pass -= len(known)
        self._passed = zlib.adler32(known, self._passed)
        if (not self._to_pass and self._passed != self._upload.digest) or not known:
            raise OtherFile
        return data

    def _add(self, data: bytes) -> None:
        if self._blocks is None:
            self._head += data
        else:
            self._blocks.buffer.add(data)

    def _portion(self, *, over: bool) -> Portion | None:
        if self._blocks is None:
            if len(self._head) < HEAD_BYTES and not over:
                return None
            if over and self._partial and not self._head:
                return None
            self._blocks = self._understood(over=over)
        final = over and not self._partial
        found = self._blocks.next(over=over, final=final)
        if found is None:
            return None
        chunks, errors = found
        begin, self._kept = self._kept, self._blocks.buffer.offset
        return Portion(chunks, errors, (begin, self._kept), self._blocks.layout(complete=final))

    def _understood(self, *, over: bool) -> "_Blocks":
        """Find out how the file is written, from its head."""
        head, self._head = self._head, b""
        dialect = dialect_of(head, self._upload.wishes, self._names)
        begin = dialect.begin
        if begin >= len(head) and not over:
            raise SourceError("BAD_HEADER", f"The header is longer than {HEAD_BYTES:,} bytes.")
        if begin >= len(head) and self._partial:
            raise SourceError(
                "TOO_SHORT", "What was sent does not reach the first row. Send more at once."
            )
        digest = zlib.adler32(head[:begin], DIGEST)
        upload = msgspec.structs.replace(
            self._upload, dialect=dialect, line=dialect.line, digest=digest
        )
        layout = Layout(self._names, upload)
        blocks = _Blocks(layout, dialect, begin, self._chunk_records)
        blocks.buffer.add(head[begin:])
        return blocks


class _Blocks:
    """Cuts what arrives into blocks of whole rows, and makes chunks of them."""

    def __init__(self, layout: Layout, dialect: Dialect, offset: int, chunk_records: int) -> None:
        assert layout.upload is not None, "a file is taken in"
        self._names = layout.names
        self._upload = layout.upload
        self._dialect = dialect
        self._line = layout.upload.line
        self._wanted = BLOCK_BYTES
        self._objects: ObjectBlocks | None = None
        self.buffer = Buffer(dialect.coding, offset, layout.upload.digest)
        mapping = dialect.mapping
        if mapping is not None:
            rows = TableBlocks(dialect, len(mapping.columns))
            self._cut = partial(
                _cut, rows, partial(empty_rows, mapping), packed_rows, chunk_records
            )
        else:
            self._objects = objects = ObjectBlocks(dialect, layout.names, layout.carried)
            self._cut = partial(
                _cut,
                objects,
                partial(empty_records, layout.names),
                packed_records,
                chunk_records,
            )

    def layout(self, *, complete: bool) -> Layout:
        """Return the layout of the batch when everything up to here is kept."""
        upload = msgspec.structs.replace(
            self._upload, line=self._line, digest=self.buffer.digest, complete=complete
        )
        return Layout(self._names, upload, self._objects.carried if self._objects else ())

    def next(self, *, over: bool, final: bool) -> tuple[list[NewChunk], list[RowError]] | None:
        """Return what is in the next block; None when it is not whole yet.

        `over`: nothing more arrives now; `final`: nor later, the file is at its end.
        """
        if len(self.buffer) < self._wanted and not over:
            return None
        block = self.buffer.lines(final=final)
        chunks, errors, count, left = self._cut(block, self._line, final)
        if left == count and not over:  # all of it is one row, which goes on
            self._wanted = len(self.buffer) + BLOCK_BYTES
            return None
        self._wanted = BLOCK_BYTES
        self._line += count - left
        self.buffer.drop(self._dialect.coding.before(block, left))
        return chunks, errors


def _cut(
    blocks: BlockReader[T],
    empty: Callable[[Sequence[T]], list[int]],
    packed: Callable[[Sequence[T], Sequence[int], Mapping[int, Carried]], bytes],
    chunk_records: int,
    block: bytes,
    number: int,
    final: bool,  # noqa: FBT001 - passed on
) -> tuple[list[NewChunk], list[RowError], int, int]:
    """Return chunks and errors of a block; its lines, and how many of them are left for later."""
    found = blocks.read(block, number, final=final)
    taken, lines = found.taken, found.lines
    errors = [RowError(error.line, error.why) for error in found.errors]
    blank = set(empty(taken))
    if blank:
        errors += [RowError(lines[at], NOTHING) for at in blank]
        lines = [line for at, line in enumerate(lines) if at not in blank]
        taken = [one for at, one in enumerate(taken) if at not in blank]
    errors.sort(key=lambda error: error.line)
    number = -(-len(taken) // chunk_records)
    ends = [len(taken) * part // number for part in range(number + 1)] if number else []
    chunks: list[NewChunk] = []
    for at, (begin, end) in enumerate(pairwise(ends)):
        if at % CHUNKS_PER_TURN == 0:
            time.sleep(PAUSE_S)
        chunks.append(
            NewChunk(end - begin, packed(taken[begin:end], lines[begin:end], found.carried))
        )
    return chunks, errors, found.count, found.left
