"""Claims: one asks, the others are told, and the dead hold up nobody."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, cast

import pytest

from cache.claims import LEASE_S, LOOK_AGAIN_S, RENEW_EVERY_S, Claims, Taken
from gateway.valkey import Valkey
from tests.valkey_process import throwaway_valkey

PREFIX = b"claim:"
STORE_TIMEOUT_S = 2.0
A, B, MARKED = b"a" * 16, b"b" * 16, b"!" * 16
OURS, HELD, DONE = Taken.OURS, Taken.HELD, Taken.DONE


@pytest.fixture
async def valkey() -> AsyncGenerator[Valkey]:
    """Give a client of a server that nobody else listens to: subscriptions are counted here."""
    async with throwaway_valkey() as url:
        client = Valkey(url, STORE_TIMEOUT_S)
        yield client
        await client.close()


@pytest.fixture
async def pair(valkey: Valkey) -> AsyncGenerator[tuple[Claims, Claims]]:
    """Give the claims of two processes."""
    both = Claims(valkey), Claims(valkey)
    for one in both:
        one.start()
    yield both
    for one in both:
        await one.close()


async def listening(valkey: Valkey, count: int) -> None:
    """Return when so many subscriptions stand."""
    told = [b"claims:settled", count]
    async with asyncio.timeout(5):
        while await valkey.run("PUBSUB", "NUMSUB", "claims:settled") != told:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def left_ms(valkey: Valkey) -> int:
    return int(str(await valkey.run("PTTL", PREFIX + A)))


async def test_one_of_two_gets_each_claim(pair: tuple[Claims, Claims]) -> None:
    one, other = pair
    assert await one.take([A, MARKED]) == [OURS, OURS]
    assert await other.take([A, B, MARKED]) == [HELD, OURS, HELD]
    assert await one.take([A], anew=True) == [HELD]  # not even by the same process


async def test_a_settled_claim_says_for_a_moment_that_the_answer_is_there(
    pair: tuple[Claims, Claims],
) -> None:
    one, other = pair
    await one.take([A, B])
    await one.settle([A, B], [True, False])
    assert await other.take([A, B]) == [DONE, OURS]
    assert await other.take([A], anew=True) == [OURS]  # what is there is too old for it


async def test_who_waits_is_told_at_once(pair: tuple[Claims, Claims], valkey: Valkey) -> None:
    one, other = pair
    await listening(valkey, 2)
    loop = asyncio.get_running_loop()
    await one.take([A, B])
    await other.take([A, B])
    waiting = asyncio.create_task(other.wait([A, B], 5))
    await asyncio.sleep(0)
    started = loop.time()
    await one.settle([A], [True])
    await waiting
    assert loop.time() - started < LOOK_AGAIN_S


async def test_who_waits_looks_again_by_itself_and_never_beyond_its_time(
    pair: tuple[Claims, Claims],
) -> None:
    """A message may get lost."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    await pair[0].wait([A], 5)
    assert LOOK_AGAIN_S * 0.9 < loop.time() - started < LOOK_AGAIN_S + 1
    started = loop.time()
    await pair[0].wait([A], 0.05)
    await pair[0].wait([A], -1)
    assert loop.time() - started < LOOK_AGAIN_S


async def test_only_what_somebody_waits_for_is_told(
    pair: tuple[Claims, Claims], valkey: Valkey
) -> None:
    one, other = pair
    messages = valkey.listen("claims:settled")
    first = asyncio.ensure_future(anext(messages))
    await listening(valkey, 3)
    await one.take([A, B, MARKED])
    await other.take([B])
    await one.settle([A, B, MARKED], [True] * 3)
    assert await asyncio.wait_for(first, 5) == B
    await cast("Any", messages).aclose()


async def test_a_claim_is_a_lease_that_its_holder_renews(
    pair: tuple[Claims, Claims], valkey: Valkey
) -> None:
    (one, _) = pair
    await one.take([A])
    await valkey.run("PEXPIRE", PREFIX + A, 1500)
    async with asyncio.timeout(3 * RENEW_EVERY_S):
        while await left_ms(valkey) < 2000:  # noqa: ASYNC110 - a claim is renewed in silence
            await asyncio.sleep(0.02)
    assert await left_ms(valkey) <= LEASE_S * 1000


async def test_nobody_gives_back_what_another_holds_by_now(
    pair: tuple[Claims, Claims], valkey: Valkey
) -> None:
    """A process that slept through its lease finds the claim with somebody else, and leaves it."""
    one, other = pair
    await one.take([A])
    await valkey.run("DEL", PREFIX + A)
    assert await other.take([A]) == [OURS]
    await one.settle([A], [True])
    assert await one.take([A]) == [HELD]


async def test_leaving_gives_everything_back(valkey: Valkey) -> None:
    one, other = Claims(valkey), Claims(valkey)
    await one.take([A, B])
    await one.close()
    assert await other.take([A, B]) == [OURS, OURS]


async def test_a_store_that_is_away_is_an_error_and_none_to_leave(away: Valkey) -> None:
    claims = Claims(away)
    with pytest.raises(OSError, match="Error"):
        await claims.take([A])
    with pytest.raises(OSError, match="away"):
        await claims.settle([A], [True])
    await claims.close()


@pytest.mark.usefixtures("pair")
async def test_hearing_goes_on_after_the_store_came_back(valkey: Valkey) -> None:
    await listening(valkey, 2)
    await valkey.run("CLIENT", "KILL", "TYPE", "pubsub")
    await listening(valkey, 2)
