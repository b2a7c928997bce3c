"""One process that shares an account's limit: it calls a stand-in as often as its permits allow.

`python -m benchmarks.sharer '{…}'` (see `Order`) says "ready", calls from the line that it then
reads until its time is over, and writes what it saw as one line of JSON. Nothing else of Assay runs
in it, so that what is measured is the permits.
"""

import asyncio
import sys
import time
from collections.abc import Callable
from http import HTTPStatus

import msgspec
import uvloop
from msgspec import Struct

from gateway.valkey import Valkey
from providers.errors import NoPermit
from providers.exchange import Call
from providers.fleet import Fleet
from providers.permit import Bounds
from providers.permits import Permits
from providers.priority import Asker, Priority, Turn
from providers.rates import rate_of
from providers.transport import Transport
from verdicts.reason import ReasonCode

STORE_TIMEOUT_S = 1.0
PATIENCE_S = 5.0
CALL_TIMEOUT_S = 10.0
PAUSE_S = 1.0
STALL_EVERY_S = 0.2


class Order(Struct):
    """What to do: whom to call within which limits, how many at once, for how long.

    `every_s` is the time between two calls of a worker, nought for as often as permitted;
    `stall_ms` blocks the loop so long, five times a second, for the first time `stall_after_s`
    later than at once; who `heeds` tells the account of a 429.
    """

    store: str
    url: str
    rates: list[str]
    seconds: float
    account: str = "shared"
    tenant: str = "default"
    batch: bool = False
    workers: int = 64
    every_s: float = 0.0
    stall_ms: float = 0.0
    stall_after_s: float = 0.0
    concurrency: int = 1_000
    heeds: bool = False


class Seen(Struct):
    """What came of it: answers by status, refused permits, waits for permits in seconds.

    `stalls` are the instants (monotonic clock) at which the loop stood still, and went on.
    """

    statuses: dict[int, int]
    refused: int
    waits_s: list[float]
    stalls: list[tuple[float, float]]


async def share(order: Order, seen: Seen) -> None:
    """Call until the time is over."""
    valkey, transport = Valkey(order.store, STORE_TIMEOUT_S), Transport()
    fleet = Fleet(valkey)
    rates = tuple(map(rate_of, order.rates))
    bounds = Bounds(rates, order.concurrency, CALL_TIMEOUT_S)
    permits = Permits(valkey, fleet, order.account, bounds)
    turn = Turn(Asker(Priority.BATCH if order.batch else Priority.INTERACTIVE, order.tenant))
    await valkey.ping()
    fleet.start()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    ends = time.monotonic() + order.seconds
    stalling = asyncio.create_task(_stall(order, ends, seen))

    async def work() -> None:
        while (now := time.monotonic()) < ends:
            try:
                permit = await permits.take(min(now + PATIENCE_S, ends), turn)
            except NoPermit:
                seen.refused += 1
                await asyncio.sleep(0.05)
                continue
            seen.waits_s.append(time.monotonic() - now)
            try:
                answer = await transport.send(order.url, Call("GET", ""), CALL_TIMEOUT_S)
            finally:
                permit.end()
            if order.heeds and answer.status == HTTPStatus.TOO_MANY_REQUESTS:
                await permits.pause(PAUSE_S, ReasonCode.RATE_LIMITED, too_much=True)
            seen.statuses[answer.status] = seen.statuses.get(answer.status, 0) + 1
            if order.every_s:
                await asyncio.sleep(max(0.0, now + order.every_s - time.monotonic()))

    await asyncio.gather(*(work() for _ in range(order.workers)))
    await stalling
    for part in (permits, fleet, transport, valkey):
        await part.close()


async def _stall(order: Order, ends: float, seen: Seen) -> None:
    sleep: Callable[[float], None] = time.sleep
    stall_s = order.stall_ms / 1000
    await asyncio.sleep(order.stall_after_s)
    while stall_s and time.monotonic() < ends:
        await asyncio.sleep(STALL_EVERY_S - stall_s)
        began = time.monotonic()
        sleep(stall_s)
        seen.stalls.append((began, time.monotonic()))


if __name__ == "__main__":
    seen = Seen({}, 0, [], [])
    uvloop.run(share(msgspec.json.decode(sys.argv[1], type=Order), seen))
    sys.stdout.write(msgspec.json.encode(seen).decode() + "\n")
