"""The lane against the stock executor: the same data, errors and calls, whatever is asked.

`LANE_EXAMPLES=20000 pytest --timeout=0 tests/schema/test_lane_equals_stock.py` looks for longer.
"""

import asyncio
import json
import os
from collections.abc import Callable
from functools import cache
from typing import Any

import strawberry
from graphql import GraphQLError
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st
from strawberry.types import ExecutionResult

from schema.lane.schema import FastSchema
from tests.schema.answers import ANSWERS
from tests.schema.operations import Operation, graphql_schema, operations, subscriptions
from tests.schema.random_schemas import Builder, Witness
from tests.schema.toy import World, toy_schema

EXAMPLES = int(os.environ.get("LANE_EXAMPLES", "80"))
bounded = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    phases=[Phase.explicit, Phase.generate],  # shrinking takes minutes: ask for it by hand
    database=None,
)


class Plain(FastSchema):
    """Shows errors as they are, so that they can be compared."""

    def present_errors(self, errors: list[GraphQLError], operation_name: str | None) -> None:
        pass


TOY = toy_schema(Plain)


@cache
def random_schema(seed: int) -> FastSchema:
    return Builder(seed).build(Plain)


def told(error: GraphQLError) -> object:
    return error.message, error.path, error.locations, type(error.original_error).__name__


def seen(result: ExecutionResult, calls: list[object]) -> object:
    data = json.dumps(result.data, default=repr)
    return data, [told(error) for error in result.errors or []], repr(calls)


async def both_ways(
    schema: FastSchema, asked: Operation, context: Callable[[], Any]
) -> tuple[object, object]:
    """Return what is seen of the stock executor, and what of the lane."""
    stock, fast = context(), context()
    expected = await strawberry.Schema.execute(
        schema, asked.query, asked.variables, context_value=stock
    )
    schema.documents.comes_again(asked.query)
    before = schema.statistics.fast, schema.statistics.replay
    actual = await schema.execute(asked.query, asked.variables, context_value=fast)
    now = schema.statistics.fast, schema.statistics.replay
    event("fast" if now[0] > before[0] else "replay" if now[1] > before[1] else "stock")
    return seen(expected, stock.calls), seen(actual, fast.calls)


async def followed_both_ways(
    schema: FastSchema, asked: Operation, context: Callable[[], Any]
) -> tuple[object, object]:
    """Return what is seen of the stock executor's events, and what of the lane's."""
    stock, fast = context(), context()
    results = await strawberry.Schema.subscribe(
        schema, asked.query, asked.variables, context_value=stock
    )
    expected = [(type(one), seen(one, [])) async for one in results]
    before = schema.statistics.fast, schema.statistics.replay
    results = await schema.subscribe(asked.query, asked.variables, context_value=fast)
    actual = [(type(one), seen(one, [])) async for one in results]
    now = schema.statistics.fast, schema.statistics.replay
    event("replay" if now[1] > before[1] else "fast" if now[0] > before[0] else "stock")
    return (expected, repr(stock.calls)), (actual, repr(fast.calls))


@bounded
@given(st.data())
def test_every_operation_has_the_answer_of_the_stock_executor(data: st.DataObject) -> None:
    asked = data.draw(operations(graphql_schema(TOY)))
    answers = {name: data.draw(answer, name) for name, answer in ANSWERS.items()}
    expected, actual = asyncio.run(both_ways(TOY, asked, lambda: World(answers.__getitem__)))
    assert actual == expected


@bounded
@given(st.data(), st.integers(0, 300), st.integers(0, 10_000))
def test_so_it_is_for_schemas_nobody_wrote(data: st.DataObject, schema: int, answer: int) -> None:
    made = random_schema(schema)
    asked = data.draw(operations(graphql_schema(made)))
    expected, actual = asyncio.run(both_ways(made, asked, lambda: Witness(answer)))
    assert actual == expected


@bounded
@given(st.data())
def test_every_event_of_a_subscription_is_that_of_the_stock_executor(data: st.DataObject) -> None:
    asked = data.draw(subscriptions(graphql_schema(TOY)))
    answers = {name: data.draw(answer, name) for name, answer in ANSWERS.items()}
    expected, actual = asyncio.run(
        followed_both_ways(TOY, asked, lambda: World(answers.__getitem__))
    )
    assert actual == expected


@bounded
@given(st.data(), st.integers(0, 300), st.integers(0, 10_000))
def test_so_are_those_of_schemas_nobody_wrote(
    data: st.DataObject, schema: int, answer: int
) -> None:
    made = random_schema(schema)
    asked = data.draw(subscriptions(graphql_schema(made)))
    expected, actual = asyncio.run(followed_both_ways(made, asked, lambda: Witness(answer)))
    assert actual == expected
