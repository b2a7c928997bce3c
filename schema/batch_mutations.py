"""The mutations of batches, one line a field. Each has a payload of its own."""

from typing import Annotated, Any, cast

import strawberry
from msgspec import UNSET

from batches.batch import Move
from resolvers import batch_changes
from resolvers.batch_changes import Change, Changed
from resolvers.context import Context
from schema.batch_inputs import ChangeBatchInput, create_batch_input
from schema.batches import BatchTypes
from schema.declared import Types
from schema.enums import Status

Info = strawberry.Info[Context, None]
Id = strawberry.ID
Behind = Annotated[
    int | None,
    strawberry.argument(
        description="How many records the batch has before these: makes sending them again safe."
    ),
]
RetryKey = Annotated[
    str | None,
    strawberry.argument(
        description=(
            "1 to 200 printable ASCII characters without spaces, of your choice: the same retry"
            " sent again with it is made once."
        )
    ),
]

CREATE = (
    "Make a batch. Its records come with it, by `addRecords`, or as a file by POST /batches. It is"
    " a DRAFT until it is started, and kept once this has answered."
)
ADD = "Add records to a DRAFT, as many as a request may hold."
START = "Start a batch. One whose estimate is above its `costCap` becomes CAPPED instead."
PAUSE = "Begin nothing more of it. What is under way comes back, and is kept."
RESUME = "Go on with a paused batch."
CANCEL = "End it. What is under way comes back, and what was found is kept."
RETRY = (
    "Open the records of these statuses again, of a COMPLETED batch. What was UNKNOWN because a"
    " service was down is so asked anew; all other results stand."
)
CHANGE = "Change its name, priority, `startAfter`, `costCap` or `webhook`, in whatever state."
DELETE = "Delete a batch, its records and its results. There is no way back."


async def _start(info: Info, batch_id: Id) -> Changed:
    """See resolvers.batch_changes.start."""
    return await batch_changes.start(info.context, str(batch_id))


async def _pause(info: Info, batch_id: Id) -> Changed:
    """See resolvers.batch_changes.move."""
    return await batch_changes.move(info.context, str(batch_id), Move.PAUSE)


async def _resume(info: Info, batch_id: Id) -> Changed:
    """See resolvers.batch_changes.move."""
    return await batch_changes.move(info.context, str(batch_id), Move.RESUME)


async def _cancel(info: Info, batch_id: Id) -> Changed:
    """See resolvers.batch_changes.move."""
    return await batch_changes.move(info.context, str(batch_id), Move.CANCEL)


async def _retry(
    info: Info,
    batch_id: Id,
    statuses: list[Status] = [Status.UNKNOWN],  # noqa: B006 - of the schema; nobody changes it
    idempotency_key: RetryKey = None,
) -> Changed:
    """See resolvers.batch_changes.retry."""
    return await batch_changes.retry(info.context, str(batch_id), statuses, idempotency_key)


async def _change(info: Info, batch_id: Id, input: ChangeBatchInput) -> Changed:  # noqa: A002 - as above
    """See resolvers.batch_changes.change."""
    return await batch_changes.change(info.context, str(batch_id), _wished(input))


async def _delete(info: Info, batch_id: Id) -> Changed:
    """See resolvers.batch_changes.delete."""
    return await batch_changes.delete(info.context, str(batch_id))


def batch_mutations(types: Types, of_batches: BatchTypes) -> dict[str, Any]:
    """Return the fields that change batches of these types."""
    wish: Any = create_batch_input(types.record)

    async def create(info: Info, input: Any) -> Changed:  # noqa: A002, ANN401 - as clients write it
        """See resolvers.batch_changes.create."""
        return await batch_changes.create(info.context, input)

    async def add(info: Info, batch_id: Id, records: list[Any], after: Behind = None) -> Changed:
        """See resolvers.batch_changes.add_records."""
        return await batch_changes.add_records(info.context, str(batch_id), records, after)

    create.__annotations__["input"] = wish
    add.__annotations__["records"] = list[cast("Any", types.record)]
    verbs = {
        "create_batch": (create, "CreateBatchPayload", CREATE),
        "add_records": (add, "AddRecordsPayload", ADD),
        "start_batch": (_start, "StartBatchPayload", START),
        "pause_batch": (_pause, "PauseBatchPayload", PAUSE),
        "resume_batch": (_resume, "ResumeBatchPayload", RESUME),
        "cancel_batch": (_cancel, "CancelBatchPayload", CANCEL),
        "retry_batch": (_retry, "RetryBatchPayload", RETRY),
        "change_batch": (_change, "ChangeBatchPayload", CHANGE),
        "delete_batch": (_delete, "DeleteBatchPayload", DELETE),
    }
    return {
        name: strawberry.mutation(
            resolver=cast("Any", resolver),
            graphql_type=of_batches.changed(payload),
            description=description,
        )
        for name, (resolver, payload, description) in verbs.items()
    }


def _wished(wish: ChangeBatchInput) -> Change:
    given = {
        name: value
        for name in Change.__struct_fields__
        if (value := getattr(wish, name)) is not strawberry.UNSET
    }
    return Change(**{name: given.get(name, UNSET) for name in Change.__struct_fields__})
