"""Random operations on a schema, right and wrong, and random answers of its resolvers."""

from typing import Any

import strawberry
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    is_leaf_type,
    is_required_input_field,
)
from hypothesis import strategies as st
from msgspec import Struct

DEPTH_MAX = 4
CONDITIONS = ["", "", "", " @include(if: true)", " @skip(if: true)", " @skip(if: false)"]


def has_class(type_: object, class_: type) -> bool:
    """Tell whether a type is of a class, without making its own type unknown to the checker."""
    return isinstance(type_, class_)


def named(type_: Any) -> Any:  # noqa: ANN401
    while has_class(type_, GraphQLNonNull) or has_class(type_, GraphQLList):
        type_ = type_.of_type
    return type_


class Operation(Struct):
    query: str
    variables: dict[str, Any]


class Writer:
    """Writes one random document; `draw` is hypothesis's."""

    def __init__(self, draw: st.DrawFn, schema: GraphQLSchema) -> None:
        self.draw = draw
        self.schema = schema
        self.fragments: list[str] = []
        self.variables: dict[str, tuple[str, Any]] = {}

    def one_in(self, number: int) -> bool:
        return self.draw(st.integers(1, number)) == number

    def operation(self) -> Operation:
        mutation = self.schema.mutation_type is not None and self.one_in(3)
        root = self.schema.mutation_type if mutation else self.schema.query_type
        count = self.draw(st.integers(1, 3)) if mutation else 1
        return self.document("mutation" if mutation else "query", root, count)

    def subscription(self) -> Operation:
        count = 2 if self.one_in(12) else 1
        return self.document("subscription", self.schema.subscription_type, count)

    def document(self, sort: str, root: GraphQLObjectType | None, count: int) -> Operation:
        assert root is not None
        fields = [self.root_field(root) for _ in range(count)]
        if self.one_in(12):
            fields.append("__typename")
        declared = ", ".join(f"${name}: {type_}" for name, (type_, _) in self.variables.items())
        head = f"{sort} Random{f'({declared})' if declared else ''}"
        values = {name: value for name, (_, value) in self.variables.items() if value is not ...}
        return Operation(f"{head} {{ {' '.join(fields)} }} {' '.join(self.fragments)}", values)

    def root_field(self, root: GraphQLObjectType) -> str:
        name = self.draw(st.sampled_from(list(root.fields)))
        field: Any = root.fields[name]
        arguments: list[str] = []
        for argument_name, argument in field.args.items():
            if not has_class(argument.type, GraphQLNonNull) and self.one_in(3):
                continue
            arguments.append(f"{argument_name}: {self.argument(argument.type)}")
        given = f"({', '.join(arguments)})" if arguments else ""
        alias = f"a{len(self.variables)}: " if self.one_in(3) else ""
        return f"{alias}{name}{given}{self.below(field.type, 0)}"

    def argument(self, type_: Any) -> str:  # noqa: ANN401
        if self.one_in(8):
            return self.literal(type_)
        name = f"v{len(self.variables)}"
        declared = str(type_)
        value = self.value(type_)
        if self.one_in(6):
            declared = declared.rstrip("!") + ("" if declared.endswith("!") else "!")
        elif self.one_in(8) and not declared.endswith("!"):
            declared += f" = {self.literal(type_)}"
        if self.one_in(10):
            value = ...
        self.variables[name] = (declared, value)
        return f"${name}"

    def value(self, type_: Any) -> Any:  # noqa: ANN401
        """Return JSON for an input type, now and then wrong."""
        if self.one_in(60):
            return self.draw(st.sampled_from([None, 1, "x", [], {}, True, 1.5, [None], {"no": 1}]))
        if has_class(type_, GraphQLNonNull):
            return self.value(type_.of_type)
        if self.one_in(8):
            return None if self.one_in(2) else self.value(GraphQLNonNull(type_))
        if has_class(type_, GraphQLList):
            return [self.value(type_.of_type) for _ in range(self.draw(st.integers(0, 3)))]
        if isinstance(type_, GraphQLEnumType):
            return self.draw(st.sampled_from(list(type_.values)))
        if isinstance(type_, GraphQLInputObjectType):
            return {
                name: self.value(field.type)
                for name, field in type_.fields.items()
                if is_required_input_field(field) or self.draw(st.booleans())
            }
        return self.draw(st.sampled_from(LEAVES[type_.name]))

    def literal(self, type_: Any) -> str:  # noqa: ANN401
        if has_class(type_, GraphQLNonNull):
            return self.literal(type_.of_type)
        if has_class(type_, GraphQLList):
            return f"[{self.literal(type_.of_type)}]"
        if isinstance(type_, GraphQLEnumType):
            return self.draw(st.sampled_from(list(type_.values)))
        if isinstance(type_, GraphQLInputObjectType):
            chosen = {
                name: field
                for name, field in type_.fields.items()
                if is_required_input_field(field) or self.draw(st.booleans())
            }
            return f"{{{', '.join(f'{n}: {self.literal(f.type)}' for n, f in chosen.items())}}}"
        return LITERALS[type_.name]

    def below(self, type_: Any, depth: int) -> str:  # noqa: ANN401
        bare = named(type_)
        if is_leaf_type(bare):
            return ""
        return f" {{ {self.selections(bare, depth)} }}"

    def selections(self, type_: Any, depth: int) -> str:  # noqa: ANN401
        parts = [self.selection(type_, depth) for _ in range(self.draw(st.integers(1, 4)))]
        return " ".join(parts)

    def selection(self, type_: Any, depth: int) -> str:  # noqa: ANN401
        condition = self.draw(st.sampled_from(CONDITIONS))
        choice = self.draw(st.integers(0, 9))
        if choice == 0 or (isinstance(type_, GraphQLUnionType) and choice < 3):
            return f"__typename{condition}"
        deep = depth >= DEPTH_MAX
        if (choice in {1, 2} and not deep) or isinstance(type_, GraphQLUnionType):
            on = self.draw(st.sampled_from(self.conditions(type_)))
            inner = self.selections(on, depth + 1) if not deep else "__typename"
            if self.one_in(2):
                return f"... on {on.name}{condition} {{ {inner} }}"
            name = f"F{len(self.fragments)}"
            self.fragments.append(f"fragment {name} on {on.name} {{ {inner} }}")
            return f"...{name}{condition}"
        fields = {
            name: field
            for name, field in type_.fields.items()
            if not deep or is_leaf_type(named(field.type))
        }
        if not fields:
            return "__typename"
        name = self.draw(st.sampled_from(list(fields)))
        alias = f"{self.draw(st.sampled_from('pqr'))}_{name}: " if self.one_in(6) else ""
        return f"{alias}{name}{condition}{self.below(fields[name].type, depth + 1)}"

    def conditions(self, type_: Any) -> list[Any]:  # noqa: ANN401
        if isinstance(type_, GraphQLUnionType | GraphQLInterfaceType):
            return [type_, *self.schema.get_possible_types(type_)]
        return [type_, *type_.interfaces]


LEAVES: dict[str, list[Any]] = {
    "String": ["", "Zoë", "a@b.c"],
    "ID": ["1", "x", 7],
    "Int": [0, -5, 2147483647],
    "Float": [0.5, 3, -1e300],
    "Boolean": [True, False],
    "DateTime": ["2026-01-01T00:00:00Z", "2026-01-01"],
    "Decimal": ["1.50", "-3"],
    "Duration": [5, 0.5],
    "Date": ["2026-01-01"],
}
LITERALS = {
    "String": '"s"',
    "ID": '"i"',
    "Int": "4",
    "Float": "2.5",
    "Boolean": "true",
    "DateTime": '"2026-01-01T00:00:00Z"',
    "Decimal": '"1.5"',
    "Duration": "9",
}


def graphql_schema(schema: strawberry.Schema) -> GraphQLSchema:
    """Return graphql-core's schema inside a Strawberry schema."""
    made: GraphQLSchema = vars(schema)["_schema"]
    return made


@st.composite
def operations(draw: st.DrawFn, schema: GraphQLSchema) -> Operation:
    return Writer(draw, schema).operation()


@st.composite
def subscriptions(draw: st.DrawFn, schema: GraphQLSchema) -> Operation:
    return Writer(draw, schema).subscription()
