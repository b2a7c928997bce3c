"""What resolvers need to keep, follow and read batches."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from batches.arrivals import Arrivals
from batches.decided import Decode
from batches.errors import StoreError
from batches.estimate import Estimator
from batches.progress import Progress
from batches.starting import Starter
from providers.egress import Gate
from resolvers.context import Context
from resolvers.errors import PublicError

if TYPE_CHECKING:
    from batches.store import Store


class BatchRoom(Struct, frozen=True):
    """The parts that work with batches, of one process.

    `decode` reads results, `names` are the kinds that there are, `gate` says which
    addresses a webhook may have, None where there is no secret to sign one with.
    """

    store: "Store"
    progress: Progress
    arrivals: Arrivals
    decode: Decode
    estimator: Estimator
    starter: Starter
    names: Sequence[str]
    gate: Gate | None


async def room_of(context: Context) -> BatchRoom:
    """Return the room of `context`.

    Raises:
        PublicError: UNAVAILABLE, this process keeps no batches, or not yet.
    """
    if context.room is None:
        raise PublicError("UNAVAILABLE", "Batches are not kept here.")
    try:
        return await context.room()
    except StoreError as error:
        raise PublicError(
            "UNAVAILABLE", "Batches can't be used now. Try again in a moment."
        ) from error
