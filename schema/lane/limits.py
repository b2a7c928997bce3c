"""How large a document may be: measured in one walk, each fragment once, before it is validated.

Counts are those of the operation with its fragments put in where they are spread, so what a short
document unfolds to is what counts. (Strawberry's limiters walk a fragment anew for each spread:
seconds for a document of a few hundred bytes.)
"""

from collections.abc import Mapping

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
)
from msgspec import Struct

DOCUMENT_TOO_LARGE = "DOCUMENT_TOO_LARGE"
TOKENS_MAX = 2_000
FIELDS_MAX = 1_000
DEPTH_MAX = 12
INTROSPECTION_DEPTH_MAX = 20
ALIASES_MAX = 30
DIRECTIVES_MAX = 50
FRAGMENTS_MAX = 30
OPERATIONS_MAX = 10
REPEATS_MAX = 30
"""Of one name in one selection: each is compared with each other one."""
MEMBERS_MAX = 50
"""Of one object that is written out: it is printed for each that does not fit."""
_INTROSPECTION = ("__schema", "__type")


class TooLarge(GraphQLError):
    """A document is larger than it may be; the message says in which way."""

    def __init__(self, what: str, found: int, most: int) -> None:
        super().__init__(
            f"The document has {found} {what}; at most {most} are taken. Ask for less at once.",
            extensions={"code": DOCUMENT_TOO_LARGE},
        )


class Size(Struct, frozen=True):
    """What one selection comes to, with everything below it."""

    fields: int = 0
    aliases: int = 0
    directives: int = 0
    depth: int = 0
    introspection_depth: int = 0


def check_size(document: DocumentNode) -> None:
    """Return if a document is as small as it must be.

    Raises:
        TooLarge: it is not.
        GraphQLError: its fragments go round in a circle.
    """
    fragments: dict[str, FragmentDefinitionNode] = {}
    operations: list[OperationDefinitionNode] = []
    for definition in document.definitions:
        if isinstance(definition, FragmentDefinitionNode):
            fragments[definition.name.value] = definition
        elif isinstance(definition, OperationDefinitionNode):
            operations.append(definition)
    _at_most("operations", len(operations), OPERATIONS_MAX)
    _at_most("fragments", len(fragments), FRAGMENTS_MAX)
    walk = _Walk(fragments)
    for operation in operations:
        size = walk.of(operation.selection_set)
        own = len(operation.directives or ())
        for variable in operation.variable_definitions or ():
            if variable.default_value is not None:
                _check_value(variable.default_value)
        _at_most("fields", size.fields, FIELDS_MAX)
        _at_most("aliases", size.aliases, ALIASES_MAX)
        _at_most("directives", size.directives + own, DIRECTIVES_MAX)
        _at_most("levels", size.depth, DEPTH_MAX)
        _at_most("levels of introspection", size.introspection_depth, INTROSPECTION_DEPTH_MAX)
    for name in fragments.keys() - walk.known.keys():
        walk.fragment(name)  # those that nobody spreads are validated, too


class _Walk:
    """Measures selections; what a fragment comes to is found out once."""

    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self.known: dict[str, Size] = {}
        self._fragments = fragments
        self._under_way: set[str] = set()

    def of(self, selections: SelectionSetNode | None) -> Size:
        """Return what `selections` come to."""
        if selections is None:
            return Size()
        fields = aliases = directives = depth = introspection = 0
        repeats: dict[str, int] = {}
        for node in selections.selections:
            directives += len(node.directives or ())
            if isinstance(node, FragmentSpreadNode):
                size, own = self.fragment(node.name.value), 0
            elif isinstance(node, FieldNode | InlineFragmentNode):
                size, own = self.of(node.selection_set), int(isinstance(node, FieldNode))
            else:  # graphql-core has no fourth sort of selection
                continue
            if isinstance(node, FieldNode):
                for argument in node.arguments or ():
                    _check_value(argument.value)
                name = (node.alias or node.name).value
                repeats[name] = repeats.get(name, 0) + 1
                aliases += node.alias is not None
                if node.name.value in _INTROSPECTION:
                    introspection = max(introspection, 1 + size.depth)
                    size = Size(size.fields, size.aliases, size.directives)
            fields += own + size.fields
            aliases += size.aliases
            directives += size.directives
            depth = max(depth, own + size.depth)
            introspection = max(introspection, size.introspection_depth)
        _at_most("fields of one name side by side", max(repeats.values(), default=0), REPEATS_MAX)
        return Size(fields, aliases, directives, depth, introspection)

    def fragment(self, name: str) -> Size:
        """Return what the fragment `name` comes to; nothing where there is none of that name."""
        known = self.known.get(name)
        if known is not None:
            return known
        definition = self._fragments.get(name)
        if definition is None:
            return Size()
        if name in self._under_way:
            raise GraphQLError(
                f"The fragment {name} spreads itself.",
                definition,
                extensions={"code": "GRAPHQL_VALIDATION_FAILED"},
            )
        self._under_way.add(name)
        size = self.known[name] = self.of(definition.selection_set)
        self._under_way.discard(name)
        return size


def _check_value(value: ValueNode) -> None:
    """Return if no object in a value that is written out has too many members."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, ListValueNode):
            left += one.values
        elif isinstance(one, ObjectValueNode):
            _at_most("members in an object", len(one.fields), MEMBERS_MAX)
            left += [member.value for member in one.fields]


def _at_most(what: str, found: int, most: int) -> None:
    if found > most:
        raise TooLarge(what, found, most)
