"""How old the oldest is of what retention is to remove: what shows whether it keeps up."""

from datetime import datetime

from msgspec import Struct
from sqlalchemy import func, select

from batches.batch import ENDED, IDLE
from batches.database import Transaction, from_ms
from batches.store import Store
from batches.tables import batches

_ENDED = sorted(state.value for state in ENDED)
_SINCE = func.min(func.coalesce(batches.c.finished_at, batches.c.updated_at))


class Oldest(Struct, frozen=True):
    """Since when the oldest batch is over whose given records are kept, and which is kept at all.

    None: there is none. One that waits for somebody to act (`IDLE`) counts as over, too.
    """

    given_since: datetime | None = None
    results_since: datetime | None = None


async def oldest_of(store: Store) -> Oldest:
    """Return how old the oldest is in `store`; raise StoreError."""
    return await store.database.read(oldest)


def oldest(transaction: Transaction) -> Oldest:
    """Do as `oldest_of` says, in a transaction."""
    ended = select(_SINCE).where(batches.c.state.in_(_ENDED))
    given = transaction.values(ended.where(batches.c.given_kept.is_(True)))[0]
    over = [state.value for state in ENDED | IDLE]
    results = transaction.values(select(_SINCE).where(batches.c.state.in_(over)))[0]
    return Oldest(from_ms(given), from_ms(results))
