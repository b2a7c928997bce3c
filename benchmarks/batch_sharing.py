"""What is promised of batches that several processes share; see `scoreboard`."""

import asyncio
import random
import tempfile
import time
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from os import kill
from pathlib import Path
from signal import SIGKILL
from typing import cast

import orjson
from pydantic import SecretStr

from batches.batch import Batch, State
from batches.opening import open_store
from batches.packing import ChunkPacking
from batches.settings import StoreSettings
from batches.store import Store
from benchmarks.asking import Refused
from benchmarks.batch_promises import Worker, Yard, worker, yard
from benchmarks.processes import OTHER_CPU, TESTED_CPU, Running, assay, pin_self, store
from benchmarks.promises import Kept, Promise, emails, post_to
from benchmarks.sandboxed import MAILBOXES, mailboxes, running_sandbox, settings_of
from benchmarks.sharing import TOO_MANY, most_within, window
from checks.kinds import KINDS, load
from tests.postgres_process import PostgresProcess
from verdicts.verdict import Status

SHARED_PER_S, SHARED_RECORDS, QUICK_SHARED_RECORDS = 200, 6_000, 600
RATE_PER_S, RATE_RECORDS, QUICK_RATE_RECORDS = 500, 100_000, 2_000
AGAIN = 0.3
RECORDS_PER_S_MIN = 700.0
BOTH, QUICK_BOTH = 10_000, 1_000
SUBMITS, QUICK_SUBMITS, AT_ONCE = 1_000, 100, 250
CRASHES, QUICK_CRASHES = 12, 2
CRASH_WITHIN_S = 0.03
CREATE = """mutation Create($input: CreateBatchInput!) {
  createBatch(input: $input) { batch { id } errors { code } }
}"""


@contextmanager
def postgres_yard(**sections: object) -> Generator[tuple[Yard, PostgresProcess]]:
    """Run a sandbox, a Valkey and a PostgreSQL with a fresh store, until left.

    The store is closed: its connections are of one loop, so each use has it `opened`.
    """
    load()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="assay-")))
        postgres = PostgresProcess(folder)
        postgres.start()
        stack.callback(postgres.stop)
        sandbox = stack.enter_context(running_sandbox())
        shared = stack.enter_context(store())
        sandbox.unlimited()
        url = postgres.database()
        settings = settings_of(sandbox, shared, store={"url": url}, **sections)
        made = asyncio.run(_made(StoreSettings(url=SecretStr(url)), folder))
        yield Yard(sandbox, settings, folder, made, ChunkPacking(KINDS)), postgres


async def _made(settings: StoreSettings, folder: Path) -> Store:
    """Return a new store, closed."""
    made = await open_store(settings, folder / "unused.db")
    await made.close()
    return made


@asynccontextmanager
async def opened(home: Yard) -> AsyncGenerator[None]:
    """Have the store of `home` open, where its settings say that it is."""
    section = cast("dict[str, str]", home.settings.get("store", {}))
    home.store = await open_store(StoreSettings.model_validate(section), home.folder / "batches.db")
    try:
        yield
    finally:
        await home.store.close()


def killed_group(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """Let two groups of two workers share a batch and a limit, and kill one group half way."""
    values = emails(f"groups{seed}", QUICK_SHARED_RECORDS if quick else SHARED_RECORDS)
    sections = mailboxes(bulk=1, rates=[f"{SHARED_PER_S}/s"])
    with postgres_yard(**sections) as (home, _), ExitStack() as stack:
        home.sandbox.control(
            "POST", f"{MAILBOXES}/limit", {"windows": [window(SHARED_PER_S, 1.0, "sliding")]}
        )
        groups: list[list[Worker]] = []
        for name, cpu in (("one", TESTED_CPU), ("other", OTHER_CPU)):
            folder = home.folder / name
            folder.mkdir()
            groups.append(
                [stack.enter_context(worker(home.settings, folder, cpu)) for _ in range(2)]
            )

        async def run() -> tuple[list[tuple[str, Status]], float]:
            async with opened(home):
                batch = await home.batch(values)
                await home.until(batch, State.COMPLETED, decided=len(values) // 2)
                for one in groups[0]:
                    await asyncio.to_thread(one.kill)
                killed = time.monotonic()
                batch = await home.until(batch, State.COMPLETED)
                return await home.found(batch), time.monotonic() - killed

        found, took_s = asyncio.run(run())
        calls = home.sandbox.calls(MAILBOXES)
    refused = sum(call["status"] == TOO_MANY for call in calls)
    moments = sorted(call["time"] for call in calls if call["status"] != TOO_MANY)
    most = most_within(1.0, moments)
    whole = [value for value, _ in found] == values
    return Kept(
        f"{len(values)} records, each once and in its place: {whole}; the other group finished"
        f" {took_s:.0f} s later; {len(calls)} calls, at most {most} in any second of"
        f" {SHARED_PER_S}, {refused} refused",
        whole and not refused and most <= SHARED_PER_S,
    )


def _again(mark: str, count: int, seed: int) -> list[str]:
    """Return `count` e-mails of which a share of `AGAIN` comes again."""
    chance = random.Random(seed)
    distinct = emails(mark, round(count * (1 - AGAIN)))
    values = distinct + [chance.choice(distinct) for _ in range(count - len(distinct))]
    chance.shuffle(values)
    return values


def permitted_rate(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """Work off a batch with duplicates at a limit that the service enforces."""
    count = QUICK_RATE_RECORDS if quick else RATE_RECORDS
    values = _again(f"rate{seed}", count, seed)
    with (
        yard(**mailboxes(bulk=1, rates=[f"{RATE_PER_S}/s"], concurrency=64)) as home,
        worker(home.settings, home.folder, TESTED_CPU),
    ):
        home.sandbox.control(
            "POST", f"{MAILBOXES}/limit", {"windows": [window(RATE_PER_S, 1.0, "sliding")]}
        )

        async def run() -> tuple[Batch, float]:
            batch = await home.batch(values)
            began = time.monotonic()
            return await home.until(batch, State.COMPLETED), time.monotonic() - began

        batch, took_s = asyncio.run(run())
        found = asyncio.run(home.found(batch))
        counts = home.sandbox.control("GET", "statistics")[MAILBOXES]
    refused = counts["by_status"].get(str(TOO_MANY), 0)
    per_s = len(found) / took_s
    return Kept(
        f"{len(found)} records, {per_s:.0f} a second; {counts['calls']} calls for"
        f" {len(set(values))} values, {refused} refused",
        [value for value, _ in found] == values
        and not refused
        and (quick or per_s >= RECORDS_PER_S_MIN),
    )


def two_at_once(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """Let two workers work off two batches at once that hold the same values."""
    count = QUICK_BOTH if quick else BOTH
    one = _again(f"both{seed}", count, seed)
    other = random.Random(seed).sample(one, len(one))
    with yard(**mailboxes(bulk=1, concurrency=32)) as home, ExitStack() as stack:
        for cpu in (TESTED_CPU, OTHER_CPU):
            stack.enter_context(worker(home.settings, home.folder, cpu))

        async def run() -> list[Batch]:
            made = [await home.batch(values) for values in (one, other)]
            return [await home.until(batch, State.COMPLETED) for batch in made]

        done = asyncio.run(run())
        found = [dict(asyncio.run(home.found(batch))) for batch in done]
        asked = home.sandbox.values_asked(MAILBOXES)
    # what a mailbox service does not know is remembered for seconds only, and asked again
    unknown = {value for value, status in found[0].items() if status is Status.UNKNOWN}
    known = [value for value in asked if value not in unknown]
    distinct = len(set(one) - unknown)
    return Kept(
        f"two batches of {count} records, {distinct} values with an answer: {len(known)} asked",
        len(known) == len(set(known)) == distinct and found[0].keys() == found[1].keys(),
    )


def one_key(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """Send one batch again and again with its key, to two processes; then while one is killed."""
    pin_self()
    chance = random.Random(seed)
    submits, crashes = (QUICK_SUBMITS, QUICK_CRASHES) if quick else (SUBMITS, CRASHES)
    with yard() as home, ExitStack() as stack:
        section = cast("dict[str, object]", home.settings["gateway"])
        settings = {**home.settings, "gateway": {**section, "data_dir": str(home.folder)}}
        two = [stack.enter_context(assay(settings, cpu)) for cpu in (TESTED_CPU, OTHER_CPU)]
        body, ids = _create(f"key{seed}", "a"), set[str]()
        for at in range(0, submits, AT_ONCE):
            part = [body] * min(AT_ONCE, submits - at)
            ids |= {_id_in(answer) for answer in asyncio.run(post_to(two, part))}
        (other,) = asyncio.run(post_to(two[:1], [_create(f"key{seed}", "b")]))
        kinds = [one["code"] for one in orjson.loads(other)["data"]["createBatch"]["errors"]]
        twice = sum(
            _crashed(settings, two[1], _create(f"crash{seed}.{at}", "a"), chance.random())
            for at in range(crashes)
        )
    return Kept(
        f"{submits} submits, {len(ids)} batch; another body: {', '.join(kinds)}; {crashes} times"
        f" killed while it was made and sent again: {twice} times two batches",
        len(ids) == 1 and kinds == ["KEY_USED"] and not twice,
    )


def _create(key: str, mark: str) -> bytes:
    wish = {"idempotencyKey": key, "name": key, "records": [{"email": f"{mark}@example.com"}]}
    return orjson.dumps({"query": CREATE, "variables": {"input": wish}})


def _id_in(answer: bytes) -> str:
    created = orjson.loads(answer)["data"]["createBatch"]
    assert not created["errors"], created
    found: str = created["batch"]["id"]
    return found


def _crashed(settings: Mapping[str, object], other: Running, body: bytes, share: float) -> bool:
    """Kill a process somewhere on its way to the answer; return whether there are two batches."""
    heard: list[bytes] = []
    with assay(settings) as one:

        async def run() -> None:
            asking = asyncio.ensure_future(post_to([one], [body]))
            await asyncio.sleep(share * CRASH_WITHIN_S)
            kill(one.pid, SIGKILL)
            with suppress(OSError, Refused, asyncio.IncompleteReadError):
                heard.extend(await asking)

        asyncio.run(run())
    ids = {_id_in(answer) for answer in (*heard, *asyncio.run(post_to([other], [body] * 2)))}
    return len(ids) > 1


BATCH_SHARING: Mapping[str, Promise] = {
    "batch groups": Promise(
        "Two groups of workers, one PostgreSQL: one group is killed, the other finishes",
        killed_group,
    ),
    "batch rate": Promise(
        "A batch with 30 % duplicates at 500 calls/s: at least 700 records/s, no refusal",
        permitted_rate,
    ),
    "batch once": Promise(
        "Two batches at once with the same values: each value is asked once", two_at_once
    ),
    "R23 one key": Promise(
        "R23: a batch sent again with its key is there once, whoever is killed", one_key
    ),
}
