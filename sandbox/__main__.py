"""`python -m sandbox`: serve until SIGTERM, SIGINT or the death of the parent."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys

import orjson
import uvloop

from sandbox.app import serving

PARENT_LOOK_S = 0.25


async def parent_gone(parent: int) -> None:
    """Return once this process has been handed to another parent.

    Looked for rather than asked of the kernel (PR_SET_PDEATHSIG), which fires when the *thread*
    that started us ends, and which macOS does not have.
    """
    while os.getppid() == parent:  # noqa: ASYNC110, nobody tells us, so there is no event
        await asyncio.sleep(PARENT_LOOK_S)


async def serve(host: str, port: int, dns_port: int, parent: int) -> None:
    """Serve, say where on standard output in one JSON line, and return when told to stop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with serving(host, port, dns_port) as (http_port, dns_port_used):
        ready = {"http": f"http://{host}:{http_port}", "dns": f"{host}:{dns_port_used}"}
        sys.stdout.write(orjson.dumps(ready).decode() + "\n")
        sys.stdout.flush()
        waits: list[asyncio.Task[object]] = [
            asyncio.create_task(stop.wait()),
            asyncio.create_task(parent_gone(parent)),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)


def main() -> int:
    """Read the arguments and serve; 2 when a port is not free."""
    parent = os.getppid()
    parser = argparse.ArgumentParser("sandbox", description="Stand-ins for the outside services")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--dns-port", type=int, default=0, help="0 takes a free one")
    options = parser.parse_args()
    try:
        uvloop.run(serve(options.host, options.port, options.dns_port, parent))
    except OSError as error:
        sys.stderr.write(f"sandbox: cannot listen on {options.host}: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
