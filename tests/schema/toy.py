"""A schema with one of everything that Assay's has, over plain domain objects."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, ClassVar, NewType

import strawberry
from msgspec import Struct
from strawberry.schema.config import StrawberryConfig

from schema.lane.schema import FastSchema
from schema.lane.selecting import selected
from schema.lane.subscribing import NEWEST


class Colour(Enum):
    RED = "red"
    GREEN = "green"


class Tag(Struct, frozen=True):
    name: Any
    weight: Any
    colour: Any


class Head(Struct, frozen=True):
    title: Any
    state: Any
    tags: Any
    made_at: Any


class Book(Head, frozen=True):
    pages: Any = 1
    price: Any = None


class Film(Head, frozen=True):
    ratio: Any = 1.5
    lead: Any = None


@dataclass(frozen=True)
class Shelf:
    ref: Any
    index: Any
    favourite: Any
    items: Any
    either: Any
    tags: Any
    grid: Any
    lasts: Any


class Refused(Exception):
    """What resolvers raise for a client to see."""

    code = "TOO_MANY"


Duration = NewType("Duration", timedelta)
strawberry.enum(Colour, name="Colour", description="A colour.")


@strawberry.type(name="Tag")
class TagType:
    represents: ClassVar[type] = Tag
    name: str
    weight: float | None
    colour: Colour | None


@strawberry.interface(name="Item")
class ItemType:
    title: str
    state: Colour
    tags: list[TagType]
    made_at: datetime | None


@strawberry.type(name="Book")
class BookType(ItemType):
    represents: ClassVar[type] = Book
    pages: int
    price: Decimal | None

    @classmethod
    def is_type_of(cls, obj: Any, _info: Any) -> bool:  # noqa: ANN401
        return isinstance(obj, cls.represents)


@strawberry.type(name="Film")
class FilmType(ItemType):
    represents: ClassVar[type] = Film
    ratio: float
    lead: BookType | None

    @classmethod
    def is_type_of(cls, obj: Any, _info: Any) -> bool:  # noqa: ANN401
        return isinstance(obj, cls.represents)


Either = Annotated[BookType | FilmType, strawberry.union("Either")]


@strawberry.type(name="Shelf")
class ShelfType:
    ref: strawberry.ID | None
    index: int
    favourite: BookType | None
    items: list[ItemType]
    either: Either | None
    tags: list[TagType | None] | None
    grid: list[list[int]]
    lasts: Duration | None


@strawberry.input
class PartInput:
    number: int
    factor: float | None = None
    colours: list[Colour] | None = None


@strawberry.input
class RecordInput:
    ref: strawberry.ID | None = None
    name: str | None = None
    flag: bool = True
    colour: Colour = Colour.RED
    part: PartInput | None = None
    parts: list[PartInput] = strawberry.field(default_factory=list)
    since: datetime | None = None
    wait: Duration | None = None
    unset: str | None = strawberry.UNSET


@dataclass
class World:
    """The context: what resolvers return or raise, and what they were called with."""

    answer: Callable[[str], Any]
    calls: list[Any] = field(default_factory=list)

    def called(self, name: str, info: strawberry.Info["World", None], *arguments: object) -> Any:  # noqa: ANN401
        self.calls.append((name, arguments, sorted(selected(info).paths)))
        answer = self.answer(name)
        if isinstance(answer, Exception):
            raise answer
        return answer


Info = strawberry.Info[World, None]


@strawberry.type
class Query:
    @strawberry.field(graphql_type=list[ShelfType])
    async def shelves(
        self, info: Info, records: list[RecordInput], first: int = 3, after: str | None = None
    ) -> Any:  # noqa: ANN401
        return info.context.called("shelves", info, records, first, after)

    @strawberry.field(graphql_type=ShelfType | None)
    def shelf(self, info: Info, record: RecordInput | None = None) -> Any:  # noqa: ANN401
        return info.context.called("shelf", info, record)

    @strawberry.field(graphql_type=ItemType | None)
    async def item(self, info: Info, colours: list[Colour] | None = None) -> Any:  # noqa: ANN401
        return info.context.called("item", info, colours)

    @strawberry.field(graphql_type=Either)
    async def either(self, info: Info, wait: Duration | None = None) -> Any:  # noqa: ANN401
        return info.context.called("either", info, wait)


@strawberry.type
class Mutation:
    @strawberry.mutation(graphql_type=ShelfType)
    async def put(self, info: Info, record: RecordInput, times: float = 1.0) -> Any:  # noqa: ANN401
        return info.context.called("put", info, record, times)

    @strawberry.mutation(graphql_type=ItemType | None)
    async def take(self, info: Info, flag: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002
        return info.context.called("take", info, flag)


@strawberry.type
class Subscription:
    @strawberry.subscription(graphql_type=ShelfType)
    async def changes(
        self, info: Info, record: RecordInput | None = None, first: int = 3
    ) -> AsyncGenerator[Any]:
        for event in info.context.called("changes", info, record, first):
            yield happened(event)

    @strawberry.subscription(graphql_type=ItemType | None, metadata={NEWEST: True})
    async def latest(self, info: Info, colours: list[Colour] | None = None) -> AsyncGenerator[Any]:
        answer = info.context.called("latest", info, colours)
        if hasattr(answer, "__aiter__"):
            async for event in answer:
                yield happened(event)
            return
        for event in answer:
            yield happened(event)


def happened(event: Any) -> Any:  # noqa: ANN401
    if isinstance(event, Exception):
        raise event
    return event


def toy_schema(made: type[FastSchema] = FastSchema) -> FastSchema:
    duration = strawberry.scalar(
        name="Duration",
        serialize=lambda value: int(value.total_seconds()),
        parse_value=lambda value: timedelta(seconds=float(value)),
    )
    return made(
        Query,
        Mutation,
        Subscription,
        types=[BookType, FilmType],
        config=StrawberryConfig(scalar_map={Duration: duration}),
        public=(Refused,),
    )


MADE_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TAG = Tag("new", 0.5, Colour.GREEN)
BOOK = Book("Emma", Colour.RED, (TAG,), MADE_AT, 300, Decimal("9.50"))
FILM = Film("Heat", Colour.GREEN, [], None, 1.85, BOOK)
SHELF = Shelf("7", 1, BOOK, (BOOK, FILM), FILM, [TAG, None], [[1, 2], []], timedelta(minutes=2))
