"""A store, an engine and a bench with real parts, around providers that answer from a table."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec import Struct

from batches.batch import Batch, Move, NewBatch, State
from batches.chunk import NewChunk
from batches.engine import Engine
from batches.given import packed_records
from batches.giving_up import GivingUp
from batches.opening import open_store
from batches.packing import ChunkPacking
from batches.rounds import Court, Foreseeing, Judging
from batches.settings import StoreSettings
from batches.source.record import GivenRecord
from batches.store import Store
from batches.undecided import Blocked
from batches.work_settings import WorkSettings
from checks import email
from checks.kinds import KindModule
from providers.priority import TENANT
from questions.judging import Judge
from tests.questions.house import NewDesk, TableProvider, desks
from verdicts.record import Record
from verdicts.verdict import RecordResult

KINDS: Sequence[KindModule] = (email,)
ENDS_S_MAX = 30.0
POLL_S = 0.02


class Blind:
    """Knows of nothing that it costs nothing; satisfies `batches.rounds.Foreseeing`."""

    async def free(self, records: Sequence[Record], max_age_s: float | None) -> set[int]:
        del records, max_age_s
        return set()


class Bench(Struct):
    """Judges everything by `judge`; satisfies `batches.work.Bench`."""

    judge: Judging
    again_s: float | None = None
    prices: dict[str, int] = {}
    foresight: Foreseeing = Blind()
    unsaved: bool = False

    def court(self, batch: Batch) -> Court:
        del batch
        clerk = Judge(KINDS, {("email", "mailbox"): GivingUp("mailbox")}, {"email": ["mailbox"]})
        needs = {"email": ["mailbox"]}
        return Court(self.judge, clerk, needs, self.prices, self.foresight, lambda: self.unsaved)

    async def again_in_s(self, blocked: Blocked) -> float | None:
        del blocked
        return self.again_s


class Place(Struct):
    """Where a test works: a store, a Valkey and providers."""

    folder: Path
    url: str
    store: Store
    new_desk: NewDesk
    packing: ChunkPacking

    def judge(self, provider: TableProvider) -> Judge:
        """Return a judge as another process has one, who asks `provider`."""
        desk = self.new_desk(provider)
        return Judge(KINDS, {("email", "mailbox"): desk}, {"email": ["mailbox"]})

    @asynccontextmanager
    async def engine(
        self, judge: "Judging | Bench", store: Store | None = None, **settings: object
    ) -> AsyncGenerator[Engine]:
        """Run an engine for the time of the block."""
        usual: dict[str, object] = {"slots": 2, "lease_s": 2.0}
        chosen = WorkSettings.model_validate(usual | settings)
        bench = judge if isinstance(judge, Bench) else Bench(judge)
        engine = Engine(chosen, store or self.store, self.packing, bench, self.url)
        engine.start()
        try:
            yield engine
        finally:
            await engine.close()

    async def batch(
        self, values: Sequence[str], chunk: int = 10, tenant: str = TENANT, **more: object
    ) -> Batch:
        """Make a batch of e-mails and start it."""
        chunks = [
            NewChunk(len(part), packed_records([GivenRecord(email=value) for value in part]))
            for part in (values[at : at + chunk] for at in range(0, len(values), chunk))
        ]
        new = NewBatch(tenant=tenant, **more)  # pyright: ignore[reportArgumentType] - a test's own
        made = await self.store.create(new, chunks)
        return await self.store.move(tenant, made.batch.id, Move.START)

    async def now(self, batch: Batch) -> Batch:
        """Return `batch` as it is now."""
        return await self.store.batch(batch.tenant, batch.id)

    async def until(self, batch: Batch, *states: State) -> Batch:
        """Return `batch` once it is in one of `states`."""
        async with asyncio.timeout(ENDS_S_MAX):
            while True:
                found = await self.now(batch)
                if found.state in states:
                    return found
                await asyncio.sleep(POLL_S)

    async def results(self, batch: Batch) -> dict[str, RecordResult]:
        """Return all results by e-mail; one that is there twice fails the test."""
        found: dict[str, RecordResult] = {}
        places: set[int] = set()
        for chunk in await self.store.chunk_results(batch.tenant, batch.id, -1, 10_000):
            blobs = [one for one in (chunk.results, *chunk.parts) if one is not None]
            for blob in blobs:
                for place, result in zip(*self.packing.unpacked(blob), strict=True):
                    assert chunk.first_index + place not in places, "a record has two results"
                    places.add(chunk.first_index + place)
                    found[result.verdicts[0].input] = result
        return found


@asynccontextmanager
async def place(folder: Path, url: str) -> AsyncGenerator[Place]:
    """Give a place with a fresh store in `folder` and the Valkey at `url`."""
    async with desks(url) as new_desk:
        store = await open_store(StoreSettings(), folder / "batches.db")
        try:
            yield Place(folder, url, store, new_desk, ChunkPacking(KINDS))
        finally:
            await store.close()


def emails(count: int, mark: str = "user") -> list[str]:
    """Return e-mails that differ."""
    return [f"{mark}{at}@x.example" for at in range(count)]
