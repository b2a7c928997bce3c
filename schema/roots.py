"""The roots: what clients can ask and do, one line a field."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

import strawberry
from strawberry.schema.config import StrawberryConfig

from checks.kinds import KINDS, KindModule
from resolvers import batches, catalogue
from resolvers.context import Context
from resolvers.errors import PublicError
from resolvers.validate import Validated, validate
from schema.batch_mutations import batch_mutations
from schema.batches import After, BatchTypes, First, batch_types
from schema.catalogue import Kind, Provider
from schema.declared import Types, types_for
from schema.keys import key_mutations, key_queries
from schema.lane.schema import FastSchema
from schema.lane.selecting import selected
from schema.permissions import check_complete, permit
from schema.records import ValidateOptions
from schema.scalars import DURATION, MOMENT, Duration
from schema.spending import SpendOnce
from schema.subscriptions import subscription_root

Info = strawberry.Info[Context, None]


@strawberry.type
class _Catalogue:
    """What can be asked whatever is declared."""

    @strawberry.field(
        graphql_type=list[Kind],
        description="The sorts of value that can be validated: checks, policy, sandbox inputs.",
    )
    def kinds(self, info: Info) -> list[catalogue.KindView]:
        """See resolvers.catalogue.kinds."""
        return catalogue.kinds(info.context)

    @strawberry.field(
        graphql_type=list[Provider],
        description="Who answers: limits, what is left of them, latency, failures, price.",
    )
    async def providers(self, info: Info) -> list[catalogue.ProviderView]:
        """See resolvers.catalogue.providers."""
        return await catalogue.providers(info.context)


def _query(types: BatchTypes) -> type:
    """Return the root of queries, whose batches are of `types`."""

    async def batch(info: Info, id: strawberry.ID) -> Any:  # noqa: A002, ANN401 - as clients write it
        """See resolvers.batches.batch."""
        return await batches.batch(info.context, str(id))

    async def page(info: Info, first: First = 20, after: After = None) -> Any:  # noqa: ANN401 - as above
        """See resolvers.batches.batches."""
        return await batches.batches(info.context, first, after)

    fields = {
        "batch": strawberry.field(
            resolver=batch,
            graphql_type=cast("Any", types.batch) | None,
            description="A batch; null when there is none of this id.",
        ),
        "batches": strawberry.field(
            resolver=page, graphql_type=types.page, description="All batches, the newest first."
        ),
        **key_queries(),
    }
    made = type("Query", (_Catalogue,), fields)
    return strawberry.type(
        made,
        name="Query",
        description="What this gateway can validate, how its providers do, batches and keys.",
    )


VALIDATE = (
    "Validate up to 1,000 records now. What is selected decides what is asked: local facts"
    " cost nothing, a field that only a provider can fill makes that provider's call, and"
    " `status`, `reasons` or `outcomes` run the whole policy. Answers within `deadlineMs`;"
    " what could not be decided by then is UNKNOWN/DEADLINE and is worked on all the same."
    " (1,000 is `gateway.records_max`, which an operator may set.)"
)


def _mutation(types: Types, of_batches: BatchTypes) -> type:
    """Return the root of mutations, whose records and results are of `types`."""

    async def answered(
        info: Info,
        records: list[Any],
        options: ValidateOptions | None = None,
    ) -> Validated:
        """See resolvers.validate.validate."""
        needs = info.context.needs.of(selected(info))
        return await validate(info.context, records, needs, options)

    answered.__annotations__["records"] = list[cast("Any", types.record)]
    field = strawberry.mutation(resolver=answered, graphql_type=types.payload, description=VALIDATE)
    fields = {"validate": field, **batch_mutations(types, of_batches), **key_mutations()}
    made = type("Mutation", (), fields)
    return strawberry.type(made, description="What spends: every field here may call providers.")


def build_schema(kinds: Sequence[KindModule] = KINDS) -> FastSchema:
    """Return the schema of `kinds`; without any declared one it is `schema.graphql`."""
    types = types_for(kinds)
    of_batches = batch_types(types.result)
    schema = FastSchema(
        _query(of_batches),
        _mutation(types, of_batches),
        subscription_root(types.result),
        types=types.verdict_types,
        config=StrawberryConfig(scalar_map={Duration: DURATION, datetime: MOMENT}),
        public=(PublicError,),
        permit=permit,
        rules=(SpendOnce,),
    )
    check_complete(schema.root_fields())
    return schema
