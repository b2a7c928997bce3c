"""The sandbox as a process of its own, beside a gateway that runs in sandbox mode."""

import asyncio
import contextlib
import logging
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
from msgspec import Struct

READY_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 5.0
AGAIN_AFTER_S = 0.5
ROOT = Path(__file__).resolve().parent.parent

_log = logging.getLogger(__name__)


class SandboxError(Exception):
    """The sandbox did not start."""


class Sandbox(Struct, frozen=True):
    """Where the stand-ins are: `http` a URL without path, `dns` as host:port."""

    http: str
    dns: str


@asynccontextmanager
async def running_sandbox() -> AsyncGenerator[Sandbox]:
    """Run the stand-ins on free ports until left; they also end when this process dies.

    When they end by themselves they are started again, where they were.

    Raises:
        SandboxError: they were not ready within `READY_TIMEOUT_S` seconds.
    """
    process, sandbox = await _started(())
    keeper = asyncio.create_task(_keep(process, sandbox), name="sandbox keeper")
    try:
        yield sandbox
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)


async def _keep(process: asyncio.subprocess.Process, sandbox: Sandbox) -> None:
    """Start the stand-ins again whenever they end; end them when cancelled."""
    where = (
        "--port",
        sandbox.http.rpartition(":")[2],
        "--dns-port",
        sandbox.dns.rpartition(":")[2],
    )
    while True:
        try:
            status = await process.wait()
        finally:
            await _end(process)
        _log.error("sandbox ended, starts again", extra={"status": status})
        await asyncio.sleep(AGAIN_AFTER_S)
        with contextlib.suppress(SandboxError):  # it ends at once, and the next round says so
            process, _ = await _started(where)


async def _started(where: tuple[str, ...]) -> tuple[asyncio.subprocess.Process, Sandbox]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sandbox", *where),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for us; the stand-ins answer our last call
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), READY_TIMEOUT_S)
        ready = orjson.loads(line)
    except (TimeoutError, orjson.JSONDecodeError):
        await _end(process)
        raise SandboxError(
            f"the sandbox was not ready within {READY_TIMEOUT_S:.0f} s; run"
            " `python -m sandbox` to see why"
        ) from None
    except BaseException:
        await _end(process)
        raise
    return process, Sandbox(ready["http"], ready["dns"])


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
    except TimeoutError:
        process.kill()
        await process.wait()
