"""What a client selected below a root field, as names that resolvers know."""

from collections.abc import Iterable, Mapping
from typing import Any

from graphql import (
    FragmentDefinitionNode,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLType,
    OperationDefinitionNode,
    get_named_type,
    is_abstract_type,
    is_object_type,
)
from graphql.execution import VariableValues
from graphql.execution.collect_fields import (
    FieldDetails,
    FragmentDetails,
    collect_fields,
    collect_subfields,
)
from msgspec import Struct

from schema.lane.reading import BACKREF


class Selection(Struct, frozen=True, eq=False):
    """The fields selected on a value, merged over fragments and aliases; `__typename` left out.

    `fields` holds, by Python name, what was selected below each field. On an interface or union
    `types` holds the same per concrete type (by its name in the schema), and `fields` what any
    of them has. `paths` has every selected field as a dotted path of Python names, through
    interfaces as if each concrete type had been asked: a plain set to compare needs with.
    Selections are the same object for the same operation, and hash by identity: a cache's key.
    """

    fields: Mapping[str, "Selection"]
    types: Mapping[str, "Selection"]
    paths: frozenset[str]


NOTHING = Selection({}, {}, frozenset())


class Collector(Struct, frozen=True):
    """Finds what is selected, by graphql-core's own rules for fragments, @skip and @include.

    `variables` are the coerced ones; none are needed where no directive takes a variable.
    """

    schema: GraphQLSchema
    operation: OperationDefinitionNode
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: Mapping[str, Any]

    def at_root(self, type_: GraphQLObjectType) -> dict[str, list[FieldDetails]]:
        """Return the operation's root fields by response name, each with its nodes."""
        found = collect_fields(self.schema, self._details(), self._values(), type_, self.operation)
        return found.grouped_field_set

    def below(
        self, type_: GraphQLObjectType, details: list[FieldDetails]
    ) -> dict[str, list[FieldDetails]]:
        """Return the fields that `details`, the nodes of one field, select on a `type_`."""
        found = collect_subfields(
            self.schema, self._details(), self._values(), self.operation, type_, details
        )
        return found.grouped_field_set

    def selection(self, type_: GraphQLType, details: list[FieldDetails]) -> Selection:
        """Return what `details`, the nodes of one field, select on a value of `type_`."""
        named = get_named_type(type_)
        if is_object_type(named):
            return self._on_object(named, details)
        if is_abstract_type(named):
            types = {
                possible.name: self._on_object(possible, details)
                for possible in self.schema.get_possible_types(named)
            }
            merged = _merged(types.values())
            return Selection(merged.fields, types, merged.paths)
        return NOTHING

    def _on_object(self, type_: GraphQLObjectType, details: list[FieldDetails]) -> Selection:
        by_name: dict[str, list[FieldDetails]] = {}
        for group in self.below(type_, details).values():
            by_name.setdefault(group[0].node.name.value, []).extend(group)
        fields: dict[str, Selection] = {}
        for name, nodes in by_name.items():
            field = type_.fields.get(name)
            if field is not None:
                fields[field.extensions[BACKREF].python_name] = self.selection(field.type, nodes)
        return Selection(fields, {}, _paths(fields))

    def _details(self) -> dict[str, FragmentDetails]:
        return {name: FragmentDetails(node) for name, node in self.fragments.items()}

    def _values(self) -> VariableValues:
        return VariableValues({}, dict(self.variables))


def _paths(fields: Mapping[str, Selection]) -> frozenset[str]:
    below = (f"{name}.{path}" for name, field in fields.items() for path in field.paths)
    return frozenset(fields).union(below)


def _merged(selections: Iterable[Selection]) -> Selection:
    """Return the union of `selections`: a field of any of them is a field of it."""
    by_name: dict[str, list[Selection]] = {}
    by_type: dict[str, list[Selection]] = {}
    for selection in selections:
        for name, field in selection.fields.items():
            by_name.setdefault(name, []).append(field)
        for name, of_type in selection.types.items():
            by_type.setdefault(name, []).append(of_type)
    fields = {name: _one(found) for name, found in by_name.items()}
    types = {name: _one(found) for name, found in by_type.items()}
    return Selection(fields, types, _paths(fields))


def _one(selections: list[Selection]) -> Selection:
    return selections[0] if len(selections) == 1 else _merged(selections)
