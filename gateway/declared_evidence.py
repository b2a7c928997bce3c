"""The declared facts of each check, out of the evidence of all providers that answer it."""

import types
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, get_args, get_origin, get_type_hints

from msgspec import Struct

from gateway.mistakes import Mistake, nearest
from providers.declared.answer_settings import FactTable
from providers.declared.reading import ReadFact, Sheet
from providers.declared.settings import DeclaredProvider
from verdicts.evidence import (
    CompanyRegistration,
    LeiRegistration,
    MailboxState,
    PhoneLine,
    PostcodeArea,
    VatRegistration,
)
from verdicts.facts import Fact, FactSheet, Sort, attribute_of, sheet_of, shown_as

Key = tuple[str, str]
BUILT_IN: Mapping[Key, type[Struct]] = {
    ("email", "mailbox"): MailboxState,
    ("phone", "line"): PhoneLine,
    ("vatNumber", "registry"): VatRegistration,
    ("lei", "registry"): LeiRegistration,
    ("company", "registry"): CompanyRegistration,
    ("postcode", "registry"): PostcodeArea,
}
"""What the built-in checks show; a declared provider of one of them fills the same facts."""
_SORTS: Mapping[type, Sort] = {
    str: Sort.STRING,
    bool: Sort.BOOLEAN,
    int: Sort.INT,
    float: Sort.FLOAT,
    date: Sort.DATE,
    datetime: Sort.DATE,
}


class CheckPlan(Struct, frozen=True):
    """A declared provider, the (kind, check) that it answers, and what a built-in one shows."""

    name: str
    table: DeclaredProvider
    key: Key
    holder: type[Struct] | None


def sheets_of(
    plans: Sequence[CheckPlan],
) -> tuple[dict[Key, FactSheet], dict[str, Sheet], list[Mistake]]:
    """Return the facts of each declared check, how each provider reads its own, what is wrong."""
    facts: dict[Key, dict[str, Fact]] = {}
    reads: dict[str, Sheet] = {}
    mistakes: list[Mistake] = []
    for plan in plans:
        read: list[ReadFact] = []
        known = built_in_facts(plan.holder) if plan.holder is not None else None
        shared = facts.setdefault(plan.key, {}) if known is None else known
        for name, table in plan.table.evidence.items():
            keys = ("providers", plan.name, "evidence", name)
            fact = _declared(name, table) if known is None else known.get(attribute_of(name))
            wrong = _wrong(fact, table, shared, known)
            if wrong is not None or fact is None:
                hint = nearest(name, list(known or ()))
                mistakes.append(Mistake(keys, (wrong or "no such fact of this check") + hint))
                continue
            shared[fact.name] = fact
            read.append(ReadFact(fact, table.read))
        reads[plan.name] = Sheet(read, plan.holder)
    described = {plan.key: plan.table.description or "" for plan in reversed(plans)}
    sheets = {
        key: sheet_of(*key, described[key], tuple(found.values()))
        for key, found in facts.items()
        if found
    }
    return sheets, reads, mistakes


def _declared(name: str, table: FactTable) -> Fact | None:
    if table.type is None:
        return None
    listed = table.type.startswith("[")
    sort = Sort(table.type.strip("[]"))
    return Fact(attribute_of(name), shown_as(name), sort, listed, table.description)


def _wrong(
    fact: Fact | None,
    table: FactTable,
    shared: Mapping[str, Fact],
    known: Mapping[str, Fact] | None,
) -> str | None:
    """Return what is wrong with a fact, None when nothing is."""
    if known is not None:
        if fact is not None and table.type is not None:
            return "a fact of a built-in check has its own type; leave `type` out"
        return None
    if fact is None:
        return "a fact needs a `type`: String, Int, Float, Boolean, Date, or a list such as [Int]"
    same = next((one for one in shared.values() if fact.shown == one.shown), None)
    if same is not None and (same.sort, same.listed) != (fact.sort, fact.listed):
        return "another provider of this check has a fact of that name with another type"
    return None


def built_in_facts(holder: type[Struct]) -> dict[str, Fact]:
    """Return the facts that a built-in check shows, by name."""
    facts: dict[str, Fact] = {}
    for name, annotation in get_type_hints(holder).items():
        plain, listed = _plain(annotation)
        if plain in _SORTS:
            facts[name] = Fact(name, shown_as(name), _SORTS[plain], listed, "")
    return facts


def _plain(annotation: Any) -> tuple[Any, bool]:  # noqa: ANN401 - annotations have no one type
    """Return the type behind `annotation`, None and tuples taken off, and whether it is a list."""
    if get_origin(annotation) in {types.UnionType, tuple}:
        listed = get_origin(annotation) is tuple
        inner, inner_listed = _plain(get_args(annotation)[0])
        return inner, listed or inner_listed
    return annotation, False
