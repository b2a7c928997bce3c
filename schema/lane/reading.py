"""From a request's JSON straight into the input classes: one generated function per type.

The functions accept what is certainly right, and raise for everything else before any resolver
ran. The stock executor then reads the same request and finds the words for what is wrong.
"""

import dataclasses
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, cast

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLID,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInt,
    GraphQLLeafType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLString,
    GraphQLType,
    Undefined,
)
from graphql.utilities.coerce_input_value import coerce_default_value
from strawberry.relay import GlobalID
from strawberry.schema.config import StrawberryConfig
from strawberry.types.arguments import convert_argument
from strawberry.types.base import (
    StrawberryList,
    StrawberryMaybe,
    StrawberryObjectDefinition,
    StrawberryOptional,
    StrawberryType,
    get_object_definition,
)
from strawberry.types.field import StrawberryField
from strawberry.types.lazy_type import LazyType
from strawberry.types.scalar import ScalarDefinition, ScalarWrapper

from schema.lane.generated import Generated, NotPlain, Unfit, attribute, is_int

BACKREF = "strawberry-definition"
MISSING = object()
Target = StrawberryType | type


class Readers:
    """Writes the expressions that read input values, and keeps one function per input class.

    `scalars` and `config` are those of the Strawberry schema.
    """

    def __init__(
        self,
        scalars: Mapping[object, ScalarWrapper | ScalarDefinition],
        config: StrawberryConfig,
    ) -> None:
        self._scalars = scalars
        self._config = config
        self._classes: dict[type, Callable[[Any], Any]] = {}
        self._under_way: set[type] = set()

    def expression(self, code: Generated, type_: GraphQLType, target: Target, value: str) -> str:
        """Return an expression that reads the JSON in the local variable `value`.

        `type_` is the declared GraphQL type, `target` the Strawberry type to build.

        Raises:
            NotPlain: the type needs more than a straight reading (Maybe, oneOf, relay IDs, …).
        """
        target = _plain_target(target)
        required = isinstance(type_, GraphQLNonNull)
        inner: Any = cast("Any", type_).of_type if required else type_
        null = "unfit()" if required else f"unfit() if {value} is not None else None"
        if isinstance(inner, GraphQLList):
            item = code.name("item")
            of_type = cast("GraphQLList[Any]", inner).of_type
            each = self.expression(code, of_type, cast("StrawberryList", target).of_type, item)
            return f"([{each} for {item} in {value}] if {value}.__class__ is list else {null})"
        if inner in {GraphQLString, GraphQLID}:
            return f"({value} if {value}.__class__ is str else {null})"
        if inner is GraphQLBoolean:
            return f"({value} if {value}.__class__ is bool else {null})"
        if inner is GraphQLInt:
            return f"({value} if {is_int(f'{value}.__class__', value)} else {null})"
        if isinstance(inner, GraphQLInputObjectType):
            read = code.bind("read", self._reader(inner, target))
        elif isinstance(inner, GraphQLEnumType):
            read = code.bind("member", _members(inner).__getitem__)
        else:
            read = code.bind("coerce", _coerce(inner))
        return f"({read}({value}) if {value} is not None else {'unfit()' if required else 'None'})"

    def _reader(self, type_: GraphQLInputObjectType, target: Target) -> Callable[[Any], Any]:
        definition = get_object_definition(target)
        if (
            definition is None
            or not isinstance(target, type)
            or definition.from_input is not None
            or definition.is_one_of
        ):
            raise NotPlain(f"{type_.name} is built in a way of its own")
        if definition.type_var_map or definition.is_graphql_generic:
            raise NotPlain(f"{type_.name} is generic")
        if target in self._under_way:
            raise NotPlain(f"{type_.name} holds itself")
        if target not in self._classes:
            self._under_way.add(target)
            try:
                self._classes[target] = self._generate(type_, target, definition)
            finally:
                self._under_way.discard(target)
        return self._classes[target]

    def _generate(
        self, type_: GraphQLInputObjectType, target: type, definition: StrawberryObjectDefinition
    ) -> Callable[[Any], Any]:
        code = Generated()
        known = code.bind("known", frozenset(type_.fields))
        made = code.bind("target", target)
        code.add(
            "def read(raw):",
            f" if raw.__class__ is not dict or not raw.keys() <= {known}: unfit()",
            " get = raw.get",
        )
        bare = _is_bare(target)
        if bare:
            code.add(f" new = {code.bind('new', object.__new__)}({made})")
        given: list[str] = []
        for name, field in type_.fields.items():
            source: StrawberryField = field.extensions[BACKREF]
            value, into = code.name("value"), attribute(source.python_name)
            of_type = source.resolve_type(type_definition=definition)
            expression = self.expression(code, field.type, of_type, value)
            default = self._default(code, field, source, of_type)
            if bare and default is None and getattr(target, into, MISSING) is None:
                # the class says None by itself: what was not sent costs one look
                code.add(f" if {name!r} in raw:", f"  {value} = raw[{name!r}]")
                code.add(f"  new.{into} = {expression}")
                continue
            if default is None:
                code.add(f" {value} = get({name!r})")
            else:
                missing = code.bind("missing", MISSING)
                code.add(f" {value} = get({name!r}, {missing})")
                expression = f"{default} if {value} is {missing} else {expression}"
            given.append(f"{into}=({expression})")
        if bare:
            code.add(*(f" new.{one}" for one in given), " return new")
        else:
            code.add(f" return {made}({', '.join(given)})")
        return code.build("read")

    def _default(
        self, code: Generated, field: GraphQLInputField, source: StrawberryField, target: Target
    ) -> str | None:
        """Return the expression for a field that was left out, None where that reads as null."""
        coerced = coerce_default_value(field)
        if coerced is not Undefined:
            return self.constant(code, coerced, target)
        plain = cast("dataclasses.Field[object]", source)
        if plain.default_factory is not dataclasses.MISSING:
            return f"{code.bind('factory', plain.default_factory)}()"
        if plain.default is dataclasses.MISSING or plain.default is None:
            return None
        return code.bind("default", plain.default)

    def constant(self, code: Generated, coerced: object, target: Target) -> str | None:
        """Return an expression for a value that graphql-core has coerced; None for null.

        A list or an input object is built anew each time, since a resolver may change it.
        """
        if coerced is None:
            return None
        if coerced.__class__ in {list, dict}:
            return f"{code.bind('fresh', lambda: self._convert(deepcopy(coerced), target))}()"
        return code.bind("constant", self._convert(coerced, target))

    def _convert(self, coerced: object, target: Target) -> object:
        return convert_argument(coerced, target, self._scalars, self._config)


def _plain_target(target: Target) -> Target:
    while True:
        if isinstance(target, StrawberryMaybe) or target is GlobalID:
            raise NotPlain("Maybe and GlobalID arguments are converted by Strawberry")
        if isinstance(target, StrawberryOptional):
            target = target.of_type
        elif isinstance(target, LazyType):
            target = cast("LazyType[str, str]", target).resolve_type()
        else:
            return target


def _is_bare(target: type) -> bool:
    """Tell whether making an instance means nothing more than storing its attributes."""
    parameters = cast("Any", target).__dataclass_params__
    return (
        parameters.init
        and not parameters.frozen
        and not hasattr(target, "__post_init__")
        and target.__new__ is object.__new__
        and target.__setattr__ is object.__setattr__
    )


def _members(type_: GraphQLEnumType) -> dict[str, object]:
    return {name: type_.coerce_input_value(name) for name in type_.values}


def _coerce(leaf: GraphQLLeafType) -> Callable[[Any], object]:
    coerce_input_value = cast("Callable[[object], object]", leaf.coerce_input_value)

    def coerce(value: object) -> object:
        coerced = coerce_input_value(value)
        if coerced is Undefined:
            raise Unfit
        return coerced

    return coerce
