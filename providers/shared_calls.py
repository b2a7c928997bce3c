"""Calls that several exchanges need alike at one time: one is sent, and all get its answer."""

import asyncio
from collections.abc import Awaitable, Callable

from providers.errors import NoPermit, ProviderError
from providers.exchange import Answer, Call
from verdicts.reason import ReasonCode


class SharedCalls:
    """The shared calls of one account that are under way in this process."""

    def __init__(self) -> None:
        """Begin with none."""
        self._under_way: dict[Call, asyncio.Future[Answer | ProviderError | None]] = {}

    async def send(
        self, call: Call, deadline: float, send: Callable[[], Awaitable[Answer]]
    ) -> Answer:
        """Return the answer to `call`: that of an equal one under way, or else what `send` brings.

        `deadline` (loop clock) bounds the waiting for somebody else's.

        Raises:
            ProviderError: it failed, or was not sent before `deadline`.
        """
        loop = asyncio.get_running_loop()
        while (under_way := self._under_way.get(call)) is not None:
            await asyncio.wait((under_way,), timeout=max(0.0, deadline - loop.time()))
            if not under_way.done():
                raise NoPermit(ReasonCode.DEADLINE)
            came = under_way.result()
            if isinstance(came, Answer):
                return came
            if came is not None:
                raise came
        return await self._sent(call, loop.create_future(), send)

    async def _sent(
        self,
        call: Call,
        told: "asyncio.Future[Answer | ProviderError | None]",
        send: Callable[[], Awaitable[Answer]],
    ) -> Answer:
        """Send, and tell what came; None where nothing was asked: whoever waits asks then."""
        self._under_way[call] = told
        came: Answer | ProviderError | None = None
        try:
            answer = came = await send()
        except ProviderError as error:
            came = error if error.called else None
            raise
        finally:
            del self._under_way[call]
            told.set_result(came)
        return answer
