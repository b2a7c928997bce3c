"""A bound in time ends the work and nothing else."""

import asyncio

import pytest

from providers.within import within

SOON_S = 0.01
NEVER_S = 60.0


async def test_what_is_done_in_time_is_returned() -> None:
    assert await within(NEVER_S, asyncio.sleep(0, "done")) == "done"


async def test_what_is_late_is_cancelled_and_a_timeout() -> None:
    ended: list[str] = []

    async def late() -> None:
        try:
            await asyncio.sleep(NEVER_S)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    with pytest.raises(TimeoutError):
        await within(SOON_S, late())
    assert ended == ["cancelled"]
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling(), "the task itself is not cancelled"


async def test_a_cancellation_from_outside_stays_one() -> None:
    task = asyncio.create_task(within(NEVER_S, asyncio.sleep(NEVER_S)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_of_the_work_is_passed_on() -> None:
    async def broken() -> None:
        raise ValueError("of its own")

    with pytest.raises(ValueError, match="of its own"):
        await within(NEVER_S, broken())


async def test_the_inner_bound_rings_first() -> None:
    with pytest.raises(TimeoutError):
        await within(NEVER_S, within(SOON_S, asyncio.sleep(NEVER_S)))


async def test_the_outer_bound_is_not_taken_for_the_inner_one() -> None:
    async def inner() -> str:
        try:
            await within(NEVER_S, asyncio.sleep(NEVER_S))
        except TimeoutError:
            return "swallowed"
        return "done"

    with pytest.raises(TimeoutError):
        await within(SOON_S, inner())
