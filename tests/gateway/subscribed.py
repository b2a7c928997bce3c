"""A server with the toy schema over every transport, and a source whose events a test decides."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

import aiohttp
import orjson
from msgspec import Struct
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.endpoint import Endpoint
from gateway.feeds import Feeds
from gateway.hosts import Origins
from gateway.sockets import PROTOCOL, Sockets
from tests.gateway.http_client import Client, served
from tests.schema.toy import SHELF, World, toy_schema

WAIT_S = 10.0
LATEST = "subscription L($c: [Colour!]) { latest(colours: $c) { title } }"
CHANGES = "subscription C { changes { ref } }"
DONE = object()


class Source:
    """Events for one subscription after another, each of which gets those that come after it."""

    def __init__(self) -> None:
        self.opened = 0
        self.closed = 0
        self.taken = 0
        self._queues: list[asyncio.Queue[object]] = []

    def tell(self, event: object) -> None:
        """Give an event, an exception to raise, or DONE to every execution."""
        for queue in self._queues:
            queue.put_nowait(event)

    async def __aiter__(self) -> AsyncIterator[object]:
        """Yield what is told from now on."""
        queue: asyncio.Queue[object] = asyncio.Queue()
        self._queues.append(queue)
        self.opened += 1
        try:
            while (event := await queue.get()) is not DONE:
                yield event
                self.taken += 1
        finally:
            self.closed += 1
            self._queues.remove(queue)


class House(Struct):
    """A running server with what a test looks into."""

    client: Client
    session: aiohttp.ClientSession
    feeds: Feeds
    source: Source
    world: World
    sockets: AsyncExitStack
    """Closes what is opened for as long as the house stands."""

    @asynccontextmanager
    async def socket(
        self,
        *,
        init: bool = True,
        **options: Any,  # noqa: ANN401
    ) -> AsyncGenerator["Socket"]:
        """Open a socket, and begin it unless `init` is False."""
        url = f"ws://localhost:{self.client.port}/graphql"
        given: dict[str, Any] = {"protocols": [PROTOCOL], "headers": {}, **options}
        connect = cast("Callable[..., Any]", self.session.ws_connect)
        async with connect(url, **given) as opened:
            socket = Socket(cast("aiohttp.ClientWebSocketResponse", opened))
            if init:
                await socket.send(type="connection_init")
                assert await socket.receive() == {"type": "connection_ack"}
            yield socket


class Socket(Struct):
    """A client's end of a socket."""

    opened: aiohttp.ClientWebSocketResponse

    async def send(self, **message: object) -> None:
        """Send a message."""
        await self.opened.send_str(orjson.dumps(message).decode())

    async def subscribe(self, id_: str, query: str, **variables: object) -> None:
        """Begin an operation."""
        payload = {"query": query, "variables": variables}
        await self.send(id=id_, type="subscribe", payload=payload)

    async def receive(self) -> dict[str, Any]:
        """Return the next message."""
        received = await asyncio.wait_for(self.opened.receive(), WAIT_S)
        assert received.type is aiohttp.WSMsgType.TEXT, received
        message: dict[str, Any] = orjson.loads(received.data)
        return message

    async def closed(self) -> int:
        """Return the code with which the server closes, and skip what comes before."""
        async with asyncio.timeout(WAIT_S):
            while (received := await self.opened.receive()).type is aiohttp.WSMsgType.TEXT:
                pass
        assert received.type is aiohttp.WSMsgType.CLOSE, received
        code: int = received.data
        return code


@asynccontextmanager
async def house(
    context_for: Callable[[Scope, dict[str, Any]], Any] | None = None,
    *,
    init_wait_s: float = WAIT_S,
    tenant_of: Callable[[Any], str] = lambda _: "default",
    before: Callable[[ASGIApp], ASGIApp] = lambda app: app,
) -> AsyncGenerator[House]:
    """Serve the toy schema; `context_for` may give another context than the common world."""
    source = Source()
    world = World(lambda name: source if name == "latest" else SHELF)

    async def usual(scope: Scope, init: dict[str, Any] | None = None) -> object:
        if context_for is None:
            return world
        found: object = await context_for(scope, init or {})
        return found or world

    schema = toy_schema()
    feeds = Feeds(schema, tenant_of)
    endpoint = Endpoint(schema, usual, feeds=feeds)
    sockets = Sockets(schema, feeds, usual, Origins(["known.example"]), init_wait_s=init_wait_s)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await (sockets if scope["type"] == "websocket" else endpoint)(scope, receive, send)

    async with (
        served(before(app)) as client,
        aiohttp.ClientSession() as session,
        AsyncExitStack() as opened,
    ):
        yield House(client, session, feeds, source, world, opened)
