"""What one operation needs, found out once: how to read, whom to call, how to complete."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from graphql import (
    BooleanValueNode,
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLType,
    InlineFragmentNode,
    OperationDefinitionNode,
    Visitor,
    get_variable_values,
    visit,
)
from graphql.pyutils import Path
from msgspec import Struct
from strawberry.types.field import StrawberryField
from strawberry.types.fields.resolver import StrawberryResolver
from strawberry.types.graphql import OperationType
from strawberry.types.info import Info

from schema.lane.arguments import ArgumentsReader
from schema.lane.completing import Completion
from schema.lane.generated import NotPlain
from schema.lane.reading import BACKREF, Readers
from schema.lane.selection import Collector, Selection


class NoSuchOperation(NotPlain):
    """The document has no single operation of the given name."""


class RootField(Struct, frozen=True):
    """One field of the operation's root: whom to call, and what to do with the answer."""

    key: str
    field: StrawberryField
    resolver: StrawberryResolver[Any]
    complete: Callable[[Any], Any]
    facts: "Facts"


class Execution(Struct):
    """One execution under way. `resolved` has what each resolver returned, or raised, so far."""

    variables: Mapping[str, Any]
    context: Any
    root_value: Any
    operation_extensions: dict[str, Any] | None
    arguments: list[dict[str, Any]]
    resolved: dict[str, tuple[Any, Exception | None]] = {}


def replaying(running: Execution) -> Callable[..., Any]:
    """Return a middleware that gives what resolvers of the root have returned or raised before."""

    def resolve(next_: Callable[..., Any], source: object, info: Any, **arguments: Any) -> Any:  # noqa: ANN401
        known = running.resolved.get(info.path.key) if info.path.prev is None else None
        if known is None:
            return next_(source, info, **arguments)
        value, error = known
        if error is not None:
            raise error
        return value

    return resolve


class PlannedInfo(Struct):
    """Stands in for graphql-core's resolve info, with everything that `strawberry.Info` asks of it.

    What is the same for every execution stands in `facts`, which are made once.
    """

    facts: "Facts"
    context: Any
    root_value: Any
    raw_variables: Mapping[str, Any]
    operation_extensions: dict[str, Any] | None

    def __getattr__(self, name: str) -> object:
        return getattr(self.facts, name)

    @property
    def variable_values(self) -> dict[str, Any]:
        """The coerced variables, found only when asked for; they have been read, so are right."""
        definitions = self.facts.operation.variable_definitions or ()
        values = get_variable_values(self.facts.schema, definitions, dict(self.raw_variables))
        return {} if isinstance(values, list) else values.coerced


class Facts(Struct, frozen=True):
    """What graphql-core's resolve info says of a root field, whoever asks; and its selection."""

    field_name: str
    field_nodes: list[FieldNode]
    return_type: GraphQLType
    parent_type: GraphQLObjectType
    path: Path
    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    operation: OperationDefinitionNode
    selection: Selection


class Plan(Struct, frozen=True):
    """A compiled operation. `read` makes each root field's arguments from the raw variables.

    `names` are its root fields, as in `root_names`.
    """

    document: DocumentNode
    operation: OperationDefinitionNode
    operation_type: OperationType
    roots: list[RootField]
    read: Callable[[Mapping[str, Any]], list[dict[str, Any]]]
    info_class: type[Info[Any, Any]]
    names: frozenset[str]

    async def run(self, execution: Execution) -> dict[str, Any]:
        """Call the resolvers, one after another, and return the completed data.

        Whatever a resolver raises, and whatever does not complete, is raised; `execution.resolved`
        then says which resolvers have run.
        """
        data: dict[str, Any] = {}
        for root, arguments in zip(self.roots, execution.arguments, strict=True):
            try:
                value = self.resolve(root, arguments, execution)
                if hasattr(value, "__await__"):
                    value = await value
            except Exception as error:
                execution.resolved[root.key] = None, error
                raise
            execution.resolved[root.key] = value, None
            data[root.key] = root.complete(value)
        return data

    def resolve(self, root: RootField, arguments: dict[str, Any], execution: Execution) -> Any:  # noqa: ANN401 - whatever the resolver returns
        """Call the resolver of `root`, and return what it returns."""
        resolver, source = root.resolver, execution.root_value
        if (parameter := resolver.info_parameter) is not None:
            raw = PlannedInfo(
                root.facts,
                execution.context,
                source,
                execution.variables,
                execution.operation_extensions,
            )
            arguments[parameter.name] = self.info_class(cast("Any", raw), root.field)
        if (parameter := resolver.root_parameter) is not None:
            arguments[parameter.name] = source
        if (parameter := resolver.parent_parameter) is not None:
            arguments[parameter.name] = source
        if resolver.self_parameter is not None:
            return resolver(source, **arguments)
        return resolver(**arguments)


def compile_plan(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation_name: str | None,
    readers: Readers,
    info_class: type[Info[Any, Any]],
) -> Plan:
    """Compile one operation of a valid document.

    Raises:
        NoSuchOperation: no operation, or more than one, has this name.
        NotPlain: it needs the stock executor; the message says for what.
    """
    operation = _operation(document, operation_name)
    visit(document, _OnlyPlainDirectives())
    operation_type = OperationType(operation.operation.value)
    root_type = schema.get_root_type(operation.operation)
    if operation.directives or root_type is None:
        raise NotPlain("directives on an operation, or no such root")
    fragments = {
        definition.name.value: definition
        for definition in document.definitions
        if isinstance(definition, FragmentDefinitionNode)
    }
    collector = Collector(schema, operation, fragments, {})
    grouped = collector.at_root(root_type)
    if operation_type is not OperationType.MUTATION and len(grouped) != 1:
        raise NotPlain("root fields of a query run side by side, and a subscription has one")
    completion = Completion(collector)
    reading = ArgumentsReader(schema, operation, readers)
    roots: list[RootField] = []
    for key, details in grouped.items():
        name = details[0].node.name.value
        definition = root_type.fields.get(name)
        if definition is None:
            raise NotPlain("introspection")
        type_: GraphQLType = definition.type
        field, resolver = _resolver(definition)
        reading.add(details[0].node, definition)
        complete = completion.function(type_, details)
        nodes, path = [detail.node for detail in details], Path(None, key, root_type.name)
        selection = collector.selection(type_, details)
        facts = Facts(name, nodes, type_, root_type, path, schema, fragments, operation, selection)
        roots.append(RootField(key, field, resolver, complete, facts))
    names = frozenset(f"{root_type.name}.{root.facts.field_name}" for root in roots)
    return Plan(document, operation, operation_type, roots, reading.build(), info_class, names)


def root_names(
    schema: GraphQLSchema, document: DocumentNode, operation_name: str | None
) -> frozenset[str]:
    """Return the root fields of one operation of a valid document, each as `Type.field`.

    Those that @skip or @include leave out are among them. Empty when there is no such operation.
    """
    try:
        operation = _operation(document, operation_name)
    except NoSuchOperation:
        return frozenset()
    root_type = schema.get_root_type(operation.operation)
    if root_type is None:
        return frozenset()
    fragments = {
        definition.name.value: definition
        for definition in document.definitions
        if isinstance(definition, FragmentDefinitionNode)
    }
    found: set[str] = set()
    seen: set[str] = set()
    left = [operation.selection_set]
    while left:
        for node in left.pop().selections:
            if isinstance(node, FieldNode):
                found.add(f"{root_type.name}.{node.name.value}")
            elif isinstance(node, InlineFragmentNode):
                left.append(node.selection_set)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
                seen.add(node.name.value)
                left.append(fragments[node.name.value].selection_set)
    return frozenset(found - {f"{root_type.name}.__typename"})


def _operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    operations = [
        definition
        for definition in document.definitions
        if isinstance(definition, OperationDefinitionNode)
        and (name is None or (definition.name is not None and definition.name.value == name))
    ]
    if len(operations) != 1:
        raise NoSuchOperation("the operation's name fits none, or more than one")
    return operations[0]


def _resolver(definition: GraphQLField) -> tuple[StrawberryField, StrawberryResolver[Any]]:
    field: StrawberryField = definition.extensions[BACKREF]
    resolver: StrawberryResolver[Any] | None = cast("Any", field).base_resolver
    if type(field) is not StrawberryField or field.extensions or resolver is None:
        raise NotPlain(f"{field.python_name} has extensions, or no resolver")
    return field, resolver


class _OnlyPlainDirectives(Visitor):
    """Refuses every directive whose effect is not known from the document alone."""

    def enter_directive(self, node: DirectiveNode, *_: object) -> None:
        """Let @skip and @include pass when they say true or false."""
        values = [argument.value for argument in node.arguments or ()]
        if node.name.value not in {"skip", "include"} or not all(
            isinstance(value, BooleanValueNode) for value in values
        ):
            raise NotPlain(f"@{node.name.value} depends on more than the document")
