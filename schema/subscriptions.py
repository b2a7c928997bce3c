"""The root of subscriptions: what clients can follow, one line a field."""

from collections.abc import AsyncGenerator
from typing import Any

import strawberry

from resolvers.batch_status import batch_results, batch_status
from resolvers.context import Context
from schema.batch_status import BatchStatus
from schema.lane.subscribing import NEWEST, RESUME_AFTER, Marked

Info = strawberry.Info[Context, None]

STATUS = (
    "The batch as it is now, then after each change, at most four times a second, until it has"
    " ended: each is a full snapshot, none is older than the one before, and the last one says how"
    " it ended. It is safe to subscribe again at any time. Who reads slowly misses snapshots."
)
RESULTS = (
    "Each result once, as it is decided, those that are there already first, until the batch has"
    " ended. `extensions.cursor` of an event is what `after` takes to go on behind it. A record"
    " that is opened again (`retryBatch`) comes again."
)


def subscription_root(result: Any) -> type:  # noqa: ANN401 - a type, perhaps made at the start
    """Return the root of subscriptions, whose results are of the type `result`."""

    async def status(info: Info, id: strawberry.ID) -> AsyncGenerator[Any]:  # noqa: A002 - as clients write it
        """See resolvers.batch_status.batch_status."""
        async for one in batch_status(info.context, str(id)):
            yield one

    async def results(
        info: Info,
        id: strawberry.ID,  # noqa: A002 - as clients write it
        after: str | None = None,
    ) -> AsyncGenerator[Any]:
        """See resolvers.batch_status.batch_results."""
        last = (info.input_extensions or {}).get(RESUME_AFTER)
        after = last if isinstance(last, str) else after
        async for one in batch_results(info.context, str(id), after):
            yield Marked(one.result, one.cursor)

    fields = {
        "batch_status": strawberry.subscription(
            resolver=status, graphql_type=BatchStatus, description=STATUS, metadata={NEWEST: True}
        ),
        "batch_results": strawberry.subscription(
            resolver=results, graphql_type=result, description=RESULTS
        ),
    }
    made = type("Subscription", (), fields)
    return strawberry.type(made, description="What can be followed while it happens.")
