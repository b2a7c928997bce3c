"""A subscription on the lane: one resolver, whose events are completed by one compiled function."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from inspect import isasyncgenfunction
from typing import Any, cast

from graphql import GraphQLError, GraphQLObjectType
from msgspec import Struct
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType

from schema.lane.generated import NotPlain
from schema.lane.plan import Execution, Plan

RESUME_AFTER = "lastEventId"
"""The request extension that says which event a client received last (`gateway.streams`)."""
NEWEST = "newest"
"""Metadata of a subscription's field: each event says all there is, so only the newest counts.

Equal subscriptions of one tenant then share one execution, and who reads slowly misses events.
"""


class Marked(Struct, frozen=True):
    """An event that says where to go on after it: what a source may yield instead of a `value`."""

    value: Any
    cursor: str


class Event(Struct):
    """What becomes of one event of the source, or of its failure.

    `cursor` is that of a `Marked` event.
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
            cursor = None
            if value.__class__ is Marked:
                value, cursor = value.value, value.cursor
            try:
                result = ExecutionResult(data={root.key: root.complete(value)}, errors=None)
            except Exception:  # noqa: BLE001 - the stock executor finds the words
                result = await replayed(value)
            yield Event(result, cursor)


def unmark(subscription: GraphQLObjectType | None) -> None:
    """Let the stock executor, too, complete the value of a `Marked` event, not the mark."""
    for field in subscription.fields.values() if subscription is not None else ():
        field.resolve = _unmarked


def _unmarked(event: object, *_: object, **__: object) -> object:
    return cast("Marked", event).value if event.__class__ is Marked else event


def _located(error: Exception) -> GraphQLError:
    """Return `error` as one of GraphQL, as the stock executor makes it of a source's."""
    if isinstance(error, GraphQLError):
        return error
    return GraphQLError(str(error), original_error=error)
