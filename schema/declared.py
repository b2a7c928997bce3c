"""Types for what the configuration declares, made at the start: plain ones, as the lane needs."""

from collections.abc import Sequence
from typing import Any, ClassVar, cast

import strawberry
from msgspec import Struct

from checks.declared import DeclaredKind, ExtendedKind
from checks.kinds import KindModule, verdict_class
from schema import verdicts
from schema.records import RecordInput
from verdicts.facts import FactSheet, annotation_of, capitalized

Declared = DeclaredKind | ExtendedKind


class Types(Struct, frozen=True):
    """The types that a schema of these kinds needs: record, result, payload, every verdict."""

    record: type
    result: type
    payload: type
    verdict_types: tuple[type, ...]


def types_for(kinds: Sequence[KindModule]) -> Types:
    """Return the types for `kinds`: the usual ones where nothing is declared."""
    declared = [kind for kind in kinds if isinstance(kind, DeclaredKind | ExtendedKind)]
    if not declared:
        return Types(
            RecordInput, verdicts.RecordResult, verdicts.ValidatePayload, verdicts.VERDICT_TYPES
        )
    usual = {one.represents: one for one in cast("Any", verdicts.VERDICT_TYPES)}
    fields: dict[str, tuple[Any, str]] = {}
    types: list[type] = []
    for module in kinds:
        if not isinstance(module, DeclaredKind | ExtendedKind):
            types.append(usual[verdict_class(module)])
            continue
        made = _verdict_type(module, usual)
        types.append(made)
        kind = module.KIND
        fields[kind.field] = made | None, f"If a value of kind `{kind.name}` was sent."
    result = _made("RecordResult", verdicts.RecordResult, fields)
    results = {"results": (list[result], "One result a record, in the order of the records.")}
    payload = _made("ValidatePayload", verdicts.ValidatePayload, results)
    return Types(_record(declared), result, payload, tuple(types))


def _record(declared: Sequence[Declared]) -> type:
    """Return the input that has a field for each declared kind, too."""
    names: dict[str, Any] = {
        kind.KIND.field: strawberry.field(
            name=kind.KIND.name, default=None, description=kind.KIND.description
        )
        for kind in declared
        if isinstance(kind, DeclaredKind)
    }
    body = {**names, "__annotations__": dict.fromkeys(names, str | None)}
    made = type("RecordInput", (RecordInput,), body)
    return strawberry.input(made, name="RecordInput", description=_described(RecordInput))


def _verdict_type(module: Declared, usual: dict[type, Any]) -> Any:  # noqa: ANN401 - a type, made here
    """Return the verdict's type with a field for each sheet of facts."""
    name = f"{capitalized(module.KIND.name)}Verdict"
    fields = {
        sheet.name: (
            cast("Any", _facts_type(sheet)) | None,
            f"What `{sheet.check}` found. Asks whoever answers it.",
        )
        for sheet in module.sheets
    }
    if isinstance(module, ExtendedKind):
        return _made(name, usual[module.built_in_class], fields)
    return _made(
        name,
        verdicts.Verdict,
        fields,
        description=f"Verdict on a value of kind `{module.KIND.name}`.",
        shows=module.verdict_class,
    )


def _facts_type(sheet: FactSheet) -> type:
    names: dict[str, Any] = {
        fact.name: strawberry.field(name=fact.shown, description=fact.description or None)
        for fact in sheet.facts
    }
    annotations = {fact.name: annotation_of(fact) for fact in sheet.facts}
    made = type(sheet.type_name, (), {**names, "__annotations__": annotations})
    described = sheet.description or f"What `{sheet.check}` found."
    return strawberry.type(made, name=sheet.type_name, description=described)


def _made(
    name: str,
    base: Any,  # noqa: ANN401 - a Strawberry type
    fields: dict[str, tuple[Any, str]],
    *,
    description: str | None = None,
    shows: type | None = None,
) -> Any:  # noqa: ANN401 - a type, made here
    """Return a type like `base` with more `fields`, each its annotation and its description."""
    body: dict[str, Any] = {
        field: strawberry.field(description=said) for field, (_, said) in fields.items()
    }
    body["__annotations__"] = {field: annotation for field, (annotation, _) in fields.items()}
    bases: tuple[Any, ...] = (base,)
    if shows is not None:
        bases = (verdicts.Shown, base)
        body["represents"] = shows
        body["__annotations__"]["represents"] = ClassVar[type]
    return strawberry.type(
        type(name, bases, body), name=name, description=description or _described(base)
    )


def _described(type_: Any) -> str:  # noqa: ANN401 - a Strawberry type
    return cast("str", type_.__strawberry_definition__.description)
