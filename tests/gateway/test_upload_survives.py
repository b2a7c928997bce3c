"""A server that is killed while it takes a file in: nothing is lost, and nothing doubled."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp

from batches.batch import Batch
from batches.given import Records, unpacked_layout
from batches.opening import open_store
from batches.settings import StoreSettings
from batches.store import Store
from providers.priority import TENANT
from tests.assay_process import AssayProcess, processes, sections
from tests.waiting import POLL_S, WAIT_S

RECORDS = 120_000
KILLS = 2
PIECE_BYTES = 65_536
CONTENT = b"email,number\n" + b"".join(
    b"user%d@b.example,%d\n" % (at * 7 % 90_000, at) for at in range(RECORDS)
)
EXPECTED = [str(at) for at in range(RECORDS)]


async def sent(assay: AssayProcess, content: AsyncIterator[bytes]) -> tuple[int, object]:
    """Send a file under one and the same key; return status and answer."""
    connector = aiohttp.UnixConnector(str(assay.path))
    async with (
        aiohttp.ClientSession("http://assay", connector=connector) as session,
        session.put("/batches?idempotencyKey=k", data=content) as answer,
    ):
        return answer.status, await answer.json()


async def pieces(until: int, killed: asyncio.Event | None = None) -> AsyncIterator[bytes]:
    """Yield the first `until` bytes of the file, then hang until the server is gone."""
    for at in range(0, until, PIECE_BYTES):
        yield CONTENT[at : min(at + PIECE_BYTES, until)]
    if killed is not None:
        await killed.wait()


async def kept(store: Store, more_than: int) -> Batch:
    """Return the batch as soon as more than so many bytes of its file are kept."""
    async with asyncio.timeout(WAIT_S):
        while True:
            page = await store.batches(TENANT, 2)
            if page.batches and page.batches[0].offset > more_than:
                assert len(page.batches) == 1
                return page.batches[0]
            await asyncio.sleep(POLL_S)


async def test_kill_9_while_a_file_is_taken_in(tmp_path: Path, valkey_url: str) -> None:
    given = sections(None, valkey_url, gateway={"data_dir": str(tmp_path)})
    store = await open_store(StoreSettings(), tmp_path / "batches.db")
    dice = random.Random(7)
    offset, batch_id = 0, ""
    try:
        for _ in range(KILLS):
            with processes(given, 1) as (assay,):
                killed = asyncio.Event()
                least = max(offset, 1_200_000)
                until = dice.randrange(least + 600_000, max(least, 2_000_000) + 700_000)
                sending = asyncio.create_task(sent(assay, pieces(until, killed)))
                told = await kept(store, offset)
                await asyncio.to_thread(assay.kill)
                killed.set()
                await asyncio.gather(sending, return_exceptions=True)
                batch_id = told.id
                now = await store.batch(TENANT, batch_id)
                assert now.offset >= told.offset
                offset = now.offset
        with processes(given, 1) as (assay,):
            status, answer = await sent(assay, pieces(len(CONTENT)))
        assert status == 200, answer
        batch = await store.batch(TENANT, batch_id)
        assert (batch.records, batch.row_errors, batch.offset) == (RECORDS, 0, len(CONTENT))
        records = Records(unpacked_layout(batch.layout))
        found = await store.chunk_results(TENANT, batch.id, -1, batch.chunks)
        rows = [row for chunk in found for row in records.given(chunk.given or b"").rows]
        assert [number for _, number in rows] == EXPECTED
    finally:
        await store.close()
