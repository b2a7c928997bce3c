"""A small client of GraphQL over HTTP: kept connections, prepared bodies, answers checked."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TypeVar

import orjson
from msgspec import Struct
from msgspec.json import Decoder

T = TypeVar("T")
VALIDATE = """mutation Validate($records: [RecordInput!]!) {
  validate(records: $records) {
    results {
      ref index status
      email { input normalized status source decidedAt reasons { code message retryable } }
    }
  }
}"""
"""Eleven fields a record."""


class Mailbox(Struct):
    """What the clients here read of an e-mail's verdict."""

    input: str
    source: str = ""


class Result(Struct):
    """What they read of a record's result."""

    status: str
    email: Mailbox


class _Payload(Struct):
    results: list[Result]


class _Data(Struct):
    validate: _Payload


class _Answer(Struct):
    data: _Data


_ANSWER = Decoder(_Answer)


class Refused(Exception):
    """The server answered with another status than 200, or with errors."""


class Connection:
    """One kept connection."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Talk over this pair of streams; `headers` go with each request."""
        self._reader = reader
        self._writer = writer
        self._more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())

    async def post(self, body: bytes, path: str = "/graphql") -> bytes:
        """Send `body` and return the body of the answer.

        Raises:
            Refused: its status is not 200.
        """
        head = (
            f"POST {path} HTTP/1.1\r\nhost: localhost\r\naccept: application/json\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n{self._more}\r\n"
        )
        self._writer.write(head.encode() + body)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        lowered = answer.lower()
        at = lowered.index(b"content-length:") + len(b"content-length:")
        content = await self._reader.readexactly(int(lowered[at : lowered.index(b"\r\n", at)]))
        if b" 200 " not in answer[:16]:
            raise Refused(f"{answer[:40]!r}: {content[:200]!r}")
        return content

    def close(self) -> None:
        """Close it."""
        self._writer.close()


async def connected(
    port: int, count: int, headers: Mapping[str, str] = MappingProxyType({})
) -> list[Connection]:
    """Return `count` connections to `port` of the loopback; `headers` go with each request."""
    return [
        Connection(*await asyncio.open_connection("127.0.0.1", port), headers) for _ in range(count)
    ]


async def post_all(port: int, bodies: Iterable[bytes], connections: int) -> list[bytes]:
    """Send all `bodies` over so many connections and return the answers, in no order."""
    shared, answers = iter(bodies), list[bytes]()

    async def send(connection: Connection) -> None:
        for body in shared:
            answers.append(await connection.post(body))

    await with_connections(port, connections, send)
    return answers


async def with_connections(
    port: int, count: int, do: Callable[[Connection], Awaitable[None]]
) -> None:
    """Run `do` on each of `count` connections at once, then close them."""
    opened = await connected(port, count)
    try:
        await asyncio.gather(*(do(connection) for connection in opened))
    finally:
        for connection in opened:
            connection.close()


def asking(emails: Sequence[str], query: str = VALIDATE) -> bytes:
    """Return the body that asks for `emails` in one request."""
    records = [{"ref": str(at), "email": email} for at, email in enumerate(emails)]
    return orjson.dumps({"query": query, "variables": {"records": records}})


def in_lists(ones: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yield `ones` in lists of `size`."""
    return (ones[at : at + size] for at in range(0, len(ones), size))


def results(answer: bytes) -> list[Result]:
    """Return the results in an answer to `VALIDATE`.

    Raises:
        Refused: it has errors.
    """
    if b'"errors"' in answer[-2_000:]:
        raise Refused(repr(answer[-300:]))
    return _ANSWER.decode(answer).data.validate.results
