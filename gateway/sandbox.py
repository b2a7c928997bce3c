"""The sandbox as a process of its own, beside a gateway that runs in sandbox mode."""

import asyncio
import contextlib
import logging
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import orjson
from msgspec import Struct

from gateway.inherited import inherited
from providers.errors import ProviderError
from providers.exchange import Call
from providers.transport import Transport

SECRET = "sandbox"  # noqa: S105 - the stand-ins' well-known key
READY_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 5.0
AGAIN_AFTER_S = 0.5
TELL_TIMEOUT_S = 5.0
ROOT = Path(__file__).resolve().parent.parent

_log = logging.getLogger(__name__)

Told = Sequence[Mapping[str, Any]]
"""Stand-ins for declared providers, as `sandbox.declared.Declared` has them."""


class SandboxError(Exception):
    """The sandbox did not start."""


class Sandbox(Struct, frozen=True):
    """Where the stand-ins are: `http` a URL without path, `dns` as host:port."""

    http: str
    dns: str


@asynccontextmanager
async def running_sandbox(told: Told = ()) -> AsyncGenerator[Sandbox]:
    """Run the stand-ins on free ports until left; they also end when this process dies.

    When they end by themselves they are started again, where they were. `told` are those for
    declared providers.

    Raises:
        SandboxError: they were not ready within `READY_TIMEOUT_S` seconds.
    """
    process, sandbox = await _started((), told)
    keeper = asyncio.create_task(_keep(process, sandbox, told), name="sandbox keeper")
    try:
        yield sandbox
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)


async def _keep(process: asyncio.subprocess.Process, sandbox: Sandbox, told: Told) -> None:
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
            process, _ = await _started(where, told)


async def _started(
    where: tuple[str, ...], told: Told
) -> tuple[asyncio.subprocess.Process, Sandbox]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sandbox", *where),
        cwd=ROOT,
        env=inherited(),
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for us; the stand-ins answer our last call
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
        sandbox = Sandbox(ready["http"], ready["dns"])
        await tell(sandbox, told)
    except BaseException:
        await _end(process)
        raise
    return process, sandbox


async def tell(sandbox: Sandbox, told: Told) -> None:
    """Have a sandbox that runs stand in for declared providers, too.

    Raises:
        SandboxError: it does not, or nothing answers there.
    """
    if not told:
        return
    transport = Transport()
    call = Call("POST", "/_control/declared", json=list(told), bulk=True)
    try:
        answer = await transport.send(sandbox.http, call, TELL_TIMEOUT_S)
    except ProviderError as error:
        raise SandboxError(
            f"no sandbox answers at {sandbox.http} ({error}); start one with `python -m sandbox`,"
            " or leave gateway.sandbox_url out"
        ) from None
    finally:
        await transport.close()
    if answer.status != HTTPStatus.OK:
        said = answer.body.decode(errors="replace")[:200]
        raise SandboxError(f"the sandbox at {sandbox.http} takes no declared providers: {said}")


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
    except TimeoutError:
        process.kill()
        await process.wait()
