"""A worker as the benchmarks run it: settings in JSON, the stand-in among its services.

`python -m benchmarks.worked '{"redis": {"url": …}}'` writes a 0 to standard output once it works on
batches; it ends with SIGTERM or with its parent.
"""

import asyncio
import os
import signal
import sys
from typing import Any, cast

import orjson
import uvloop

from benchmarks import stand_in
from gateway.assembly import assembled
from gateway.garbage import collect_less
from gateway.logs import configure_logs
from gateway.settings import Settings
from providers.catalogue import SERVICES

PARENT_LOOK_S = 0.5


async def work(settings: Settings) -> None:
    """Work on batches until told to stop."""
    configure_logs(settings.gateway.log_level)
    told, parent = asyncio.Event(), os.getppid()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    async with assembled(settings, (*SERVICES, stand_in)) as assembly:
        assembly.batches.start(working=True)
        await assembly.batches.opened()
        collect_less()
        print(0, flush=True)
        while not told.is_set() and os.getppid() == parent:
            try:
                async with asyncio.timeout(PARENT_LOOK_S):
                    await told.wait()
            except TimeoutError:
                pass


if __name__ == "__main__":
    given = cast("dict[str, Any]", orjson.loads(sys.argv[1]))
    uvloop.run(work(Settings(**given)))
