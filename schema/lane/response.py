"""What becomes of an operation, as plain data that a transport can send."""

from typing import Any, Literal, cast

from msgspec import Struct
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError

from schema.lane.errors import INTERNAL

Stopped = Literal["refused", "mutation", "subscription", "failed"]


class Response(Struct):
    """What becomes of an operation, as plain data.

    `stopped` says why nothing ran: the request was `refused`, is a `mutation` where only queries
    are allowed, is a `subscription` where one answer is wanted, or preparing it `failed` through a
    fault of ours. Then there is no data. `cursor` is that of a subscription's event: where to go on
    after it.
    """

    data: dict[str, Any] | None
    errors: list[dict[str, Any]] | None = None
    stopped: Stopped | None = None
    cursor: str | None = None


def answered(
    result: ExecutionResult, *, event: bool = False, cursor: str | None = None
) -> Response:
    """Return what to send of a `result`; of an `event` that its source raised, too."""
    if result.errors is None:
        return Response(result.data, cursor=cursor)
    errors = [cast("dict[str, Any]", error.formatted) for error in result.errors]
    ran = result.data is not None or any(error.path is not None for error in result.errors)
    if ran or (event and not isinstance(result, PreExecutionError)):
        return Response(result.data, errors, cursor=cursor)
    failed = any(error["extensions"]["code"] == INTERNAL for error in errors)
    return Response(None, errors, "failed" if failed else "refused")


def refused(message: str, stopped: Stopped = "refused") -> Response:
    """Return a refusal of the request as such."""
    return Response(None, [{"message": message, "extensions": {"code": "BAD_REQUEST"}}], stopped)


def subscription() -> Response:
    """Return what is said to a subscription where one answer is wanted."""
    return refused(
        "Subscriptions run over WebSocket (graphql-transport-ws), or by POST with"
        " Accept: text/event-stream, or with multipart/mixed;subscriptionSpec=1.0.",
        "subscription",
    )
