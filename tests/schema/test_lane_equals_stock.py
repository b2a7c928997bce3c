"""The lane against the stock executor: the same data, errors and calls, whatever is asked.

`LANE_EXAMPLES=20000 pytest tests/schema/test_lane_equals_stock.py` looks for longer.
"""

import asyncio
import json
import os
from datetime import timedelta
from decimal import Decimal
from typing import Any

import strawberry
from graphql import GraphQLError
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from strawberry.types import ExecutionResult

from schema.lane.schema import FastSchema
from tests.schema.operations import Operation, operations
from tests.schema.toy import (
    BOOK,
    FILM,
    MADE_AT,
    SHELF,
    TAG,
    Book,
    Colour,
    Film,
    Refused,
    Shelf,
    Tag,
    World,
    toy_schema,
)

EXAMPLES = int(os.environ.get("LANE_EXAMPLES", "150"))
slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
bounded = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=slow)


class Plain(FastSchema):
    """Shows errors as they are, so that they can be compared."""

    def present_errors(self, errors: list[GraphQLError], operation_name: str | None) -> None:
        pass


SCHEMA = toy_schema(Plain)

titles = st.sampled_from(
    ["", "Emma", 3, 1.5, True, None, UNFIT := object(), b"x", ValueError("no")]
)
numbers = st.sampled_from(
    [0, 1, -2, 2**31, 1.0, 1.5, "4", True, None, "no", float("nan"), Decimal(3)]
)
colours = st.sampled_from([*Colour, "red", "RED", None, 1])
moments = st.sampled_from([MADE_AT, None, MADE_AT.date(), "2026", 5])
tag = st.one_of(
    st.just(TAG),
    st.builds(Tag, titles, numbers, colours),
    st.sampled_from([None, BOOK, KeyError("tag"), strawberry.UNSET]),
)
tags = st.one_of(
    st.just((TAG,)),
    st.lists(tag, max_size=3),
    st.lists(tag, max_size=2).map(tuple),
    st.sampled_from([None, "tags", {"a": 1}, 5, frozenset({TAG})]),
)
right = {
    "title": st.just("t"),
    "state": st.just(Colour.RED),
    "tags": st.just(()),
    "made_at": st.just(None),
}
book = st.one_of(
    st.just(BOOK),
    st.builds(
        Book, titles, colours, tags, moments, numbers, st.sampled_from([None, Decimal("1.5"), 2])
    ),
    st.builds(Book, **right),
)
film = st.one_of(
    st.just(FILM),
    st.builds(Film, titles, colours, tags, moments, numbers, st.one_of(st.none(), book)),
    st.builds(Film, **right),
)
item = st.one_of(book, film, st.sampled_from([None, SHELF, TAG, {}, "item", RuntimeError("item")]))
shelf = st.one_of(
    st.just(SHELF),
    st.builds(
        Shelf,
        titles,
        numbers,
        st.one_of(st.none(), book, item),
        st.lists(item, max_size=3),
        item,
        tags,
        st.sampled_from([[], [[1], ()], [[1.0]], [None], None]),
        st.sampled_from([None, timedelta(seconds=3), 7]),
    ),
    st.builds(
        Shelf,
        st.just("1"),
        st.just(1),
        st.just(None),
        st.lists(st.sampled_from([BOOK, FILM]), max_size=2),
        st.sampled_from([None, BOOK]),
        st.just([TAG]),
        st.just([[3]]),
        st.just(None),
    ),
    st.sampled_from([None, Refused("too many"), ValueError("shelf"), BOOK]),
)
ANSWERS = {
    "shelves": st.one_of(st.just([SHELF] * 2), st.lists(shelf, max_size=3), shelf),
    "shelf": shelf,
    "put": shelf,
    "item": item,
    "take": item,
    "either": item,
}


def told(error: GraphQLError) -> Any:
    return error.message, error.path, error.locations, type(error.original_error).__name__


def seen(result: ExecutionResult, world: World) -> Any:
    data = json.dumps(result.data, default=repr)
    return data, [told(error) for error in result.errors or []], repr(world.calls)


async def both_ways(
    schema: FastSchema, asked: Operation, answers: dict[str, Any]
) -> tuple[Any, Any]:
    stock, fast = World(answers.__getitem__), World(answers.__getitem__)
    expected = await strawberry.Schema.execute(
        schema, asked.query, asked.variables, context_value=stock
    )
    schema.documents.comes_again(asked.query)
    actual = await schema.execute(asked.query, asked.variables, context_value=fast)
    return seen(expected, stock), seen(actual, fast)


@bounded
@given(st.data())
def test_every_operation_has_the_answer_of_the_stock_executor(data: st.DataObject) -> None:
    asked = data.draw(operations(SCHEMA._schema))
    answers = {name: data.draw(answer, name) for name, answer in ANSWERS.items()}
    before = (SCHEMA.statistics.fast, SCHEMA.statistics.replay)
    expected, actual = asyncio.run(both_ways(SCHEMA, asked, answers))
    after = (SCHEMA.statistics.fast, SCHEMA.statistics.replay)
    event("fast" if after[0] > before[0] else "replay" if after[1] > before[1] else "stock")
    assert actual == expected
