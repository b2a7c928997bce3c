"""Assay's own schema: whatever clients select, and whatever the examples ask, takes the lane."""

from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLError,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLUnionType,
    OperationDefinitionNode,
    parse,
)

from schema.lane.generated import NotPlain
from schema.lane.schema import FastSchema
from schema.roots import build_schema
from tests.schema.operations import graphql_schema, named

BY_THE_EXECUTOR = {("Batch", name) for name in ("results", "rowErrors", "estimate")}
"""What is read only when it is selected has a resolver, and so the stock executor."""
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def everything(schema: FastSchema, type_: Any) -> str:  # noqa: ANN401
    """Return the selection of every field of a type, and of everything below it."""
    type_ = named(type_)
    if isinstance(type_, GraphQLInterfaceType | GraphQLUnionType):
        possible = graphql_schema(schema).get_possible_types(type_)
        parts = [f"... on {each.name} {everything(schema, each)}" for each in possible]
        return f"{{ __typename {' '.join(parts)} }}"
    if not isinstance(type_, GraphQLObjectType):
        return ""
    fields: dict[str, Any] = type_.fields
    parts = [
        f"{name} {everything(schema, field.type)}"
        for name, field in fields.items()
        if (type_.name, name) not in BY_THE_EXECUTOR
    ]
    return f"{{ __typename {' '.join(parts)} }}"


@pytest.mark.parametrize("kind", ["query", "mutation"])
def test_every_field_of_every_root_field_takes_the_lane(kind: str) -> None:
    """No class below a root has resolvers, extensions or types that only the executor can do."""
    schema = build_schema()
    inner = graphql_schema(schema)
    root: Any = inner.query_type if kind == "query" else inner.mutation_type
    for name, field in root.fields.items():
        given = {argument: f"${argument}" for argument in field.args}
        declared = [f"${argument}: {of.type}" for argument, of in field.args.items()]
        head = f"{kind} All{'(' + ', '.join(declared) + ')' if declared else ''}"
        call = f"({', '.join(f'{key}: {value}' for key, value in given.items())})" if given else ""
        selection = everything(schema, field.type)
        assert schema.plan_for(f"{head} {{ {name}{call} {selection} }}").roots


def test_the_examples_take_the_lane() -> None:
    schema = build_schema()
    stock: dict[str, str] = {}
    for file in sorted(EXAMPLES.glob("*.graphql")):
        text = file.read_text(encoding="utf-8")
        for definition in parse(text).definitions:
            if not isinstance(definition, OperationDefinitionNode):
                continue
            name = definition.name.value if definition.name is not None else None
            try:
                schema.plan_for(text, name)
            except (NotPlain, GraphQLError) as reason:
                stock[f"{file.name} {name}"] = str(reason)
    assert stock == {}
