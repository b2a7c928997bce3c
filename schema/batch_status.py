"""The progress of a batch as clients see it."""

from datetime import datetime
from decimal import Decimal

import strawberry

from schema.batch_enums import BatchState, PauseReason
from schema.enums import ReasonCode, Status


@strawberry.type(description="Records of one status.")
class StatusCount:
    """See resolvers.batch_status.StatusCount."""

    status: Status = strawberry.field(description="The status of the record.")
    records: int = strawberry.field(description="How many records have it.")


@strawberry.type(description="Verdicts of one kind and status.")
class KindCount:
    """See resolvers.batch_status.KindCount."""

    kind: str = strawberry.field(description="The kind of the value.")
    status: Status = strawberry.field(description="The status of the verdict.")
    verdicts: int = strawberry.field(description="How many verdicts have it.")


@strawberry.type(description="Verdicts that give one reason.")
class ReasonCount:
    """See resolvers.batch_status.ReasonCount."""

    kind: str = strawberry.field(description="The kind of the value.")
    code: ReasonCode = strawberry.field(description="The reason.")
    verdicts: int = strawberry.field(description="How many verdicts give it.")


@strawberry.type(description="A batch at one moment: how far it is, how fast it goes.")
class BatchStatus:
    """See resolvers.batch_status.BatchStatus."""

    id: strawberry.ID = strawberry.field(description="The batch.")
    version: int = strawberry.field(
        description="Grows with every change; of two snapshots the greater one is the later."
    )
    state: BatchState = strawberry.field(description="Where it stands.")
    pause_reason: PauseReason | None = strawberry.field(description="Why, if it is PAUSED.")
    retry_at: datetime | None = strawberry.field(
        description="When a pause ends by itself; null when it waits for somebody."
    )
    records: int = strawberry.field(description="Records in the batch.")
    records_done: int = strawberry.field(description="Records that have their result.")
    row_errors: int = strawberry.field(
        description="Rows of the client's file that are not in the batch."
    )
    statuses: list[StatusCount] = strawberry.field(description="Records done, by status.")
    kinds: list[KindCount] = strawberry.field(description="Their verdicts, by kind and status.")
    reasons: list[ReasonCount] = strawberry.field(
        description="Their verdicts, by kind and reason; one that gives several counts for each."
    )
    calls_made: int = strawberry.field(description="Calls to providers made for it.")
    calls_saved: int = strawberry.field(
        description="Questions that needed no call: known, asked already, or decided locally."
    )
    cost: Decimal = strawberry.field(description="Cost of the calls, in `currency`.")
    currency: str = strawberry.field(description="Currency of the cost (ISO 4217).")
    rate_per_second: float = strawberry.field(
        description="Records done a second, lately; 0 when nothing is worked on."
    )
    eta: datetime | None = strawberry.field(
        description="When it will be done at that rate; null when that can't be told."
    )
    started_at: datetime | None = strawberry.field(description="When its first chunk was begun.")
    finished_at: datetime | None = strawberry.field(description="When it ended.")
    updated_at: datetime = strawberry.field(description="When it last changed.")
