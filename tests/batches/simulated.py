"""A fleet of engines on a virtual clock: time costs nothing, and a seed says what happens when.

The store is the real one, over SQLite in memory; the broker loses and doubles hints; whoever
answers is slow, fails, runs out of quota. Processes are killed, kept from the store, or so late
with what they write there that their leases have ended.
"""

import asyncio
import contextvars
import random
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool
from taskiq import AsyncBroker
from taskiq.message import BrokerMessage

from batches.batch import Batch, Move, NewBatch, State
from batches.blobs import Blobs
from batches.chunk import NewChunk
from batches.chunk_work import Packing
from batches.counts import Counts, counted
from batches.database import P, T, Transaction
from batches.database import Work as Doing
from batches.dispatch import Dispatch
from batches.errors import MoveRefused, StoreUnavailable
from batches.hints import Hints
from batches.keys import Keyring
from batches.results import Results
from batches.rounds import Court
from batches.source.record import GivenRecord
from batches.sqlite import SqliteDialect
from batches.store import Store
from batches.sweeper import Sweeper
from batches.tables import METADATA
from batches.undecided import Blocked
from batches.work import Work
from checks import email
from checks.kinds import KindModule
from providers.priority import TENANT
from questions.judging import Needs
from questions.terms import Terms
from tests.batches.house import Blind
from tests.batches.virtual_time import EPOCH, OWNER, SimulatedLoop
from verdicts.outcome import CONFIRMED, REFUTED, UNDECIDED, Conclusion, Outcome
from verdicts.reason import ReasonCode, because
from verdicts.record import Record
from verdicts.verdict import (
    INVALID,
    PROVIDER,
    UNKNOWN,
    VALID,
    EmailVerdict,
    RecordResult,
    Status,
)

KINDS: Sequence[KindModule] = (email,)


PROMPT_S, LATE_S = 0.02, 25.0
"""How long a process takes at most to write: usually, and more than twice a lease."""


class Cut(Struct):
    """Whether a process is cut off from the store, dead, or how late it is at most."""

    off: bool = False
    dead: bool = False
    late_s: float = PROMPT_S


class MemoryDatabase:
    """SQLite in memory, each transaction after a short virtual while; satisfies `Database`."""

    def __init__(self, chance: random.Random, clock: Callable[[], datetime]) -> None:
        self._engine = create_engine(
            "sqlite://",
            poolclass=StaticPool,
            connect_args={"check_same_thread": False},
            isolation_level="AUTOCOMMIT",
        )
        self._connection = self._engine.connect()
        METADATA.create_all(self._connection)
        self._chance = chance
        self._clock = clock
        self.cuts: dict[int, Cut] = {}
        self.unsure = 0.0

    async def write(self, work: Doing[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        cut = self.cuts.get(OWNER.get(), Cut())
        await asyncio.sleep(self._chance.uniform(0.001, cut.late_s))
        if cut.off or cut.dead:
            raise StoreUnavailable("cut off")
        raw: Any = self._connection.connection.driver_connection
        raw.execute("BEGIN IMMEDIATE")
        try:
            found = work(
                Transaction(self._connection, SqliteDialect(), self._clock), *args, **kwargs
            )
        except BaseException:
            raw.execute("ROLLBACK")
            raise
        raw.execute("COMMIT")
        if self._chance.random() < self.unsure:
            raise StoreUnavailable("it was done, and the answer got lost")
        return found

    async def read(self, work: Doing[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.write(work, *args, **kwargs)

    async def note(self, work: Doing[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.write(work, *args, **kwargs)

    async def tidy(self) -> None: ...

    async def close(self) -> None:
        self._connection.close()
        self._engine.dispose()


class LossyBroker(AsyncBroker):
    """Hints between all processes: some get lost, some come twice."""

    def __init__(self, queue: "asyncio.Queue[bytes]", chance: random.Random) -> None:
        super().__init__()
        self._queue = queue
        self._chance = chance

    async def kick(self, message: BrokerMessage) -> None:
        for _ in range(self._chance.choice((0, 1, 1, 1, 1, 1, 1, 2))):
            self._queue.put_nowait(message.message)

    async def listen(self) -> AsyncGenerator[bytes, None]:
        while True:
            yield await self._queue.get()


class Truth:
    """What is so of each e-mail, and who was asked about it; outlives every process."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.known: dict[str, Conclusion] = {}
        self.asked: Counter[str] = Counter()
        self.down = False
        self.used_up = False

    def of(self, value: str) -> Conclusion:
        """Return what there is to find out about `value`."""
        return REFUTED if int(value.split("@", maxsplit=1)[0]) % 3 == 0 else CONFIRMED


class SimulatedJudge:
    """Answers in its time, or says why not; what it found is known to all processes."""

    def __init__(self, truth: Truth) -> None:
        self._truth = truth

    async def judge(
        self, records: Sequence[Record], needs: Needs, terms: Terms
    ) -> list[RecordResult]:
        del needs
        truth, loop = self._truth, asyncio.get_running_loop()
        await asyncio.sleep(min(truth.chance.uniform(0.05, 3.0), terms.deadline - loop.time()))
        late = loop.time() >= terms.deadline
        return [self._result(at, str(record.email), late=late) for at, record in enumerate(records)]

    def _result(self, at: int, value: str, *, late: bool) -> RecordResult:
        truth = self._truth
        if value not in truth.known:
            if truth.used_up:
                return result_of(at, value, UNDECIDED, ReasonCode.QUOTA_EXHAUSTED)
            if truth.down and truth.chance.random() < 0.5:
                return result_of(at, value, UNDECIDED, ReasonCode.PROVIDER_UNAVAILABLE)
            if late and truth.chance.random() < 0.3:
                return result_of(at, value, UNDECIDED, ReasonCode.DEADLINE)
            truth.asked[value] += 1
            truth.known[value] = truth.of(value)
        return result_of(at, value, truth.known[value])


STATUS: dict[Conclusion, Status] = {CONFIRMED: VALID, REFUTED: INVALID, UNDECIDED: UNKNOWN}


def result_of(
    at: int, value: str, conclusion: Conclusion, code: ReasonCode | None = None
) -> RecordResult:
    """Return what a judge says of one e-mail."""
    reasons = () if code is None else (because(code, "mailbox", retryable=True),)
    outcomes = (Outcome("mailbox", conclusion, EPOCH, reasons=reasons),)
    status = STATUS[conclusion]
    verdict = EmailVerdict("email", value, value, status, reasons, outcomes, EPOCH, None, PROVIDER)
    return RecordResult(None, at, status, email=verdict, verdicts=(verdict,))


class SimulatedPacking:
    """Records are lines of e-mails; results are packed as everywhere. Satisfies `Packing`."""

    def __init__(self) -> None:
        self._results = Results(KINDS)

    def records(self, batch: Batch, given: bytes) -> tuple[Sequence[Record], Sequence[int]]:
        del batch
        return [GivenRecord(email=line) for line in given.decode().split("\n")], ()

    def blank(self, place: int) -> RecordResult:
        return self._results.blank(place)

    def packed(
        self, places: Sequence[int], results: Sequence[RecordResult]
    ) -> tuple[bytes, Counts]:
        return self._results.packed(places, results), counted(results)

    def unpacked(self, blob: bytes) -> tuple[Sequence[int], Sequence[RecordResult]]:
        return self._results.unpacked(blob)


class SimulatedBench(Struct):
    """Satisfies `batches.work.Bench`."""

    judge: SimulatedJudge

    def court(self, batch: Batch) -> Court:
        del batch
        return Court(self.judge, self.judge, {"email": ["mailbox"]}, {}, Blind(), lambda: False)

    async def again_in_s(self, blocked: Blocked) -> float | None:
        del blocked
        return 30.0


class Process:
    """One process of the fleet."""

    def __init__(self, fleet: "Fleet", number: int) -> None:
        self.number = number
        self.cut = fleet.database.cuts[number] = Cut()
        work = Work(
            store=Store(fleet.database, Blobs(Keyring(None))),
            packing=fleet.packing,
            bench=SimulatedBench(SimulatedJudge(fleet.truth)),
            owner=f"process {number}",
            slots=2,
        )
        hints = Hints(LossyBroker(fleet.queue, fleet.chance), 2, work.begin)
        dispatch = Dispatch(fleet.store, hints, work)
        self._parts = (work, hints, dispatch, Sweeper(fleet.store, dispatch))

    def start(self) -> None:
        """Begin, as this process."""
        context = contextvars.copy_context()
        context.run(OWNER.set, self.number)
        for part in self._parts:
            context.run(part.start)

    async def stop(self) -> None:
        """Stop in order."""
        work, hints, dispatch, sweeper = self._parts
        for part in (dispatch, work, hints, sweeper):
            await part.close()


class Fleet:
    """Processes that share a store, a broker and the truth; `seen` is what progress showed."""

    def __init__(self, loop: SimulatedLoop, seed: int) -> None:
        self.loop = loop
        self.chance = random.Random(seed)
        self.truth = Truth(self.chance)
        self.database = MemoryDatabase(self.chance, loop.moment)
        self.store = Store(self.database, Blobs(Keyring(None)))
        self.queue: asyncio.Queue[bytes] = asyncio.Queue()
        self.packing: Packing = SimulatedPacking()
        self.seen: list[tuple[int, int, State]] = []
        self.processes: list[Process] = []
        self._numbers = 0

    def begin(self) -> None:
        """Let one process more begin."""
        self._numbers += 1
        process = Process(self, self._numbers)
        self.processes.append(process)
        process.start()

    async def kill(self, process: Process) -> None:
        """End a process as a power cut does: nothing that it does any more has an effect."""
        self.processes.remove(process)
        process.cut.dead = True
        tasks = list(self.loop.tasks.pop(process.number, ()))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def batch(self, values: Sequence[str], chunk: int) -> Batch:
        """Make a batch and start it."""
        parts = [values[at : at + chunk] for at in range(0, len(values), chunk)]
        chunks = [NewChunk(len(part), "\n".join(part).encode()) for part in parts]
        made = await self.store.create(NewBatch(), chunks)
        return await self.store.move(TENANT, made.batch.id, Move.START)

    async def cancel(self, batch: Batch) -> None:
        """Cancel `batch`, in mid-trouble or after it, and insist until it is heard."""
        await asyncio.sleep(self.chance.uniform(0.0, 25.0))
        while not (await self._found(batch)).ended:
            await self._moved(batch, Move.CANCEL)
            await asyncio.sleep(1.0)

    async def trouble(self, batch: Batch, times: int) -> None:
        """Let this and that happen."""
        for _ in range(times):
            await asyncio.sleep(self.chance.uniform(0.05, 1.5))
            await self._one_trouble(batch)
        self.truth.down = self.truth.used_up = False
        self.database.unsure = 0.0
        for process in self.processes:
            process.cut.off, process.cut.late_s = False, PROMPT_S

    async def _one_trouble(self, batch: Batch) -> None:
        one = self.chance.choice(self.processes)
        match self.chance.randrange(9):
            case 0 | 1:
                await self.kill(one)
                self.begin()
            case 2:
                one.cut.off = not one.cut.off
            case 3:
                self.truth.down = not self.truth.down
            case 4:
                self.truth.used_up = not self.truth.used_up
            case 5:
                self.database.unsure = self.chance.choice((0.0, 0.1))
            case 6:
                one.cut.late_s = self.chance.choice((LATE_S, PROMPT_S))
            case 7:
                await self._moved(batch, self.chance.choice((Move.PAUSE, Move.RESUME)))
            case _:
                self.processes.remove(one)
                self.begin()
                await one.stop()

    async def _moved(self, batch: Batch, move: Move) -> None:
        with suppress(MoveRefused, StoreUnavailable):  # it has ended, or nobody heard it
            await self.store.move(TENANT, batch.id, move)

    async def _found(self, batch: Batch) -> Batch:
        while True:
            with suppress(StoreUnavailable):
                return await self.store.batch(TENANT, batch.id)

    async def ended(self, batch: Batch, within_s: float) -> Batch:
        """Return `batch` once it has ended; whoever paused it lets it go on."""
        async with asyncio.timeout(within_s):
            while True:
                found = await self._found(batch)
                self.seen.append((found.version, found.counts.records, found.state))
                if found.ended:
                    return found
                if found.state is State.PAUSED and found.retry_at is None:
                    await self._moved(batch, Move.RESUME)
                await asyncio.sleep(0.5)
