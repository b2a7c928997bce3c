import asyncio
from collections.abc import AsyncGenerator, Sequence
from time import monotonic, perf_counter

import pytest
from msgspec.structs import replace

import providers.permits
from gateway.valkey import Valkey
from providers.errors import NoPermit
from providers.fleet import Fleet
from providers.permit import Bounds, Permit
from providers.permits import Permits
from providers.rates import rate_of
from providers.trip import Run
from tests.valkey_process import ask_valkey
from verdicts.reason import ReasonCode

STORE_TIMEOUT_S = 2.0
PATIENCE_S = 10.0
WHY = ReasonCode.PROVIDER_UNAVAILABLE


@pytest.fixture
async def other(valkey_url: str) -> AsyncGenerator[Valkey]:
    """Be the client of another process: nothing is shared but the server."""
    shared = Valkey(valkey_url, STORE_TIMEOUT_S)
    yield shared
    await shared.close()


MADE: list[Permits] = []


@pytest.fixture(autouse=True)
async def closed(valkey: Valkey, other: Valkey) -> AsyncGenerator[None]:
    """End what still tells of its calls, before the clients go that it tells by."""
    assert valkey is not other
    yield
    while MADE:
        await MADE.pop().close()


def permits_of(shared: Valkey, *rates: str, account: str = "account", **bounds: float) -> Permits:
    """Return the permits of `account` as another process would have them."""
    rules = tuple(map(rate_of, rates))
    given = replace(Bounds(rules), **bounds)
    MADE.append(Permits(shared, Fleet(shared), account, given))
    return MADE[-1]


async def instants(permits: Permits, count: int) -> list[float]:
    """Return when each of `count` waiters got its permit."""
    loop = asyncio.get_running_loop()

    async def one() -> float:
        permit = await permits.take(loop.time() + PATIENCE_S)
        taken = loop.time()
        permit.end()
        return taken

    return await asyncio.gather(*(one() for _ in range(count)))


def most_in(window_s: float, moments: Sequence[float]) -> int:
    """Return the largest number of `moments` within any window of that length."""
    ordered = sorted(moments)
    first = most = 0
    for last, moment in enumerate(ordered):
        while moment - ordered[first] >= window_s:
            first += 1
        most = max(most, last - first + 1)
    return most


@pytest.mark.parametrize(
    "rates, count",
    [
        (("5/200ms",), 18),
        (("4/100ms", "10/600ms"), 24),
        (("2500/500ms",), 3_000),  # beyond the exact log: GCRA
    ],
    ids=["one window", "two windows together", "gcra"],
)
async def test_no_window_ever_holds_more_than_its_limit(
    valkey: Valkey, other: Valkey, rates: tuple[str, ...], count: int
) -> None:
    rules = [rate_of(text) for text in rates]
    ours, theirs = (permits_of(shared, *rates) for shared in (valkey, other))
    taken = await asyncio.gather(instants(ours, count // 2), instants(theirs, count // 2))
    moments = [*taken[0], *taken[1]]
    assert len(moments) == count
    assert {rule.text: most_in(rule.period_s, moments) <= rule.limit for rule in rules} == (
        dict.fromkeys(rates, True)
    )


async def test_accounts_do_not_share_a_limit(valkey: Valkey) -> None:
    await instants(permits_of(valkey, "1/10s", account="one"), 1)
    (taken,) = await instants(permits_of(valkey, "1/10s", account="two"), 1)
    assert taken <= asyncio.get_running_loop().time()


async def test_many_waiters_share_one_trip_to_the_store(valkey: Valkey, valkey_url: str) -> None:
    permits = permits_of(valkey, "1000/s")
    await instants(permits, 1)
    ask_valkey(valkey_url, "CONFIG RESETSTAT")
    await instants(permits, 100)
    told = ask_valkey(valkey_url, "INFO commandstats")
    (calls,) = [line for line in told.split() if line.startswith("cmdstat_evalsha:")]
    assert int(calls.partition("calls=")[2].partition(",")[0]) <= 2


async def test_a_pause_holds_for_everybody(valkey: Valkey, other: Valkey) -> None:
    loop = asyncio.get_running_loop()
    ours, theirs = (permits_of(shared, "100/s") for shared in (valkey, other))
    await ours.pause(0.3, WHY)
    paused = loop.time()
    taken = await asyncio.gather(instants(ours, 1), instants(theirs, 1))
    assert min(taken[0] + taken[1]) - paused >= 0.25
    assert (await theirs.standing()).paused_s == 0


async def test_a_shorter_pause_does_not_end_a_longer_one(valkey: Valkey, other: Valkey) -> None:
    ours, theirs = (permits_of(shared) for shared in (valkey, other))
    await ours.pause(60, WHY)
    await theirs.pause(1, WHY)
    standing = await ours.standing()
    assert 55 < standing.paused_s <= 60
    assert standing.why is WHY
    assert standing.windows == ()


async def test_nobody_waits_for_long_beside_a_slot_that_nobody_uses(valkey: Valkey) -> None:
    """As many callers as slots, in a busy loop: mostly each finds its own, and asks nobody."""
    permits = permits_of(valkey, concurrency=64)
    waited = 0

    async def caller() -> None:
        nonlocal waited
        for _ in range(100):
            permit = permits.ready()
            if permit is None:
                waited += 1
                permit = await permits.take(monotonic() + PATIENCE_S)
            busy_until = perf_counter() + 50e-6
            while perf_counter() < busy_until:
                pass
            await asyncio.sleep(0.001)
            permit.end()

    await asyncio.gather(*(caller() for _ in range(64)))
    assert waited < 64 * 100 / 2
    await permits.close()


async def test_without_any_rate_a_permit_is_ready_while_a_slot_is_held(valkey: Valkey) -> None:
    permits = permits_of(valkey, concurrency=2)
    assert permits.ready() is None  # nobody has been asked yet
    held = [await permits.take(monotonic() + PATIENCE_S) for _ in range(2)]
    assert (permits.ready(), permits.in_use) == (None, 2)  # both slots are in use
    held.pop().end()
    again = permits.ready()
    assert again is not None
    held.append(again)
    assert permits.in_use == 2
    for permit in held:
        permit.end()
    assert permits.in_use == 0
    await permits.close()


async def test_with_a_rate_or_a_pause_nothing_is_ready(valkey: Valkey) -> None:
    limited, free = permits_of(valkey, "100/s", account="limited"), permits_of(valkey)
    for permits in (limited, free):
        (await permits.take(monotonic() + PATIENCE_S)).end()
    assert limited.ready() is None
    await free.pause(60, WHY)
    assert free.ready() is None
    for permits in (limited, free):
        await permits.close()


class Held:
    """A store whose answers are held back while `on` is not set; `asked` says that it was asked."""

    def __init__(self, valkey: Valkey) -> None:
        self._valkey = valkey
        self.on, self.asked = asyncio.Event(), asyncio.Event()
        self.on.set()

    def script(self, source: str) -> Run:
        run = self._valkey.script(source)

        async def held(keys: Sequence[str], arguments: Sequence[str | int | bytes]) -> object:
            answer = await run(keys, arguments)
            self.asked.set()
            await self.on.wait()
            return answer

        return held


async def test_slots_in_use_are_used_again_while_a_trip_is_under_way(
    valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(providers.permits, "KNOWN_FOR_S", PATIENCE_S)
    store = Held(valkey)
    permits = Permits(store, Fleet(valkey), "account", Bounds(concurrency=8))
    held = [await permits.take(monotonic() + PATIENCE_S) for _ in range(4)]
    store.asked.clear()
    store.on.clear()
    held.pop().end()
    await asyncio.wait_for(store.asked.wait(), PATIENCE_S)
    assert permits.ready() is None  # it might be somebody else's by now
    held.pop().end()
    again = permits.ready()
    assert again is not None
    assert permits.ready() is None
    store.on.set()
    for permit in (*held, again):
        permit.end()
    assert permits.in_use == 0
    await permits.close()


async def test_a_pause_holds_without_any_rate(valkey: Valkey, other: Valkey) -> None:
    """A process that has just learnt that there is no pause looks again soon enough."""
    ours, theirs = (permits_of(shared) for shared in (valkey, other))
    await instants(ours, 1)
    await theirs.pause(60, WHY)
    await asyncio.sleep(0.15)
    with pytest.raises(NoPermit):
        await ours.take(asyncio.get_running_loop().time() + 0.1)


async def test_who_cannot_wait_is_refused_at_once_and_reserves_nothing(valkey: Valkey) -> None:
    loop = asyncio.get_running_loop()
    permits = permits_of(valkey, "1/10s")
    await instants(permits, 1)
    started = loop.time()
    for _ in range(3):
        with pytest.raises(NoPermit) as refused:
            await permits.take(started + 1)
        assert refused.value.code is ReasonCode.RATE_LIMITED
        assert refused.value.retry_after_s == pytest.approx(10, abs=0.5)
    assert loop.time() - started < 0.5
    (window,) = (await permits.standing()).windows
    assert (window.used, window.left) == (1, 0)


async def test_the_patient_get_permits_beside_the_impatient(valkey: Valkey) -> None:
    loop = asyncio.get_running_loop()
    permits = permits_of(valkey, "2/300ms")
    now = loop.time()
    patience = [now + 0.05, now + 0.05, now + 0.05, now + PATIENCE_S]

    async def ended(deadline: float) -> Permit:
        permit = await permits.take(deadline)
        permit.end()
        return permit

    taken = await asyncio.gather(*map(ended, patience), return_exceptions=True)
    assert [type(one) for one in taken] == [Permit, Permit, NoPermit, Permit]


async def test_a_store_that_is_away_lets_nothing_through() -> None:
    away = Valkey("unix:///nonexistent/valkey.sock", STORE_TIMEOUT_S)
    permits = permits_of(away, "100/s")
    with pytest.raises(NoPermit) as refused:
        await permits.take(asyncio.get_running_loop().time() + PATIENCE_S)
    assert refused.value.code is ReasonCode.LIMITS_UNAVAILABLE
    with pytest.raises(OSError, match="store"):
        await permits.standing()
    await permits.pause(1, WHY)  # nobody is let through anyway
    await away.close()


@pytest.mark.parametrize("turns", [1, 3], ids=["before the trip", "during the trip"])
async def test_closing_refuses_whoever_waits(turns: int, valkey: Valkey) -> None:
    loop = asyncio.get_running_loop()
    permits = permits_of(valkey, "100/s")
    waiting = [asyncio.create_task(permits.take(loop.time() + PATIENCE_S)) for _ in range(3)]
    for _ in range(turns):
        await asyncio.sleep(0)
    await permits.close()
    taken = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 2)
    assert all(isinstance(one, NoPermit) for one in taken)


async def test_a_cancelled_waiter_hurts_nobody(valkey: Valkey) -> None:
    loop = asyncio.get_running_loop()
    permits = permits_of(valkey, "5/100ms")
    waiting = [asyncio.create_task(permits.take(loop.time() + PATIENCE_S)) for _ in range(12)]
    await asyncio.sleep(0)
    for task in waiting[::2]:
        task.cancel()
    taken = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(one, Permit) for one in taken[1::2])
