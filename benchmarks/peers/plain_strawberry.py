"""The stand-in's verdicts by Strawberry alone, as somebody writes it who knows its manual.

One DataLoader an operation, one aiohttp session a process, msgspec for the answers; no cache, no
limits, no retries. `python -m benchmarks.peers.plain_strawberry URL` takes a free port and writes
it to standard output. With `--caches` documents are parsed and validated once: few write that.
"""

import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp
import msgspec
import strawberry
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.dataloader import DataLoader
from strawberry.extensions import ParserCache, ValidationCache

CONNECTIONS_MAX = 256
DOCUMENTS_KEPT_MAX = 100


@strawberry.type
class Mailbox:
    """A verdict of the service."""

    value: str
    status: str
    score: float
    sub_status: str
    free: bool
    disposable: bool
    role: bool
    mx: str
    code: int


class _Bulk(msgspec.Struct):
    results: list[Mailbox]


_ONE, _MANY = msgspec.json.Decoder(Mailbox), msgspec.json.Decoder(_Bulk)


class Service:
    """The service over HTTP."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        """Speak to `url` over `session`."""
        self._session = session
        self._url = url

    async def one(self, email: str) -> Mailbox:
        """Return what it says of one address."""
        async with self._session.get(f"{self._url}/v1/validate", params={"value": email}) as answer:
            return _ONE.decode(await answer.read())

    async def many(self, emails: list[str]) -> list[Mailbox]:
        """Return what it says of many, asked in one call."""
        if len(emails) == 1:
            return [await self.one(emails[0])]
        async with self._session.post(f"{self._url}/v1/bulk", json={"items": emails}) as answer:
            return _MANY.decode(await answer.read()).results


class Context(dict[str, DataLoader[str, Mailbox]]):
    """The loader of one operation."""


Info = strawberry.Info[Context, None]


@strawberry.type
class Query:
    """The root."""

    @strawberry.field
    async def mailbox(self, info: Info, email: str) -> Mailbox:
        """Return the verdict for one address."""
        return await info.context["mailboxes"].load(email)

    @strawberry.field
    async def mailboxes(self, info: Info, emails: list[str]) -> list[Mailbox]:
        """Return the verdicts for many addresses."""
        return await info.context["mailboxes"].load_many(emails)


class Application(GraphQL[Context, None]):
    """The GraphQL endpoint with a loader for each operation."""

    service: Service

    async def get_context(
        self, request: Request | WebSocket, response: Response | WebSocket
    ) -> Context:
        """Return the context of one operation."""
        del request, response
        return Context(mailboxes=DataLoader(load_fn=self.service.many))


def create_app(url: str, *, caches: bool) -> Starlette:
    """Return the application in front of the service at `url`."""
    extensions = [
        lambda: ParserCache(maxsize=DOCUMENTS_KEPT_MAX),
        lambda: ValidationCache(maxsize=DOCUMENTS_KEPT_MAX),
    ]
    schema = strawberry.Schema(Query, extensions=extensions if caches else ())
    application = Application(schema)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        connector = aiohttp.TCPConnector(limit=CONNECTIONS_MAX)
        async with aiohttp.ClientSession(connector=connector) as session:
            application.service = Service(session, url)
            yield

    return Starlette(routes=[Route("/graphql", application)], lifespan=lifespan)


def main() -> None:
    """Serve until told to stop."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        print(listener.getsockname()[1], flush=True)
        config = uvicorn.Config(
            create_app(sys.argv[1], caches="--caches" in sys.argv),
            loop="uvloop",
            http="httptools",
            log_level="warning",
        )
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
