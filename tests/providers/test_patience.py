"""A bound in time ends the work and nothing else."""

import asyncio

import pytest

from providers.patience import TICK_S, Patience

SOON_S = 0.01
NEVER_S = 60.0


async def test_what_is_done_in_time_is_returned() -> None:
    assert await Patience().within(NEVER_S, asyncio.sleep(0, "done")) == "done"


async def test_what_is_late_is_cancelled_and_a_timeout() -> None:
    ended: list[str] = []

    async def late() -> None:
        try:
            await asyncio.sleep(NEVER_S)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    with pytest.raises(TimeoutError):
        await Patience().within(SOON_S, late())
    assert ended == ["cancelled"]
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling(), "the task itself is not cancelled"


async def test_a_cancellation_from_outside_stays_one() -> None:
    task = asyncio.create_task(Patience().within(NEVER_S, asyncio.sleep(NEVER_S)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_of_the_work_is_passed_on() -> None:
    async def broken() -> None:
        raise ValueError("of its own")

    with pytest.raises(ValueError, match="of its own"):
        await Patience().within(NEVER_S, broken())


async def test_each_has_a_time_of_its_own() -> None:
    patience = Patience()
    soon = asyncio.create_task(patience.within(SOON_S, asyncio.sleep(NEVER_S)))
    never = asyncio.create_task(patience.within(NEVER_S, asyncio.sleep(NEVER_S)))
    with pytest.raises(TimeoutError):
        await soon
    assert not never.done()
    never.cancel()
    with pytest.raises(asyncio.CancelledError):
        await never
    patience.close()


async def test_work_that_takes_no_notice_leaves_its_task_uncancelled() -> None:
    async def stubborn() -> str:
        try:
            await asyncio.sleep(NEVER_S)
        except asyncio.CancelledError:
            return "went on"
        return "slept"

    patience = Patience()
    assert await patience.within(SOON_S, stubborn()) == "went on"
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()


async def test_nothing_ticks_while_nobody_waits() -> None:
    patience = Patience()
    await patience.within(NEVER_S, asyncio.sleep(0))
    async with asyncio.timeout(50 * TICK_S):
        while patience.ticks:  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(TICK_S)


async def test_the_outer_bound_is_not_taken_for_the_inner_one() -> None:
    """Two who look after the same task: who rang is who says so."""
    outer, inner = Patience(), Patience()

    async def waiting() -> str:
        try:
            await inner.within(NEVER_S, asyncio.sleep(NEVER_S))
        except TimeoutError:
            return "swallowed"
        return "done"

    with pytest.raises(TimeoutError):
        await outer.within(SOON_S, waiting())
    inner.close()
