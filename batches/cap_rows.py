"""The transaction that sets money aside, so that a batch stops before its cap, and not behind."""

from collections.abc import Sequence

from sqlalchemy import bindparam, func, select, update

from batches.chunk import ChunkState, Claim, Granted
from batches.chunk_rows import THIS, held_of
from batches.database import Ready, Transaction
from batches.tables import chunks

_OTHERS = Ready(
    select(func.coalesce(func.sum(chunks.c.aside_millionths), 0)).where(
        chunks.c.batch == bindparam("of"),
        chunks.c.seq != bindparam("but"),
        chunks.c.state == ChunkState.RUNNING.value,
    )
)
_SET_ASIDE = Ready(update(chunks).where(THIS).values(aside_millionths=bindparam("new_aside")))


def set_aside(transaction: Transaction, claim: Claim, aside: int, prices: Sequence[int]) -> Granted:
    """Set aside for a chunk, as `Store.set_aside` says; nothing for one that is lost."""
    held = held_of(transaction, claim)
    if held is None:
        return Granted(0, may_grow=True)  # its worker is about to hear of it
    batch = held[0].batch
    cap = batch.cost_cap_millionths
    if cap is None:
        return Granted(len(prices))
    rows = transaction.run(_OTHERS, {"of": batch.id, "but": claim.seq})
    others = int(rows[0][0])
    room = cap - batch.spent.cost_millionths - others - aside
    granted, taken = _granted(prices, room)
    transaction.run(_SET_ASIDE, {"of": batch.id, "at": claim.seq, "new_aside": aside + taken})
    return Granted(granted, may_grow=others > 0)


def _granted(prices: Sequence[int], room: int) -> tuple[int, int]:
    """Return how many of `prices`, from the first on, fit into `room`, and their sum."""
    granted = taken = 0
    for price in prices:
        if taken + price > room:
            break
        taken += price
        granted += 1
    return granted, taken
