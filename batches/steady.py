"""What is done again and again, in a task of its own: it has an owner, a pace, and survives."""

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable

from batches.errors import StoreError

REST_FIRST_S, REST_MAX_S = 0.5, 5.0
"""After a failure, until it is tried again: at first, and what that doubles to."""
CLOSE_S = 5.0
"""For what is under way when it is closed."""

_log = logging.getLogger(__name__)


class Steady:
    """Calls `once` every `every_s` seconds, and at once when woken, until closed."""

    def __init__(self, name: str, once: Callable[[], Awaitable[None]], every_s: float) -> None:
        """Do `once`, which is logged as `name`; `start` begins."""
        self._name = name
        self._once = once
        self._every_s = every_s
        self._woken = asyncio.Event()
        self._closed = False
        self._failing: type[BaseException] | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; needs a running loop."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def wake(self) -> None:
        """Let it be done now, and not only when it is time."""
        self._woken.set()

    async def close(self) -> None:
        """End it; what is under way has `CLOSE_S` to finish."""
        self._closed = True
        self._woken.set()
        task, self._task = self._task, None
        if task is not None:
            await asyncio.wait((task,), timeout=CLOSE_S)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        rest_s = REST_FIRST_S
        while not self._closed:  # a library below may take a cancellation for a failure
            self._woken.clear()
            wait_s = self._every_s
            try:
                await self._once()
            except Exception as error:  # noqa: BLE001 - whatever fails, the next time may not
                self._note(error)
                wait_s, rest_s = rest_s, min(2 * rest_s, REST_MAX_S)
                await self._pause(wait_s, woken=False)
                continue
            rest_s = REST_FIRST_S
            self._note(None)
            await self._pause(wait_s, woken=True)

    async def _pause(self, seconds: float, *, woken: bool) -> None:
        """Wait so long, or until closed; or until woken."""
        if not woken:
            self._woken.clear()
        try:
            async with asyncio.timeout(seconds):
                while not self._closed:
                    await self._woken.wait()
                    if woken:
                        return
                    self._woken.clear()
        except TimeoutError:
            pass

    def _note(self, error: Exception | None) -> None:
        """Say once what fails, and once that it works again."""
        if error is None:
            if self._failing is not None:
                _log.warning("works again", extra={"work": self._name})
            self._failing = None
        elif type(error) is not self._failing:
            self._failing = type(error)
            said = {"work": self._name, "error": type(error).__name__}
            if isinstance(error, StoreError):
                _log.warning("store of batches fails", extra=said)
            else:
                frame = traceback.extract_tb(error.__traceback__)[-1]
                said["at"] = f"{frame.filename.rpartition('/')[2]}:{frame.lineno}"
                _log.error("fails", extra=said)
