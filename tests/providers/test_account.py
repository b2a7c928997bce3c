"""What a service says of an account, and what holds for all its calls together."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from time import monotonic

import pytest

from gateway.valkey import Valkey
from providers.errors import NoPermit
from providers.fleet import Fleet
from providers.permit import Bounds, Permit
from providers.permits import Permits
from providers.priority import Asker, Priority, Turn
from providers.rates import rate_of
from providers.told import Told
from verdicts.reason import ReasonCode

STORE_TIMEOUT_S = 2.0
PATIENCE_S = 10.0
BATCH = Turn(Asker(Priority.BATCH))
Make = Callable[..., Permits]


@pytest.fixture
async def make(valkey_url: str) -> AsyncGenerator[Make]:
    """Make the permits of one account as processes of their own would have them."""
    shared: list[Valkey] = []
    made: list[Permits] = []

    def one(*rates: str, concurrency: int = 1_000, timeout_s: float = 10.0) -> Permits:
        valkey = Valkey(valkey_url, STORE_TIMEOUT_S)
        shared.append(valkey)
        bounds = Bounds(tuple(map(rate_of, rates)), concurrency, timeout_s)
        made.append(Permits(valkey, Fleet(valkey), "account", bounds))
        return made[-1]

    yield one
    for permits in made:
        await permits.close()
    for valkey in shared:
        await valkey.close()


async def taken(permits: Permits, count: int, turn: Turn = BATCH) -> list[Permit]:
    """Take `count` permits at once."""
    until = monotonic() + PATIENCE_S
    return await asyncio.gather(*(permits.take(until, turn) for _ in range(count)))


async def per_second(permits: Permits, seconds: float) -> float:
    """Return how many calls a second are permitted that end at once."""
    until = monotonic() + seconds
    done = 0

    async def work() -> None:
        nonlocal done
        while True:
            try:
                (await permits.take(until)).end()
            except NoPermit:
                return
            done += 1

    await asyncio.gather(*(work() for _ in range(8)))
    return done / seconds


def stand_still(seconds: float) -> None:
    """Keep the loop from running."""
    until = monotonic() + seconds
    while monotonic() < until:
        pass


async def test_slots_are_shared_by_all_processes(make: Make) -> None:
    ours, theirs = make(concurrency=3), make(concurrency=3)
    held = await taken(ours, 2, Turn(Asker()))
    (other,) = await taken(theirs, 1, Turn(Asker()))
    with pytest.raises(NoPermit):
        await theirs.take(monotonic() + 0.1)
    held[0].end()
    (await theirs.take(monotonic() + PATIENCE_S)).end()
    other.end()
    held[1].end()
    assert (ours.in_use, theirs.in_use) == (0, 0)


async def test_the_slots_of_one_who_died_are_free_within_a_calls_timeout(make: Make) -> None:
    dead, other = make(concurrency=1, timeout_s=0.5), make(concurrency=1, timeout_s=0.5)
    await taken(dead, 1, Turn(Asker()))
    await dead.close()  # its call never ends, and nobody renews its lease
    began = monotonic()
    (await other.take(began + PATIENCE_S)).end()
    assert monotonic() - began < 2


async def test_batches_leave_slots_for_those_who_wait(make: Make) -> None:
    batches, other = make(concurrency=10), make(concurrency=10)
    held = await taken(batches, 9)
    with pytest.raises(NoPermit):
        await batches.take(monotonic() + 0.1, BATCH)
    (await other.take(monotonic() + PATIENCE_S)).end()
    for permit in held:
        permit.end()


async def test_a_permit_that_a_stalled_loop_made_late_is_not_used(make: Make) -> None:
    """Another is taken in its stead, so that what was meant to be apart is not sent at once."""
    permits = make("10/200ms")
    (await permits.take(monotonic() + PATIENCE_S)).end()
    taking = asyncio.create_task(permits.take(monotonic() + PATIENCE_S))
    while not permits.in_use:  # noqa: ASYNC110 - nobody tells us
        await asyncio.sleep(0)
    stand_still(0.2)
    permit = await taking
    assert monotonic() - permit.due < 0.1
    permit.end()


async def test_what_went_late_into_a_bucket_is_counted_from_then(make: Make) -> None:
    """The loop stood still between the permit and the call, which nobody can take back."""
    permits = make("10/10s burst 3")
    permit = await permits.take(monotonic() + PATIENCE_S)
    stand_still(1.1)  # longer than it takes this bucket to be full again
    used, until = 0, monotonic() + PATIENCE_S
    while not used and monotonic() < until:
        used = (await permits.standing()).windows[0].used
    assert used == 1
    permit.end()


async def test_what_is_not_put_into_a_bucket_is_there_for_others(make: Make) -> None:
    permits, other = make("20/10s burst 5"), make("20/10s burst 5")
    for permit in await taken(permits, 3, Turn(Asker())):
        permit.unused()
    began = monotonic()
    for permit in await taken(other, 3, Turn(Asker())):
        permit.end()
    assert monotonic() - began < 1  # one each half second, if they had been used


async def test_a_429_halves_the_rate_and_it_climbs_again(make: Make) -> None:
    permits, other = make("100/s"), make("100/s")
    await permits.pause(0.1, ReasonCode.RATE_LIMITED, too_much=True)
    slow = await per_second(other, 0.8)
    assert 20 <= slow <= 65
    assert 0.5 <= (await permits.standing()).share < 0.7


async def test_after_a_pause_there_is_no_burst(make: Make) -> None:
    permits = make("50/s")
    await permits.pause(0.2, ReasonCode.PROVIDER_UNAVAILABLE)
    moments: list[float] = []

    async def one() -> None:
        permit = await permits.take(monotonic() + PATIENCE_S)
        moments.append(monotonic())
        permit.end()

    await asyncio.gather(*(one() for _ in range(10)))
    assert max(moments) - min(moments) > 0.25  # half of the rate: 40 ms from one to the next


async def test_what_others_take_of_the_account_is_not_ours(make: Make) -> None:
    permits, other = make("20/10s"), make("20/10s")
    (await permits.take(monotonic() + 1)).end()
    await permits.hear(Told(20, 4, 9.0))
    (await permits.take(monotonic() + 1)).end()
    (window,) = (await other.standing()).windows
    assert window.left <= 6
    await permits.hear(Told(20, 19, 9.0))  # nothing is ever raised
    (await permits.take(monotonic() + 1)).end()
    assert (await other.standing()).windows[0].left <= 5


@pytest.mark.parametrize("rate", ["3/day", "3/month", "3/d", "4000/d"])
async def test_a_quota_that_is_used_up_says_so_and_when_it_returns(make: Make, rate: str) -> None:
    permits = make(rate)
    limit = rate_of(rate).limit
    for _ in range(0, limit, 400):
        for permit in await taken(permits, min(400, limit), Turn(Asker())):
            permit.end()
    began = monotonic()
    with pytest.raises(NoPermit) as refused:
        await permits.take(began + PATIENCE_S)
    assert refused.value.code is ReasonCode.QUOTA_EXHAUSTED
    assert refused.value.retry_after_s is not None
    assert 0 < refused.value.retry_after_s <= rate_of(rate).period_s * 1.02 + 3
    assert monotonic() - began < 1
    (window,) = (await permits.standing()).windows
    assert (window.used, window.left) == (limit, 0)
    assert window.again_s > 0


async def test_interactive_goes_before_a_batch_that_saturates(make: Make) -> None:
    batches, other = make("100/s"), make("100/s")
    stop = monotonic() + 2.0

    async def work() -> None:
        while monotonic() < stop:
            (await batches.take(monotonic() + PATIENCE_S, BATCH)).end()

    working = [asyncio.create_task(work()) for _ in range(32)]
    await asyncio.sleep(1.2)  # the window is full by then
    waits: list[float] = []
    for _ in range(5):
        began = monotonic()
        (await other.take(began + PATIENCE_S)).end()
        waits.append(monotonic() - began)
        await asyncio.sleep(0.05)
    await asyncio.gather(*working)
    assert sorted(waits)[2] < 0.3  # behind the batch it would be most of a second
