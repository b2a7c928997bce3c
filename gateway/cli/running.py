"""Runs a command's coroutine; Ctrl-C and SIGTERM cancel it, and it cleans up behind itself.

Cleaning up hears out calls that may be charged; a second signal ends that, too.
"""

import asyncio
import signal
from collections.abc import Coroutine
from functools import partial
from typing import Any, TypeVar

import typer
import uvloop

from gateway.cli.errors import InterruptedCommand

TELL_AFTER_S = 2.0
"""Who waits so long after Ctrl-C is told what for."""
HEARD_OUT = "Calls that may be charged are heard out; Ctrl-C again ends at once."

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
    telling: list[asyncio.TimerHandle] = []

    def end() -> None:
        main.cancel()
        if not telling:
            telling.append(loop.call_later(TELL_AFTER_S, partial(typer.echo, HEARD_OUT, err=True)))

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    try:
        return await work
    finally:
        for timer in telling:
            timer.cancel()
