"""Who comes together goes on one after the other."""

import asyncio

from questions.turnstile import SHARE, Turnstile


class Turns:
    """Counts the turns of the loop, and in which of them somebody passed."""

    def __init__(self) -> None:
        self.now = 0
        self.passed: list[int] = []
        self._turnstile = Turnstile()

    async def count(self) -> None:
        while True:
            self.now += 1
            await asyncio.sleep(0)

    async def go(self) -> None:
        await self._turnstile.passed()
        self.passed.append(self.now)


async def went(turns: Turns, count: int) -> list[int]:
    """Return in which turns so many passed who came together."""
    counting = asyncio.create_task(turns.count())
    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(turns.go())
    counting.cancel()
    return [at - turns.passed[0] for at in turns.passed]


async def test_who_comes_alone_does_not_wait() -> None:
    turnstile = Turnstile()
    for _ in range(3):
        alone = turnstile.passed()
        try:
            alone.send(None)
        except StopIteration:
            pass
        else:
            raise AssertionError("it waits")
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def test_few_go_one_in_each_turn() -> None:
    found = await went(Turns(), SHARE)
    assert len(set(found)) == SHARE


async def test_of_many_a_part_goes_in_each_turn() -> None:
    found = await went(Turns(), 1000)
    assert found == sorted(found)
    assert found.count(found[1]) <= 1000 // SHARE
    assert len(set(found)) < 40


async def test_who_is_cancelled_is_in_nobodys_way() -> None:
    turns = Turns()
    first, second, third = [asyncio.create_task(turns.go()) for _ in range(3)]
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(first, second, third, return_exceptions=True)
    assert len(turns.passed) == 2
    assert second.cancelled()
