"""Run the sandbox as a process of its own, and talk to its controls."""

from __future__ import annotations

import asyncio
import select
import subprocess
import sys
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

READY_S_MAX = 20.0
STOP_S_MAX = 10.0
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class RunningSandbox:
    """Where a sandbox serves: `http` is a URL without a path, `dns` is host:port."""

    http: str
    dns: str
    pid: int
    session: aiohttp.ClientSession

    def url(self, mount: str, path: str = "") -> str:
        """Return the address of a path below a mount; without one, the service's base URL."""
        return f"{self.http}/{mount}{path}"

    async def control(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401, JSON
        """Do one control call and return its answer; raise AssertionError when it is refused."""
        data = None if body is None else orjson.dumps(body)
        async with self.session.request(
            method, f"{self.http}/_control/{path}", data=data
        ) as answer:
            content: Any = orjson.loads(await answer.read())
            assert answer.status == 200, content
            return content

    async def fault(self, mount: str, mode: str, **options: object) -> None:
        """Let a mount fail in one mode from now on; `options` as in sandbox.faults.Fault."""
        await self.control("POST", f"{mount}/fault", {"mode": mode, **options})

    async def faults(self, mount: str, *faults: dict[str, object]) -> None:
        """Let a mount fail in several modes, the first that strikes; without any it works again."""
        await self.control("POST", f"{mount}/fault", list(faults))

    async def latency(self, mount: str, ms: float, jitter_ms: float = 0, seed: int = 0) -> None:
        """Let every answer of a mount take so long."""
        body = {"ms": ms, "jitter_ms": jitter_ms, "seed": seed}
        await self.control("POST", f"{mount}/latency", body)

    async def limit(self, mount: str, **limit: object) -> None:
        """Enforce another limit; without any argument none at all."""
        await self.control("POST", f"{mount}/limit", limit)

    async def statistics(self, mount: str | None = None) -> Any:  # noqa: ANN401, JSON
        """Return the counts of one mount, or of all by name."""
        everything = await self.control("GET", "statistics")
        return everything if mount is None else everything[mount]

    async def log(self, mount: str) -> list[dict[str, Any]]:
        """Return the calls that reached a mount, oldest first, with the values as received."""
        return (await self.control("GET", f"{mount}/log"))["calls"]

    async def values_asked(self, mount: str) -> list[str]:
        """Return every value that a mount was asked, in order, repeats included."""
        return [value for call in await self.log(mount) for value in call["values"]]

    async def reset(self) -> None:
        """Forget faults, limits, latency and counts."""
        await self.control("POST", "reset")


@contextmanager
def started_sandbox(*arguments: str) -> Generator[tuple[str, str, int]]:
    """Start a sandbox on free ports, yield (http, dns, pid) once it is ready, stop it when left."""
    command = [sys.executable, "-m", "sandbox", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert select.select([process.stdout], [], [], READY_S_MAX)[0], "sandbox is not ready"
            ready = orjson.loads(process.stdout.readline())
            yield ready["http"], ready["dns"], process.pid
        finally:
            process.terminate()
            try:
                process.wait(STOP_S_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


@asynccontextmanager
async def running_sandbox() -> AsyncGenerator[RunningSandbox]:
    """Run a sandbox of one's own, with its controls, for the time of the block."""
    loop = asyncio.get_running_loop()
    stack = ExitStack()
    http, dns, pid = await loop.run_in_executor(None, stack.enter_context, started_sandbox())
    try:
        async with aiohttp.ClientSession() as session:
            yield RunningSandbox(http, dns, pid, session)
    finally:
        await loop.run_in_executor(None, stack.close)
