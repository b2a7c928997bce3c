"""Allowances over processes, in a real Valkey."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Sequence
from decimal import Decimal

import pytest

from access.allowance import Allowance, Allowances, OverLimit, Run
from access.key import Limits
from access.principal import ANYBODY, Principal
from access.scope import EVERYTHING
from gateway.valkey import Valkey

TIMEOUT_S = 5.0


def who(limits: Limits) -> Principal:
    return Principal("acme", "someone", EVERYTHING, limits)


@pytest.fixture
async def two(valkey_url: str) -> AsyncGenerator[tuple[Allowances, Allowances]]:
    """Give the allowances of two processes."""
    clients = [Valkey(valkey_url, TIMEOUT_S) for _ in range(2)]
    one, other = (Allowances(client) for client in clients)
    yield one, other
    for client in clients:
        await client.close()


def of(allowances: Allowances, limits: Limits) -> Allowance:
    found = allowances.of(who(limits))
    assert found is not None
    return found


async def granted(one: Allowance, count: int) -> int:
    return sum([await refused_for_s(one.request()) is None for _ in range(count)])


async def refused_for_s(asking: Awaitable[None]) -> float | None:
    """Return for how long something is refused; None when it is not."""
    try:
        await asking
    except OverLimit as over:
        return over.retry_after_s
    return None


def test_who_has_no_limit_costs_nothing() -> None:
    class Nobody:
        def script(self, source: str) -> object:
            return source

    allowances = Allowances(Nobody())  # pyright: ignore[reportArgumentType] - it is asked nothing
    assert allowances.of(ANYBODY) is None
    assert allowances.of(who(Limits())) is None


async def test_a_rate_holds_over_processes(two: tuple[Allowances, Allowances]) -> None:
    limits = Limits(requests_per_second=50)
    began = time.monotonic()
    done = sum(await asyncio.gather(*(granted(of(one, limits), 200) for one in two)))
    took_s = time.monotonic() - began
    assert 50 <= done <= 50 + 50 * took_s + 1


async def test_a_slow_rate_lets_one_through_and_says_when_the_next(
    two: tuple[Allowances, Allowances],
) -> None:
    one = of(two[0], Limits(requests_per_second=2))
    await one.request()
    await one.request()
    with pytest.raises(OverLimit) as over:
        await one.request()
    await asyncio.sleep(over.value.retry_after_s + 0.01)
    await one.request()


async def test_records_of_a_day_are_never_exceeded(two: tuple[Allowances, Allowances]) -> None:
    limits = Limits(records_per_day=10_000)
    taken = 0
    for _ in range(2_000):
        for one in two:
            refused_s = await refused_for_s(of(one, limits).records(7))
            assert refused_s is None or 0 < refused_s <= 86_400
            taken += 7 if refused_s is None else 0
    assert 10_000 - 2 * 100 - 2 * 7 <= taken <= 10_000


async def test_more_records_than_are_left_are_refused_whole(
    two: tuple[Allowances, Allowances],
) -> None:
    one = of(two[0], Limits(records_per_day=10))
    await one.records(9)
    with pytest.raises(OverLimit, match="records"):
        await one.records(2)
    await one.records(1)
    assert dict(one.headers())[b"ratelimit"].startswith(b'"records";r=0;t=')


async def test_records_taken_in_advance_come_back(two: tuple[Allowances, Allowances]) -> None:
    limits = Limits(records_per_day=1_000)
    await of(two[0], limits).records(1)
    await two[0].close()
    await of(two[1], limits).records(999)
    with pytest.raises(OverLimit):
        await of(two[1], limits).records(1)


async def test_who_has_spent_it_all_is_refused_everywhere(
    two: tuple[Allowances, Allowances],
) -> None:
    limits = Limits(cost_per_day_millionths=1_000_000)
    first, second = of(two[0], limits), of(two[1], limits)
    await first.afford()
    assert await first.reserve(1_000_001) == 1_000_000
    await first.spend(999_999)
    await first.afford()
    await first.spend(1)
    with pytest.raises(OverLimit, match="cost"):
        await first.afford()
    await first.give_back()
    with pytest.raises(OverLimit, match="cost"):
        await second.afford()
    assert await second.reserve(1) == 0


async def test_headers_say_the_policies_and_what_is_left(
    two: tuple[Allowances, Allowances],
) -> None:
    one = of(two[0], Limits(requests_per_second=10, records_per_day=500))
    new = dict(one.headers())[b"ratelimit"]
    assert new.startswith(b'"requests";r=10;t=1, "records";r=500;t=')
    apart_s = (int(new.rpartition(b"=")[2]) + time.time()) % 86_400
    assert min(apart_s, 86_400 - apart_s) <= 2, "it ends at midnight UTC"
    await one.request()
    await one.records(20)
    told = dict(one.headers())
    assert told[b"ratelimit-policy"] == b'"requests";q=10;w=1, "records";q=500;w=86400'
    assert told[b"ratelimit"].startswith(b'"requests";r=9;t=1, "records";r=480;t=')


async def test_while_the_store_is_away_nobody_is_refused() -> None:
    valkey = Valkey("redis://127.0.0.1:1/0", TIMEOUT_S)
    one = of(Allowances(valkey), Limits(1, 10, 1_000_000))
    for _ in range(5):
        await one.request()
        await one.records(10)
        await one.spend(10)
    await one.give_back()
    await valkey.close()


async def test_what_is_reserved_at_once_is_never_more_than_there_is(
    two: tuple[Allowances, Allowances],
) -> None:
    limits = Limits(cost_per_day_millionths=1_000_000)
    one = of(two[0], limits)
    found = await asyncio.gather(*(one.reserve(300_000) for _ in range(20)))
    assert found.count(None) == 3
    await one.spend(-300_000)
    assert await one.reserve(300_000) is None
    fresh = of(two[1], limits)
    found = await asyncio.gather(*(fresh.reserve(300_000) for _ in range(5)))
    assert found == [100_000] * 5, "a process that has just begun asks the store, for all of them"
    assert await fresh.reserve(None) == 100_000


async def test_what_was_taken_in_advance_covers_so_many_and_while_something_may_be_spent(
    two: tuple[Allowances, Allowances],
) -> None:
    limits = Limits(records_per_day=1_000, cost_per_day_millionths=1_000_000)
    one, other = (of(allowances, limits) for allowances in two)
    assert not one.covers(1), "nothing is known yet"
    await one.afford()
    await one.records(1)
    assert not one.covers(11)
    assert one.covers(10)
    assert not one.covers(1)
    await one.records(1)
    assert b'"records";r=988;t=' in dict(one.headers())[b"ratelimit"]
    one.charge(Decimal("0.4"))
    assert one.covers(1)
    one.charge(Decimal("0.6"))
    assert not one.covers(1)
    await one.settle()
    with pytest.raises(OverLimit, match="cost"):
        await other.afford()


async def test_records_taken_in_advance_of_a_day_end_with_it() -> None:
    class Midnight:
        """A store whose day ends as soon as somebody has taken records of it."""

        def script(self, source: str) -> Run:
            takes = "records wanted" in source

            async def run(_: Sequence[object], asked: Sequence[object]) -> list[object]:
                return [1, 0, 0, asked[5], 900, 0, 1] if takes else [0, 86_400]

            return run

    limits = Limits(records_per_day=1_000, cost_per_day_millionths=1_000_000)
    one = of(Allowances(Midnight()), limits)
    await one.records(1)
    await one.afford()
    assert not one.covers(1)
