"""Places in flight: never too many, none lost, and as many as the service can take."""

import asyncio
import random

import pytest

from providers.errors import NoPermit
from providers.in_flight import InFlight
from providers.retry_tokens import CAPACITY, THROTTLED_COSTS, TRANSIENT_COSTS, RetryTokens
from tests.waiting import eventually_async
from verdicts.reason import ReasonCode

LONG_S = 30.0


def in_s(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


async def test_no_more_than_allowed_and_first_come_first_served() -> None:
    places, order = InFlight(2), list[int]()
    most = 0

    async def call(number: int) -> None:
        nonlocal most
        await places.enter(in_s(LONG_S))
        most = max(most, places.taken)
        order.append(number)
        await asyncio.sleep(0)
        places.leave()

    await asyncio.gather(*(call(number) for number in range(9)))
    assert (most, order, places.taken) == (2, list(range(9)), 0)


async def test_it_is_halved_once_for_calls_of_one_time_and_climbs_with_clean_ones() -> None:
    places = InFlight(16)
    for _ in range(16):
        places.congested(began=1.0, now=2.0)
    assert places.limit == 8
    places.congested(began=2.5, now=3.0)
    assert places.limit == 4
    for _ in range(4):
        places.clean()
    assert 4 < places.limit + 1 <= 6, "a round of clean calls is worth about one place"
    for now in range(4, 20):
        places.congested(began=now, now=now)
    assert places.limit == 1
    for _ in range(200):
        places.clean()
    assert places.limit == 16


async def test_who_waits_is_let_in_as_it_climbs() -> None:
    places = InFlight(2)
    places.congested(began=1.0, now=1.0)
    await places.enter(in_s(LONG_S))
    waiting = asyncio.create_task(places.enter(in_s(LONG_S)))
    await asyncio.sleep(0)
    assert not waiting.done()
    places.clean()
    await waiting
    assert places.taken == 2


async def test_nobody_waits_beyond_the_deadline() -> None:
    places = InFlight(1)
    await places.enter(in_s(LONG_S))
    with pytest.raises(NoPermit) as late:
        await places.enter(in_s(0.01))
    assert late.value.code is ReasonCode.DEADLINE
    places.leave()
    await places.enter(in_s(LONG_S))


async def test_whatever_is_cancelled_no_place_is_lost() -> None:
    chance, places = random.Random(11), InFlight(3)

    async def call() -> None:
        await places.enter(in_s(chance.choice((0.0, 0.001, LONG_S))))
        try:
            assert places.taken <= places.most
            await asyncio.sleep(chance.choice((0, 0, 0.001)))
        finally:
            places.leave()

    tasks = [asyncio.create_task(call()) for _ in range(400)]
    for task in chance.sample(tasks, 200):
        await asyncio.sleep(0)
        task.cancel()
        if chance.random() < 0.1:
            places.congested(in_s(0), in_s(0))
        places.clean()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert await eventually_async(lambda: places.taken == 0)
    await places.enter(in_s(0.01))


def test_repeats_are_bounded_and_answers_earn_them_back() -> None:
    tokens = RetryTokens()
    repeats = 0
    while tokens.spend(ReasonCode.PROVIDER_UNAVAILABLE):
        repeats += 1
    assert repeats == CAPACITY // TRANSIENT_COSTS
    for _ in range(THROTTLED_COSTS):
        tokens.earn()
    assert tokens.spend(ReasonCode.RATE_LIMITED)
    for _ in range(2 * CAPACITY):
        tokens.earn()
    assert tokens.left == CAPACITY


async def test_while_there_are_few_places_batches_wait_for_the_interactive_ones() -> None:
    places, order = InFlight(2), list[str]()
    places.congested(began=1.0, now=1.0)
    assert places.cut
    await places.enter(in_s(LONG_S))

    async def call(name: str, *, batch: bool) -> None:
        await places.enter(in_s(LONG_S), batch=batch)
        order.append(name)
        await asyncio.sleep(0)
        places.leave()

    calls = [
        asyncio.create_task(call(name, batch=batch))
        for name, batch in (("batch", True), ("one", False), ("two", False))
    ]
    await asyncio.sleep(0)
    places.leave()
    await asyncio.gather(*calls)
    assert (order, places.taken) == (["one", "two", "batch"], 0)
