"""What `[providers.NAME]` with `service = "http"` may say, beside what every provider may."""

from collections.abc import Mapping
from typing import Any, Literal, Self, cast

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, HttpUrl, model_validator
from pydantic_core import core_schema

from providers.declared.answer_settings import AnswerTable, BulkAnswerTable, FactTable
from providers.declared.call_settings import AuthTable, BulkCallTable, CallTable
from providers.declared.sandbox_settings import EXAMPLES_MAX, SandboxTable
from providers.declared.vocabulary import Name
from providers.settings import ProviderSettings

HTTP = "http"
"""The service that every declared provider speaks."""


class DeclaredProvider(ProviderSettings):
    """A provider of a service that has no module here: its calls and how answers are read."""

    service: Literal["http"] = Field(description="Says that the service is declared here.")  # pyright: ignore[reportIncompatibleVariableOverride, reportGeneralTypeIssues]
    base_url: HttpUrl = Field(description="Where the service is.")  # pyright: ignore[reportIncompatibleVariableOverride, reportGeneralTypeIssues]
    kind: str = Field(description="The kind of value that it knows about.")
    check: Name | None = Field(
        default=None, description="The check that it answers: one of the kind's, or a new one."
    )
    description: str | None = Field(default=None, description="What the check asks.")
    serves: Mapping[str, tuple[str, ...]] = Field(
        default_factory=dict[str, tuple[str, ...]],
        description="For a part, the values that the service knows: `country = ['DE']`.",
    )
    auth: AuthTable | None = Field(default=None, description="How a call says whose it is.")
    call: CallTable | None = Field(default=None, description="The call about one value.")
    bulk_call: BulkCallTable | None = Field(default=None, description="The call about many.")
    bulk_answer: BulkAnswerTable | None = Field(
        default=None, description="How its answer is taken apart."
    )
    answer: AnswerTable = Field(description="How an answer is read.")
    evidence: Mapping[Name, FactTable] = Field(
        default_factory=dict[str, FactTable], description="Facts, by the name they get."
    )
    sandbox: tuple[SandboxTable, ...] = Field(
        default=(),
        max_length=EXAMPLES_MAX,
        description="Values that the sandbox answers about in the service's place.",
    )

    @model_validator(mode="after")
    def _calls_somehow(self) -> Self:
        if self.call is None and self.bulk_call is None:
            raise ValueError("a declared provider needs `call`, `bulk_call` or both")
        if (self.bulk_call is None) is not (self.bulk_answer is None):
            raise ValueError("`bulk_call` and `bulk_answer` belong together")
        if (self.bulk_call is None) is not (self.bulk is None):
            raise ValueError("`bulk_call` and `bulk` (values in one call at most) belong together")
        auth = self.auth
        if auth is not None and auth.type == "body":
            calls = (call for call in (self.call, self.bulk_call) if call is not None)
            if not all(call.takes(auth.name or "") for call in calls):
                raise ValueError(
                    "auth by body needs `json` that is a table, or `form`, in every call, without"
                    f" a member {auth.name!r} of its own"
                )
        by_key = self.bulk_answer is not None and self.bulk_answer.match == "key"
        if by_key and self.answer.about is None:
            raise ValueError('match = "key" needs `answer.about`: where an item repeats the value')
        return self


class ProviderTable:
    """Marks settings of a provider as those of a declared one where they say `service = "http"`."""

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[ProviderSettings], handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Return how a table is read, by whichever of both classes it is for."""
        return core_schema.no_info_wrap_validator_function(_provider_table, handler(source))

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Return that a table is of either class, so that an editor completes both."""
        both = (cast("Any", schema)["schema"], DeclaredProvider.__pydantic_core_schema__)
        return {"anyOf": [handler(one) for one in both]}


def _provider_table(value: object, built_in: Any) -> object:  # noqa: ANN401 - pydantic's handler
    if isinstance(value, dict) and value.get("service") == HTTP:  # pyright: ignore[reportUnknownMemberType]
        return DeclaredProvider.model_validate(value)
    return value if isinstance(value, DeclaredProvider) else built_in(value)
