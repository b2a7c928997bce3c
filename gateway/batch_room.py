"""Puts together what keeps, follows and reads batches."""

from collections.abc import Mapping
from contextlib import AsyncExitStack

from batches.arrivals import Arrivals
from batches.estimate import Estimator, Sight
from batches.progress import Progress
from batches.store import Store
from checks.declared import result_class
from gateway.declarations import Declarations
from gateway.valkey import Valkey
from resolvers.batch_room import BatchRoom


def batch_room(
    store: Store,
    valkey: Valkey,
    declarations: Declarations,
    courts: Mapping[bool, Sight],
    stack: AsyncExitStack,
    *,
    takes_webhooks: bool,
) -> BatchRoom:
    """Return the room for the batches in `store`, which `stack` closes.

    `courts` says who would be asked: for batches of the sandbox (True), and for all others.
    """
    # here, because what keeps no batches starts sooner without the codec
    from batches.results import Results  # noqa: PLC0415

    progress = Progress(store, valkey)
    progress.start()
    stack.push_async_callback(progress.close)
    results = Results(declarations.kinds)
    return BatchRoom(
        store=store,
        progress=progress,
        arrivals=Arrivals(store, progress, results, result_class(declarations.kinds)),
        decode=lambda blob, first_index: results.unpacked(blob, first_index)[1],
        estimator=Estimator(store, lambda batch: courts[batch.sandbox]),
        names=[module.KIND.name for module in declarations.kinds],
        takes_webhooks=takes_webhooks,
    )
