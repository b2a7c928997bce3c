"""Results out of the store, as a file that is never whole anywhere: chunk by chunk, in input order.

While the batch runs, what is decided so far; `wait` goes on until it has ended.
"""

import asyncio
import zlib
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Protocol

from batches.batch import Batch, State
from batches.chunk import ChunkResults, ChunkState
from batches.decided import Decided, Decode, Wanted, decided_of
from batches.given import Records, unpacked_layout

if TYPE_CHECKING:
    from batches.store import Store

CHUNKS_PER_TRIP = 8
"""Chunks that are in memory at once."""
WAIT_S = 1.0
"""Between two looks whether a chunk that is waited for is done."""
GZIP_LEVEL = 1
_GZIP = 16 + zlib.MAX_WBITS


class Writer(Protocol):
    """How results are written down; used for one file, by one thread at a time."""

    def head(self) -> bytes:
        """Return what stands before all results."""
        ...

    def rows(self, chunk: Decided, places: Sequence[int]) -> bytes:
        """Return what can be written by now, with the results at `places` of `chunk` added."""
        ...

    def end(self) -> bytes:
        """Return what stands behind all results."""
        ...


class Export:
    """The results of one batch on their way to one reader."""

    def __init__(
        self,
        store: "Store",
        decode: Decode,
        batch: Batch,
        writer: Callable[[], Writer],
        wanted: Wanted = Wanted(),  # noqa: B008 - frozen
        *,
        wait: bool = False,
        gzip: bool = False,
    ) -> None:
        """Write the `wanted` results of `batch`; `gzip` packs what comes of it.

        `writer` makes what writes them; it is called in a thread.
        """
        self._store = store
        self._decode = decode
        self._batch = batch
        self._make = writer
        self._wanted = wanted
        self._wait = wait
        self._packer = zlib.compressobj(GZIP_LEVEL, wbits=_GZIP) if gzip else None
        self._records = Records(unpacked_layout(batch.layout))

    async def parts(self) -> AsyncGenerator[bytes]:
        """Yield the file in pieces, none empty.

        Raises:
            NoSuchBatch: it was deleted in between.
            StoreError: the store went away.
        """
        loop = asyncio.get_running_loop()
        # one thread of its own: each that allocates keeps memory of its own
        thread = ThreadPoolExecutor(1, "export")
        run = partial(loop.run_in_executor, thread)
        try:
            writer = await run(self._make)
            if part := await run(self._packed, writer.head):
                yield part
            after = -1
            while (chunks := await self._next(after)) is not None:
                if not chunks:
                    await asyncio.sleep(WAIT_S)
                    continue
                after = chunks[-1].seq
                if part := await run(self._packed, partial(self._rows, writer, chunks)):
                    yield part
            if part := await run(self._ended, writer):
                yield part
        finally:
            thread.shutdown(wait=False)  # it is idle, or ends with what it does just now

    async def _next(self, after: int) -> list[ChunkResults] | None:
        """Return the chunks that can be written now; None when there will be no more."""
        tenant, batch_id = self._batch.tenant, self._batch.id
        batch = await self._store.batch(tenant, batch_id) if self._wait else self._batch
        waiting = self._wait and not batch.ended
        # what an unfinished chunk will hold can't be seen from its counts
        where = None if waiting or self._wanted.everything else self._wanted.may_be_in
        chunks = await self._store.chunk_results(tenant, batch_id, after, CHUNKS_PER_TRIP, where)
        if not waiting:
            return chunks or None
        if not chunks and batch.state is not State.DRAFT:
            return None
        ready = 0
        while ready < len(chunks) and chunks[ready].state in {ChunkState.DONE, ChunkState.DEAD}:
            ready += 1
        return chunks[:ready]

    def _rows(self, writer: Writer, chunks: Sequence[ChunkResults]) -> bytes:
        written: list[bytes] = []
        for one in chunks:
            chunk = decided_of(one, self._records, self._decode)
            if places := self._wanted.places(chunk):
                written.append(writer.rows(chunk, places))
        return b"".join(written)

    def _packed(self, make: Callable[[], bytes]) -> bytes:
        return make() if self._packer is None else self._packer.compress(make())

    def _ended(self, writer: Writer) -> bytes:
        rest = self._packed(writer.end)
        return rest if self._packer is None else rest + self._packer.flush()
