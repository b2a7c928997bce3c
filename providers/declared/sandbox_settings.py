"""`[[providers.NAME.sandbox]]`: values that the sandbox answers about for a declared provider."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, JsonValue, WithJsonSchema

from providers.declared.vocabulary import JSON, HttpStatus, ReasonSetting, Table, Word

EXAMPLES_MAX = 100
"""Values that a stand-in knows, of one provider."""


class SandboxTable(Table):
    """One value that the sandbox knows, and what it answers about it in the service's place."""

    value: str = Field(
        min_length=1, description="As `assay providers test` takes it: `NL/17087985` of a company."
    )
    gives: Word = Field(description="What the rules have to make of the answer.")
    reason: ReasonSetting | None = Field(
        default=None, description="The first reason that they have to give."
    )
    meaning: str = Field(default="", description="What the value stands for, for people.")
    http: HttpStatus = Field(default=200, description="HTTP status of the answer.")
    headers: Mapping[str, str] = Field(
        default_factory=dict[str, str],
        description="Its headers, beside `Content-Type: application/json`.",
    )
    body: Annotated[JsonValue, WithJsonSchema({"format": JSON})] = Field(
        default="", description="Its body: a text as it stands, anything else as JSON."
    )
