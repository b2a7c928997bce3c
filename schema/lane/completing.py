"""From the objects that resolvers return to the data of the answer: one function per selection.

Reading attributes has no effect, so a value that does not fit simply raises, and the stock executor
completes the very same objects again to find out which error belongs where.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from enum import Enum
from math import isfinite
from typing import Any, cast

import orjson
from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLString,
    GraphQLType,
    GraphQLUnionType,
    Undefined,
    is_leaf_type,
)
from graphql.execution.collect_fields import FieldDetails
from strawberry.schema.types.scalar import DEFAULT_SCALAR_REGISTRY
from strawberry.types.field import StrawberryField

from schema.lane.generated import Generated, NotPlain, Unfit, attribute, is_int
from schema.lane.reading import BACKREF
from schema.lane.selection import Collector

LISTS = frozenset({list, tuple})
_ISO_FORMAT = DEFAULT_SCALAR_REGISTRY[datetime].serialize
"""How Strawberry writes a date and time."""


class Completion:
    """Writes the functions that complete the values of one operation."""

    def __init__(self, collector: Collector) -> None:
        self.code = Generated()
        self._collector = collector

    def function(self, type_: GraphQLType, details: list[FieldDetails]) -> Callable[[Any], Any]:
        """Return a function that completes what the root field of `details` returned.

        Raises:
            NotPlain: the selection, or a type in it, is for the stock executor.
        """
        name = self.code.name("complete")
        expression = self._value(type_, details, "given")
        self.code.add(f"def {name}(given): return {expression}")
        return self.code.build(name)

    def _value(self, type_: GraphQLType, details: list[FieldDetails], read: str) -> str:
        """Return an expression that completes what the expression `read` yields."""
        required = isinstance(type_, GraphQLNonNull)
        inner: Any = cast("Any", type_).of_type if required else type_
        if isinstance(inner, GraphQLList):
            item = self.code.name("item")
            each = self._value(cast("Any", inner).of_type, details, item)
            value, got = self._named(read)
            listed = f"[{each} for {item} in {value}]"
            null = "unfit()" if required else f"unfit() if {value} is not None else None"
            return f"({listed} if {got}.__class__ in {self.code.bind('lists', LISTS)} else {null})"
        if is_leaf_type(inner):
            return self._leaf(inner, read, required=required)
        if isinstance(inner, GraphQLObjectType):
            complete = self._object(inner, details, accepted(inner))
        else:
            complete = self._abstract(inner, details)
        if required:
            return f"{complete}({read})"
        value, got = self._named(read)
        return f"({complete}({value}) if {got} is not None else None)"

    def _named(self, read: str) -> tuple[str, str]:
        """Return a local variable, and the expression that puts `read` there and yields it."""
        if read.isidentifier():
            return read, read
        value = self.code.name("value")
        return value, f"({value} := {read})"

    def _leaf(self, type_: Any, read: str, *, required: bool) -> str:  # noqa: ANN401 - a leaf
        value, got = self._named(read)
        got += ".__class__"
        complete = self.code.bind("slow", _slow(type_, required=required))
        slow = f"{complete}({value})"
        if type_ in {GraphQLString, GraphQLID}:
            return f"({value} if {got} is str else {slow})"
        if type_ is GraphQLBoolean:
            return f"({value} if {got} is bool else {slow})"
        if type_ is GraphQLInt:
            return f"({value} if {is_int(got, value)} else {slow})"
        if type_ is GraphQLFloat:
            finite = self.code.bind("finite", isfinite)
            return f"({value} if {got} is float and {finite}({value}) else {slow})"
        if isinstance(type_, GraphQLEnumType):
            names, enum = _member_names(type_)
            named = f"{self.code.bind('names', names)}[{value}._name_]"
            return f"({named} if {got} is {self.code.bind('enum', enum)} else {slow})"
        return f"{complete}({read})"

    def _object(
        self, type_: GraphQLObjectType, details: list[FieldDetails], accepts: "Accepts"
    ) -> str:
        members = [
            f"{key!r}: {self._member(type_, nodes)}"
            for key, nodes in self._collector.below(type_, details).items()
        ]
        known = self.code.bind("known", accepts.known)
        check = self.code.bind("check", accepts.check)
        name = self.code.name("object")
        self.code.add(
            f"def {name}(given):",
            f" if given.__class__ not in {known}: {check}(given.__class__)",
            f" return {{{', '.join(members)}}}",
        )
        return name

    def _member(self, type_: GraphQLObjectType, nodes: list[FieldDetails]) -> str:
        name = nodes[0].node.name.value
        if name == "__typename":
            return repr(type_.name)
        field = type_.fields[name]
        source: StrawberryField = field.extensions[BACKREF]
        if type(source) is not StrawberryField or not source.is_basic_field or field.args:
            raise NotPlain(f"{type_.name}.{name} has a resolver of its own")
        return self._value(field.type, nodes, f"given.{attribute(source.python_name)}")

    def _abstract(
        self, type_: GraphQLInterfaceType | GraphQLUnionType, details: list[FieldDetails]
    ) -> str:
        definition = type_.extensions[BACKREF]
        if getattr(definition, "resolve_type", None) is not None:
            raise NotPlain(f"{type_.name} resolves its types itself")
        choices: list[Accepts] = []
        completes: list[str] = []
        for concrete in self._collector.schema.get_possible_types(type_):
            choices.append(accepted(concrete, chosen=True))
            completes.append(self._object(concrete, details, choices[-1]))
        table, pick = self.code.bind("table", {}), self.code.bind("pick", _picker(choices))
        name = self.code.name("abstract")
        self.code.add(
            f"def {name}(given):",
            f" complete = {table}.get(given.__class__)",
            " if complete is None:",
            f"  complete = {pick}(given.__class__, ({', '.join(completes)},))",
            f"  {table}[given.__class__] = complete",
            " return complete(given)",
        )
        return name


class Accepts:
    """The classes of values that stand for one object type, learnt as they are met."""

    def __init__(self, represented: type | None) -> None:
        self._represented = represented
        self.known: set[type] = set()

    def fits(self, class_: type) -> bool:
        """Tell whether the stock executor would complete a value of this class as this type."""
        if issubclass(class_, Exception | Awaitable) or class_ in _NOTHING:
            return False
        return self._represented is None or issubclass(class_, self._represented)

    def check(self, class_: type) -> None:
        """Learn a class; raise Unfit for one that does not stand for the type."""
        if not self.fits(class_):
            raise Unfit
        self.known.add(class_)


_NOTHING = frozenset({type(None), type(Undefined)})


def accepted(
    type_: GraphQLObjectType,
    *,
    chosen: bool = False,
) -> Accepts:
    """Return which classes stand for `type_`: what it `represents`, else its own Strawberry class.

    A type without an `is_type_of` takes any object, except where it is `chosen` by the class.

    Raises:
        NotPlain: the type has an `is_type_of` and does not say which class that means.
    """
    definition = type_.extensions[BACKREF]
    if definition.is_graphql_generic or definition.concrete_of:
        raise NotPlain(f"{type_.name} is generic")
    represents = cast("type | None", getattr(definition.origin, "represents", None))
    if definition.is_type_of is not None:
        if represents is None:
            raise NotPlain(f"{type_.name} has an is_type_of but says no class that it represents")
        return Accepts(represents)
    if type_.is_type_of is None and not chosen:
        return Accepts(None)
    return Accepts(definition.origin)


def _picker(choices: list[Accepts]) -> Callable[[type, list[Any]], object]:
    def pick(class_: type, completes: list[Any]) -> object:
        for accepts, complete in zip(choices, completes, strict=True):
            if accepts.fits(class_):
                return complete
        raise Unfit

    return pick


def _member_names(type_: GraphQLEnumType) -> tuple[dict[str, str], type[Enum]]:
    enum: type[Enum] = cast("Any", type_).wrapped_cls
    return {member.name: type_.coerce_output_value(member) for member in enum}, enum


def _slow(type_: Any, *, required: bool) -> Callable[[Any], object]:  # noqa: ANN401 - a leaf
    """Return the completion of a leaf by its own serializer, as the stock executor does it."""
    serialize = cast("Callable[[object], object]", type_.coerce_output_value)
    known: set[type] = set()
    check = Accepts(None).check

    def slow(value: object) -> object:
        if value is None:
            if required:
                raise Unfit
            return None
        class_ = value.__class__
        if class_ not in known:
            check(class_)
            known.add(class_)
        serialized = serialize(value)
        if serialized is None or serialized is Undefined:
            raise Unfit
        return serialized

    return _moment(slow) if serialize is _ISO_FORMAT else slow


def _moment(slow: Callable[[Any], object]) -> Callable[[Any], object]:
    """Return the completion of a date and time: of most in UTC, of what else there is by `slow`.

    Of an instant in UTC orjson writes what `isoformat` does, in a fifth of the time.
    """
    last: object = None  # what was found together shares one
    written: object = None

    def moment(value: object) -> object:
        nonlocal last, written
        if value is not last or value is None:
            if value.__class__ is datetime and cast("datetime", value).tzinfo is UTC:
                written = orjson.dumps(value)[1:-1].decode()
            else:
                written = slow(value)
            last = value
        return written

    return moment
