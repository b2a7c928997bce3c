"""`[providers.NAME.answer]` and `.bulk_answer`: how a declared provider's answers are read."""

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, model_validator

from providers.declared.expression import Expression
from providers.declared.template import Template
from providers.declared.vocabulary import (
    ErrorReasonSetting,
    ExpressionSetting,
    FactType,
    HttpStatus,
    ReasonSetting,
    Table,
    TemplateSetting,
    Word,
)
from verdicts.reason import ReasonCode


class BulkAnswerTable(Table):
    """How the answer to many values is taken apart."""

    items: ExpressionSetting = Field(
        default_factory=lambda: Expression("@"),
        description="The list of what is said of each value; else the whole answer.",
    )
    match: Literal["position", "key", "index"] = Field(
        description=(
            "Which item is whose: by its `position`, by what `answer.about` finds in it (`key`),"
            " or by its `index` member."
        )
    )
    index: ExpressionSetting | None = Field(
        default=None, description="For `index`: where an item says the place of its value."
    )
    first_index: int = Field(default=0, ge=0, le=1, description="The index of the first value.")
    total: ExpressionSetting | None = Field(
        default=None, description="Where the answer says how many items there are; so many it has."
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.match == "index") is not (self.index is not None):
            raise ValueError('`index` and match = "index" belong together')
        return self


class ErrorTable(Table):
    """One sort of answer that is not about the value."""

    when: ExpressionSetting | None = Field(
        default=None, description="Holds when it finds something: not null, false or empty."
    )
    http: tuple[HttpStatus, ...] = Field(default=(), description="HTTP statuses; any if left out.")
    reason: ErrorReasonSetting = Field(description="What it means.")
    repeat: bool | None = Field(
        default=None, description="Whether sending again may help; else as `reason` has it."
    )
    charged: bool | None = Field(
        default=None,
        description="Whether it may have cost something all the same; else as `reason` has it.",
    )
    pause: float | None = Field(
        default=None, gt=0, le=900, description="Seconds for which the account is left alone."
    )

    @model_validator(mode="after")
    def _says_when(self) -> Self:
        if self.when is None and not self.http:
            raise ValueError("an error needs `when`, `http` or both; else it is every answer")
        return self


class AbsentTable(Table):
    """What it means that the service knows nothing of a value."""

    when: ExpressionSetting | None = Field(
        default=None,
        description="Of an item, or of the whole answer where there is no item; as in `errors`.",
    )
    http: tuple[HttpStatus, ...] = Field(
        default=(), description="Statuses beside `success` that can say so, such as 404."
    )
    missing: bool = Field(
        default=False, description="Whether a value that a bulk answer leaves out is absent."
    )
    status: Word = Field(description="What that makes of the value.")
    reason: ReasonSetting = Field(default=ReasonCode.NOT_REGISTERED, description="Why.")
    evidence: bool = Field(
        default=False, description="Whether such an answer has facts too; else there are none."
    )

    @model_validator(mode="after")
    def _says_when(self) -> Self:
        if self.when is None and (self.http or not self.missing):
            raise ValueError(
                "`absent` needs `when`: a 404 alone may be a proxy's, and says nothing of a value"
            )
        return self


class StatusTable(Table):
    """How the service's own word becomes a status. What no map holds decides nothing."""

    read: ExpressionSetting = Field(description="Where the word stands.")
    type: Literal["String", "Boolean", "Int"] = Field(
        default="String", description="What it is; one of another sort decides nothing."
    )
    map: Mapping[str, Word] = Field(min_length=1, description="Words to statuses.")
    default: Literal["UNKNOWN"] = Field(default="UNKNOWN", description="For all other words.")
    default_reason: ErrorReasonSetting = Field(
        default=ReasonCode.PROVIDER_PROTOCOL, description="Why they are UNKNOWN."
    )

    @model_validator(mode="after")
    def _words_of_their_sort(self) -> Self:
        if self.type == "Boolean" and not self.map.keys() <= {"true", "false"}:
            raise ValueError("the words of a Boolean are true and false")
        if self.type == "Int" and not all(word.lstrip("-").isdecimal() for word in self.map):
            raise ValueError("the words of an Int are whole numbers")
        return self


class ReasonsTable(Table):
    """How the service's own words become reasons; words that it does not hold give none."""

    read: ExpressionSetting = Field(description="Where the words stand: one, or a list of them.")
    map: Mapping[str, ReasonSetting] = Field(min_length=1, description="Words to reason codes.")


class SourceTable(Table):
    """Where a number stands: in a header, or in the body."""

    header: str | None = Field(default=None, description="Name of the header.")
    read: ExpressionSetting | None = Field(default=None, description="Where in the body.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.header is None) is (self.read is None):
            raise ValueError("give `header` or `read`")
        return self


class QuotaTable(Table):
    """What an answer says of what the account has left."""

    remaining: SourceTable = Field(description="Calls left.")
    reset: SourceTable = Field(description="When there are calls again.")
    reset_as: Literal["seconds", "milliseconds", "epoch"] = Field(
        default="seconds", description="From now on, or since 1970 in seconds (`epoch`)."
    )


class AnswerTable(Table):
    """How an answer is read: errors first, then absence, then the status, reasons and evidence."""

    success: tuple[HttpStatus, ...] = Field(
        default=(200,), min_length=1, description="HTTP statuses of answers about a value."
    )
    errors: tuple[ErrorTable, ...] = Field(
        default=(), description="What is no answer about a value; the first that holds counts."
    )
    item: ExpressionSetting = Field(
        default_factory=lambda: Expression("@"),
        description="Where the answer about one value stands; else it is the whole.",
    )
    about: ExpressionSetting | None = Field(
        default=None, description="Where an item repeats the value: it must be the one asked."
    )
    about_value: TemplateSetting = Field(
        default_factory=lambda: Template("{value}"),
        description="What it then says; else `{value}`.",
    )
    ignore_case: bool = Field(default=False, description="Whether it may say so in another case.")
    absent: AbsentTable | None = Field(default=None, description="What absence means.")
    status: StatusTable = Field(description="The status.")
    reasons: ReasonsTable | None = Field(default=None, description="The reasons.")
    quota: QuotaTable | None = Field(default=None, description="What the account has left.")


class FactTable(Table):
    """One fact of the evidence."""

    type: FactType | None = Field(
        default=None, description="Its GraphQL type; a field of a built-in check has its own."
    )
    read: ExpressionSetting = Field(description="Where in the item it stands.")
    description: str = Field(default="", description="What it says, for the schema.")
