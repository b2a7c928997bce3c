"""How busy this process is, and what it refuses before it would do everything badly.

First new batch work, which can wait and is safe to send again; then, much later, requests. What is
under way is finished. How late the loop comes to what is due says best whether there is too much:
it grows with whatever the process has to do.
"""

import asyncio
import logging
from collections.abc import Callable

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOK_S = 0.1
LATE_S_MAX = 0.25
"""So late, on average of about a second, the loop may be; then no new batch work is taken."""
SMOOTHING = 0.2
REQUESTS_FOR_BATCHES_MAX = 500
REQUESTS_MAX = 1_000
"""Requests under way in one process; the next one is refused."""
AGAIN_S = 2
BUSY = "BUSY"
BATCHES = "/batches"
NO_BATCHES = "Assay is busy: no new batch work is taken for a moment. Send it again soon."
NO_REQUESTS = f"{REQUESTS_MAX} requests are under way in this process. Try again in a moment."

_log = logging.getLogger(__name__)


class Load:
    """What one process has to do at present."""

    def __init__(self) -> None:
        """Measure nothing yet; `start` begins."""
        self.requests = 0
        self.late_s = 0.0
        self._high = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to measure; needs a running loop."""
        if self._task is None:
            self._task = asyncio.create_task(self._measure(), name="load")

    async def close(self) -> None:
        """Measure no longer."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    @property
    def is_high(self) -> bool:
        """Whether new batch work is to wait."""
        high = self.late_s > LATE_S_MAX or self.requests > REQUESTS_FOR_BATCHES_MAX
        if high is not self._high:
            self._high = high
            told = {"late_ms": round(self.late_s * 1000), "requests": self.requests}
            _log.warning("no new batch work" if high else "batch work again", extra=told)
        return high

    async def _measure(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LOOK_S
            await asyncio.sleep(LOOK_S)
            late = max(0.0, loop.time() - due)
            self.late_s += SMOOTHING * (late - self.late_s)


class LoadCheck:
    """Stands before the app, counts requests, and refuses those that are too many."""

    def __init__(self, app: ASGIApp, load: Callable[[], Load]) -> None:
        self._app = app
        self._load = load

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it: 503, and when to come again."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        load = self._load()
        if load.requests >= REQUESTS_MAX:
            await _busy(NO_REQUESTS)(scope, receive, send)
            return
        if scope["path"] == BATCHES and load.is_high:
            await _busy(NO_BATCHES)(scope, receive, send)
            return
        under_way = 1
        load.requests += under_way

        async def sending(message: Message) -> None:
            nonlocal under_way  # what is streamed from here on may last, and costs little
            load.requests -= under_way
            under_way = 0
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            load.requests -= under_way


def _busy(message: str) -> JSONResponse:
    body = {"errors": [{"message": message, "extensions": {"code": BUSY}}]}
    headers = {"Retry-After": str(AGAIN_S), "Connection": "close", "Cache-Control": "no-store"}
    return JSONResponse(body, status_code=503, headers=headers)
