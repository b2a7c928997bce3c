"""The work of `assay worker`: begun when the store is open, ended as asked."""

import asyncio
import signal

from batches.errors import BrokerError, StoreError
from gateway.cli.errors import CommandError
from gateway.cli.opening import opened
from gateway.garbage import collect_less
from gateway.logs import configure_logs
from gateway.settings import Settings


async def work_until_told(settings: Settings) -> None:
    """Work on batches until SIGINT or SIGTERM.

    Raises:
        CommandError: a part of the gateway can't start.
    """
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    working = asyncio.ensure_future(_work(settings, told))
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    waiting = asyncio.ensure_future(told.wait())
    await asyncio.wait((working, waiting), return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    await working
    print("Stopped.", flush=True)


async def _work(settings: Settings, told: asyncio.Event) -> None:
    configure_logs(settings.gateway.log_level)
    async with opened(settings, guest=True) as assembly:
        collect_less()
        assembly.batches.start(working=True)
        opening = asyncio.ensure_future(assembly.batches.opened())
        waiting = asyncio.ensure_future(told.wait())
        try:
            await asyncio.wait((opening, waiting), return_when=asyncio.FIRST_COMPLETED)
            if opening.done():
                await opening
                print("Assay works on batches. Ctrl-C stops it.", flush=True)
                await waiting
        except (StoreError, BrokerError) as error:
            raise CommandError(str(error)) from None
        finally:
            opening.cancel()
            waiting.cancel()
            await asyncio.gather(opening, waiting, return_exceptions=True)
