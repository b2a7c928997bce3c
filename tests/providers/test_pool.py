"""A pool carries what it is given, so much at once and no more, and a call of each job in turn."""

import asyncio
from collections import deque
from collections.abc import Sequence

import pytest

from providers.pool import Pool
from providers.priority import Asker, Priority

MOST = 3


class Carrier:
    """Carries what it is let to, and knows how much was under way at once."""

    def __init__(self, *, held: bool = False) -> None:
        self.free = asyncio.Event()
        if not held:
            self.free.set()
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.under_way = self.peak = 0
        self.again: dict[str, Sequence[Sequence[str]]] = {}

    async def carry(self, values: Sequence[str]) -> Sequence[Sequence[str]]:
        self.begun += values
        self.under_way += 1
        self.peak = max(self.peak, self.under_way)
        try:
            await self.free.wait()
            await asyncio.sleep(0)
        finally:
            self.under_way -= 1
        self.ended += values
        return self.again.pop(values[0], ())


def chunks(text: str) -> deque[Sequence[str]]:
    return deque([letter] for letter in text)


async def test_everything_is_carried_once_and_no_more_at_once_than_allowed() -> None:
    carrier, idle = Carrier(), asyncio.Event()
    await Pool(MOST, idle.set).work_off(chunks("abcdefgh"), Asker(), carrier.carry)
    assert sorted(carrier.ended) == list("abcdefgh")
    assert carrier.peak == MOST
    await asyncio.wait_for(idle.wait(), 1)


async def test_jobs_take_turns() -> None:
    carrier = Carrier()
    pool = Pool(1, lambda: None)
    await asyncio.gather(
        pool.work_off(chunks("aaaaaaaa"), Asker(), carrier.carry),
        pool.work_off(chunks("bb"), Asker(), carrier.carry),
    )
    assert carrier.begun[:4] == ["a", "b", "a", "b"]


async def test_an_urgent_value_goes_first() -> None:
    carrier, asker = Carrier(), Asker(Priority.BATCH)
    asker.hurry("c")
    await Pool(1, lambda: None).work_off(chunks("abc"), asker, carrier.carry)
    assert carrier.begun == ["c", "a", "b"]


async def test_what_is_to_go_again_goes_before_its_job_is_done() -> None:
    carrier = Carrier()
    carrier.again["a"] = [["x"], ["y"]]
    await Pool(MOST, lambda: None).work_off(chunks("a"), Asker(), carrier.carry)
    assert sorted(carrier.ended) == ["a", "x", "y"]


async def test_a_cancelled_job_goes_and_leaves_the_others_their_places() -> None:
    carrier, other, idle = Carrier(held=True), Carrier(), asyncio.Event()
    pool = Pool(MOST, idle.set)
    dropped = asyncio.create_task(pool.work_off(chunks("abcdef"), Asker(), carrier.carry))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    kept = asyncio.create_task(pool.work_off(chunks("xyz"), Asker(), other.carry))
    await asyncio.sleep(0)
    dropped.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dropped
    assert carrier.under_way == 0
    await asyncio.wait_for(kept, 1)
    assert sorted(other.ended) == ["x", "y", "z"]
    assert carrier.ended == []
    await asyncio.wait_for(idle.wait(), 1)
