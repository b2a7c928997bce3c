"""Batches: what clients see of them, and what they say about them."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, cast

import strawberry
from msgspec import Struct

from resolvers import batches
from resolvers.batches import BatchView
from resolvers.context import Context
from schema.batch_enums import BatchErrorCode
from schema.batch_status import BatchStatus
from schema.enums import ReasonCode, Status
from schema.scalars import Duration

Info = strawberry.Info[Context, None]
First = Annotated[int, strawberry.argument(description="How many at most.")]
After = Annotated[
    str | None, strawberry.argument(description="Behind this cursor; else from the first one on.")
]


@strawberry.type(description="Where a page ends.")
class PageInfo:
    """See resolvers.batches.PageInfo."""

    has_next_page: bool = strawberry.field(description="Whether anything comes after it.")
    end_cursor: str | None = strawberry.field(
        description="What `after` takes to go on; null when nothing was ever there."
    )


@strawberry.type(description="A column of the file that the batch came from.")
class MappedColumn:
    """See resolvers.batches.MappedColumn."""

    column: str = strawberry.field(description="Its name in the header.")
    fields: list[str] = strawberry.field(description="What of a record it fills.")
    guessed: bool = strawberry.field(description="Whether that was guessed from its name.")


@strawberry.type(description="A row of the file that is not in the batch.")
class RowError:
    """See batches.chunk.RowError."""

    line: int = strawberry.field(description="Its line in the file, the first being 1.")
    why: str = strawberry.field(description="What is wrong with it, without its values.")


@strawberry.type(description="What one provider will be asked, at most.")
class ProviderEstimate:
    """See batches.estimate.ProviderEstimate."""

    provider: str = strawberry.field(description="Its name in the configuration.")
    check: str = strawberry.field(description="The check that it answers.")
    questions: int = strawberry.field(description="Values that it is asked about.")
    calls: int = strawberry.field(description="Calls that these take.")
    cost: Decimal = strawberry.field(description="Their cost, in the currency of the batch.")
    seconds: float | None = strawberry.field(
        description="How long they take at its present limits; null when it is not configured."
    )


@strawberry.type(description="What the records that are still open will take, at most.")
class BatchEstimate:
    """See batches.estimate.Estimate."""

    records: int = strawberry.field(description="Records that are open.")
    looked_at: int = strawberry.field(
        description="Of these so many were looked at; the rest is reckoned from them."
    )
    decided_locally: int = strawberry.field(description="Values that a local check decides.")
    duplicates: int = strawberry.field(description="Questions that are asked more than once.")
    known: int = strawberry.field(description="Questions whose outcome is known already.")
    calls: int = strawberry.field(description="Calls to all providers.")
    cost: Decimal = strawberry.field(description="Their cost, in the currency of the batch.")
    seconds: float | None = strawberry.field(
        description="As long as the slowest provider takes; null when one can't be asked."
    )
    providers: list[ProviderEstimate] = strawberry.field(description="The same for each provider.")


@strawberry.type(description="Why a change was not made.")
class BatchError:
    """See resolvers.batch_changes.Told."""

    code: BatchErrorCode = strawberry.field(description="What kind of problem it is.")
    message: str = strawberry.field(description="What, where, and what to do.")
    field: str | None = strawberry.field(description="The argument or input field, if it is one.")


class BatchTypes(Struct, frozen=True):
    """The types that depend on what a record's result is."""

    batch: type
    page: type
    changed: Any
    """Makes the payload type of this name."""


def batch_types(result: Any) -> BatchTypes:  # noqa: ANN401 - a type, perhaps made at the start
    """Return the types of batches whose results are of the type `result`."""
    connection = _connection(result)

    async def results(
        self: BatchView,
        info: Info,
        first: First = 100,
        after: After = None,
        statuses: list[Status] | None = None,
        reasons: list[ReasonCode] | None = None,
        kinds: list[str] | None = None,
    ) -> batches.ResultPage:
        """See resolvers.batches.results."""
        wanted = batches.wanted_of(statuses, reasons, kinds)
        return await batches.results(info.context, self, first, after, wanted)

    field = strawberry.field(
        resolver=cast("Any", results),
        graphql_type=connection,
        description=(
            "What is decided so far, in input order. With `kinds` only records with a verdict of"
            " one of these, which `statuses` and `reasons` are then about; else `statuses` is about"
            " the record. Large ones are better read by GET /batches/{id}/results.csv, .ndjson or"
            " .parquet."
        ),
    )
    made = type("Batch", (_Batch,), {"results": field, "__annotations__": {}})
    batch = strawberry.type(
        made,
        name="Batch",
        description="A durable set of records, worked on until each has its verdict.",
    )
    page = _made(
        "BatchConnection",
        "Batches, the newest first.",
        {
            "nodes": (list[cast("Any", batch)], "The batches."),
            "page_info": (PageInfo, "Where the page ends."),
        },
    )

    def changed(name: str) -> type:
        return _made(
            name,
            "The batch after the change, or why it was not made.",
            {
                "batch": (
                    cast("Any", batch) | None,
                    "The batch; with errors only where it is kept all the same, and not started.",
                ),
                "errors": (list[BatchError], "What you can act on; empty when it was done."),
            },
        )

    return BatchTypes(batch, page, changed)


@strawberry.type
class _Batch:
    """See resolvers.batches.BatchView."""

    id: strawberry.ID = strawberry.field(description="Its id: 128 random bits.")
    name: str | None = strawberry.field(description="Its name, for people.")
    status: BatchStatus = strawberry.field(
        description="Where it stands; `batchStatus` follows that."
    )
    priority: int = strawberry.field(description="The greater goes first; 0 is usual.")
    created_at: datetime = strawberry.field(description="When it was made.")
    start_after: datetime | None = strawberry.field(description="Nothing is begun before then.")
    cost_cap: Decimal | None = strawberry.field(
        description="What it may cost at most; then it is CAPPED."
    )
    webhook: str | None = strawberry.field(description="Where changes of its state are told.")
    sandbox: bool = strawberry.field(description="Whether only stand-ins are asked.")
    max_age: Duration | None = strawberry.field(
        description="How old an outcome may be; null leaves that to the settings."
    )
    mapping: list[MappedColumn] = strawberry.field(
        description="Which columns of its file were read as what; empty without a file."
    )

    @strawberry.field(
        graphql_type=list[RowError],
        description="The first rows that could not be read; `status.rowErrors` counts all.",
    )
    async def row_errors(self, info: Info, first: First = 100) -> list[Any]:
        """See resolvers.batches.row_errors."""
        return list(await batches.row_errors(info.context, cast("BatchView", self), first))

    @strawberry.field(
        graphql_type=BatchEstimate,
        description=(
            "What its open records will take: what is known or decided locally, calls and cost by"
            " provider, time at the present limits. Nobody is asked for it."
        ),
    )
    async def estimate(self, info: Info) -> Any:  # noqa: ANN401 - the view
        """See resolvers.batches.estimate."""
        return await batches.estimate(info.context, cast("BatchView", self))


def _connection(result: Any) -> type:  # noqa: ANN401 - as `batch_types`
    edge = _made(
        "RecordResultEdge",
        "A result in a page.",
        {
            "cursor": (str, "What `after` takes to go on behind it."),
            "node": (result, "The result."),
        },
    )
    return _made(
        "RecordResultConnection",
        "Results in input order.",
        {
            "edges": (list[cast("Any", edge)], "The results with their cursors."),
            "nodes": (list[result], "The results."),
            "page_info": (PageInfo, "Where the page ends."),
        },
    )


def _made(name: str, description: str, fields: dict[str, tuple[Any, str]]) -> type:
    body: dict[str, Any] = {
        field: strawberry.field(description=told) for field, (_, told) in fields.items()
    }
    body["__annotations__"] = {field: of for field, (of, _) in fields.items()}
    return strawberry.type(type(name, (), body), description=description)
