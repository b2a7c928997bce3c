"""What it costs to tell many clients of a batch: CPU of a delivery, memory of a subscriber.

A batch changes twice a second in another process; its clients follow `batchStatus` over WebSocket,
each with a connection of its own. Beside it a bare Starlette WebSocket sends the same bytes as
often to as many. In turns, both on the same processor.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
from base64 import b64encode
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from os import urandom
from pathlib import Path

import orjson
from msgspec import Struct

from batches.batch import Batch, Move, NewBatch
from batches.chunk import ChunkRef, Claim, NewChunk
from batches.counts import Counts, Spent, Tally
from batches.opening import open_store
from batches.progress import Progress
from batches.settings import StoreSettings
from batches.store import Store as BatchStore
from benchmarks.processes import (
    TESTED_CPU,
    Running,
    Store,
    announced_port,
    assay,
    pin_self,
    started,
    store,
)
from gateway.sockets import PROTOCOL
from gateway.valkey import Valkey
from providers.priority import TENANT

SUBSCRIBERS = 1_000
EVENTS_PER_S = 2
TURNS = 5
TURN_S = 6.0
SETTLE_S = 1.0
CHUNK = 1_000
TEXT, PING, PONG = 0x1, 0x9, 0xA
"""Opcodes of RFC 6455, section 5.2."""
RATIO_GOAL = 2.5
CORE_GOAL = 0.10
BYTES_GOAL = 30_000
AT_ONCE = 50
"""Connections that are opened at a time."""
QUERY = """subscription ($id: ID!) { batchStatus(id: $id) {
  version state records recordsDone callsMade callsSaved cost ratePerSecond eta
  statuses { status records }
} }"""
"""Twelve fields."""


class Turn(Struct):
    """CPU of the server for one delivery, and as a part of one core."""

    us: float
    core: float


class Pushed(Struct):
    """What was measured; bytes are resident ones for each subscriber."""

    ours: list[Turn]
    raw: list[Turn]
    bytes_each: float
    raw_bytes_each: float
    message: int


class Listener(asyncio.Protocol):
    """A client that counts what it is sent, without looking at it."""

    def __init__(self, first: Sequence[bytes]) -> None:
        self.received = 0
        self.last = b""
        self._first = first
        self._open = asyncio.get_running_loop().create_future()
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Shake hands."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        key = b64encode(urandom(16)).decode()
        transport.write(
            "GET /graphql HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: {PROTOCOL}\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        """Count frames; answer pings."""
        self._buffer += data
        if not self._open.done():
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            assert head.startswith(b"HTTP/1.1 101"), head[:80]
            self._buffer = rest
            self._open.set_result(None)
            for text in self._first:
                self.transport.write(masked(text))
        while (frame := unframed(self._buffer)) is not None:
            opcode, payload, self._buffer = frame
            if opcode == TEXT:
                self.told(payload)
            elif opcode == PING:
                self.transport.write(masked(payload, PONG))

    def told(self, payload: bytes) -> None:
        """Note a message."""
        self.last = payload
        self.received += 1

    async def opened(self) -> None:
        """Return when the handshake is over."""
        await self._open


def masked(text: bytes, opcode: int = TEXT) -> bytes:
    """Return a frame of a client, with a mask of zeros."""
    size, first = len(text), 0x80 | opcode
    short = size < 126
    head = bytes([first, 0x80 | size]) if short else bytes([first, 0xFE]) + size.to_bytes(2, "big")
    return head + bytes(4) + text


def unframed(data: bytes) -> tuple[int, bytes, bytes] | None:
    """Return opcode and payload of the first frame, and the rest; None when it is not whole."""
    if len(data) < 2 or (data[1] & 0x7F == 126 and len(data) < 4):
        return None
    size, at = data[1] & 0x7F, 2
    if size == 126:
        size, at = int.from_bytes(data[2:4], "big"), 4
    end = at + size
    return (data[0] & 0x0F, data[at:end], data[end:]) if len(data) >= end else None


async def listeners(port: int, count: int, first: Sequence[bytes]) -> list[Listener]:
    """Open `count` connections, each of which sends `first`."""
    loop, made = asyncio.get_running_loop(), list[Listener]()
    for begin in range(0, count, AT_ONCE):
        some = [
            await loop.create_connection(lambda: Listener(first), "127.0.0.1", port)
            for _ in range(min(AT_ONCE, count - begin))
        ]
        made += [one for _, one in some]
        await asyncio.gather(*(one.opened() for _, one in some))
    return made


def subscribing(batch_id: str) -> list[bytes]:
    """Return the messages with which a client follows a batch."""
    payload = {"query": QUERY, "variables": {"id": batch_id}}
    subscribe = {"id": "0" * 36, "type": "subscribe", "payload": payload}
    return [b'{"type":"connection_init"}', orjson.dumps(subscribe)]


class Changing:
    """Changes one batch, record by record."""

    def __init__(self, kept: BatchStore, progress: Progress, batch: Batch, claim: Claim) -> None:
        self.batch = batch
        self._store, self._progress, self._claim = kept, progress, claim
        self._part = 0

    async def change(self) -> None:
        """Decide one record, and say so."""
        one = Counts({"VALID": Tally(1, {"email": {"VALID": 1}}, {})})
        spent = Spent(1, 1, 0, 1, 1, 1_000)
        await self._store.flush(self._claim, self._part, b"", one, spent)
        self._part += 1
        self._progress.changed(self.batch.id)

    async def finish(self) -> None:
        """Decide all the rest, and say so."""
        all_of_it = Counts({"VALID": Tally(CHUNK, {"email": {"VALID": CHUNK}}, {})})
        await self._store.finish(self._claim, b"", all_of_it, Spent())
        self._progress.changed(self.batch.id)


@asynccontextmanager
async def changing(file: Path, valkey_url: str) -> AsyncGenerator[Changing]:
    """Give a batch that runs, in the store `file`."""
    valkey = Valkey(valkey_url, 5.0)
    kept = await open_store(StoreSettings(), file)
    progress = Progress(kept, valkey)
    progress.start()
    try:
        made = await kept.create(NewBatch(), [NewChunk(CHUNK, b"given")])
        batch = await kept.move(TENANT, made.batch.id, Move.START)
        await kept.next_chunks(1)
        claimed = await kept.claim(ChunkRef(batch.id, 0), "benchmarks", 3_600.0)
        assert claimed is not None
        yield Changing(kept, progress, batch, claimed.claim)
    finally:
        await progress.close()
        await kept.close()
        await valkey.close()


async def turn(server: Running, made: Sequence[Listener], seconds: float) -> Turn:
    """Measure what `server` spends while events go on."""
    received, cpu_s = sum(one.received for one in made), server.cpu_s()
    await asyncio.sleep(seconds)
    received, cpu_s = sum(one.received for one in made) - received, server.cpu_s() - cpu_s
    return Turn(cpu_s * 1e6 / max(1, received), cpu_s / seconds)


async def _measured(
    ours: Running, raw: Running, batch: Changing, turns: int, seconds: float, count: int
) -> Pushed:
    before, raw_before = ours.resident_bytes(), raw.resident_bytes()
    made = await listeners(ours.port, count, subscribing(batch.batch.id))
    await asyncio.sleep(SETTLE_S)
    assert all(one.received == 2 for one in made), "an ack and a snapshot each"
    measured = Pushed([], [], 0.0, 0.0, len(made[0].last))
    stop = asyncio.Event()

    async def change() -> None:
        while not stop.is_set():
            await batch.change()
            await asyncio.sleep(1 / EVENTS_PER_S)

    raws: list[Listener] = []
    for at in range(turns):
        stop.clear()
        task = asyncio.create_task(change())
        await asyncio.sleep(SETTLE_S)
        measured.ours.append(await turn(ours, made, seconds))
        stop.set()
        await task
        if at == 0:
            measured.bytes_each = (ours.resident_bytes() - before) / count
            raws = await listeners(raw.port, count, ())
            raws[0].transport.write(masked(made[0].last))
        await asyncio.sleep(SETTLE_S)
        measured.raw.append(await turn(raw, raws, seconds))
        if at == 0:
            measured.raw_bytes_each = (raw.resident_bytes() - raw_before) / count
    for one in (*made, *raws):
        one.transport.abort()
    return measured


@contextmanager
def raw_push() -> Generator[Running]:
    """Run the bare WebSocket."""
    command = [sys.executable, "-m", "benchmarks.raw_push", str(1 / EVENTS_PER_S)]
    with started(command, TESTED_CPU, pipe=True) as process:
        yield Running(process.pid, announced_port(process))


def push_settings(file: Path, shared: Store) -> dict[str, object]:
    """Return settings with which Assay keeps its batches in `file`."""
    return {
        "gateway": {"data_dir": str(file.parent), "log_level": "WARNING"},
        "store": {"url": f"sqlite:///{file}"},
        "redis": {"url": shared.url, "timeout_ms": 5_000},
        "cache": {"hash_key": "benchmarks, and nothing else"},
    }


def measure(turns: int = TURNS, seconds: float = TURN_S, count: int = SUBSCRIBERS) -> Pushed:
    """Measure in alternating turns."""
    pin_self()
    with tempfile.TemporaryDirectory(prefix="assay-") as name, store() as shared:
        file = Path(name) / "batches.db"

        async def run(ours: Running, raw: Running) -> Pushed:
            async with changing(file, shared.url) as batch:
                return await _measured(ours, raw, batch, turns, seconds, count)

        with assay(push_settings(file, shared)) as ours, raw_push() as raw:
            return asyncio.run(run(ours, raw))


def table(pushed: Pushed, count: int = SUBSCRIBERS) -> list[str]:
    """Return the lines of a table of medians."""
    ratios = [ours.us / raw.us for ours, raw in zip(pushed.ours, pushed.raw, strict=True)]
    ratio = statistics.median(ratios)
    core = statistics.median(one.core for one in pushed.ours)
    ours_us = statistics.median(one.us for one in pushed.ours)
    raw_us = statistics.median(one.us for one in pushed.raw)
    each = pushed.bytes_each
    return [
        "| figure | Assay | raw WebSocket | goal | met |",
        "| --- | --- | --- | --- | --- |",
        (
            f"| CPU µs a delivery of {pushed.message} bytes | {ours_us:.1f} | {raw_us:.1f}"
            f" | **{ratio:.2f}** ({min(ratios):.2f}-{max(ratios):.2f}), at most {RATIO_GOAL}"
            f" | {_met(ratio <= RATIO_GOAL)} |"
        ),
        (
            f"| of one core, {count:,} subscribers, {EVENTS_PER_S} events a second"
            f" | **{core:.1%}** | {statistics.median(one.core for one in pushed.raw):.1%}"
            f" | at most {CORE_GOAL:.0%} | {_met(core <= CORE_GOAL)} |"
        ),
        (
            f"| memory a subscriber, kB | **{each / 1e3:.1f}** | {pushed.raw_bytes_each / 1e3:.1f}"
            f" | at most {BYTES_GOAL / 1e3:.0f} | {_met(each <= BYTES_GOAL)} |"
        ),
    ]


def _met(met: bool) -> str:  # noqa: FBT001 - the answer itself
    return "yes" if met else "**no**"


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--count", type=int, default=SUBSCRIBERS)
    chosen = parser.parse_args()
    print("\n".join(table(measure(chosen.turns, count=chosen.count), chosen.count)))


if __name__ == "__main__":
    main()
