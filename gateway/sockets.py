"""GraphQL over WebSocket: the protocol graphql-transport-ws, and no other.

Follows PROTOCOL.md of the npm package graphql-ws. Subscriptions run here, and queries and mutations
as by POST. What is wrong with one operation is told as `error` to that operation; what is wrong
with the conversation closes the connection with a code of the protocol.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, cast

import orjson
from msgspec import Struct
from starlette.types import Message, Receive, Scope, Send

from gateway.asked import Asked, Callers, Executor, Refusal, encoded, masked
from gateway.feeds import Feeds
from gateway.hosts import POLICY_VIOLATION, Origins
from gateway.streams import SENT_OUT
from schema.lane.errors import origin
from schema.lane.response import Response

PROTOCOL = "graphql-transport-ws"
INIT_WAIT_S = 5.0
"""The longest that a client may take until its connection_init."""
MESSAGE_CHARS_MAX = 65_536
OPERATIONS_MAX = 20
"""Operations of one connection at a time, subscriptions among them."""
CONNECTIONS_MAX = 2_000
"""Connections of one process; beyond them a handshake is answered 503."""
ID_CHARS_MAX = 128
REASON_BYTES_MAX = 120
"""Of a close frame, which holds 125 bytes with its code (RFC 6455, section 5.5)."""

MESSAGE_TOO_BIG = 1009  # RFC 6455, section 7.4.1
TRY_AGAIN_LATER = 1013  # IANA's registry of close codes
BAD_REQUEST = 4400
UNAUTHORIZED = 4401
FORBIDDEN = 4403
INTERNAL_ERROR = 4500
NO_SUCH_PROTOCOL = 4406
INIT_TIMEOUT = 4408
ALREADY_EXISTS = 4409
TOO_MANY_INITS = 4429

_log = logging.getLogger(__name__)

ContextFor = Callable[[Scope, dict[str, Any]], Awaitable[object]]
"""Makes the context of an operation from the handshake and what connection_init brought."""


class _Closing(Exception):
    """The connection is to be closed, with a code and a reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason.encode()[:REASON_BYTES_MAX].decode(errors="ignore")


class _Gone(Exception):
    """The client, or the server, has closed the connection."""


class _Operation(Struct, eq=False):
    """An operation under way. A subscription may be cancelled at any time, nothing else is."""

    task: asyncio.Task[None] | None = None
    subscription: bool = False
    completed: bool = False


class Sockets:
    """Answers WebSocket connections.

    `context_for` is called for connection_init, where a `Refusal` closes the connection, and for
    each operation, where it is told. `origins` say which pages may connect.
    """

    def __init__(
        self,
        schema: Executor,
        feeds: Feeds,
        context_for: ContextFor,
        origins: Origins,
        *,
        callers: Callers | None = None,
        init_wait_s: float = INIT_WAIT_S,
    ) -> None:
        self.schema = schema
        self.feeds = feeds
        self.context_for = context_for
        self.callers = callers or Callers()
        self.init_wait_s = init_wait_s
        self._origins = origins
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Speak with one client until one side closes."""
        await receive()  # websocket.connect
        if not self._origins.allow(scope["headers"]):
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return
        if PROTOCOL not in scope["subprotocols"]:
            await send({"type": "websocket.accept"})
            reason = f"Subprotocol not acceptable; speak {PROTOCOL}"
            await send({"type": "websocket.close", "code": NO_SUCH_PROTOCOL, "reason": reason})
            return
        if self._open >= CONNECTIONS_MAX:
            await _busy(send)
            return
        self._open += 1
        try:
            await send({"type": "websocket.accept", "subprotocol": PROTOCOL})
            await _Connection(self, scope, receive, send).run()
        finally:
            self._open -= 1


async def _busy(send: Send) -> None:
    """Answer the handshake by HTTP (ASGI's extension `websocket.http.response`)."""
    told = Refusal(503, "BUSY", f"This process has {CONNECTIONS_MAX} connections. Try again.")
    headers = [(b"content-type", b"application/json"), (b"retry-after", b"5")]
    await send({"type": "websocket.http.response.start", "status": 503, "headers": headers})
    body = orjson.dumps({"errors": told.errors})
    await send({"type": "websocket.http.response.body", "body": body})


class _Connection:
    """One conversation."""

    __slots__ = (
        "_begun",
        "_left",
        "_main",
        "_of",
        "_operations",
        "_params",
        "_receive",
        "_scope",
        "_send",
        "_sent_out",
        "_tasks",
    )

    def __init__(self, of: Sockets, scope: Scope, receive: Receive, send: Send) -> None:
        self._of, self._scope, self._receive, self._send = of, scope, receive, send
        self._params: dict[str, Any] = {}
        self._begun = self._sent_out = False
        self._main: asyncio.Task[Any] | None = None
        self._left = _nothing
        self._operations: dict[str, _Operation] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Handle messages until one side closes; end what is still under way."""
        self._main = asyncio.current_task()
        try:
            try:
                async with asyncio.timeout(self._of.init_wait_s):
                    while not self._begun:
                        await self._handle(await self._message())
            except TimeoutError:
                raise _Closing(INIT_TIMEOUT, "Connection initialisation timeout") from None
            while True:
                await self._handle(await self._message())
        except _Closing as closing:
            await self._close(closing)
        except _Gone:
            pass
        except asyncio.CancelledError:
            if not self._sent_out or self._main is None:
                raise
            self._main.uncancel()
            await self._close(_Closing(FORBIDDEN, SENT_OUT.message))
        except Exception as error:  # noqa: BLE001 - nothing of ours may reach a client unmasked
            _log.error("connection failed", extra=origin(error))
            await self._close(_Closing(INTERNAL_ERROR, "Internal error"))
        finally:
            self._left()
            self._end_all()
            if self._tasks:
                await asyncio.gather(*self._tasks, return_exceptions=True)

    def _send_out(self) -> None:
        """End the conversation: its client may not stay."""
        if self._main is not None and not self._sent_out:
            self._sent_out = True
            self._main.cancel()

    def _end_all(self) -> None:
        for operation in self._operations.values():
            self._end(operation)
        self._operations.clear()

    async def _close(self, closing: _Closing) -> None:
        self._end_all()  # nothing may be sent after it
        message = {"type": "websocket.close", "code": closing.code, "reason": closing.reason}
        try:
            await self._send(message)
        except OSError:
            return

    async def _message(self) -> dict[str, Any]:
        received: Message = await self._receive()
        if received["type"] == "websocket.disconnect":
            raise _Gone
        text: object = received.get("text")
        if not isinstance(text, str):
            raise _Closing(BAD_REQUEST, "Send text messages")
        if len(text) > MESSAGE_CHARS_MAX:
            raise _Closing(MESSAGE_TOO_BIG, f"More than {MESSAGE_CHARS_MAX} characters")
        try:
            message: object = orjson.loads(text)
        except orjson.JSONDecodeError:
            raise _Closing(BAD_REQUEST, "Send messages in JSON") from None
        if not isinstance(message, dict):
            raise _Closing(BAD_REQUEST, "Send JSON objects")
        return cast("dict[str, Any]", message)

    async def _handle(self, message: dict[str, Any]) -> None:
        match message.get("type"):
            case "connection_init":
                await self._begin(_payload(message))
            case "ping":
                answer: dict[str, Any] = {"type": "pong"}
                if "payload" in message:
                    answer["payload"] = _payload(message)
                try:
                    await self._tell(answer)
                except orjson.JSONEncodeError:
                    raise _Closing(BAD_REQUEST, "`payload` is nested too deeply") from None
            case "pong":
                _payload(message)
            case "subscribe":
                await self._subscribe(_id(message), message.get("payload"))
            case "complete":
                operation = self._operations.pop(_id(message), None)
                if operation is not None:
                    self._end(operation)
            case _:
                raise _Closing(BAD_REQUEST, "Message of a type that there is not")

    async def _begin(self, params: dict[str, Any] | None) -> None:
        if self._begun:
            raise _Closing(TOO_MANY_INITS, "Too many initialisation requests")
        self._begun = True
        self._params = params or {}
        try:
            context = await self._of.context_for(self._scope, self._params)
        except Refusal as refusal:
            code = FORBIDDEN if refusal.status in {401, 403} else TRY_AGAIN_LATER
            raise _Closing(code, refusal.message) from None
        self._left = self._of.callers.stay(context, self._send_out)
        await self._tell({"type": "connection_ack"})

    async def _subscribe(self, id_: str, payload: object) -> None:
        if not self._begun:
            raise _Closing(UNAUTHORIZED, "Unauthorized: send connection_init first")
        if id_ in self._operations:
            raise _Closing(ALREADY_EXISTS, f"Subscriber for {id_} already exists")
        try:
            asked = self._of.callers.asking(payload)
        except Refusal as refusal:
            if refusal.code == "BAD_REQUEST":
                raise _Closing(BAD_REQUEST, refusal.message) from None
            await self._tell({"id": id_, "type": "error", "payload": refusal.errors})
            return
        if len(self._tasks) >= OPERATIONS_MAX:
            text = f"This connection has {OPERATIONS_MAX} operations; complete one, or open another"
            refusal = Refusal(429, "TOO_MANY_OPERATIONS", text)
            await self._tell({"id": id_, "type": "error", "payload": refusal.errors})
            return
        operation = _Operation()
        self._operations[id_] = operation
        self._begin_task(operation, self._run(id_, operation, asked))

    def _begin_task(self, operation: _Operation, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        operation.task = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _end(self, operation: _Operation) -> None:
        """Tell its client no more; what a query or mutation asked may be what others wait for."""
        operation.completed = True
        if operation.subscription and operation.task is not None:
            operation.task.cancel()

    async def _run(self, id_: str, operation: _Operation, asked: Asked) -> None:
        try:
            context = await self._of.context_for(self._scope, self._params)
            answer = await self._of.schema.answer(
                asked.query,
                asked.variables,
                asked.operation_name,
                context,
                extensions=asked.extensions,
            )
            if answer.stopped == "subscription":
                if not operation.completed:
                    operation.subscription = True
                    # a task of its own: it lasts, and holds nothing of what began it
                    self._begin_task(operation, self._follow(id_, operation, asked, context))
                return
            await self._answer(id_, operation, answer)
        except _Gone:
            return
        except Refusal as refusal:
            await self._refuse(id_, operation, refusal.errors)
        except Exception as error:  # noqa: BLE001 - nothing of ours may reach a client unmasked
            fault = masked()
            _log.error("operation failed", extra={"id": fault["extensions"]["id"]} | origin(error))
            await self._refuse(id_, operation, [fault])

    async def _answer(self, id_: str, operation: _Operation, answer: Response) -> None:
        if operation.completed:
            return
        if answer.stopped is not None:
            await self._refuse(id_, operation, answer.errors)
            return
        await self._text(_head(id_) + encoded(answer).decode() + "}")
        await self._last(id_, operation, _complete(id_))

    async def _follow(self, id_: str, operation: _Operation, asked: Asked, context: object) -> None:
        head, send = _head(id_), self._send
        try:
            follower = self._of.feeds.follow(asked, context)
        except Refusal as refusal:
            await self._refuse(id_, operation, refusal.errors)
            return
        del asked, context
        try:
            while (told := await follower.next()) is not None:
                if told.stopped:
                    await self._refuse(id_, operation, orjson.loads(told.text)["errors"])
                    return
                await send({"type": "websocket.send", "text": f"{head}{told.text}}}"})
            await self._last(id_, operation, _complete(id_))
        except (OSError, _Gone):
            return
        finally:
            await follower.close()

    async def _refuse(self, id_: str, operation: _Operation, errors: object) -> None:
        error = {"id": id_, "type": "error", "payload": errors}
        with contextlib.suppress(_Gone):
            await self._last(id_, operation, orjson.dumps(error).decode())

    async def _last(self, id_: str, operation: _Operation, text: str) -> None:
        """Send the last message of an operation, whose id is free from here on."""
        if not operation.completed:
            operation.completed = True
            self._operations.pop(id_, None)
            await self._text(text)

    async def _tell(self, message: dict[str, Any]) -> None:
        await self._text(orjson.dumps(message).decode())

    async def _text(self, text: str) -> None:
        try:
            await self._send({"type": "websocket.send", "text": text})
        except OSError:
            raise _Gone from None


def _nothing() -> None:
    """Stand in for what a client that has not begun leaves behind."""


def _payload(message: dict[str, Any]) -> dict[str, Any] | None:
    payload: object = message.get("payload")
    if not isinstance(payload, dict | None):
        raise _Closing(BAD_REQUEST, "`payload` must be an object")
    return cast("dict[str, Any] | None", payload)


def _id(message: dict[str, Any]) -> str:
    id_: object = message.get("id")
    if not isinstance(id_, str) or not id_ or len(id_) > ID_CHARS_MAX:
        raise _Closing(BAD_REQUEST, f"`id` must be a string of 1 to {ID_CHARS_MAX} characters")
    return id_


def _head(id_: str) -> str:
    """Return what stands before the payload of each `next`."""
    return f'{{"id":{orjson.dumps(id_).decode()},"type":"next","payload":'


def _complete(id_: str) -> str:
    return orjson.dumps({"id": id_, "type": "complete"}).decode()
