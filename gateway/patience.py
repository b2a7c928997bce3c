"""A bound on how long an answer is awaited, in which a loop that stood still does not count.

With 50 ms of patience a request that computes for as long would, at its end, find all answers late
that came meanwhile: the alarm rings before they are read.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

LATE_S = 0.005
"""An alarm that rings so late says that the loop stood still, and nothing about the other side."""

T = TypeVar("T")


async def patiently(timeout_s: float, work: Coroutine[Any, Any, T]) -> T:
    """Return what `work` returns within `timeout_s` seconds, or twice that if the loop stood still.

    Raises:
        TimeoutError: it did not return in time, and was cancelled.
    """
    task = asyncio.current_task()
    assert task is not None, "a coroutine runs in a task"
    loop = asyncio.get_running_loop()
    cancelling = task.cancelling()
    rang = False

    def ring(due: float, *, again: bool) -> None:
        nonlocal rang, alarm
        if again and loop.time() - due > LATE_S:
            alarm = loop.call_later(timeout_s, lambda: ring(0.0, again=False))
            return
        rang = True
        task.cancel()

    due = loop.time() + timeout_s
    alarm = loop.call_later(timeout_s, lambda: ring(due, again=True))
    try:
        return await work
    except asyncio.CancelledError:
        if rang and task.uncancel() <= cancelling:
            raise TimeoutError from None
        raise
    finally:
        alarm.cancel()
