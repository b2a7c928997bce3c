"""Files over HTTP: a server, what is sent to it, and what is behind it."""

import asyncio
import gzip
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct
from starlette.applications import Starlette

from batches.given import Records, unpacked_layout
from batches.ingest import Ingest
from batches.opening import open_store
from batches.settings import StoreSettings, UploadSettings
from gateway.hosts import Origins
from gateway.uploads import Uploads
from providers.egress import Gate
from providers.priority import TENANT
from tests.gateway.doors import everybody
from tests.gateway.http_client import Answer, Client, served
from tests.waiting import POLL_S, WAIT_S

HEADER = b"E-Mail;Note\n"
CONTENT = HEADER + b"".join(b"user%d@b.example;%d\n" % (at, at) for at in range(40_000))
PACKED = gzip.compress(CONTENT, mtime=0)
EXPECTED = [(f"user{at}@b.example", str(at)) for at in range(40_000)]


class Running(Struct):
    """A served address for files, and what is behind it."""

    client: Client
    ingest: Ingest

    async def post(self, content: bytes, query: str = "", **headers: str) -> Answer:
        return await self.client.send("POST", f"/batches?{query}", content, **headers)

    async def rows(self, batch_id: str) -> list[tuple[str, ...]]:
        """Return the cells of every row of a batch."""
        batch = await self.ingest.store.batch(TENANT, batch_id)
        records = Records(unpacked_layout(batch.layout))
        found = await self.ingest.store.chunk_results(TENANT, batch_id, -1, 10_000)
        return [row for chunk in found for row in records.given(chunk.given or b"").rows]

    async def batches(self) -> int:
        return len((await self.ingest.store.batches(TENANT, 100)).batches)

    async def broken_off(self, request: str, content: bytes, *, size: int) -> None:
        """Send a request that promises `size` bytes, send `content` and go away."""
        _, writer = await asyncio.open_connection("127.0.0.1", self.client.port)
        head = f"{request} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {size}\r\n\r\n"
        writer.write(head.encode())
        writer.write(content)
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def running(
    folder: Path, *, webhooks: bool = True, **settings: int
) -> AsyncGenerator[Running]:
    """Serve `/batches` over a SQLite store in `folder`."""
    store = await open_store(StoreSettings(), folder / "batches.db")
    try:
        ingest = Ingest(store, UploadSettings(**settings))

        async def opened() -> Ingest:
            return ingest

        answers = Uploads(
            opened,
            everybody(),
            Origins(["localhost"]),
            currency="EUR",
            sandbox=False,
            gate=Gate() if webhooks else None,
        )
        async with served(Starlette(routes=answers.routes())) as client:
            yield Running(client, ingest)
    finally:
        await store.close()


async def until(condition: Callable[[], Awaitable[bool]]) -> bool:
    """Return whether `condition` came true in time."""
    async with asyncio.timeout(WAIT_S):
        while not await condition():  # noqa: ASYNC110 - the store tells nobody
            await asyncio.sleep(POLL_S)
        return True


def told(answer: Answer) -> Any:  # noqa: ANN401 - JSON
    assert answer.status < 300, answer.body
    return answer.json


async def head(here: Running, path: str) -> dict[str, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", here.client.port)
    writer.write(f"HEAD {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())
    lines = (await reader.read()).decode().split("\r\n")
    writer.close()
    await writer.wait_closed()
    assert lines[0].split()[1] == "204"
    return {name: value for name, _, value in (line.partition(": ") for line in lines[1:])}


def shown(value: object) -> str | None:
    """Return how a file is named in the name of a test: it may be a megabyte long."""
    return f"{len(value)} bytes" if isinstance(value, bytes) else None
