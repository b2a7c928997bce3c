"""Schemas nobody wrote: random types, fields and inputs, over plain domain classes."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from functools import reduce
from random import Random
from types import SimpleNamespace
from typing import Annotated, Any

import strawberry
from strawberry.types.base import StrawberryType

from schema.lane.schema import FastSchema
from schema.lane.selecting import selected


class Mood(Enum):
    GOOD = "good"
    BAD = "bad"


strawberry.enum(Mood, name="Mood", description="A mood.")

VALUES: dict[Any, list[object]] = {
    str: ["", "text", "é"],
    int: [0, -3, 2**31 - 1],
    float: [0.25, -1.0],
    bool: [True, False],
    strawberry.ID: ["1", "x"],
    datetime: [
        datetime(2026, 1, 2, tzinfo=UTC),
        datetime(2026, 1, 2, 1, tzinfo=timezone(timedelta(hours=1))),  # the same instant
    ],
    Decimal: [Decimal("1.10")],
    Mood: list(Mood),
}
WRONG: list[object] = [None, 1, "x", 1.5, [], b"", KeyError("wrong"), strawberry.UNSET, ("x",)]
Maker = Callable[[Random], object]


@dataclass
class Witness:
    """The context: makes answers from a seed, and remembers the calls."""

    seed: int
    calls: list[object] = field(default_factory=list[object])

    def called(self, name: str, make: Maker, info: Any, arguments: dict[str, Any]) -> object:  # noqa: ANN401
        self.calls.append((name, arguments, sorted(selected(info).paths)))
        answer = make(Random(f"{self.seed} {name} {len(self.calls)}"))
        if isinstance(answer, Exception):
            raise answer
        return answer


class Builder:
    """Makes one schema; equal seeds make equal ones."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.outputs: list[tuple[Any, Maker]] = []
        self.inputs: list[Any] = []

    def build(self, made: type[FastSchema]) -> FastSchema:
        for index in range(self.random.randint(1, 3)):
            self.outputs.append(self._type(f"Type{index}", ()))
        if self.random.random() < 0.7:
            self._interface()
        for index in range(self.random.randint(1, 3)):
            self.inputs.append(self._input(f"Input{index}"))
        concrete = [type_ for type_, _ in self.outputs if isinstance(type_, type)]
        roots = [self._root("Query"), self._root("Mutation"), self._subscription()]
        return made(*roots, types=concrete)

    def _type(
        self, name: str, bases: tuple[type, ...], inherited: dict[str, Maker] | None = None
    ) -> tuple[Any, Maker]:
        fields = {f"f_{name.lower()}_{i}": self._field() for i in range(self.random.randint(1, 4))}
        domain = type(f"Domain{name}", (SimpleNamespace,), {})
        members: dict[str, Any] = {
            "__annotations__": {key: type_ for key, (type_, _) in fields.items()},
            "represents": domain,
        }
        if bases:
            members["is_type_of"] = staticmethod(_is_a(domain))
        made = strawberry.type(type(name, bases, members))
        makers = (inherited or {}) | {key: make for key, (_, make) in fields.items()}

        def make(random: Random) -> object:
            return domain(**{key: each(random) for key, each in makers.items()})

        return made, make

    def _interface(self) -> None:
        fields = {f"shared_{i}": self._field() for i in range(self.random.randint(1, 2))}
        annotations = {key: type_ for key, (type_, _) in fields.items()}
        face = strawberry.interface(type("Face", (), {"__annotations__": annotations}))
        shared = {key: make for key, (_, make) in fields.items()}
        concrete = [
            self._type(f"Face{i}", (face,), shared) for i in range(self.random.randint(1, 3))
        ]
        makers = [make for _, make in concrete]
        self.outputs += concrete
        self.outputs.append((face, lambda random: random.choice(makers)(random)))
        if len(concrete) > 1:
            members: Any = reduce(
                lambda left, right: left | right, [type_ for type_, _ in concrete]
            )
            union = Annotated[members, strawberry.union("Either")]
            self.outputs.append((union, lambda random: random.choice(makers)(random)))

    def _field(self) -> tuple[Any, Maker]:
        """Return the type of an output field, and what makes values for it, now and then wrong."""
        if self.outputs and self.random.random() < 0.4:
            type_, make = self.random.choice(self.outputs)
        else:
            type_ = self.random.choice(list(VALUES))
            make = _chooser(VALUES[type_])
        for _ in range(self.random.choice([0, 0, 1, 1, 2])):
            if self.random.random() < 0.5:
                type_, make = list[type_], _lister(make)
            elif not isinstance(type_, StrawberryType):
                type_, make = type_ | None, _or_none(make)
        return type_, _spoilt(make)

    def _input(self, name: str) -> Any:  # noqa: ANN401
        annotations: dict[str, Any] = {}
        members: dict[str, Any] = {"__annotations__": annotations}
        for index in range(self.random.randint(1, 5)):
            type_ = self.random.choice([*VALUES, *self.inputs])
            if self.random.random() < 0.3:
                type_ = list[type_]
            key = f"in_{index}"
            chance = self.random.random()
            if chance < 0.3 and type_ in VALUES:
                members[key] = self.random.choice(VALUES[type_])
            elif chance < 0.7:
                type_ = type_ | None
                members[key] = self.random.choice([None, None, strawberry.UNSET])
            annotations[key] = type_
        return strawberry.input(type(name, (), members))

    def _root(self, name: str) -> type:
        members: dict[str, Any] = {}
        for index in range(self.random.randint(1, 3)):
            type_, make = self._field()
            argument = self.random.choice([*self.inputs, list[self.random.choice(self.inputs)]])
            members[f"{name.lower()}_{index}"] = strawberry.field(
                resolver=_resolver(f"{name} {index}", make, argument), graphql_type=type_
            )
        return strawberry.type(type(name, (), members))

    def _subscription(self) -> type:
        type_, make = self._field()
        argument = self.random.choice(self.inputs)
        resolver = _source("Subscription", make, argument)
        field = strawberry.subscription(resolver=resolver, graphql_type=type_)
        return strawberry.type(type("Subscription", (), {"happens": field}))


def _source(name: str, make: Maker, argument: Any) -> Callable[..., Any]:  # noqa: ANN401
    async def happen(
        info: strawberry.Info[Witness, None],
        given: Any,  # noqa: ANN401
        flag: Any = None,  # noqa: ANN401
    ) -> AsyncGenerator[Any]:
        for _ in range(info.context.seed % 4):
            yield info.context.called(name, make, info, {"given": given, "flag": flag})

    happen.__annotations__ |= {"given": argument, "flag": bool | None}
    return happen


def _resolver(name: str, make: Maker, argument: Any) -> Callable[..., Any]:  # noqa: ANN401
    async def resolve(info: strawberry.Info[Witness, None], **arguments: Any) -> object:  # noqa: ANN401
        return info.context.called(name, make, info, arguments)

    async def one(info: strawberry.Info[Witness, None], given: Any, flag: Any = None) -> object:  # noqa: ANN401
        return await resolve(info, given=given, flag=flag)

    one.__annotations__ |= {"given": argument, "flag": bool | None}
    return one


def _is_a(domain: type) -> Callable[[object, object], bool]:
    return lambda value, _info: isinstance(value, domain)


def _chooser(values: list[object]) -> Maker:
    return lambda random: random.choice(values)


def _lister(make: Maker) -> Maker:
    return lambda random: [make(random) for _ in range(random.randint(0, 3))]


def _or_none(make: Maker) -> Maker:
    return lambda random: None if random.random() < 0.3 else make(random)


def _spoilt(make: Maker) -> Maker:
    return lambda random: random.choice(WRONG) if random.random() < 0.04 else make(random)
