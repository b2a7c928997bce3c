"""Facts that configuration declares: what a check's evidence holds when no class here says so."""

import re
from collections.abc import Iterable
from datetime import date
from enum import Enum
from keyword import iskeyword
from typing import Any

import msgspec
from msgspec import Struct

from verdicts.evidence import DeclaredFacts
from verdicts.outcome import Outcome

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class Sort(Enum):
    """What sort of value a fact is, by its name in GraphQL."""

    STRING = "String"
    INT = "Int"
    FLOAT = "Float"
    BOOLEAN = "Boolean"
    DATE = "Date"


PYTHON: dict[Sort, type] = {
    Sort.STRING: str,
    Sort.INT: int,
    Sort.FLOAT: float,
    Sort.BOOLEAN: bool,
    Sort.DATE: date,
}
assert set(PYTHON) == set(Sort), "every sort has its class"


class Fact(Struct, frozen=True):
    """One declared fact: its name as an attribute and in GraphQL, its sort, what it says."""

    name: str
    shown: str
    sort: Sort
    listed: bool
    description: str


class FactSheet(Struct, frozen=True):
    """All declared facts of one check of a kind.

    `name` and `shown` are those of the field of the verdict that shows them; `holder` is a class
    made for them, with an attribute a fact, each None when it is not known.
    """

    kind: str
    check: str
    name: str
    shown: str
    description: str
    facts: tuple[Fact, ...]
    holder: type[Struct]

    @property
    def type_name(self) -> str:
        """The name of their GraphQL type."""
        return f"{capitalized(self.kind)}{capitalized(self.shown)}Facts"

    def held(self, outcomes: Iterable[Outcome]) -> Struct | None:
        """Return the facts that the check's outcome among `outcomes` carries, None without any."""
        for outcome in outcomes:
            if outcome.check == self.check and isinstance(outcome.evidence, DeclaredFacts):
                try:
                    return msgspec.convert(outcome.evidence.facts, self.holder)
                except msgspec.ValidationError:
                    return None  # kept under an earlier declaration
        return None


def sheet_of(kind: str, check: str, description: str, facts: tuple[Fact, ...]) -> FactSheet:
    """Return the sheet of `check`, with a class of its own for what it holds."""
    fields: list[tuple[str, Any, Any]] = [(fact.name, annotation_of(fact), None) for fact in facts]
    shown = shown_as(check)
    holder = msgspec.defstruct(
        f"{capitalized(kind)}{capitalized(shown)}Facts", fields, frozen=True, gc=False
    )
    return FactSheet(kind, check, attribute_of(check), shown, description, facts, holder)


def annotation_of(fact: Fact) -> Any:  # noqa: ANN401 - a type, made here
    """Return the Python type of a fact that may be missing."""
    plain: Any = PYTHON[fact.sort]
    return (list[plain] if fact.listed else plain) | None


def shown_as(name: str) -> str:
    """Return `name` as GraphQL spells it: `free_provider` is `freeProvider`."""
    first, *rest = name.split("_")
    return first + "".join(map(capitalized, rest))


def attribute_of(name: str) -> str:
    """Return `name` as an attribute: `freeProvider` is `free_provider`, `class` is `class_`."""
    plain = _HUMP.sub("_", name).lower()
    return f"{plain}_" if iskeyword(plain) else plain


def capitalized(name: str) -> str:
    """Return `name` with a capital first letter, the rest as it is."""
    return name[:1].upper() + name[1:]
