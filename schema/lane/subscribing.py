"""A subscription on the lane: one resolver, whose events are completed by one compiled function."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from inspect import isasyncgenfunction
from typing import Any, cast

from graphql import GraphQLError
from msgspec import Struct
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType

from schema.lane.generated import NotPlain
from schema.lane.plan import Execution, Plan

NEWEST = "newest"
"""Metadata of a subscription's field: each event says all there is, so only the newest counts.

Equal subscriptions of one tenant then share one execution, and who reads slowly misses events.
"""


class Event(Struct):
    """What becomes of one event of the source, or of its failure.

    `cursor` is where to go on after it, if the event says so.
    """

    result: ExecutionResult
    cursor: str | None = None
    failed: bool = False


def checked(plan: Plan) -> Plan:
    """Return a plan that `events` can run.

    Raises:
        NotPlain: it is no subscription, or its resolver is not an async generator function.
    """
    if plan.operation_type is not OperationType.SUBSCRIPTION:
        raise NotPlain("not a subscription")
    if not isasyncgenfunction(cast("Any", plan.roots[0].resolver).wrapped_func):
        raise NotPlain("the source of events is no async generator function")
    return plan


def newest_only(plan: Plan) -> bool:
    """Tell whether its field is marked with `NEWEST`."""
    return bool(plan.roots[0].field.metadata.get(NEWEST))


async def events(
    plan: Plan,
    running: Execution,
    replayed: Callable[[object], Awaitable[ExecutionResult]],
) -> AsyncGenerator[Event]:
    """Yield every event of the source, completed; closing this closes the source.

    `replayed` lets the stock executor complete an event that the compiled function does not take.
    What the source raises is the last event, as an error without a path.
    """
    (root,), (arguments,) = plan.roots, running.arguments
    source: AsyncGenerator[Any] = plan.resolve(root, arguments, running)
    async with aclosing(source):
        while True:
            try:
                value: Any = await anext(source)
            except StopAsyncIteration:
                return
            except Exception as error:  # noqa: BLE001 - as the stock executor: it is told
                yield Event(ExecutionResult(data=None, errors=[_located(error)]), failed=True)
                return
            try:
                result = ExecutionResult(data={root.key: root.complete(value)}, errors=None)
            except Exception:  # noqa: BLE001 - the stock executor finds the words
                result = await replayed(value)
            cursor: object = getattr(value, "cursor", None)
            yield Event(result, cursor if isinstance(cursor, str) else None)


def _located(error: Exception) -> GraphQLError:
    """Return `error` as one of GraphQL, as the stock executor makes it of a source's."""
    if isinstance(error, GraphQLError):
        return error
    return GraphQLError(str(error), original_error=error)
