"""What a client asks, whichever transport it comes over, and the bytes of what it is told."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from secrets import token_hex
from typing import Any, Protocol, cast

import orjson
from msgspec import Struct

from schema.lane.errors import INTERNAL
from schema.lane.response import Response


class Executor(Protocol):
    """What runs operations: the schema."""

    async def answer(
        self,
        query: str,
        variables: dict[str, Any] | None,
        operation_name: str | None,
        context: object,
        *,
        extensions: dict[str, Any] | None = None,
        queries_only: bool = False,
    ) -> Response:
        """Run one query or mutation; of a subscription the response says that it is one."""
        ...

    def answers(
        self,
        query: str,
        variables: dict[str, Any] | None,
        operation_name: str | None,
        context: object,
        *,
        extensions: dict[str, Any] | None = None,
    ) -> AsyncGenerator[Response]:
        """Run one subscription, and yield the response to each of its events."""
        ...

    def newest_only(self, query: str, operation_name: str | None = None) -> bool:
        """Tell whether an operation is a subscription whose events each say all there is."""
        ...


Stay = Callable[[Any, Callable[[], None]], Callable[[], None]]
"""Takes the context of who comes in, and what to call when it has to leave; returns what to call
when it has left."""


def for_ever(context: object, ended: Callable[[], None]) -> Callable[[], None]:
    """Let everybody stay."""
    del context, ended
    return _nothing


def _nothing() -> None:
    pass


Headers = Sequence[tuple[bytes, bytes]]


def no_headers(context: object) -> Headers:
    """Return that nothing goes with an answer."""
    del context
    return ()


class Refusal(Exception):
    """A request that is answered without looking further.

    `status` is the HTTP status, `code` goes to `extensions.code`, `message` says what to do, and
    `headers` are sent besides. What makes contexts may raise it, too: 401 and 429 come from there.
    """

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in (headers or {}).items()
        ]

    @property
    def errors(self) -> list[dict[str, Any]]:
        """What the client is told, as GraphQL tells errors."""
        return [{"message": self.message, "extensions": {"code": self.code}}]


class Asked(Struct):
    """The members of a request."""

    query: str
    variables: dict[str, Any] | None
    operation_name: str | None
    extensions: dict[str, Any] | None


Find = Callable[[Mapping[str, object]], str]
"""Finds the document of a request that holds none itself. Raises Refusal."""


def _in_the_request(_: Mapping[str, object]) -> str:
    raise Refusal(400, "BAD_REQUEST", "`query` must be a string that holds the document.")


def asked_of(members: object, find: Find = _in_the_request) -> Asked:
    """Return what a request's JSON asks; `find` finds a document that is not in it.

    Raises:
        Refusal: 400, it is not what GraphQL over HTTP describes.
    """
    if isinstance(members, list):
        raise Refusal(400, "BAD_REQUEST", "Send one operation at a time; batches are not taken.")
    if not isinstance(members, dict):
        raise Refusal(400, "BAD_REQUEST", "Send a JSON object with `query` and `variables`.")
    given = cast("dict[str, object]", members)
    get = given.get
    query, name = get("query"), get("operationName")
    variables, extensions = get("variables"), get("extensions")
    if query is not None and not isinstance(query, str):
        raise Refusal(400, "BAD_REQUEST", "`query` must be a string that holds the document.")
    if not isinstance(name, str | None):
        raise Refusal(400, "BAD_REQUEST", "`operationName` must be a string or null.")
    if not isinstance(variables, dict | None):
        raise Refusal(400, "BAD_REQUEST", "`variables` must be an object or null.")
    if not isinstance(extensions, dict | None):
        raise Refusal(400, "BAD_REQUEST", "`extensions` must be an object or null.")
    return Asked(
        query or find(given),
        cast("dict[str, Any] | None", variables),
        name,
        cast("dict[str, Any] | None", extensions),
    )


class Callers(Struct, frozen=True):
    """How callers are treated, by the context of what they ask.

    `stay` says when one that stays has to leave; `besides` returns headers that go with an answer;
    `asking` makes of a request's JSON what it asks.
    """

    stay: Stay = for_ever
    besides: Callable[[Any], Headers] = no_headers
    asking: Callable[[object], Asked] = asked_of


def parsed(text: bytes | str, what: str) -> object:
    """Return the JSON that `text` is; `what` names it where it is not.

    Raises:
        Refusal: 400, it is no JSON.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Refusal(400, "BAD_JSON", f"{what} is not JSON in UTF-8: {error}") from None


def encoded(answer: Response) -> bytes:
    """Return the JSON of an answer: without `data` where nothing ran, with an event's cursor."""
    if answer.cursor is not None:
        told: dict[str, Any] = {"data": answer.data, "extensions": {"cursor": answer.cursor}}
        return orjson.dumps(told if answer.errors is None else {"errors": answer.errors, **told})
    if answer.errors is None:
        return orjson.dumps({"data": answer.data})
    if answer.stopped is not None:
        return orjson.dumps({"errors": answer.errors})
    return orjson.dumps({"errors": answer.errors, "data": answer.data})


def masked() -> dict[str, Any]:
    """Return what is told of a fault of ours: an id, under which the log says more."""
    id_ = token_hex(8)
    return {
        "message": f"Internal error; quote id {id_}",
        "extensions": {"code": INTERNAL, "id": id_},
    }
