"""Waiting for what another process does, with a bound."""

import asyncio
import time
from collections.abc import Callable

import psutil

WAIT_S = 15.0
POLL_S = 0.02


def eventually(condition: Callable[[], bool], within_s: float = WAIT_S) -> bool:
    """Return whether `condition` came true in time; a server that is not there yet is no error."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            if condition():
                return True
        except OSError:
            pass
        time.sleep(POLL_S)
    return False


async def eventually_async(condition: Callable[[], bool], within_s: float = WAIT_S) -> bool:
    """Do as `eventually` while the loop goes on."""
    return await asyncio.to_thread(eventually, condition, within_s)


def is_gone(process: psutil.Process) -> bool:
    """Return whether it has ended; one whose status nobody has asked for yet has ended too."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
