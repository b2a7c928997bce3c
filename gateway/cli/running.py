"""Runs a command's coroutine; Ctrl-C and SIGTERM cancel it, and it cleans up behind itself."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

import uvloop

from gateway.cli.errors import InterruptedCommand

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Return what `work` returns; InterruptedCommand when a signal has cancelled it."""
    try:
        return uvloop.run(_cancelled_by_signals(work))
    except asyncio.CancelledError:
        raise InterruptedCommand from None


async def _cancelled_by_signals(work: Coroutine[Any, Any, T]) -> T:
    loop = asyncio.get_running_loop()
    main = asyncio.current_task()
    assert main is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, main.cancel)
    return await work
