"""Puts together what keeps, follows and reads batches, once their store is open."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from batches.arrivals import Arrivals
from batches.batch import Batch
from batches.estimate import Estimator, Sight
from batches.progress import Progress
from batches.starting import Starter
from checks.declared import result_class
from checks.kinds import KindModule
from gateway.settings import Settings
from gateway.valkey import Valkey
from providers.egress import Gate
from resolvers.batch_room import BatchRoom

if TYPE_CHECKING:
    from batches.results import Results
    from batches.store import Store


class Followed(Struct, frozen=True):
    """What following batches needs beside their store.

    `valkey` carries word of changes; `sight` says who would be asked about a batch.
    """

    valkey: Valkey
    sight: Callable[[Batch], Sight]


def webhook_gate(settings: Settings) -> Gate:
    """Return what says which addresses a webhook may have."""
    return Gate(local=settings.webhooks.local or settings.gateway.sandbox)


def batch_room(
    store: "Store",
    followed: Followed,
    kinds: Sequence[KindModule],
    results: "Results",
    gate: Gate | None,
) -> BatchRoom:
    """Return the room for the batches in `store`; its progress is begun, and is to be closed.

    `gate` says which addresses a webhook may have; None takes no webhooks.
    """
    progress = Progress(store, followed.valkey)
    progress.start()
    store.when_changed(progress.changed)
    estimator = Estimator(store, followed.sight)
    return BatchRoom(
        store=store,
        progress=progress,
        arrivals=Arrivals(store, progress, results, result_class(kinds)),
        decode=lambda blob, first_index: results.unpacked(blob, first_index)[1],
        estimator=estimator,
        starter=Starter(store, estimator),
        names=[module.KIND.name for module in kinds],
        gate=gate,
    )
