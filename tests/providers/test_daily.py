"""What an account did today is one count, whoever counted it; and each thing counts once."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from decimal import Decimal

import pytest

from gateway.valkey import Valkey
from providers import statistics
from providers.daily import ENDS_S, Daily
from providers.statistics import DAY_S, Counts, Statistics
from providers.trip import Run
from tests.valkey_process import ask_valkey
from verdicts.reason import ReasonCode

RATE_LIMITED, DOWN = ReasonCode.RATE_LIMITED, ReasonCode.PROVIDER_UNAVAILABLE
ACCOUNT = "vies"


class Faulty:
    """A store whose script fails as told: before it has run, or after."""

    def __init__(self, valkey: Valkey) -> None:
        self.fails: list[str] = []
        self._valkey = valkey

    def script(self, source: str) -> Run:
        real = self._valkey.script(source)

        async def run(keys: Sequence[str], arguments: Sequence[str | int | bytes]) -> object:
            how = self.fails.pop(0) if self.fails else ""
            if how == "before":
                raise OSError
            answer = await real(keys, arguments)
            if how == "after":
                raise OSError
            return answer

        return run


Process = tuple[Daily, Statistics]
Start = Callable[..., Process]


@pytest.fixture
async def process(valkey: Valkey) -> AsyncGenerator[Start]:
    """Start one process more among those that share the store; `idle` tells nothing by itself."""
    async with AsyncExitStack() as stack:
        names = iter(range(100))

        def start(store: Faulty | None = None, *, idle: bool = True) -> Process:
            daily = Daily(store or valkey, f"process{next(names)}")
            counted = Statistics()
            daily.count(ACCOUNT, counted)
            if not idle:
                daily.start()
            stack.push_async_callback(daily.close)
            return daily, counted

        yield start


def work(counted: Statistics, calls: int, failures: int = 0, price: str = "0.01") -> None:
    for at in range(calls):
        counted.begun()
        counted.in_flight -= 1
        if at < failures:
            counted.failed(DOWN)
        else:
            counted.charged(1, Decimal(price))


async def seen(one: Process) -> Counts:
    daily, counted = one
    (counts,) = await daily.today([counted])
    return counts


def told(counts: Counts) -> tuple[int, int, Decimal, dict[ReasonCode, int]]:
    return counts.calls, counts.failed, counts.cost, dict(counts.failures)


async def test_all_processes_count_together(process: Start) -> None:
    one, other, idle = process(), process(), process()
    work(one[1], 5, failures=1)
    work(other[1], 3, price="0.0000000025")
    other[1].failed(RATE_LIMITED, called=False)
    await seen(one)
    await seen(other)
    expected = (8, 1, Decimal("0.0400000075"), {DOWN: 1, RATE_LIMITED: 1})
    for each in (one, other):
        assert told(await seen(each))[:2] == expected[:2]
    assert abs((await seen(idle)).cost - expected[2]) < Decimal("0.000000001")
    assert dict((await seen(idle)).failures) == expected[3]
    work(one[1], 1)
    assert (await seen(one)).calls == 9, "what is not told yet counts, too"
    assert (await seen(other)).calls == 9


async def test_it_is_told_in_the_background_and_at_the_end(process: Start) -> None:
    busy, watching = process(idle=False), process()
    work(busy[1], 4)
    async with asyncio.timeout(10):
        while (await seen(watching)).calls < 4:  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.02)
    work(busy[1], 2)
    await busy[0].close()
    assert (await seen(watching)).calls == 6


async def test_an_idle_process_says_nothing(process: Start, valkey_url: str) -> None:
    daily, _ = process(idle=False)
    await asyncio.sleep(0)
    await daily.close()
    assert ask_valkey(valkey_url, "DBSIZE") == ":0"


@pytest.mark.parametrize("how", ["before", "after"])
async def test_what_was_perhaps_heard_is_told_again_and_counts_once(
    how: str, process: Start, valkey: Valkey
) -> None:
    store = Faulty(valkey)
    one, watching = process(store), process()
    work(one[1], 3, failures=1)
    store.fails = [how] * 2
    assert (await seen(one)).calls == 3, "this process knows of them"
    work(one[1], 2)
    assert (await seen(one)).calls == 5
    for _ in range(3):
        assert told(await seen(one)) == (5, 1, Decimal("0.04"), {DOWN: 1})
    assert told(await seen(watching)) == (5, 1, Decimal("0.04"), {DOWN: 1})


async def test_while_the_store_is_away_the_last_word_counts(process: Start, valkey: Valkey) -> None:
    store = Faulty(valkey)
    one, other = process(store), process()
    work(other[1], 7)
    await seen(other)
    assert (await seen(one)).calls == 7
    store.fails = ["before"] * 2
    work(one[1], 1)
    assert (await seen(one)).calls == 8
    assert (await seen(one)).calls == 8
    assert (await seen(other)).calls == 7
    assert (await seen(one)).calls == 8
    assert (await seen(other)).calls == 8


async def test_a_day_ends_at_midnight_and_what_it_took_is_still_told(
    process: Start, monkeypatch: pytest.MonkeyPatch, valkey_url: str
) -> None:
    one, other = process(), process()
    now = 20_000 * DAY_S - 1.0
    monkeypatch.setattr(statistics, "time", lambda: now)
    for _, counted in (one, other):
        counted.this_day()
    work(one[1], 5)
    now += 2.0
    work(one[1], 2)
    assert (await seen(one)).calls == 2
    assert (await seen(other)).calls == 2
    assert ask_valkey(valkey_url, f"HGET counts:{{{ACCOUNT}}}:19999 calls").split() == ["$1", "5"]
    ends_s = int(ask_valkey(valkey_url, f"TTL counts:{{{ACCOUNT}}}:19999").removeprefix(":"))
    assert 0 < ends_s <= ENDS_S
    assert len(one[1].days()) == 1, "a day that is over and told is forgotten here"


async def test_two_providers_of_one_account_count_together(process: Start) -> None:
    daily, counted = process()
    second, elsewhere = Statistics(), Statistics()
    daily.count(ACCOUNT, second)
    daily.count("another", elsewhere)
    work(counted, 1)
    work(second, 2)
    work(elsewhere, 4)
    ask: Awaitable[list[Counts]] = daily.today([counted, second, elsewhere])
    assert [one.calls for one in await ask] == [3, 3, 4]
