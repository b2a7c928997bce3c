"""Files into the store: a stream of bytes becomes the chunks of a DRAFT, in constant memory.

What is acknowledged is on disk, and where the file goes on with it, in one transaction. So a
connection that breaks, or a process that is killed, loses what was on its way and nothing else:
whoever sends the file again, or the rest of it, goes on where the last portion ended.
"""

import asyncio
from collections.abc import AsyncIterable, Sequence

import msgspec
from msgspec import Struct
from pydantic import BaseModel, ConfigDict, Field

from batches.batch import Batch, Move, NewBatch, State
from batches.given import Layout, Upload, packed_layout, unpacked_layout
from batches.intake import READ_BYTES, Intake, Portion
from batches.source.errors import SourceError
from batches.store import Created, Store


class UploadSettings(BaseModel):
    """What files may be sent to `/batches`: the table `[uploads]`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bytes_max: int = Field(
        default=20_000_000_000, ge=1, description="Bytes of a file at most, unpacked."
    )
    records_max: int = Field(
        default=20_000_000, ge=1, description="Records that a file may have at most."
    )
    at_once_max: int = Field(
        default=8, ge=1, le=1000, description="Files that one process takes in at once."
    )


class TooManyUploads(Exception):
    """So many files are being taken in that one more has to wait."""


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
        self, store: Store, settings: UploadSettings | None = None, names: Sequence[str] = ()
    ) -> None:
        """Take files into `store`; records can have the fields `names` beside the built-in ones."""
        self.store = store
        self.settings = settings or UploadSettings()
        self._names = tuple(names)
        self._open = 0

    async def create(self, new: NewBatch, upload: Upload) -> Created:
        """Make a DRAFT for a file; or return the one that its idempotency key has made.

        Raises:
            IdempotencyConflict: the key was used for something else.
            StoreError: the store could not do it.
        """
        layout = packed_layout(Layout(self._names, upload))
        return await self.store.create(msgspec.structs.replace(new, layout=layout))

    async def take(self, batch: Batch, data: AsyncIterable[bytes], sent: Sent) -> Batch:
        """Take a file, or what follows of it, into `batch`; start it when that was wished.

        What `data` raises passes through; the rows that were whole by then are kept.

        Raises:
            SourceError: the file can't be taken, from some place on.
            OtherFile: `sent` again is another file than the one that was begun.
            NoUpload: the batch comes from no file.
            TooManyUploads: too many are open in this process.
            BatchError: it takes no more records, or somebody else has sent more of it.
            StoreError: the store could not do it.
        """
        upload = upload_of(batch)
        if upload.complete:
            return await self._started(batch)
        if self._open >= self.settings.at_once_max:
            raise TooManyUploads
        self._open += 1
        try:
            intake = Intake(
                unpacked_layout(batch.layout),
                batch.offset,
                sent.packing,
                again=sent.again,
                bytes_max=self.settings.bytes_max,
            )
            batch = await self._fed(batch, intake, data)
            intake.end(partial=sent.partial)
            batch = await self._kept(batch, intake)
        finally:
            self._open -= 1
        return await self._started(batch)

    async def _fed(self, batch: Batch, intake: Intake, data: AsyncIterable[bytes]) -> Batch:
        size = 0
        pieces = aiter(data)
        while True:
            try:
                piece = await anext(pieces, None)
            except Exception:
                intake.end(partial=True)
                await self._kept(batch, intake)
                raise
            if piece is None:
                return batch
            intake.feed(piece)
            size += len(piece)
            if size >= READ_BYTES:
                size = 0
                batch = await self._kept(batch, intake)

    async def _kept(self, batch: Batch, intake: Intake) -> Batch:
        """Keep what is whole of what arrived; return the batch with it."""
        while (portion := await asyncio.to_thread(intake.take)) is not None:
            self._check(batch, portion)
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
            return await self.store.move(batch.tenant, batch.id, Move.START)
        return batch


def upload_of(batch: Batch) -> Upload:
    """Return where the file of `batch` stands. Raise NoUpload when there is none."""
    upload = unpacked_layout(batch.layout).upload
    if upload is None:
        raise NoUpload
    return upload
