"""Hints: out over the broker, and in again where there is room, in our own event loop."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from taskiq import AsyncBroker
from taskiq.acks import AcknowledgeType
from taskiq.receiver import Receiver

TASK = "assay.batches.chunk"
SEND_S = 3.0
"""For one hint to be taken by the broker."""
START_S, CLOSE_S = 10.0, 5.0
REST_FIRST_S, REST_MAX_S = 0.2, 5.0
"""After the broker failed, until it is tried again: at first, and what that doubles to."""

Begin = Callable[[str, int], Awaitable[None]]
"""Works on the chunk `seq` of a batch, to its end."""

_log = logging.getLogger(__name__)


class Hints:
    """Sends hints, and calls `begin` for each that comes in, for at most `slots` at a time."""

    def __init__(self, broker: AsyncBroker, slots: int, begin: Begin) -> None:
        """Use `broker`, which nobody else uses; `start` opens it."""
        self._broker = broker
        broker.is_worker_process = True
        self._slots = slots

        async def chunk(batch: str, seq: int) -> None:
            await begin(batch, seq)

        self._task = broker.register_task(chunk, TASK)
        self._finish = asyncio.Event()
        self._listening: asyncio.Task[None] | None = None
        self._away = False

    def start(self) -> None:
        """Open the broker and listen, in a task of its own; needs a running loop."""
        self._listening = asyncio.get_running_loop().create_task(self._listen())

    async def send(self, batch: str, seq: int) -> bool:
        """Send the hint that a chunk is to be worked on; False when the broker does not take it."""
        try:
            async with asyncio.timeout(SEND_S):
                await self._task.kiq(batch, seq)
        except Exception as error:  # noqa: BLE001 - every broker fails in its own way
            self._note(error.__cause__ or error)
            return False
        self._away = False
        return True

    async def close(self) -> None:
        """Take no more hints, wait for what was begun, close the broker: within `CLOSE_S` each."""
        self._finish.set()
        listening = self._listening
        if listening is None:
            return
        await asyncio.wait((listening,), timeout=CLOSE_S)
        if not listening.done():
            listening.cancel()
            await asyncio.wait((listening,), timeout=CLOSE_S)
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._broker.shutdown()
        except Exception as error:  # noqa: BLE001 - as in `send`
            self._note(error)

    async def _listen(self) -> None:
        """Receive until closed; a broker that fails is tried again, at a bounded pace."""
        loop = asyncio.get_running_loop()
        started, rest_s = False, REST_FIRST_S
        while not self._finish.is_set():
            began = loop.time()
            try:
                if not started:
                    async with asyncio.timeout(START_S):
                        await self._broker.startup()
                    started = True
                receiver = Receiver(
                    self._broker,
                    validate_params=False,
                    max_async_tasks=self._slots,
                    run_startup=False,
                    ack_type=AcknowledgeType.WHEN_EXECUTED,
                    wait_tasks_timeout=CLOSE_S,
                )
                await receiver.listen(self._finish)
            except Exception as error:  # noqa: BLE001 - as in `send`
                self._note(error)
                if loop.time() - began > START_S:  # it had worked for a while
                    rest_s = REST_FIRST_S
                await self._rest(rest_s)
                rest_s = min(2 * rest_s, REST_MAX_S)

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._finish.wait()
        except TimeoutError:
            pass

    def _note(self, error: BaseException) -> None:
        """Say that the broker fails, once for each sort of failure in a row."""
        if not self._away:
            _log.warning("broker fails", extra={"error": type(error).__name__})
        self._away = True
