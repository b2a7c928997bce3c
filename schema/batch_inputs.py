"""What clients say about batches."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import strawberry
from strawberry import UNSET

from schema.scalars import Duration

NAME = "Its name, for people."
PRIORITY = "The greater goes first: -100 to 100, 0 is usual."
START_AFTER = "Nothing is begun before then."
COST_CAP = "What it may cost at most; a batch that would cost more is CAPPED before."
WEBHOOK = "An https address that is told of changes of its state; never any records."


@strawberry.input(description="A batch to be made.")
class _CreateBatchInput:
    """See resolvers.batch_changes.Creation."""

    name: str | None = strawberry.field(default=None, description=NAME)
    start: bool = strawberry.field(
        default=False, description="Start it at once; else `addRecords` and `startBatch` follow."
    )
    priority: int = strawberry.field(default=0, description=PRIORITY)
    start_after: datetime | None = strawberry.field(default=None, description=START_AFTER)
    cost_cap: Decimal | None = strawberry.field(default=None, description=COST_CAP)
    max_age: Duration | None = strawberry.field(
        default=None, description="Outcomes older than this are asked anew."
    )
    webhook: str | None = strawberry.field(default=None, description=WEBHOOK)
    sandbox: bool = strawberry.field(
        default=False, description="Ask stand-ins only; where a sandbox runs."
    )
    idempotency_key: str | None = strawberry.field(
        default=None,
        description="Makes sending it again safe: the same key gives the batch that it has made.",
    )


@strawberry.input(description="What is to change of a batch; what is left out stays.")
class ChangeBatchInput:
    """See resolvers.batch_changes.Change."""

    name: str | None = strawberry.field(default=UNSET, description=NAME)
    priority: int | None = strawberry.field(default=UNSET, description=PRIORITY)
    start_after: datetime | None = strawberry.field(default=UNSET, description=START_AFTER)
    cost_cap: Decimal | None = strawberry.field(default=UNSET, description=COST_CAP)
    webhook: str | None = strawberry.field(default=UNSET, description=WEBHOOK)


def create_batch_input(record: Any) -> type:  # noqa: ANN401 - a type, perhaps made at the start
    """Return the input of a batch whose records are of the input type `record`."""
    field = strawberry.field(
        default=None, description="Its first records, as many as a request may hold."
    )
    body = {"records": field, "__annotations__": {"records": list[record] | None}}
    made = type("CreateBatchInput", (_CreateBatchInput,), body)
    return strawberry.input(made, name="CreateBatchInput", description="A batch to be made.")
