"""An answer is awaited for so long, and a loop that stood still is not the other side's fault."""

import asyncio
import time

import pytest

from gateway.patience import patiently


async def test_what_comes_in_time_is_returned() -> None:
    assert await patiently(5, asyncio.sleep(0, "answer")) == "answer"


async def test_what_does_not_come_ends_the_waiting() -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        await patiently(0.05, asyncio.sleep(60))
    assert time.monotonic() - began < 5


async def test_a_loop_that_stood_still_costs_no_answer() -> None:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str] = loop.create_future()
    loop.call_later(0.01, time.sleep, 0.2)
    loop.call_later(0.02, answer.set_result, "answer")

    async def reading() -> str:
        return await answer

    assert await patiently(0.1, reading()) == "answer"


async def test_a_cancellation_from_outside_stays_one() -> None:
    waiting = asyncio.create_task(patiently(60, asyncio.sleep(60)))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
