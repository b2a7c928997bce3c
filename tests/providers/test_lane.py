"""The lane sends what a session sends, and understands what a session understands."""

import asyncio
import string
from collections.abc import Sequence
from contextlib import suppress
from typing import TypeAlias
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from yarl import URL

from providers.errors import ProtocolBroken, ProviderError
from providers.exchange import Call
from providers.lane import INTERIM_MAX, Lane
from providers.transport import Transport

TIMEOUT_S = 5.0
BYTES_MAX = 4_000
Sent: TypeAlias = tuple[bytes, dict[bytes, bytes], bytes]
"""Request line, headers and body."""
Understood: TypeAlias = tuple[int, dict[str, str], bytes] | type[ProviderError]

texts = st.text(max_size=12)
names = st.text(string.ascii_letters + "-", min_size=1, max_size=9).filter(
    lambda name: name.lower() not in {"host", "content-length", "transfer-encoding", "connection"}
)
values = st.text(string.ascii_letters + string.digits + " =/;,é", max_size=9).map(str.strip)
parts = st.text(min_size=1, max_size=9)
bodies = st.dictionaries(texts, st.lists(st.integers(0, 99) | texts, max_size=3))


@st.composite
def calls(draw: st.DrawFn) -> Call:
    """Draw a call that is an ordinary one."""
    method = draw(st.sampled_from(("GET", "POST", "PUT")))
    path = "".join(f"/{quote(part, safe='')}" for part in draw(st.lists(parts, max_size=3)))
    query = draw(st.lists(st.tuples(texts, texts), max_size=3))
    headers = draw(st.dictionaries(names, values, max_size=3))
    body = None if method == "GET" else draw(bodies)
    return Call(method, path, tuple(query), tuple(headers.items()), body)


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
ANSWER = OK + b"Content-Length: 2\r\n\r\n{}"
ANSWERS = {
    "length": OK + b"Content-Type: application/json\r\nContent-Length: 7\r\n\r\n" + b'{"a":1}',
    "chunks": CHUNKED + b"4\r\nabcd\r\n3;x=y\r\nefg\r\n0\r\n\r\n",
    "until closed": OK + b"\r\nall that comes",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nold",
    "no content": b"HTTP/1.1 204 No Content\r\nX-Rest: 3\r\n\r\n",
    "not modified": b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n",
    "redirect": b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
    "an interim one": b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ANSWER,
    "two interim ones": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + ANSWER,
    "a header twice": OK + b"Via: a\r\nVia: b\r\nContent-Length: 1\r\n\r\nx",
    "gzip": OK + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\nxx",
    "other packing": OK + b"Content-Encoding: br\r\nContent-Length: 2\r\n\r\nxx",
    "too much": OK + b"Content-Length: 9000\r\n\r\n" + b"x" * 9000,
    "too much, in chunks": CHUNKED + (b"7d1\r\n" + b"x" * 2001 + b"\r\n") * 2 + b"0\r\n\r\n",
    "less than said": OK + b"Content-Length: 20\r\n\r\nshort",
    "a cut chunk": CHUNKED + b"9\r\nabc",
    "no chunk": CHUNKED + b"zz\r\nabc\r\n",
    "nothing": b"",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "no HTTP": b"220 mail.example ESMTP\r\n\r\n",
    "a status that is none": b"HTTP/1.1 2x0 OK\r\n\r\n",
    "a header that is none": OK + b"no colon here\r\n\r\n",
    "two lengths": OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "length and chunks": CHUNKED[:-2] + b"Content-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "a head without end": OK + b"X-Long: " + b"x" * 10_000 + b"\r\n\r\n",
    "more than was asked": ANSWER + ANSWER,
}


async def exchanged(
    transport: Transport, call: Call, answer: Sequence[bytes]
) -> tuple[Sent | None, Understood]:
    """Return what a service was sent, which answers with the parts of `answer`, and what became."""
    sent: Sent | None = None
    tasks: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        tasks.append(asyncio.current_task())
        line, *lines = (
            (await reader.readuntil(b"\r\n\r\n")).removesuffix(b"\r\n\r\n").split(b"\r\n")
        )
        pairs = (one.split(b": ", 1) for one in lines)
        fields = {name.lower(): value for name, value in pairs}
        assert len(fields) == len(lines), "no header stands there twice"
        body = await reader.readexactly(int(fields.get(b"content-length", 0)))
        del fields[b"host"]  # each service has a port of its own
        sent = line, fields, body
        with suppress(OSError):  # a client may have seen enough
            for part in answer:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0)
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    try:
        told = await transport.send(f"http://127.0.0.1:{port}/v1", call, TIMEOUT_S)
    except ProviderError as error:
        return sent, type(error)
    finally:
        await transport.close()
        server.close()
        await asyncio.gather(*filter(None, tasks))
    return sent, (told.status, dict(told.headers), told.body)


def never(_base: URL, _call: Call) -> bool:
    return False


async def both(call: Call, answer: Sequence[bytes]) -> list[tuple[Sent | None, Understood]]:
    """Return what comes of `call` in the lane, and of the same by the session."""
    came: list[tuple[Sent | None, Understood]] = []
    for in_lane in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            if not in_lane:
                patch.setattr(Lane, "takes", staticmethod(never))
            transport = Transport(answer_bytes_max=BYTES_MAX)
            came.append(await exchanged(transport, call, answer))
    return came


@settings(deadline=None, max_examples=60)
@given(calls())
def test_the_lane_sends_what_a_session_sends(call: Call) -> None:
    ours, stock = asyncio.run(both(call, [ANSWER]))
    assert ours[0] is not None
    assert ours == stock


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(sorted(ANSWERS)), st.lists(st.integers(0, 120), max_size=4))
def test_the_lane_understands_what_a_session_understands(name: str, cuts: list[int]) -> None:
    answer, edges = ANSWERS[name], sorted(cuts)
    parts = [answer[a:b] for a, b in zip([0, *edges], [*edges, len(answer)], strict=True)]
    ours, stock = asyncio.run(both(Call("GET", "/x"), parts))
    assert ours == stock


@pytest.mark.parametrize("name", sorted(ANSWERS))
async def test_each_answer_is_understood_alike(name: str) -> None:
    ours, stock = await both(Call("GET", "/x"), [ANSWERS[name]])
    assert ours == stock


async def test_a_service_that_only_promises_is_given_up() -> None:
    promises = b"HTTP/1.1 102 Processing\r\n\r\n" * (INTERIM_MAX + 1)
    (_, understood), _ = await both(Call("GET", "/x"), [promises + ANSWER])
    assert understood is ProtocolBroken


@pytest.mark.parametrize(
    "call",
    [
        Call("GET", "/x", headers=(("X-Key", "a\r\nX-Other: b"),)),
        Call("GET", "/x", headers=(("X Key", "a"),)),
        Call("GET", "/x y"),
        Call("GET", "/x\r\nHost: elsewhere"),
    ],
)
async def test_what_would_be_another_request_is_not_sent(call: Call) -> None:
    transport = Transport()
    assert Lane.takes(URL("http://127.0.0.1"), call)
    sent, understood = await exchanged(transport, call, [ANSWER])
    assert sent is None
    assert understood is ProtocolBroken


async def test_a_connection_is_used_again_unless_its_answer_was_not_read_to_the_end() -> None:
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        try:
            while line := await reader.readuntil(b"\r\n\r\n"):
                writer.write(ANSWERS["too much"] if b"/much" in line else ANSWER)
        except asyncio.IncompleteReadError:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    transport = Transport(answer_bytes_max=BYTES_MAX)
    try:
        for _ in range(3):
            await transport.send(base, Call("GET", "/little"), TIMEOUT_S)
        assert connections == 1
        with pytest.raises(ProtocolBroken):
            await transport.send(base, Call("GET", "/much"), TIMEOUT_S)
        await transport.send(base, Call("GET", "/little"), TIMEOUT_S)
        assert connections == 2
    finally:
        await transport.close()
        server.close()
        await server.wait_closed()
