"""A pool carries what it is given, so much at once and no more, and a call of each job in turn."""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence

import pytest

from providers.pool import Pool
from providers.priority import Asker, Priority, Turn

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


async def test_an_urgent_value_of_a_batch_is_urgent_while_it_is_carried() -> None:
    """Its permit is asked for meanwhile."""
    asker, batch = Asker(Priority.BATCH), dict[str, bool]()
    asker.hurry("c")

    async def carry(values: Sequence[str]) -> Sequence[Sequence[str]]:
        await asyncio.sleep(0)
        batch[values[0]] = Turn(asker, values).batch
        return ()

    await Pool(1, lambda: None).work_off(chunks("abc"), asker, carry)
    assert batch == {"c": False, "a": True, "b": True}


def test_urgent_values_are_sought_once() -> None:
    class Looked(deque[Sequence[str]]):
        times = 0

        def __iter__(self) -> Iterator[Sequence[str]]:
            self.times += 1
            return super().__iter__()

    waiting, asker, gone = Looked(chunks("abcdefgh")), Asker(Priority.BATCH), set[str]()
    asker.hurry("c")
    asker.hurry("elsewhere")
    assert [asker.next_of(waiting, gone) for _ in range(6)] == [[one] for one in "cabdef"]
    asker.hurry("h")
    assert asker.next_of(waiting, gone) == ["h"]
    assert waiting.times == 3


async def test_who_asked_gets_what_went_wrong_and_the_others_go_on() -> None:
    carrier, tried, idle = Carrier(), list[str](), asyncio.Event()

    async def broken(values: Sequence[str]) -> Sequence[Sequence[str]]:
        tried.extend(values)
        await asyncio.sleep(0)
        raise LookupError(values[0])

    pool = Pool(1, idle.set)
    async with asyncio.timeout(5):
        wrong, _ = await asyncio.gather(
            pool.work_off(chunks("abc"), Asker(), broken),
            pool.work_off(chunks("xyz"), Asker(), carrier.carry),
            return_exceptions=True,
        )
        await idle.wait()
    assert isinstance(wrong, LookupError)
    assert tried == ["a"]
    assert sorted(carrier.ended) == ["x", "y", "z"]


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
