"""R1: any process is killed, again and again, while a batch comes in and is worked on.

What runs is what deploy/ runs on one machine: gunicorn with two workers, two `assay worker`, a
Valkey under its keeper, SQLite or a PostgreSQL. A client brings the records in parts, over HTTP,
and sends again what was not acknowledged; then it follows the batch to its end.
"""

import asyncio
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import psutil
from msgspec import Struct

from batches.batch import State
from benchmarks.batch_promises import NotReady, Worker, Yard, repeated, worker, yard
from benchmarks.batch_sharing import opened, postgres_yard
from benchmarks.processes import OTHER_CPU, TESTED_CPU
from benchmarks.promises import OTHER_KEY, Kept, Promise, emails
from benchmarks.sandboxed import MAILBOXES, mailboxes
from gateway.private_valkey import PrivateValkey
from providers.priority import TENANT
from tests.deploy.gunicorn_process import Gunicorn, running_gunicorn
from tests.postgres_process import PostgresProcess
from verdicts.verdict import Status

RECORDS, QUICK_RECORDS, PART = 20_000, 1_500, 500
KILLS, QUICK_KILLS = 50, 8
BRINGING = 0.2
"""The share of the kills that falls into the time in which records are brought."""
LATENCY_MS = 5
REPEATED_PER_KILL_MAX = 32
GOES_ON_WITHIN_S = 10.0
ANSWER_S = 10.0
AGAIN_S = 0.05
RESTART_S = 1.0
"""RestartSec of deploy/assay.service."""
BEGINS_S_MAX = 30.0
ENDS_S_MAX = 400.0
WEB, MASTER, WORKER, VALKEY, DATABASE = (
    "web worker",
    "gunicorn master",
    "batch worker",
    "Valkey",
    "PostgreSQL",
)
CREATE = """mutation ($input: CreateBatchInput!) {
  createBatch(input: $input) { batch { id } errors { code } }
}"""
ADD = """mutation ($id: ID!, $records: [RecordInput!]!, $after: Int) {
  addRecords(batchId: $id, records: $records, after: $after) {
    batch { id }
    errors { code message }
  }
}"""
START = "mutation ($id: ID!) { startBatch(batchId: $id) { batch { id } errors { code } } }"
FOLLOW = "query ($id: ID!) { batch(id: $id) { status { state recordsDone } } }"


class Client:
    """Asks over gunicorn's socket, and again until it is answered; counts how often it was not."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        """Ask by `session`."""
        self._session = session
        self.failed = 0

    async def ask(self, query: str, **variables: object) -> Any:  # noqa: ANN401 - JSON
        """Return the data of the first answer without an error."""
        body = orjson.dumps({"query": query, "variables": variables})
        async with asyncio.timeout(ENDS_S_MAX):
            while True:
                try:
                    async with self._session.post("http://localhost/graphql", data=body) as answer:
                        found = await answer.json()
                    if "errors" not in found and not _is_away(found["data"]):
                        return found["data"]
                except (aiohttp.ClientError, TimeoutError, ValueError):
                    pass
                self.failed += 1
                await asyncio.sleep(AGAIN_S)


def _is_away(data: Mapping[str, Any]) -> bool:
    """Return whether a mutation says that the store is away, and that it is to be tried again."""
    codes = [error["code"] for payload in data.values() for error in payload.get("errors", ())]
    return "UNAVAILABLE" in codes


@asynccontextmanager
async def client_of(path: Path) -> AsyncGenerator[Client]:
    """Give a client of the server at the socket `path`."""
    async with aiohttp.ClientSession(
        connector=aiohttp.UnixConnector(path=str(path)),
        headers={"Content-Type": "application/json"},
        timeout=aiohttp.ClientTimeout(total=ANSWER_S),
    ) as session:
        yield Client(session)


class Fleet(Struct):
    """All that can be killed, and by what chance; what has ended is started again, as by systemd.

    A process does not start while Valkey is away, which may be just then.
    """

    gunicorn: Gunicorn
    workers: Sequence[Worker]
    valkey: psutil.Process
    postgres: PostgresProcess | None
    chance: random.Random
    turn: threading.Lock

    def strike(self, victim: str) -> None:
        """Kill a process of the sort `victim`, and start it again where nobody else does."""
        with self.turn:
            self._strike(victim)

    def see_to(self) -> None:
        """Start gunicorn again if it has ended."""
        with self.turn:
            if self.gunicorn.process.poll() is not None:
                self.gunicorn.start()

    def _strike(self, victim: str) -> None:
        if victim == WEB:
            ours = psutil.Process(self.gunicorn.process.pid).children()
            if ours:  # else they are just being started
                _killed(self.chance.choice(ours))
        elif victim == MASTER:
            self.gunicorn.process.kill()
            self.gunicorn.process.wait()
            self.gunicorn.start()
        elif victim == WORKER:
            one = self.chance.choice(self.workers)
            one.kill()
            _begun(one)
        elif victim == VALKEY:
            for server in self.valkey.children():
                _killed(server)  # its keeper starts another
        elif self.postgres is not None:
            self.postgres.kill()
            self.postgres.start()


def _begun(one: Worker) -> None:
    """Begin `one`, again and again while it does not start."""
    until = time.monotonic() + BEGINS_S_MAX
    while True:
        try:
            one.begin()
        except NotReady:
            if time.monotonic() > until:
                raise
            time.sleep(RESTART_S)
        else:
            return


def _killed(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.kill()


def _keeper_of(folder: Path) -> psutil.Process:
    """Return the keeper of the Valkey that keeps its files in `folder`."""
    for process in psutil.Process().children():
        command = " ".join(process.cmdline())
        if "valkey_keeper" in command and str(folder) in command:
            return process
    raise LookupError(folder)


class Course(Struct):
    """What came of a batch: who was killed, how long until it went on, what was found."""

    killed: Counter[str]
    longest_s: float = 0.0
    unheard: int = 0
    went_back: bool = False
    found: list[tuple[str, Status]] = []


class Run:
    """One batch, from its first record to its end, with a fleet that is struck meanwhile."""

    def __init__(self, fleet: Fleet, client: Client, victims: Sequence[str]) -> None:
        """Strike `victims`, one after the other, while `client` brings and follows a batch."""
        self.course = Course(Counter())
        self._fleet = fleet
        self._client = client
        self._victims = victims

    async def batch(self, values: Sequence[str], mark: str) -> str:
        """Bring `values`, follow the batch to its end and return its id."""
        chance = self._fleet.chance
        early = round(BRINGING * len(self._victims))
        parts = range(0, len(values), PART)
        at_part = Counter(chance.choice(parts) for _ in range(early))
        made = await self._client.ask(CREATE, input={"idempotencyKey": mark, "name": mark})
        batch: str = made["createBatch"]["batch"]["id"]
        left = iter(self._victims)
        for at in parts:
            records = [{"email": value} for value in values[at : at + PART]]
            adding = asyncio.ensure_future(
                self._client.ask(ADD, id=batch, records=records, after=at)
            )
            for _ in range(at_part[at]):
                await self._strike(next(left))
            added = await adding
            # one whose answer was lost stands there already: results tell whether just once
            told = [error["code"] for error in added["addRecords"]["errors"]]
            assert told in ([], ["OUT_OF_STEP"]), added
        await self._client.ask(START, id=batch)  # once it is started, a second one is refused
        late = list(left)
        for number, victim in enumerate(late):
            share = (number + chance.random()) / (len(late) + 1)
            seen = await self._until(batch, int(share * len(values)))
            await self._strike(victim)
            began = time.monotonic()
            await self._until(batch, seen + 1)
            self.course.longest_s = max(self.course.longest_s, time.monotonic() - began)
        await self._until(batch, len(values) + 1)
        self.course.unheard = self._client.failed
        return batch

    async def _strike(self, victim: str) -> None:
        self.course.killed[victim] += 1
        await asyncio.to_thread(self._fleet.strike, victim)

    async def _until(self, batch: str, done: int) -> int:
        """Return how many records are decided once they are `done`, or the batch has ended."""
        last = 0
        async with asyncio.timeout(ENDS_S_MAX):
            while True:
                status = (await self._client.ask(FOLLOW, id=batch))["batch"]["status"]
                now: int = status["recordsDone"]
                self.course.went_back = self.course.went_back or now < last
                if now >= done or status["state"] == "COMPLETED":
                    return now
                last = now
                await asyncio.sleep(AGAIN_S)


def everything_killed(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """Kill web workers, masters, batch workers and Valkeys; batches are in SQLite."""
    with _valkey() as (valkey, keeper), yard(**_sections(valkey)) as home:
        return _measured(home, keeper, None, seed, quick=quick)


def postgres_killed(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """Kill all of these and the PostgreSQL that batches are in."""
    with (
        _valkey() as (valkey, keeper),
        postgres_yard(**_sections(valkey)) as (home, postgres),
    ):
        return _measured(home, keeper, postgres, seed, quick=quick)


@contextmanager
def _valkey() -> Generator[tuple[PrivateValkey, psutil.Process]]:
    """Run a Valkey as one of a machine, with its keeper, until left."""
    with tempfile.TemporaryDirectory(prefix="assay-") as folder:
        valkey = PrivateValkey(Path(folder))
        valkey.start()
        try:
            yield valkey, _keeper_of(Path(folder))
        finally:
            valkey.stop()


def _sections(valkey: PrivateValkey) -> dict[str, object]:
    return mailboxes(bulk=1, concurrency=16) | {"redis": {"url": valkey.url}}


def _measured(
    home: Yard, keeper: psutil.Process, postgres: PostgresProcess | None, seed: int, *, quick: bool
) -> Kept:
    chance = random.Random(seed)
    values = emails(f"kills{seed}", QUICK_RECORDS if quick else RECORDS)
    sorts = [WEB, MASTER, WORKER, VALKEY, *([DATABASE] if postgres else [])]
    kills = QUICK_KILLS if quick else KILLS
    victims = [sorts[at % len(sorts)] for at in range(kills)]
    chance.shuffle(victims)
    with worker({**home.settings, "cache": OTHER_KEY}, home.folder, TESTED_CPU):
        expected = asyncio.run(_calm(home, values))
    home.sandbox.unlimited()
    home.sandbox.control("POST", f"{MAILBOXES}/latency", {"ms": LATENCY_MS})
    with ExitStack() as stack:
        workers = [
            stack.enter_context(worker(home.settings, home.folder, cpu))
            for cpu in (TESTED_CPU, OTHER_CPU)
        ]
        gunicorn, path = stack.enter_context(running_gunicorn(_variables(home), app=None))
        fleet = Fleet(gunicorn, workers, keeper, postgres, chance, threading.Lock())
        course = asyncio.run(_course(home, fleet, path, values, victims))
    again = repeated(home, course.found)
    struck = ", ".join(f"{count} {name}" for name, count in sorted(course.killed.items()))
    return Kept(
        f"{len(values)} records, killed: {struck}; {len(course.found)} results, equal to the calm"
        f" run: {course.found == expected}; {again} calls repeated, going on within"
        f" {course.longest_s:.1f} s; {course.unheard} requests sent again",
        course.found == expected
        and not course.went_back
        and again <= REPEATED_PER_KILL_MAX * course.killed[WORKER]
        and course.longest_s <= GOES_ON_WITHIN_S,
    )


async def _calm(home: Yard, values: Sequence[str]) -> list[tuple[str, Status]]:
    async with opened(home):
        return await home.found(await home.until(await home.batch(values), State.COMPLETED))


async def _course(
    home: Yard, fleet: Fleet, path: Path, values: Sequence[str], victims: Sequence[str]
) -> Course:
    async with client_of(path) as client:
        run = Run(fleet, client, victims)
        watch = asyncio.create_task(_watch(fleet))
        try:
            batch = await run.batch(values, "kills")
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
    async with opened(home):
        run.course.found = await home.found(await home.store.batch(TENANT, batch))
    return run.course


async def _watch(fleet: Fleet) -> None:
    while True:
        await asyncio.sleep(RESTART_S)
        await asyncio.to_thread(fleet.see_to)


def _variables(home: Yard) -> dict[str, str]:
    """Return the settings of `home` as gunicorn's environment, its store by its address."""
    own = {"store": {"url": f"sqlite:///{home.folder / 'batches.db'}"}}
    variables = {
        f"ASSAY_{name.upper()}": orjson.dumps(section).decode()
        for name, section in (own | dict(home.settings)).items()
    }
    return variables | {"ASSAY_GATEWAY__LOG_LEVEL": "INFO"}  # it says when it has started


KILLS_PROMISES: Mapping[str, Promise] = {
    "R1 kills": Promise(
        "R1: web workers, gunicorn, batch workers, Valkey killed while a batch comes in and runs",
        everything_killed,
    ),
    "R1 PostgreSQL": Promise(
        "R1: the same with the batches in a PostgreSQL, which is killed too", postgres_killed
    ),
}
