"""The sandbox as a process of its own, beside a gateway that runs in sandbox mode."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
from msgspec import Struct

READY_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 5.0
ROOT = Path(__file__).resolve().parent.parent


class SandboxError(Exception):
    """The sandbox did not start."""


class Sandbox(Struct, frozen=True):
    """Where the stand-ins are: `http` a URL without path, `dns` as host:port."""

    http: str
    dns: str


@asynccontextmanager
async def running_sandbox() -> AsyncGenerator[Sandbox]:
    """Run the stand-ins on free ports until left; they also end when this process dies.

    Raises:
        SandboxError: they were not ready within `READY_TIMEOUT_S` seconds.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sandbox", cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        try:
            line = await asyncio.wait_for(process.stdout.readline(), READY_TIMEOUT_S)
            ready = orjson.loads(line)
        except (TimeoutError, orjson.JSONDecodeError):
            raise SandboxError(
                f"the sandbox was not ready within {READY_TIMEOUT_S:.0f} s; run"
                " `python -m sandbox` to see why"
            ) from None
        yield Sandbox(ready["http"], ready["dns"])
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
        except TimeoutError:
            process.kill()
            await process.wait()
