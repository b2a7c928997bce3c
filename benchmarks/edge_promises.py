"""What is promised at the edge, against whoever means it badly; see `scoreboard`."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress

import aiohttp
import orjson

from benchmarks.malformed import bodies, frames
from benchmarks.processes import OUT, Running
from benchmarks.promises import Kept, Promise
from benchmarks.sandboxed import house
from tests.schema.hostile import SHAPES

BODIES, FRAMES, QUICK_SHARE = 10_000, 2_000, 20
AT_ONCE = 8
ANSWER_S = 10.0
NEIGHBOUR_EVERY_S = 0.02
SIZES = (30, 60, 120, 240, 480, 960)
"""Of hostile documents: most are too large from the third on."""
ROUNDS = 4
CPU_MS_MAX = 50.0
NEIGHBOUR_MS_MAX = 150.0
ATTACKERS = 4
ATTACK_S, QUICK_ATTACK_S = 20.0, 2.0
PROTOCOL = "graphql-transport-ws"
KINDS = orjson.dumps({"query": "{ kinds { name } }"})
JSON = {"Content-Type": "application/json"}


async def _sent(port: int, body: bytes, headers: Sequence[str]) -> int:
    """Send one request as it is; return the status, 0 when the connection is closed unanswered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        head = ["POST /graphql HTTP/1.1", "host: localhost", f"content-length: {len(body)}"]
        writer.write("\r\n".join([*head, *headers, "connection: close"]).encode("latin-1"))
        writer.write(b"\r\n\r\n" + body)
        async with asyncio.timeout(ANSWER_S):
            line = await reader.readline()
            return int(line.split()[1]) if line else 0
    except ConnectionError:
        return 0
    finally:
        writer.close()


async def _framed(
    session: aiohttp.ClientSession, port: int, messages: Sequence[str | bytes]
) -> int:
    """Send messages over one WebSocket, and over another whenever it is closed; count those."""
    left, closed = list(messages), 0
    url = f"ws://127.0.0.1:{port}/graphql"
    while left:
        async with session.ws_connect(url, protocols=[PROTOCOL]) as socket:
            await socket.send_json({"type": "connection_init"})
            while left and not socket.closed:
                message = left.pop()
                with suppress(ConnectionError):
                    if isinstance(message, str):
                        await socket.send_str(message)
                    else:
                        await socket.send_bytes(message)
                with suppress(TimeoutError):
                    while not socket.closed:
                        await socket.receive(timeout=0.01)
            closed += socket.closed
    return closed


async def _neighbour(session: aiohttp.ClientSession, port: int, took_ms: list[float]) -> None:
    """Ask what everybody may ask, again and again; a wrong answer raises."""
    while True:
        began = time.monotonic()
        async with session.post(
            f"http://127.0.0.1:{port}/graphql", data=KINDS, headers=JSON
        ) as answer:
            assert answer.status == 200, answer.status
            await answer.read()
        took_ms.append((time.monotonic() - began) * 1000)
        await asyncio.sleep(NEIGHBOUR_EVERY_S)


async def _malformed(port: int, seed: int, share: int) -> tuple[Counter[int], int, int]:
    """Send everything; return statuses, how often a socket was closed, what a neighbour asked."""
    statuses: Counter[int] = Counter()
    took_ms: list[float] = []
    async with aiohttp.ClientSession() as session:
        neighbour = asyncio.create_task(_neighbour(session, port, took_ms))
        left = iter(bodies(seed, BODIES // share))

        async def send() -> None:
            for body, headers in left:
                statuses[await _sent(port, body, headers)] += 1

        await asyncio.gather(*(send() for _ in range(AT_ONCE)))
        messages = frames(seed, FRAMES // share)
        closed = await asyncio.gather(
            *(_framed(session, port, messages[at::AT_ONCE]) for at in range(AT_ONCE))
        )
        if neighbour.done():
            neighbour.result()
        neighbour.cancel()
        await asyncio.gather(neighbour, return_exceptions=True)
    return statuses, sum(closed), len(took_ms)


def malformed(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """Send malformed bodies and frames, while somebody else asks what is right."""
    log = OUT / "processes.log"
    before = log.stat().st_size if log.exists() else 0
    with house({"access": {"open": True}}) as home:
        share = QUICK_SHARE if quick else 1
        found = asyncio.run(_malformed(home.gateways[0].port, seed, share))
    statuses, closed, neighbours = found
    with log.open("rb") as file:
        file.seek(before)
        traces = file.read().count(b"Traceback")
    faults = sum(count for status, count in statuses.items() if status >= 500 or status == 0)
    told = ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))
    return Kept(
        f"{sum(statuses.values())} bodies: {told}; {FRAMES // share} frames closed {closed}"
        f" sockets; {traces} tracebacks; a neighbour was answered all of {neighbours} times",
        faults == 0 and traces == 0 and neighbours > 0,
    )


def _documents(mark: int) -> dict[tuple[str, int], bytes]:
    """Return hostile documents of all shapes and sizes, each unlike those of another `mark`."""
    return {
        (name, size): orjson.dumps(
            {"query": f"{shape(size)} #{mark}", "operationName": "Q1" if "oper" in name else None}
        )
        for name, shape in SHAPES.items()
        for size in SIZES
    }


async def _cost_ms(server: Running, seed: int) -> tuple[float, str]:
    """Return the most CPU ms that a document costs, the least of ROUNDS, and which that is."""
    least: dict[tuple[str, int], float] = {}
    async with aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{server.port}/graphql"
        for round_ in range(ROUNDS):
            for key, body in _documents(seed * ROUNDS + round_).items():
                before = server.cpu_s()
                async with session.post(url, data=body, headers=JSON) as answer:
                    await answer.read()
                spent = (server.cpu_s() - before) * 1000
                least[key] = min(spent, least.get(key, spent))
    worst = max(least, key=least.__getitem__)
    return least[worst], f"{worst[0]}, {worst[1]}"


async def _attacked(port: int, seed: int, seconds: float) -> list[float]:
    """Let attackers send hostile documents for so long; return what a neighbour waited."""
    took_ms: list[float] = []
    async with aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{port}/graphql"

        async def attack(number: int) -> None:
            mark = 1_000_000 * (number + 1) + seed
            while True:
                mark += 1
                for body in _documents(mark).values():
                    async with session.post(url, data=body, headers=JSON) as answer:
                        await answer.read()

        tasks = [asyncio.create_task(attack(number)) for number in range(ATTACKERS)]
        tasks.append(asyncio.create_task(_neighbour(session, port, took_ms)))
        await asyncio.sleep(seconds)
        for task in tasks:
            if task.done():
                task.result()
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return sorted(took_ms)


def hostile(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """Send documents that are meant to cost much, and ask beside them what is right.

    The quick form tells how long the neighbour waited and does not judge it: the p99 of so few
    requests is the worst of them, and other tests run on the same cores.
    """
    with house({"access": {"open": True}}) as home:
        server = home.gateways[0]
        cost_ms, which = asyncio.run(_cost_ms(server, seed))
        waited = asyncio.run(_attacked(server.port, seed, QUICK_ATTACK_S if quick else ATTACK_S))
    p99 = waited[min(len(waited) - 1, int(len(waited) * 0.99))] if waited else 0.0
    return Kept(
        f"{len(SHAPES)} shapes in {len(SIZES)} sizes: at most {cost_ms:.0f} ms of CPU ({which});"
        f" {ATTACKERS} attackers: a neighbour's p99 is {p99:.0f} ms of {len(waited)} requests",
        cost_ms <= CPU_MS_MAX and bool(waited) and (quick or p99 <= NEIGHBOUR_MS_MAX),
    )


EDGE_PROMISES: Mapping[str, Promise] = {
    "R14 malformed": Promise(
        "R14: 10,000 malformed bodies and 2,000 frames: no 5xx, no traceback, neighbours served",
        malformed,
    ),
    "R15 hostile": Promise(
        "R15: hostile documents cost at most 50 ms of CPU each, and neighbours wait 150 ms at most",
        hostile,
    ),
}
