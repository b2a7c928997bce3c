"""Answers that are read while they arrive, over a real socket that breaks off or falls silent."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from providers.errors import Broken, ProtocolBroken, TimedOut, Unreachable
from providers.transport import Transport
from tests.waiting import eventually_async

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
LONG_S, SHORT_S = 20.0, 0.2


@asynccontextmanager
async def answering(
    answer: bytes, *, silent: bool = False
) -> AsyncGenerator[tuple[str, list[bytes]]]:
    """Give the URL of a server that answers so, then is silent or closes; and what it was sent."""
    heard: list[bytes] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await writer.drain()
        if silent:
            heard.append(await reader.read())  # until the client leaves
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/a?b=%2F", heard


async def read(url: str, *, answer_s: float = LONG_S, idle_s: float = LONG_S) -> list[bytes]:
    """Return the parts that arrive."""
    transport = Transport()
    found: list[bytes] = []
    try:
        async with transport.flow("GET", url, {}, answer_s=answer_s, idle_s=idle_s) as flow:
            assert flow.status == 200
            async for part in flow.parts():
                found.append(part)  # noqa: PERF401 - what came before an error counts, too
    finally:
        await transport.close()
    return found


async def test_parts_come_as_they_arrive_and_the_address_is_sent_as_it_is() -> None:
    async with answering(HEAD + b"0123456789") as (url, heard):
        assert b"".join(await read(url)) == b"0123456789"
        assert heard[0].startswith(b"GET /a?b=%2F HTTP/1.1\r\n")


async def test_a_connection_that_breaks_off_is_no_end() -> None:
    async with answering(HEAD + b"01234") as (url, _):
        with pytest.raises(Broken):
            await read(url)


@pytest.mark.parametrize("answer", [b"", HEAD + b"01234"])
async def test_silence_has_a_bound_before_the_answer_and_within_it(answer: bytes) -> None:
    async with answering(answer, silent=True) as (url, heard):
        with pytest.raises(TimedOut):
            await read(url, answer_s=LONG_S if answer else SHORT_S, idle_s=SHORT_S)
        assert await eventually_async(lambda: len(heard) == 2)
        assert heard[1] == b"", "the connection was closed"


async def test_what_is_not_http_and_who_is_not_there() -> None:
    async with answering(b"SSH-2.0-OpenSSH_9.6\r\n") as (url, _):
        with pytest.raises(ProtocolBroken):
            await read(url)
    with pytest.raises(Unreachable):
        await read(url)
