"""The roots: what clients can ask and do, one line a field."""

import strawberry
from strawberry.schema.config import StrawberryConfig

from resolvers import catalogue
from resolvers.context import Context
from resolvers.errors import PublicError
from resolvers.validate import Validated, validate
from schema.catalogue import Kind, Provider
from schema.lane.schema import FastSchema, selected
from schema.records import RecordInput, ValidateOptions
from schema.scalars import DURATION, Duration
from schema.verdicts import VERDICT_TYPES, ValidatePayload

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


@strawberry.type(description="What spends: every field here may call providers.")
class Mutation:
    """Root of mutations."""

    @strawberry.mutation(
        graphql_type=ValidatePayload,
        description=(
            "Validate up to 1,000 records now. What is selected decides what is asked: local facts"
            " cost nothing, a field that only a provider can fill makes that provider's call, and"
            " `status`, `reasons` or `outcomes` run the whole policy. Answers within `deadlineMs`;"
            " what could not be decided by then is UNKNOWN/DEADLINE and is worked on all the same."
            " (1,000 is `gateway.records_max`, which an operator may set.)"
        ),
    )
    async def validate(
        self, info: Info, records: list[RecordInput], options: ValidateOptions | None = None
    ) -> Validated:
        """See resolvers.validate.validate."""
        needs = info.context.needs.of(selected(info))
        return await validate(info.context, records, needs, options)


def build_schema() -> FastSchema:
    """Return the schema; it is the same for every configuration."""
    return FastSchema(
        Query,
        Mutation,
        types=VERDICT_TYPES,
        config=StrawberryConfig(scalar_map={Duration: DURATION}),
        public=(PublicError,),
    )
