"""R17: many clients of one batch, some of which come and go, some of which read nothing."""

import asyncio
import random
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import orjson

from benchmarks.processes import Running, assay, pin_self, store
from benchmarks.promises import Kept, Promise
from benchmarks.push import (
    AT_ONCE,
    CHUNK,
    EVENTS_PER_S,
    Changing,
    Listener,
    changing,
    push_settings,
    subscribing,
)

SUBSCRIBERS = 1_000
SECONDS = 30.0
IDLE = 50
"""Clients that subscribe and never read."""
GONE_EVERY_S = 0.05
"""After which some client breaks off and comes again."""
END_WAIT_S = 10.0
EACH_MAX_BYTES = 30_000
IDLE_MAX_BYTES = 10_000_000


class Client(Listener):
    """A client that looks at what it is told; `newest` outlives its connections."""

    def __init__(self, first: Sequence[bytes], before: "Client | None" = None) -> None:
        super().__init__(first)
        self.newest = before.newest if before is not None else 0
        self.back = before.back if before is not None else 0
        self.last_state: tuple[str, int] = ("", 0)
        self.complete = False

    def told(self, payload: bytes) -> None:
        """Note a snapshot, and whether it is older than one before."""
        message = orjson.loads(payload)
        self.complete = self.complete or message["type"] == "complete"
        if message["type"] == "next":
            status = message["payload"]["data"]["batchStatus"]
            self.back += status["version"] < self.newest
            self.newest = max(self.newest, status["version"])
            self.last_state = status["state"], status["recordsDone"]


async def _client(port: int, first: Sequence[bytes], before: Client | None = None) -> Client:
    loop = asyncio.get_running_loop()
    _, made = await loop.create_connection(lambda: Client(first, before), "127.0.0.1", port)
    await made.opened()
    return made


async def _clients(port: int, count: int, first: Sequence[bytes]) -> list[Client]:
    made: list[Client] = []
    for begin in range(0, count, AT_ONCE):
        some = range(min(AT_ONCE, count - begin))
        made += await asyncio.gather(*(_client(port, first) for _ in some))
    return made


async def _changes(batch: Changing, seconds: float) -> None:
    for _ in range(round(seconds * EVENTS_PER_S)):
        await batch.change()
        await asyncio.sleep(1 / EVENTS_PER_S)


async def _followed(
    server: Running, batch: Changing, chance: random.Random, count: int, seconds: float
) -> Kept:
    before, first = server.resident_bytes(), subscribing(batch.batch.id)
    clients = await _clients(server.port, count, first)
    idle = await _clients(server.port, IDLE, first)
    await asyncio.sleep(1.0)
    each = (server.resident_bytes() - before) / (count + IDLE)
    for one in idle:
        one.transport.pause_reading()
    loop = asyncio.get_running_loop()
    resident, cpu_s, begun = server.resident_bytes(), server.cpu_s(), loop.time()
    await _changes(batch, seconds / 2)
    grown = server.resident_bytes() - resident
    changes, again = asyncio.create_task(_changes(batch, seconds / 2)), 0
    while not changes.done():
        at = chance.randrange(count)
        clients[at].transport.abort()
        clients[at] = await _client(server.port, first, clients[at])
        again += 1
        await asyncio.sleep(GONE_EVERY_S)
    await changes
    core = (server.cpu_s() - cpu_s) / (loop.time() - begun)
    await batch.finish()
    async with asyncio.timeout(END_WAIT_S):
        while not all(one.complete for one in clients):  # noqa: ASYNC110 - they tell nobody
            await asyncio.sleep(0.05)
    whole = sum(one.last_state == ("COMPLETED", CHUNK) for one in clients)
    back = sum(one.back for one in clients)
    for one in (*clients, *idle):
        one.transport.abort()
    return Kept(
        f"{whole:,} of {count:,} saw the end, {back} went back, {again} came again;"
        f" {each / 1e3:.1f} kB each, {grown / 1e6:+.1f} MB while {IDLE} of them read nothing,"
        f" {core:.0%} of a core",
        whole == count
        and not back
        and (each <= EACH_MAX_BYTES or count < SUBSCRIBERS)  # few share what the first one loads
        and grown <= IDLE_MAX_BYTES
        and core <= 1.0,
    )


def followed(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """R17: follow one batch with many clients until it has ended."""
    pin_self()
    count, seconds = (100, 2.0) if quick else (SUBSCRIBERS, SECONDS)
    with tempfile.TemporaryDirectory(prefix="assay-") as name, store() as shared:
        file = Path(name) / "batches.db"

        async def run(server: Running) -> Kept:
            async with changing(file, shared.url) as batch:
                return await _followed(server, batch, random.Random(seed), count, seconds)

        with assay(push_settings(file, shared)) as server:
            return asyncio.run(run(server))


PUSH_PROMISES: Mapping[str, Promise] = {
    "R17 progress": Promise(
        f"{SUBSCRIBERS:,} clients of one batch: progress never goes back, the last snapshot is the"
        " end, whoever comes again goes on, at most 30 kB each, 10 MB for those that never read,"
        " one core",
        followed,
    ),
}
