"""Assay as the benchmarks run it: one worker, settings in JSON, the stand-in among its services.

`python -m benchmarks.served '{"redis": {"url": …}}'` takes a free port and writes it to standard
output once it serves; it ends with SIGTERM or with its parent.
"""

import asyncio
import os
import socket
import sys
from typing import Any, cast

import orjson
import uvloop
from uvicorn import Config, Server

from benchmarks import stand_in
from gateway.app import app_of
from gateway.assembly import assembled
from gateway.logs import configure_logs
from gateway.server import SERVER
from gateway.settings import Settings
from providers.catalogue import SERVICES

PARENT_LOOK_S = 0.5
BACKLOG = 1024


async def serve(settings: Settings) -> None:
    """Serve until told to stop."""
    configure_logs(settings.gateway.log_level)
    with socket.create_server(("127.0.0.1", 0), backlog=BACKLOG) as listener:
        async with assembled(settings, (*SERVICES, stand_in)) as assembly:
            assembly.batches.start(working=False)
            await assembly.batches.opened()  # else what it imports is counted as a request's
            config = Config(app_of(assembly), log_config=None, log_level="warning", **SERVER)
            server = Server(config)
            watch = asyncio.create_task(_end_with_parent(server, os.getppid()))
            print(listener.getsockname()[1], flush=True)
            await server.serve(sockets=[listener])
            watch.cancel()


async def _end_with_parent(server: Server, parent: int) -> None:
    while os.getppid() == parent:  # noqa: ASYNC110 - nobody tells us, so there is no event
        await asyncio.sleep(PARENT_LOOK_S)
    server.should_exit = True


if __name__ == "__main__":
    given = cast("dict[str, Any]", orjson.loads(sys.argv[1]))
    uvloop.run(serve(Settings(**given)))
