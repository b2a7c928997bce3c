"""A bound on how long each of many things is awaited, for the path that every call takes."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

TICK_S = 0.02
"""How late a time-out may be: one timer looks after all of them, and only while there are any."""


class Patience:
    """Ends what takes too long, by the rules of `asyncio.timeout` for a cancellation from outside.

    A timer for each call would cost as much as all else that is done around it.
    """

    def __init__(self) -> None:
        """Begin with nothing to wait for."""
        self._due: dict[asyncio.Task[Any], float] = {}
        self._over: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def ticks(self) -> bool:
        """Whether there is a timer."""
        return self._timer is not None

    async def within(self, timeout_s: float, work: Coroutine[Any, Any, T]) -> T:
        """Return what `work` returns within `timeout_s` seconds, and `TICK_S` more at the most.

        A task may wait for one thing at a time here.

        Raises:
            TimeoutError: it did not return in time, and was cancelled.
        """
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None, "a coroutine runs in a task"
        assert task not in self._due, "a task waits for one thing at a time"
        cancelling = task.cancelling()
        self._due[task] = loop.time() + timeout_s
        if self._timer is None:
            self._timer = loop.call_later(TICK_S, self._look, loop)
        try:
            return await work
        except asyncio.CancelledError:
            if self._rang(task) and task.uncancel() <= cancelling:
                raise TimeoutError from None
            raise
        finally:
            self._due.pop(task, None)
            if self._over and self._rang(task):  # and the work took no notice
                task.uncancel()

    def close(self) -> None:
        """Look after nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _rang(self, task: asyncio.Task[Any]) -> bool:
        """Return whether we cancelled `task`; this is to be dealt with once."""
        if task not in self._over:
            return False
        self._over.discard(task)
        return True

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        late = [task for task, due in self._due.items() if due <= now]
        for task in late:
            del self._due[task]
            self._over.add(task)
            task.cancel()
        self._timer = loop.call_later(TICK_S, self._look, loop) if self._due else None
