"""The npm packages that clients use: graphql-ws, graphql-sse and @apollo/client, run by node."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import pytest

from tests.gateway.subscribed import CHANGES, DONE, House, house
from tests.npm_client import CLIENTS, WAIT_S, npm
from tests.schema.toy import BOOK, FILM
from tests.waiting import eventually_async

LATEST = "subscription { latest { title __typename } }"
EMMA = {"data": {"latest": {"title": "Emma", "__typename": "Book"}}}
HEAT = {"data": {"latest": {"title": "Heat", "__typename": "Film"}}}


def url_of(here: House) -> str:
    return f"http://127.0.0.1:{here.client.port}/graphql"


async def opened(here: House, count: int) -> None:
    assert await eventually_async(lambda: here.source.opened == count, WAIT_S)


@pytest.mark.parametrize("name", CLIENTS)
async def test_a_client_receives_every_event_and_the_end(name: str) -> None:
    async with house() as here, npm(name, url_of(here), LATEST) as client:
        await opened(here, 1)
        for event, seen in ((BOOK, EMMA), (FILM, HEAT)):
            here.source.tell(event)
            assert await client.says() == seen
        here.source.tell(DONE)
        assert await client.says() == "complete"
        assert await client.says() is None


@pytest.mark.parametrize("name", CLIENTS)
async def test_a_client_that_has_had_enough_ends_the_source(name: str) -> None:
    async with house() as here, npm(name, url_of(here), LATEST, "1") as client:
        await opened(here, 1)
        here.source.tell(BOOK)
        assert await client.says() == EMMA
        assert await eventually_async(lambda: here.source.closed == 1)


@pytest.mark.parametrize("name", CLIENTS)
async def test_a_client_is_told_what_is_wrong_with_its_document(name: str) -> None:
    async with house() as here, npm(name, url_of(here), "subscription { no }") as client:
        assert "Cannot query field" in str(await client.says())


@pytest.mark.parametrize("name", CLIENTS)
async def test_a_client_is_told_what_failed_and_then_it_is_over(name: str) -> None:
    async with house() as here, npm(name, url_of(here), CHANGES) as client:
        here.world.answer = lambda _: [ValueError("alice@example.com")]
        said = await client.says()
        assert "Internal error" in str(said)
        assert "alice" not in str(said)


@pytest.mark.parametrize("name", ["graphql-ws", "graphql-sse"])
async def test_a_client_comes_again_after_a_server_has_gone(name: str) -> None:
    """Through a port that stays while the server behind it is replaced, as a proxy's does."""
    async with forwarding() as (forward, port), house() as here:
        forward(here.client.port)
        async with npm(name, f"http://127.0.0.1:{port}/graphql", LATEST) as client:
            await opened(here, 1)
            here.source.tell(BOOK)
            assert await client.says() == EMMA
            async with house() as other:
                forward(other.client.port)
                await opened(other, 1)
                other.source.tell(FILM)
                assert await client.says() == HEAT
                other.source.tell(DONE)
                assert await client.says() == "complete"


@asynccontextmanager
async def forwarding() -> AsyncGenerator[tuple[Callable[[int], None], int]]:
    """Pass connections on to the port that was named last; naming another one cuts them off."""
    to: list[int] = []
    writers: set[asyncio.StreamWriter] = set()

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", to[-1])
        writers.update((writer, back))
        await asyncio.gather(copy(reader, back), copy(there, writer))

    def forward(port: int) -> None:
        to.append(port)
        for writer in writers:
            writer.transport.abort()
        writers.clear()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield forward, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        forward(0)
        await server.wait_closed()
