"""A virtual clock: an event loop in which waiting costs nothing, and tasks know their process."""

import asyncio
import contextvars
import selectors
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
OWNER: contextvars.ContextVar[int] = contextvars.ContextVar("process", default=-1)
"""The process that a task belongs to."""
R = TypeVar("R")


class _Selector(selectors.SelectSelector):
    """Never waits: what it is asked to wait for has then passed."""

    loop: "SimulatedLoop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout > 0:
            self.loop.now += timeout
        return super().select(0)


class SimulatedLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock is virtual, and whose tasks know their process."""

    def __init__(self) -> None:
        self.now = 0.0
        self.tasks: dict[int, set[asyncio.Task[Any]]] = {}
        selector = _Selector()
        super().__init__(selector)
        selector.loop = self
        self.set_task_factory(cast("Any", self._task))

    def time(self) -> float:
        return self.now

    def moment(self) -> datetime:
        """Return the virtual time as a moment."""
        return EPOCH + timedelta(seconds=self.now)

    def _task(
        self,
        loop: asyncio.AbstractEventLoop,
        work: Coroutine[Any, Any, R],
        **more: Any,  # noqa: ANN401 - as asyncio has it
    ) -> asyncio.Task[R]:
        task: asyncio.Task[R] = asyncio.Task(work, loop=loop, **more)
        own = self.tasks.setdefault(OWNER.get(), set())
        own.add(task)
        task.add_done_callback(own.discard)
        return task


def simulate(work: Callable[[SimulatedLoop], Coroutine[Any, Any, R]]) -> R:
    """Run `work` on a virtual clock."""
    loop = SimulatedLoop()
    try:
        return loop.run_until_complete(work(loop))
    finally:
        rest = [task for tasks in list(loop.tasks.values()) for task in list(tasks)]
        for task in rest:
            task.cancel()
        if rest:
            loop.run_until_complete(asyncio.gather(*rest, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
