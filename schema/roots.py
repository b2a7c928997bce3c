"""The roots: what clients can ask and do, one line a field."""

from collections.abc import Sequence
from typing import Any, cast

import strawberry
from strawberry.schema.config import StrawberryConfig

from checks.kinds import KINDS, KindModule
from resolvers import catalogue
from resolvers.context import Context
from resolvers.errors import PublicError
from resolvers.validate import Validated, validate
from schema.catalogue import Kind, Provider
from schema.declared import Types, types_for
from schema.lane.schema import FastSchema, selected
from schema.records import ValidateOptions
from schema.scalars import DURATION, Duration
from schema.subscriptions import subscription_root

Info = strawberry.Info[Context, None]


@strawberry.type(description="What this gateway can validate, and how its providers are doing.")
class Query:
    """Root of queries."""

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


VALIDATE = (
    "Validate up to 1,000 records now. What is selected decides what is asked: local facts"
    " cost nothing, a field that only a provider can fill makes that provider's call, and"
    " `status`, `reasons` or `outcomes` run the whole policy. Answers within `deadlineMs`;"
    " what could not be decided by then is UNKNOWN/DEADLINE and is worked on all the same."
    " (1,000 is `gateway.records_max`, which an operator may set.)"
)


def _mutation(types: Types) -> type:
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
    made = type("Mutation", (), {"validate": field})
    return strawberry.type(made, description="What spends: every field here may call providers.")


def build_schema(kinds: Sequence[KindModule] = KINDS) -> FastSchema:
    """Return the schema of `kinds`; without any declared one it is `schema.graphql`."""
    types = types_for(kinds)
    return FastSchema(
        Query,
        _mutation(types),
        subscription_root(types.result),
        types=types.verdict_types,
        config=StrawberryConfig(scalar_map={Duration: DURATION}),
        public=(PublicError,),
    )
