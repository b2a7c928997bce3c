"""A connection between a command and an Assay that breaks, or stands still, when a test says so."""

import asyncio
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Cutting:
    """What passes on: `left` bytes to Assay; then connections are cut, or stand still.

    `left` is None for as many as there are. `cuts` counts what was cut.
    """

    left: int | None
    still: bool
    port: int = 0
    cuts: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)
    reached: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """Where to connect to."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def cutting(url: str, left: int, *, still: bool = False) -> Generator[Cutting]:
    """Pass connections on to the Assay at `url`, the first `left` bytes; one cut, then all."""
    found = Cutting(left, still)
    ready = threading.Event()
    thread = threading.Thread(
        target=lambda: asyncio.run(_pass_on(urlsplit(url), found, ready)), name="cutting"
    )
    thread.start()
    ready.wait()
    try:
        yield found
    finally:
        found.stopped.set()
        thread.join()


async def _pass_on(to: object, found: Cutting, ready: threading.Event) -> None:
    host, port = getattr(to, "hostname", ""), getattr(to, "port", 0)
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        there, here = await asyncio.open_connection(host, port)
        back = asyncio.create_task(_copy(there, writer, None))
        try:
            await _copy(reader, here, found)
        finally:
            back.cancel()
            await asyncio.gather(back, return_exceptions=True)
            for one in (writer, here):
                one.transport.abort()
            tasks.discard(task)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    ready.set()
    await asyncio.to_thread(found.stopped.wait)
    server.close()
    for task in list(tasks):
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _copy(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, found: Cutting | None
) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(1 << 16):
            if found is not None and found.left is not None:
                found.left -= len(data)
                if found.left < 0:
                    found.reached.set()
                    if found.still:
                        await asyncio.get_running_loop().create_future()
                    found.left, found.cuts = None, found.cuts + 1
                    return
            writer.write(data)
            await writer.drain()
