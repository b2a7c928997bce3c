"""The store of batches: the truth about what was given, what is decided, and who works on what.

Each method is one transaction, unless it says otherwise: what it returns is on disk, and what
raises was not done (after `StoreUnavailable` it may have been; asking again is safe throughout).
Only hints, leases and what is set aside may be forgotten, with the machine that loses its power.
Blobs go in and come out as plain bytes; the store packs and seals them. Another tenant's batch
answers exactly as one that does not exist.

All moments are of the database's clock (`batches.database`), so that workers on several machines
agree on whose lease has run out.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime

import msgspec
from msgspec import UNSET

from batches import (
    batch_rows,
    cap_rows,
    chunk_rows,
    delivery_rows,
    erasure_rows,
    reopening,
    result_rows,
    retention_rows,
    turns,
)
from batches.batch import Amendment, Batch, Created, Move, NewBatch, Page, PauseReason
from batches.blobs import Blobs
from batches.chunk import (
    ChunkRef,
    ChunkResults,
    Claim,
    Claimed,
    Expired,
    Granted,
    NewChunk,
    RowError,
    Standing,
    Swept,
    Written,
)
from batches.counts import NO_COST, Counts, Spent
from batches.database import Database, now_of
from batches.delivery import Delivery, DeliveryState
from batches.kept import Kept
from verdicts.verdict import Status

HINT_S = 60.0
"""Seconds after which a hint that nobody took counts as lost."""
LEASE_S = 30.0
"""Seconds that a claim holds without being renewed."""
DELETED_PER_TRIP_MAX = 200
"""Chunks that one transaction removes at most."""


class Store:
    """Batches in a database. One a process; made by `batches.opening.open_store`."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        """Keep batches in `database`, their blobs as `blobs` packs them."""
        self.database = database
        self._blobs = blobs
        self._changed: Callable[[str], None] = _nobody

    def when_changed(self, tell: Callable[[str], None]) -> None:
        """Call `tell` with the id of each batch that changes through this store."""
        self._changed = tell

    async def close(self) -> None:
        """Let every connection go. What is under way ends first."""
        await self.database.close()

    async def now(self) -> datetime:
        """Return the moment by the clock that everything here goes by."""
        return await self.database.read(now_of)

    # -- batches ---------------------------------------------------------------------------------

    async def create(self, new: NewBatch, chunks: Sequence[NewChunk] = ()) -> Created:
        """Make a DRAFT that holds `chunks`, or return the one that its idempotency key has made.

        Raises:
            IdempotencyConflict: the key was used with another fingerprint.
        """
        batch, anew = await self.database.write(batch_rows.create, self._blobs, new, chunks)
        return Created(batch, anew)

    async def append(
        self,
        tenant: str,
        batch_id: str,
        chunks: Sequence[NewChunk],
        *,
        errors: Sequence[RowError] = (),
        offsets: tuple[int, int] | None = None,
        records_before: int | None = None,
        layout: bytes | None = None,
    ) -> Batch:
        """Add `chunks` to a DRAFT, in their order, behind those that it has.

        All `errors` are counted, and the first `ROW_ERRORS_MAX` of a batch kept. `offsets` are the
        bytes of the client's file that these came from: the first must be the batch's `offset`,
        the second becomes it. What was said twice is so taken once; or by `records_before`, how
        many records the batch must have.

        Raises:
            NoSuchBatch: there is none.
            NotADraft: it was started.
            OffsetMismatch: it goes on elsewhere; the error says where.
            RecordsMismatch: it has not `records_before`; the error says how many.
        """
        batch = await self.database.write(
            batch_rows.append,
            self._blobs,
            tenant,
            batch_id,
            chunks,
            errors=errors,
            offsets=offsets,
            records_before=records_before,
            layout=layout,
        )
        return self._told(batch)

    async def batch(self, tenant: str, batch_id: str) -> Batch:
        """Return a batch as it is now. Raise NoSuchBatch."""
        return (await self.database.read(batch_rows.get, tenant, batch_id)).batch

    async def batches(self, tenant: str, first: int, after: str | None = None) -> Page:
        """Return the `first` batches of `tenant` behind the cursor `after`, the newest first.

        A cursor stays good when batches come and go, its own included.

        Raises:
            BadCursor: `after` is none of ours.
        """
        return Page(*await self.database.read(batch_rows.listed, tenant, first, after))

    async def snapshots(self, batch_ids: Collection[str]) -> dict[str, Batch]:
        """Return those of the batches that there are, whosever they are: for progress."""
        return await self.database.read(batch_rows.snapshots, batch_ids)

    async def row_errors(self, tenant: str, batch_id: str) -> tuple[RowError, ...]:
        """Return the errors by row that were kept, in the order of the file. Raise NoSuchBatch."""
        return await self.database.read(batch_rows.errors_of, tenant, batch_id)

    async def move(
        self,
        tenant: str,
        batch_id: str,
        move: Move,
        *,
        reason: PauseReason = PauseReason.REQUESTED,
        retry_at: datetime | None = None,
    ) -> Batch:
        """Make a move that a client or a worker asks for; `reason` and `retry_at` are of a PAUSE.

        CANCEL leads to CANCELLED at once where no chunk is being worked on. A pause that somebody
        asked for is not ended by a `retry_at`, and no other reason takes its place.

        Raises:
            NoSuchBatch: there is none.
            MoveRefused: its state does not allow it, or it has no records to START with.
        """
        return self._told(
            await self.database.write(batch_rows.move, tenant, batch_id, move, reason, retry_at)
        )

    async def amend(self, tenant: str, batch_id: str, amendment: Amendment) -> Batch:
        """Change what `amendment` names, in whatever state. Raise NoSuchBatch."""
        changes = {
            name: value
            for name, value in msgspec.structs.asdict(amendment).items()
            if value is not UNSET
        }
        return self._told(await self.database.write(batch_rows.amend, tenant, batch_id, changes))

    async def retry(
        self, tenant: str, batch_id: str, statuses: Collection[Status], key: str | None = None
    ) -> Batch:
        """Open all records of `statuses` of a COMPLETED batch again; the other results stand.

        Where there are none the batch stays as it is; so too when the idempotency `key` has made
        this retry before.

        Raises:
            NoSuchBatch: there is none.
            MoveRefused: it is not COMPLETED, or what was given is not kept any longer.
            IdempotencyConflict: `key` has opened other statuses.
        """
        return self._told(
            await self.database.write(reopening.retry, tenant, batch_id, frozenset(statuses), key)
        )

    async def delete(self, tenant: str, batch_id: str) -> None:
        """Remove a batch and every row and byte of it, in whatever state it is.

        It is gone, and its data key with it, after the first transaction; its chunks go in further
        ones of DELETED_PER_TRIP_MAX each. Should this end early, `expire` goes on.

        Raises:
            NoSuchBatch: there is none.
        """
        await self.database.write(retention_rows.forget, tenant, batch_id)
        self._changed(batch_id)
        while not await self.database.write(retention_rows.remove, batch_id, DELETED_PER_TRIP_MAX):
            pass
        await self.database.tidy()

    # -- work ------------------------------------------------------------------------------------

    async def next_chunks(
        self, limit: int, *, beyond: int = 0, hint_s: float = HINT_S
    ) -> list[ChunkRef]:
        """Return the chunks whose turn it is, and mark them HINTED for `hint_s` seconds.

        By priority, then the least-served tenant, then the age of the batch, then their place in
        it. After `limit` of these come up to `beyond` more, each of a batch of which nothing is
        HINTED or RUNNING. Calls of several processes wait for each other.
        """
        return await self.database.note(turns.next_chunks, limit, beyond, hint_s)

    async def hinted(self) -> int:
        """Return how many chunks are HINTED: told to the broker, and not yet claimed."""
        return await self.database.read(turns.hinted)

    async def claim(self, ref: ChunkRef, owner: str, lease_s: float = LEASE_S) -> Claimed | None:
        """Take a chunk to work on it, for `lease_s` seconds; the first of a batch sets it RUNNING.

        None: it is not to be worked on (now), or somebody else does. `owner` names a process, and
        each time that it runs.
        """
        claimed = await self.database.note(chunk_rows.claim, self._blobs, ref, owner, lease_s)
        self._changed(ref.batch)
        return claimed

    async def renew(
        self, claims: Collection[Claim], lease_s: float = LEASE_S
    ) -> dict[Claim, Standing]:
        """Hold all `claims` of one process for `lease_s` more seconds; return how each stands."""
        return await self.database.note(chunk_rows.renew, claims, lease_s)

    async def set_aside(self, claim: Claim, aside: int, prices: Sequence[int]) -> Granted:
        """Set aside for a chunk as many of `prices`, in millionths, as its batch's cap allows.

        From the first on, and on top of what its worker has set `aside` already. What all workers
        have set aside and what was spent never exceed the cap together; a flush says what of it is
        needed further, and who ends with a chunk needs nothing.
        """
        return await self.database.note(cap_rows.set_aside, claim, aside, prices)

    async def flush(
        self, claim: Claim, number: int, part: bytes, counts: Counts, spent: Spent, aside: int = 0
    ) -> Standing:
        """Keep what was decided since the last flush: `part` number `number`, from 0 on.

        A claimed chunk that has parts already goes on behind them. `counts` are of the results in
        `part`, `spent` what it took since it was last said, `aside` what of `set_aside` is needed
        for the rest. The same number again is taken for the same part, and changes nothing. LOST:
        nothing was kept.
        """
        standing = await self.database.write(
            chunk_rows.flush, self._blobs, claim, number, part, counts, spent, aside
        )
        self._changed(claim.batch)
        return standing

    async def finish(self, claim: Claim, results: bytes, counts: Counts, spent: Spent) -> Standing:
        """Put the results of all its records in the place of its parts; the chunk is DONE.

        `results` are in the order in which they were decided: first those that `Claimed` brought.
        `counts` are of all of them, `spent` what it took since it was last said. The last chunk
        completes its batch. LOST: nothing was kept. STOPPING says, as HELD, that it was taken.

        Raises:
            ValueError: `counts` are not of as many results as the chunk has records.
        """
        standing = await self.database.write(
            chunk_rows.finish, self._blobs, claim, results, counts, spent
        )
        self._changed(claim.batch)
        return standing

    async def release(self, claim: Claim, spent: Spent = NO_COST, *, failed: bool = False) -> None:
        """Give a chunk back, with what was flushed; `failed` counts as an attempt.

        One that is held no longer is left as it is.
        """
        await self.database.write(reopening.release, claim, spent, failed=failed)
        self._changed(claim.batch)

    async def sweep(self) -> Swept:
        """Open again whatever has waited too long; end what has nothing left to do.

        For every process, every few seconds: chunks whose lease or hint has run out become READY,
        pauses whose `retry_at` has come end, CANCELLING batches without work end, chunks that have
        failed beyond all attempts die: their open records count as UNKNOWN, without results.
        """
        swept = await self.database.write(reopening.sweep)
        for batch_id in (*swept.resumed, *swept.ended):
            self._changed(batch_id)
        return swept

    # -- results ---------------------------------------------------------------------------------

    async def chunk_results(
        self,
        tenant: str,
        batch_id: str,
        after_seq: int,
        limit: int,
        where: Callable[[Counts], bool] | None = None,
    ) -> list[ChunkResults]:
        """Return up to `limit` chunks behind `after_seq` (-1: from the first), in input order.

        With `where` only those whose counts it finds worth reading.

        Raises:
            NoSuchBatch: there is none.
        """
        return await self.database.read(
            result_rows.in_order, self._blobs, tenant, batch_id, after_seq, limit, where
        )

    async def results_since(
        self, tenant: str, batch_id: str, version: int, limit: int, *, seen: int | None = None
    ) -> list[ChunkResults]:
        """Return up to `limit` chunks that have results newer than `version` of their batch.

        In the order in which they changed. What comes next is behind the last one's `version`. A
        chunk that changed again while others were read has older results that were not read, too:
        whoever reads on says in `seen` what version its first call named, `version` if left out.

        Raises:
            NoSuchBatch: there is none.
        """
        return await self.database.read(
            result_rows.since, self._blobs, tenant, batch_id, version, limit, seen
        )

    # -- after -----------------------------------------------------------------------------------

    async def everything(self, after_id: str, limit: int) -> list[Batch]:
        """Return up to `limit` batches of all tenants behind the id `after_id`, by their ids."""
        return await self.database.read(erasure_rows.behind, after_id, limit)

    async def rewrite(self, ref: ChunkRef, change: Callable[[Written], Written]) -> bool:
        """Put what `change` makes of a chunk's blobs in their place.

        Return False when somebody works on it, who would write what he has read.
        """
        return await self.database.write(erasure_rows.rewrite, self._blobs, ref, change)

    async def expire(self, kept: Kept) -> Expired:
        """Remove what ended batches have `kept` for long enough: what was given, then all of it.

        Also goes on with deletions that were cut short. At most DELETED_PER_TRIP_MAX chunks a call;
        `more` says that it should be called again.
        """
        expired, removed = await self.database.write(
            retention_rows.expire, kept, DELETED_PER_TRIP_MAX
        )
        if removed:
            await self.database.tidy()
        return expired

    async def due(self, limit: int, lease_s: float) -> list[Delivery]:
        """Return deliveries that are due; nobody else gets them for `lease_s` seconds."""
        return await self.database.note(delivery_rows.due, limit, lease_s)

    async def delivered(self, delivery_id: str) -> None:
        """Note that a webhook was told."""
        await self.database.write(delivery_rows.settle, delivery_id, DeliveryState.DELIVERED, None)

    async def deliver_again(self, delivery_id: str, after_s: float, error: str) -> None:
        """Note that a webhook could not be told, and try it again in `after_s` seconds."""
        await self.database.write(delivery_rows.again, delivery_id, after_s, error)

    async def give_up(self, delivery_id: str, error: str) -> None:
        """Note that a webhook will not be told any more."""
        await self.database.write(delivery_rows.settle, delivery_id, DeliveryState.GIVEN_UP, error)

    async def deliveries(self, tenant: str, batch_id: str) -> tuple[Delivery, ...]:
        """Return a batch's deliveries, the oldest first. Raise NoSuchBatch."""
        return await self.database.read(delivery_rows.told, tenant, batch_id)

    def _told(self, batch: Batch) -> Batch:
        self._changed(batch.id)
        return batch


def _nobody(batch_id: str) -> None:
    """Tell nobody."""
    del batch_id
