"""The words of a declaration: texts that are compiled, enumerations, and what all tables share."""

from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)

from providers.declared.expression import Expression, expression_of
from providers.declared.faults import FAULTS
from providers.declared.template import (
    JsonTemplate,
    Template,
    json_template_of,
    nearest,
    template_of,
)
from verdicts.reason import ReasonCode

EXPRESSION = "jmespath"
TEMPLATE = "template"
JSON = "json"
"""Formats of JSON Schema that are ours, for the tables of the manual; editors pass over them."""
NAME_PATTERN = r"^[a-z][A-Za-z0-9_]*$"


def _error_reason(value: object) -> object:
    if isinstance(value, str) and value not in FAULTS_BY_NAME:
        raise ValueError(f"no reason for an error: {value!r}{nearest(value, FAULTS_BY_NAME)}")
    return value


def _reason(value: object) -> object:
    names = ReasonCode.__members__
    if isinstance(value, str) and value not in names:
        raise ValueError(f"no reason code {value!r}{nearest(value, names)}")
    return value


FAULTS_BY_NAME = {code.value: code for code in FAULTS}
ExpressionSetting = Annotated[
    Expression,
    BeforeValidator(expression_of),
    PlainSerializer(lambda one: one.text, return_type=str),
    WithJsonSchema({"type": "string", "format": EXPRESSION}),
]
TemplateSetting = Annotated[
    Template,
    BeforeValidator(template_of),
    PlainSerializer(lambda one: one.text, return_type=str),
    WithJsonSchema({"type": "string", "format": TEMPLATE}),
]
JsonSetting = Annotated[
    JsonTemplate,
    BeforeValidator(json_template_of),
    PlainSerializer(lambda one: one.shape, return_type=object),
    WithJsonSchema({"description": "JSON, whose texts may hold parts of the value: `{value}`."}),
]
ReasonSetting = Annotated[ReasonCode, BeforeValidator(_reason)]
ErrorReasonSetting = Annotated[
    ReasonCode,
    BeforeValidator(_error_reason),
    WithJsonSchema({"type": "string", "enum": list(FAULTS_BY_NAME)}),
]
Word = Literal["VALID", "INVALID", "RISKY", "UNKNOWN"]
"""What an answer makes of the check: CONFIRMED, REFUTED, DOUBTFUL or UNDECIDED."""
HttpStatus = Annotated[int, Field(ge=100, le=599)]
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
FactType = Literal[
    "String", "Int", "Float", "Boolean", "Date",
    "[String]", "[Int]", "[Float]", "[Boolean]", "[Date]",
]  # fmt: skip


class Table(BaseModel):
    """A table of a declaration: frozen, and nothing unknown in it."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)
