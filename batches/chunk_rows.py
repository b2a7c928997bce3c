"""Transactions on chunks: claimed, held, flushed, finished, let go, and found again when lost."""

from collections.abc import Collection

from sqlalchemy import Table, and_, bindparam, delete, insert, select, tuple_, update

from batches import batch_rows
from batches.batch import WORKED, Batch, Move, State, after
from batches.blobs import Blobs, Place
from batches.chunk import (
    ChunkRef,
    ChunkState,
    Claim,
    Claimed,
    Standing,
)
from batches.counts import Counts, Spent
from batches.database import Ready, Transaction, to_ms
from batches.rows import CHUNK_COLUMNS, ChunkRow, Kept, chunk_of, pack
from batches.tables import batches, chunks, flushed, given, results

_RUNNING, _DONE = ChunkState.RUNNING.value, ChunkState.DONE.value

THIS = and_(chunks.c.batch == bindparam("of"), chunks.c.seq == bindparam("at"))
_CHUNK = Ready(select(*CHUNK_COLUMNS).where(THIS))
_GIVEN = Ready(
    select(given.c.blob).where(given.c.batch == bindparam("of"), given.c.seq == bindparam("at"))
)
_RESULTS = Ready(
    select(results.c.blob).where(
        results.c.batch == bindparam("of"), results.c.seq == bindparam("at")
    )
)
_PARTS = Ready(
    select(flushed.c.blob)
    .where(flushed.c.batch == bindparam("of"), flushed.c.seq == bindparam("at"))
    .order_by(flushed.c.part)
)
_ADD_PART, _ADD_RESULTS = Ready(insert(flushed)), Ready(insert(results))
_DROP_PARTS = Ready(
    delete(flushed).where(flushed.c.batch == bindparam("of"), flushed.c.seq == bindparam("at"))
)
_TAKE = Ready(
    update(chunks)
    .where(THIS)
    .values(
        state=_RUNNING,
        token=bindparam("new_token"),
        owner=bindparam("new_owner"),
        until=bindparam("new_until"),
        aside_millionths=0,
    )
)
_KEEP_PART = Ready(
    update(chunks)
    .where(THIS)
    .values(
        attempts=0,  # it gets on: only what fails time after time is given up
        aside_millionths=bindparam("new_aside"),
        parts=bindparam("new_parts"),
        counts=bindparam("new_counts"),
        version=bindparam("new_version"),
        stamps=bindparam("new_stamps"),
    )
)
_END = Ready(
    update(chunks)
    .where(THIS)
    .values(
        state=_DONE,
        owner=None,
        until=None,
        parts=0,
        reopened="",
        reopened_parts=0,
        counts=bindparam("new_counts"),
        version=bindparam("new_version"),
        stamps=bindparam("new_stamps"),
    )
)


def claim(
    transaction: Transaction, blobs: Blobs, ref: ChunkRef, owner: str, lease_s: float
) -> Claimed | None:
    """Take a chunk, as `Store.claim` says."""
    transaction.lock(ref.batch)
    kept = batch_rows.find(transaction, ref.batch)
    chunk = None if kept is None else chunk_at(transaction, ref)
    if kept is None or chunk is None or chunk.state not in {ChunkState.READY, ChunkState.HINTED}:
        return None
    batch, now = kept.batch, transaction.now_ms
    if batch.state not in WORKED or (to_ms(batch.start_after) or 0) > now:
        return None
    token = chunk.token + 1
    transaction.run(
        _TAKE,
        {
            "of": ref.batch,
            "at": ref.seq,
            "new_token": token,
            "new_owner": owner,
            "new_until": now + round(lease_s * 1000),
        },
    )
    if batch.state is State.QUEUED:
        batch = batch_rows.moved(transaction, batch, Move.CLAIM)
    read = BlobsOf(transaction, blobs, ref, kept)
    return Claimed(
        claim=Claim(ref.batch, ref.seq, token, owner),
        batch=batch,
        first_index=chunk.first_index,
        records=chunk.records,
        given=read.given() or b"",
        results=read.results() if chunk.version else None,
        reopened=chunk.reopened,
        reopened_parts=chunk.reopened_parts,
        parts=read.parts() if chunk.parts else (),
        attempts=chunk.attempts,
    )


class BlobsOf:
    """The blobs of one chunk."""

    def __init__(self, transaction: Transaction, blobs: Blobs, ref: ChunkRef, kept: Kept) -> None:
        self._transaction = transaction
        self._blobs = blobs
        self._key = kept.key
        self._of = {"of": ref.batch, "at": ref.seq}
        self._ref = ref

    def given(self) -> bytes | None:
        """Return what was given, None when it is kept no longer."""
        return self._one(_GIVEN, "given")

    def results(self) -> bytes | None:
        """Return its results, None where it never ended."""
        return self._one(_RESULTS, "results")

    def parts(self) -> tuple[bytes, ...]:
        """Return the parts that were flushed."""
        found = [blob for (blob,) in self._transaction.run(_PARTS, self._of)]
        return tuple(
            self._blobs.unpack(blob, self._place("flushed", part), self._key)
            for part, blob in enumerate(found)
        )

    def _one(self, ready: Ready, table: str) -> bytes | None:
        rows = self._transaction.run(ready, self._of)
        return self._blobs.unpack(rows[0][0], self._place(table), self._key) if rows else None

    def _place(self, table: str, part: int = 0) -> Place:
        return Place(self._ref.batch, table, self._ref.seq, part)

    def replace(self, table: Table, data: bytes, part: int | None = None) -> None:
        """Put a blob in the place of the one in `table` (of `part`, where it has several)."""
        blob = self._blobs.pack(data, self._place(table.name, part or 0), self._key)
        this = [table.c.batch == self._ref.batch, table.c.seq == self._ref.seq]
        if part is not None:
            this.append(table.c.part == part)
        self._transaction.execute(update(table).where(*this).values(blob=blob))


def renew(
    transaction: Transaction, claims: Collection[Claim], lease_s: float
) -> dict[Claim, Standing]:
    """Hold claims for longer, as `Store.renew` says."""
    if not claims:
        return {}
    held = tuple_(chunks.c.batch, chunks.c.seq, chunks.c.token, chunks.c.owner)
    wanted = [(one.batch, one.seq, one.token, one.owner) for one in claims]
    rows = transaction.rows(
        update(chunks)
        .where(chunks.c.state == _RUNNING, held.in_(wanted))
        .values(until=transaction.now_ms + round(lease_s * 1000))
        .returning(chunks.c.batch, chunks.c.seq, chunks.c.token)
    )
    found = {(batch, seq, token) for batch, seq, token in rows}
    ids = {batch for batch, _, _ in found}
    states = dict(
        transaction.rows(select(batches.c.id, batches.c.state).where(batches.c.id.in_(ids)))
    )
    worked = {state.value for state in WORKED}
    standings = dict.fromkeys(claims, Standing.LOST)
    for one in claims:
        if (one.batch, one.seq, one.token) in found:
            on = states.get(one.batch) in worked
            standings[one] = Standing.HELD if on else Standing.STOPPING
    return standings


def flush(  # noqa: PLR0913, PLR0917 - what `Store.flush` takes
    transaction: Transaction,
    blobs: Blobs,
    claim: Claim,
    number: int,
    part: bytes,
    counts: Counts,
    spent: Spent,
    aside: int,
) -> Standing:
    """Keep a part, as `Store.flush` says."""
    held = held_of(transaction, claim)
    if held is None:
        return Standing.LOST
    kept, chunk = held
    batch = kept.batch
    if number < chunk.parts:
        return _standing(batch)
    if number > chunk.parts:
        raise ValueError(f"part {number} of a chunk that has {chunk.parts}")
    place = Place(claim.batch, "flushed", claim.seq, number)
    row = {
        "batch": claim.batch,
        "seq": claim.seq,
        "part": number,
        "blob": blobs.pack(part, place, kept.key),
    }
    transaction.run(_ADD_PART, row)
    version = batch.version + 1
    transaction.run(
        _KEEP_PART,
        {
            "of": claim.batch,
            "at": claim.seq,
            "new_parts": number + 1,
            "new_aside": aside,
            "new_counts": pack(chunk.counts.plus(counts)),
            "new_version": version,
            "new_stamps": pack([*chunk.stamps, (version, counts.records)]),
        },
    )
    batch = batch_rows.put(
        transaction, batch, counts=batch.counts.plus(counts), spent=batch.spent.plus(spent)
    )
    return _standing(settled(transaction, batch))


def finish(
    transaction: Transaction,
    blobs: Blobs,
    claim: Claim,
    found: bytes,
    counts: Counts,
    spent: Spent,
) -> Standing:
    """End a chunk with its results, as `Store.finish` says."""
    transaction.lock(claim.batch)
    kept = batch_rows.find(transaction, claim.batch)
    chunk = None if kept is None else chunk_at(transaction, claim.ref)
    if kept is None or chunk is None or chunk.token != claim.token:
        return Standing.LOST
    if chunk.state is ChunkState.DONE:
        return _standing(kept.batch)  # it was taken, and the answer got lost
    if chunk.state is not ChunkState.RUNNING or chunk.owner != claim.owner:
        return Standing.LOST
    if counts.records != chunk.records:
        raise ValueError(f"results of {counts.records} records, the chunk has {chunk.records}")
    blob = blobs.pack(found, Place(claim.batch, "results", claim.seq), kept.key)
    _write_results(transaction, claim.ref, blob, anew=chunk.version == 0)
    _end(transaction, claim.ref, chunk, counts, kept.batch.version + 1)
    batch = counted(transaction, kept.batch, counts.minus(chunk.counts), spent, done=1)
    return _standing(settled(transaction, batch))


def _write_results(transaction: Transaction, ref: ChunkRef, blob: bytes, *, anew: bool) -> None:
    row = {"batch": ref.batch, "seq": ref.seq, "blob": blob}
    if anew:
        transaction.run(_ADD_RESULTS, row)
        return
    statement = transaction.insert(results)
    transaction.execute(
        statement.on_conflict_do_update(
            index_elements=["batch", "seq"], set_={"blob": statement.excluded.blob}
        ),
        row,
    )


def _end(
    transaction: Transaction, ref: ChunkRef, chunk: ChunkRow, counts: Counts, version: int
) -> None:
    """Set a chunk to DONE; its stamps say how many results are new."""
    stamped = sum(number for _, number in chunk.stamps)
    new = counts.records - stamped
    stamps = [*chunk.stamps, (version, new)] if new else chunk.stamps
    transaction.run(
        _END,
        {
            "of": ref.batch,
            "at": ref.seq,
            "new_counts": pack(counts),
            "new_version": version,
            "new_stamps": pack(stamps),
        },
    )
    if chunk.parts:
        transaction.run(_DROP_PARTS, {"of": ref.batch, "at": ref.seq})


def held_of(transaction: Transaction, claim: Claim) -> tuple[Kept, ChunkRow] | None:
    """Return the batch and the chunk of a claim that holds, locked; None when it is lost."""
    transaction.lock(claim.batch)
    kept = batch_rows.find(transaction, claim.batch)
    chunk = None if kept is None else chunk_at(transaction, claim.ref)
    if kept is None or chunk is None or chunk.state is not ChunkState.RUNNING:
        return None
    same = (chunk.token, chunk.owner) == (claim.token, claim.owner)
    return (kept, chunk) if same else None


def chunk_at(transaction: Transaction, ref: ChunkRef) -> ChunkRow | None:
    """Return a chunk, None where there is none."""
    rows = transaction.run(_CHUNK, {"of": ref.batch, "at": ref.seq})
    return chunk_of(rows[0]) if rows else None


def counted(
    transaction: Transaction, batch: Batch, counts: Counts, spent: Spent, done: int
) -> Batch:
    """Add to what is counted of a batch; return it as it is then."""
    return batch_rows.put(
        transaction,
        batch,
        counts=batch.counts.plus(counts),
        spent=batch.spent.plus(spent),
        chunks_done=batch.chunks_done + done,
    )


def settled(transaction: Transaction, batch: Batch) -> Batch:
    """Move a batch on when its last chunk is done or let go, or its cost has passed its cap."""
    done = batch.chunks_done == batch.chunks
    if done and after(batch.state, Move.COMPLETE) is not None:
        return batch_rows.moved(transaction, batch, Move.COMPLETE)
    if batch.state is State.CANCELLING and not batch_rows.running(transaction, batch.id):
        return batch_rows.moved(transaction, batch, Move.END)
    cap = batch.cost_cap_millionths
    if cap is not None and batch.state in WORKED and batch.spent.cost_millionths > cap:
        return batch_rows.moved(transaction, batch, Move.CAP)
    return batch


def _standing(batch: Batch) -> Standing:
    return Standing.HELD if batch.state in WORKED or batch.ended else Standing.STOPPING
