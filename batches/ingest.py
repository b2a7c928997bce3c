"""Files into the store: a stream of bytes becomes the chunks of a DRAFT, in constant memory.

What is acknowledged is on disk, and where the file goes on with it, in one transaction. So a
connection that breaks, or a process that is killed, loses what was on its way and nothing else:
whoever sends the file again, or the rest of it, goes on where the last portion ended.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from batches.batch import Batch, Created, Move, NewBatch, State
from batches.chunk import RECORDS_USUAL
from batches.errors import OffsetMismatch, StoreUnavailable
from batches.given import Layout, Upload, packed_layout, unpacked_layout
from batches.intake import READ_BYTES, Intake, OtherFile, Portion
from batches.settings import UploadSettings
from batches.source.errors import SourceError
from batches.starting import Starter

if TYPE_CHECKING:
    from batches.store import Store


class TooManyUploads(Exception):
    """So many files are being taken in that one more has to wait."""


class Superseded(Exception):
    """Somebody began to send the same file anew: this one is taken for a connection that broke."""


class NoUpload(Exception):
    """The batch is not made from a file, so none goes on."""


class Sent(Struct, frozen=True):
    """How a file, or a part of it, is sent.

    `packing` is `gzip`, `zstd` or `identity`; None: as its first bytes look. `again`: from the
    first byte on, whatever is kept of it already. `partial`: more of it comes another time.
    """

    packing: str | None = None
    again: bool = False
    partial: bool = False


class Ingest:
    """Takes files in. One a process."""

    def __init__(
        self,
        store: "Store",
        settings: UploadSettings | None = None,
        names: Sequence[str] = (),
        chunk_records: int = RECORDS_USUAL,
        starter: Starter | None = None,
    ) -> None:
        """Take files into `store`, in chunks of up to `chunk_records`.

        Records can have the fields `names` beside the built-in ones. `starter` starts what is to
        be started; without one that is done whatever it may cost.
        """
        self.store = store
        self.settings = settings or UploadSettings()
        self._names = tuple(names)
        self._chunk_records = chunk_records
        self._starter = starter
        self._taking: dict[str, _Taking] = {}

    async def create(self, new: NewBatch, upload: Upload) -> Created:
        """Make a DRAFT for a file; or return the one that its idempotency key has made.

        Raises:
            IdempotencyConflict: the key was used for something else.
            StoreError: the store could not do it.
        """
        layout = packed_layout(Layout(self._names, upload))
        return await self.store.create(msgspec.structs.replace(new, layout=layout))

    async def take(
        self,
        batch: Batch,
        data: AsyncIterable[bytes],
        sent: Sent,
        count: Callable[[int], Awaitable[None]] | None = None,
    ) -> Batch:
        """Take a file, or what follows of it, into `batch`; start it when that was wished.

        What `data` raises passes through; the rows that were whole by then are kept. `count` is
        told of records before they are kept; what it raises ends the file there.

        Raises:
            SourceError: the file can't be taken, from some place on.
            OtherFile: `sent` again is another file than the one that was begun.
            NoUpload: the batch comes from no file.
            Superseded: the same file is sent anew.
            TooManyUploads: too many are open in this process.
            BatchError: it takes no more records, or somebody else has sent more of it.
            StoreError: the store could not do it.
        """
        while (other := self._taking.get(batch.id)) is not None:
            other.end()
            await other.over.wait()
        if len(self._taking) >= self.settings.at_once_max:
            raise TooManyUploads
        taking = self._taking[batch.id] = _Taking(count)
        try:
            batch = await self._taken(batch, data, sent, taking)
        finally:
            del self._taking[batch.id]
            taking.over.set()
        return await self._started(batch)

    async def _taken(
        self, batch: Batch, data: AsyncIterable[bytes], sent: Sent, taking: "_Taking"
    ) -> Batch:
        now = await self.store.batch(batch.tenant, batch.id)
        if now.offset != batch.offset and not sent.again:
            raise OffsetMismatch(batch.id, now.offset)
        if upload_of(now).complete:
            return now
        intake = Intake(
            unpacked_layout(now.layout),
            now.offset,
            sent.packing,
            again=sent.again,
            bytes_max=self.settings.bytes_max,
            chunk_records=self._chunk_records,
        )
        now = await self._fed(now, intake, data, taking)
        intake.end(partial=sent.partial)
        return await self._kept(now, intake, taking)

    async def _fed(
        self, batch: Batch, intake: Intake, data: AsyncIterable[bytes], taking: "_Taking"
    ) -> Batch:
        size = 0
        pieces = aiter(data)
        while True:
            try:
                async with taking.unless_superseded():
                    piece = await anext(pieces, None)
            except Exception:
                with suppress(SourceError, OtherFile):  # what broke it off is what is told
                    batch = await self._kept(batch, intake, taking)
                    if intake.understood:
                        intake.end(partial=True)
                        await self._kept(batch, intake, taking)
                raise
            if piece is None:
                return batch
            intake.feed(piece)
            size += len(piece)
            if size >= READ_BYTES:
                size = 0
                batch = await self._kept(batch, intake, taking)

    async def _kept(self, batch: Batch, intake: Intake, taking: "_Taking") -> Batch:
        """Keep what is whole of what arrived; return the batch with it."""
        while (portion := await asyncio.to_thread(intake.take)) is not None:
            self._check(batch, portion)
            if taking.count is not None:
                await taking.count(portion.records)
            batch = await self.store.append(
                batch.tenant,
                batch.id,
                portion.chunks,
                errors=portion.errors,
                offsets=portion.offsets,
                layout=portion.packed_layout,
            )
        return batch

    def _check(self, batch: Batch, portion: Portion) -> None:
        records = batch.records + portion.records
        if records > self.settings.records_max:
            raise SourceError(
                "TOO_MANY_RECORDS",
                f"The file has more than {self.settings.records_max:,} records"
                " (uploads.records_max). Split it.",
            )
        upload = portion.layout.upload
        complete = upload is not None and upload.complete
        if complete and not records and not batch.row_errors and not portion.errors:
            raise SourceError("NO_ROWS", "The file has a header and no row behind it.")

    async def _started(self, batch: Batch) -> Batch:
        upload = upload_of(batch)
        if upload.complete and upload.start and batch.state is State.DRAFT and batch.records:
            if self._starter is None:
                return await self.store.move(batch.tenant, batch.id, Move.START)
            try:
                return await self._starter.start(batch)
            except OSError as error:
                raise StoreUnavailable(
                    "The file is kept, but what its batch would cost can't be found out now: start"
                    " the batch in a moment"
                ) from error
        return batch


class _Taking:
    """A file that is being taken in; `over` when it is no more."""

    def __init__(self, count: Callable[[int], Awaitable[None]] | None) -> None:
        self.count = count
        self.over = asyncio.Event()
        self._superseded = False
        self._wait: asyncio.Timeout | None = None

    def end(self) -> None:
        """Let it wait for no more of the file."""
        self._superseded = True
        if self._wait is not None:
            self._wait.reschedule(0)

    @asynccontextmanager
    async def unless_superseded(self) -> AsyncGenerator[None]:
        """Wait in the block. Raise Superseded when `end` was called."""
        try:
            async with asyncio.timeout_at(0 if self._superseded else None) as self._wait:
                yield
        except TimeoutError:
            if self._superseded:
                raise Superseded from None
            raise
        finally:
            self._wait = None


def upload_of(batch: Batch) -> Upload:
    """Return where the file of `batch` stands. Raise NoUpload when there is none."""
    upload = unpacked_layout(batch.layout).upload
    if upload is None:
        raise NoUpload
    return upload
