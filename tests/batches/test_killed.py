"""A process that is killed while it writes: what it was told is kept is there, and nothing else."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from batches.batch import Move, State
from batches.chunk import ChunkState
from batches.counts import NOTHING
from batches.opening import open_store
from batches.settings import StoreSettings
from providers.priority import TENANT
from tests.batches.given import claimed, finish, queued, valid, work_off

ROOT = Path(__file__).resolve().parents[2]
# Works on a batch, and says what it has been told is kept.
WORKER = """
import asyncio, sys
from pathlib import Path
from pydantic import SecretStr
from batches.opening import open_store
from batches.settings import StoreSettings
from tests.batches.given import SPENT, queued, valid

async def main(url):
    store = await open_store(StoreSettings(url=SecretStr(url)), Path("unused"))
    while True:
        batch = await queued(store, 3, 3, 3, 3)
        print("made", batch.id, flush=True)
        async def work(ref):
            of = await store.claim(ref, "worker")
            await store.flush(of.claim, 0, b"part", valid(1), SPENT)
            print("flushed", batch.id, ref.seq, flush=True)
            await store.finish(of.claim, b"whole", valid(3), SPENT)
            print("finished", batch.id, ref.seq, flush=True)
        refs = [ref for ref in await store.next_chunks(100) if ref.batch == batch.id]
        await asyncio.gather(*map(work, refs))

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.parametrize("lines", [7, 40, 90])
async def test_what_was_told_is_there_after_a_kill(
    tmp_path: Path, postgres_url: str, lines: int
) -> None:
    for url in (f"sqlite:///{tmp_path / 'batches.db'}", postgres_url):
        with subprocess.Popen(
            [sys.executable, "-c", WORKER, url], stdout=subprocess.PIPE, cwd=ROOT
        ) as worker:
            assert worker.stdout is not None
            told = [await asyncio.to_thread(worker.stdout.readline) for _ in range(lines)]
            worker.send_signal(signal.SIGKILL)
            told += await asyncio.to_thread(worker.stdout.readlines)
        said = [line.decode().split() for line in told if line.endswith(b"\n")]
        await holds(url, said)


async def holds(url: str, said: list[list[str]]) -> None:
    """Assert that the store has all that was `said`, that it adds up, and that work goes on."""
    store = await open_store(StoreSettings(url=SecretStr(url)), Path("unused"))
    try:
        for batch_id in {words[1] for words in said}:
            batch = await store.batch(TENANT, batch_id)
            chunks = await store.chunk_results(TENANT, batch_id, -1, 9)
            summed = NOTHING
            for chunk in chunks:
                summed = summed.plus(chunk.counts)
            assert batch.counts == summed
            done = [chunk for chunk in chunks if chunk.state is ChunkState.DONE]
            assert batch.chunks_done == len(done)
            assert all(chunk.results == b"whole" and not chunk.parts for chunk in done)
            for what, of, *seq in said:
                if of == batch_id and what != "made":
                    chunk = chunks[int(seq[0])]
                    assert chunk.counts in (
                        [valid(3)] if what == "finished" else [valid(1), valid(3)]
                    )
        assert await store.snapshots([words[1] for words in said])
        again = await work_off(store, await queued(store, 2))
        assert again.state is State.COMPLETED
        assert (await store.move(TENANT, (await queued(store, 1)).id, Move.CANCEL)).ended
        await finish(store, await claimed(store, await queued(store, 1)))
    finally:
        await store.close()
