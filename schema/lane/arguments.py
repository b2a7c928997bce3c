"""The arguments of an operation's root fields, out of its variables and constants."""

from collections.abc import Callable
from typing import Any, cast

from graphql import (
    ArgumentNode,
    FieldNode,
    GraphQLArgument,
    GraphQLField,
    GraphQLNonNull,
    GraphQLSchema,
    GraphQLString,
    GraphQLType,
    NameNode,
    OperationDefinitionNode,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    get_argument_values,
    get_variable_values,
    visit,
)
from graphql.utilities import type_from_ast  # pyright: ignore[reportUnknownVariableType] - overloads
from strawberry.types.arguments import StrawberryArgument

from schema.lane.generated import Generated, NotPlain
from schema.lane.reading import BACKREF, MISSING, Readers


class ArgumentsReader:
    """Writes the function that reads the variables into the arguments of all root fields."""

    def __init__(
        self, schema: GraphQLSchema, operation: OperationDefinitionNode, readers: Readers
    ) -> None:
        self._schema = schema
        self._readers = readers
        self._variables = {
            definition.variable.name.value: definition
            for definition in operation.variable_definitions or ()
        }
        self._read: set[str] = set()
        self._fields: list[str] = []
        self._code = Generated()
        self._missing = self._code.bind("missing", MISSING)
        self._code.add("def read(raw):", " get = raw.get")

    def add(self, node: FieldNode, definition: GraphQLField) -> None:
        """Write the reading of one root field's arguments."""
        code = self._code
        arguments = code.name("arguments")
        self._fields.append(arguments)
        code.add(f" {arguments} = {{}}")
        given = {argument.name.value: argument for argument in node.arguments or ()}
        for name, argument in definition.args.items():
            target: StrawberryArgument = argument.extensions[BACKREF]
            into = f"{arguments}[{target.python_name!r}]"
            argument_node = given.get(name)
            if argument_node is not None and isinstance(argument_node.value, VariableNode):
                self._add_variable(into, argument_node.value.name.value, argument, target)
                continue
            if argument_node is not None and _has_variable(argument_node):
                raise NotPlain(f"the argument {name} holds a variable inside a literal")
            constant = self._constant(argument, argument_node, target)
            if constant is not None:
                code.add(f" {into} = {constant}")

    def build(self) -> Callable[[Any], list[dict[str, Any]]]:
        """Return the function; every variable must have been read, so that each is checked."""
        if self._read != self._variables.keys():
            raise NotPlain("a variable is used only where nothing is read")
        self._code.add(f" return [{', '.join(self._fields)}]")
        return self._code.build("read")

    def _add_variable(
        self, into: str, name: str, argument: GraphQLArgument, target: StrawberryArgument
    ) -> None:
        code, definition = self._code, self._variables[name]
        type_ = cast("GraphQLType", type_from_ast(self._schema, cast("Any", definition.type)))
        required = type_.__class__ is GraphQLNonNull
        never_null = cast("Any", argument).type.__class__ is GraphQLNonNull
        if never_null and not required:
            type_ = GraphQLNonNull(cast("Any", type_))
        self._read.add(name)
        value = code.name("value")
        expression = self._readers.expression(code, type_, target.type, value)
        absent = self._absent(definition, argument, target)
        code.add(f" {value} = get({name!r}, {self._missing})")
        code.add(f" if {value} is not {self._missing}: {into} = {expression}")
        if required or (never_null and absent in {None, "None"}):
            absent = "unfit()"
        if absent is not None:
            code.add(f" else: {into} = {absent}")

    def _absent(
        self,
        definition: VariableDefinitionNode,
        argument: GraphQLArgument,
        target: StrawberryArgument,
    ) -> str | None:
        """Return what stands for a variable that was not sent: its default, or the argument's."""
        if definition.default_value is None:
            if definition.type.kind == "non_null_type":
                return None
            return self._constant(argument, None, target)
        values = get_variable_values(self._schema, [definition], {})
        if isinstance(values, list):
            raise NotPlain("the default of a variable is wrong")
        coerced = values.coerced[definition.variable.name.value]
        return self._readers.constant(self._code, coerced, target.type) or "None"

    def _constant(
        self, argument: GraphQLArgument, node: ArgumentNode | None, target: StrawberryArgument
    ) -> str | None:
        """Return the expression of an argument that no variable reaches; None to leave it out."""
        name = node.name.value if node is not None else "argument"
        field = GraphQLField(GraphQLString, {name: argument})
        nodes = (node,) if node is not None else ()
        coerced = get_argument_values(field, FieldNode(name=NameNode(value=name), arguments=nodes))
        if name not in coerced:
            return None
        return self._readers.constant(self._code, coerced[name], target.type) or "None"


def _has_variable(argument: ArgumentNode) -> bool:
    found: list[VariableNode] = []

    class Variables(Visitor):
        def enter_variable(self, node: VariableNode, *_: object) -> None:
            found.append(node)

    visit(argument, Variables())
    return bool(found)
