"""Without the store each process keeps to its part, and all parts together are no more than all."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

import providers.fleet
from gateway.valkey import StoreAway, Valkey
from providers.alone import AHEAD_S, Alone
from providers.errors import NoPermit
from providers.fleet import Fleet
from providers.permit import Bounds
from providers.permits import Permits
from providers.rates import arrival_s, rate_of
from providers.share import Share
from providers.slots import Slots
from providers.trip import RESERVE, US, Run
from providers.waiters import Waiters
from tests.providers.simulated import Way, World
from tests.providers.test_permits import most_in
from tests.waiting import eventually_async
from verdicts.reason import ReasonCode

RATES = st.lists(
    st.sampled_from(
        [
            "20/s",
            "3/s",
            "100/5s",
            "600/5m",
            "5000/d",
            "50000/day",
            "200/s burst 9",
            "600/m burst 9",
            "5000/s",
            "3000/m",
        ]
    ),
    min_size=1,
    max_size=3,
    unique=True,
)
UNTIL_S, CALLS = 400.0, 60
FEW = "4/100ms"
"""So few that others can't have used up a long window before the loss was noticed."""


@given(
    texts=RATES,
    processes=st.integers(1, 5),
    used=st.floats(0, 1),
    sent_late=st.lists(st.floats(0, 1), min_size=8, max_size=8),
)
def test_all_parts_together_are_within_the_limits(
    texts: list[str], processes: int, used: float, sent_late: list[float]
) -> None:
    """The windows were used as much as they may be when the store was lost, at 0."""
    rates = tuple(map(rate_of, texts))
    within_s = arrival_s(rates)
    calls: list[float] = []
    left = [rate.limit * (1 - used) for rate in rates if rate.long]
    for at in range(processes):
        share = Share(rates, within_s)
        share.begin(0.0, AHEAD_S, processes, left)
        now = 0.0
        under_way: list[tuple[float, int]] = []
        while len(under_way) < CALLS and (due := share.due(now)) <= UNTIL_S:
            ends = [end for end in under_way if now < end[0] <= due]
            if ends:  # it may be sooner than that
                now, number = min(ends)
                share.ended(number, now)
                continue
            now = due
            arrives = now + sent_late[(len(under_way) + at) % 8] * within_s
            under_way.append((arrives, share.send(now)))
            calls.append(arrives)
    calls.sort()
    for rate in rates:
        early = [at for at in calls if at < AHEAD_S + rate.period_s]
        assert len(early) <= (rate.limit * (1 - used) if rate.long else 0)
        for start in calls:
            assert sum(start <= at < start + rate.period_s for at in calls) <= rate.limit


@given(texts=RATES)
def test_the_store_says_of_each_long_window_what_is_left(
    valkey_server_url: str, texts: list[str]
) -> None:
    """Of one too many or too few the others would take theirs for its own."""
    rates = tuple(map(rate_of, texts))
    world = World(valkey_server_url, rates, "sliding", Way(0.0, 0.0, 0.0), seed=1)
    answer = world.reserve(world.process("p"), [])
    assert len(answer.left) == sum(rate.long for rate in rates)


def test_a_paced_window_knows_of_the_calls_that_were_made_alone(valkey_server_url: str) -> None:
    """Their burst was used, and whoever asks next does not get it once more."""
    rate = rate_of("5000/s")
    interval_s, burst = rate.pace
    for alone, free in ((0, burst), (burst // 2, burst - burst // 2), (burst, 0)):
        world = World(valkey_server_url, (rate,), "sliding", Way(0.0, 0.0, 0.0), seed=1)
        process = world.process("p")
        answer = world.reserve(process, [], [world.now] * alone)
        delays = answer.groups[0].delays
        assert sum(delay == 0 for delay in delays) == min(free, len(delays))
        assert delays[-1] / US == pytest.approx(
            max(0, alone + len(delays) - burst) * interval_s, 0.1
        )


DATABASE = 7


class Cut:
    """A store that can be cut off."""

    def __init__(self, valkey: Valkey) -> None:
        self._valkey = valkey
        self.off = False
        self.answers_lost = 0
        """So many trips are made and not answered."""

    def script(self, source: str) -> Run:
        run = self._valkey.script(source)

        async def reached(keys: Sequence[str], arguments: Sequence[str | int | bytes]) -> object:
            if self.off:
                raise StoreAway("cut off")
            answer = await run(keys, arguments)
            if source == RESERVE and self.answers_lost:
                self.answers_lost -= 1
                raise StoreAway("the answer was lost")
            return answer

        return reached


class Nowhere:
    """A store that nobody asks."""

    def script(self, source: str) -> Run:
        async def reached(keys: Sequence[str], arguments: Sequence[str | int | bytes]) -> object:
            raise StoreAway(f"{source[:9]} {keys} {arguments}")

        return reached


@pytest.fixture
async def pair(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> AsyncGenerator[tuple[Cut, Fleet, Permits]]:
    """Be one of two processes that find out quickly that the store is lost."""
    rates = tuple(map(rate_of, getattr(request, "param", ["40/500ms"])))
    for name, seconds in {"HEARTBEAT_S": 0.05, "LOST_AFTER_S": 0.3}.items():
        monkeypatch.setattr(providers.fleet, name, seconds)
    for name, seconds in {"SEEN_BY_ALL_S": 0.1, "REJOIN_S": 0.3}.items():
        monkeypatch.setattr(providers.fleet, name, seconds)
    # a database of their own: processes of other tests would be taken for some of these
    valkeys = [Valkey(f"{valkey_url}?db={DATABASE}", 2.0) for _ in range(2)]
    cut = Cut(valkeys[0])
    ours, other = Fleet(cut), Fleet(valkeys[1])
    permits = Permits(cut, ours, "account", Bounds(rates, concurrency=8))
    for fleet in (ours, other):
        fleet.start()
    try:
        assert await eventually_async(lambda: ours.part() == 2)
        yield cut, ours, permits
    finally:
        await permits.close()
        for closing in (ours, other, *valkeys):
            await closing.close()


async def test_a_lost_store_leaves_each_process_its_part(
    pair: tuple[Cut, Fleet, Permits],
) -> None:
    cut, fleet, permits = pair
    (await permits.take(monotonic() + 5)).end()
    cut.off = True
    with pytest.raises(NoPermit) as refused:  # it may be no more than slow
        await permits.take(monotonic() + 5)
    assert refused.value.code is ReasonCode.LIMITS_UNAVAILABLE
    assert await eventually_async(lambda: fleet.alone_since is not None)
    moments: list[float] = []

    async def work() -> None:
        for _ in range(4):
            permit = await permits.take(monotonic() + 10)
            moments.append(monotonic())
            permit.end()

    await asyncio.gather(*(work() for _ in range(8)))
    assert most_in(0.5, moments) <= 40 // 2
    assert permits.in_use == 0
    cut.off = False
    assert await eventually_async(lambda: fleet.alone_since is None)
    (await permits.take(monotonic() + 5)).end()
    standing = await permits.standing()
    assert standing.windows[0].used >= 1


@pytest.mark.parametrize(
    "pair, answers_lost",
    [(["5000/day", FEW], 2), (["5000/d", FEW], 1), (["90/m", FEW], 1)],
    indirect=["pair"],
)
async def test_what_was_sent_alone_counts_once_when_the_store_is_back(
    pair: tuple[Cut, Fleet, Permits], answers_lost: int
) -> None:
    """Nobody asks for a permit then."""
    cut, fleet, permits = pair
    (await permits.take(monotonic() + 5)).end()
    cut.off = True
    assert await eventually_async(lambda: fleet.alone_since is not None)
    for _ in range(5):
        (await permits.take(monotonic() + 10)).end()
    cut.answers_lost = answers_lost
    cut.off = False
    assert await eventually_async(lambda: fleet.alone_since is None)
    assert await eventually_async(lambda: not cut.answers_lost)
    assert (await permits.standing()).windows[0].used == 6
    for _ in range(2):
        (await permits.take(monotonic() + 5)).end()
    assert (await permits.standing()).windows[0].used == 8


def test_what_is_kept_of_calls_sent_alone_is_bounded() -> None:
    """An hour of 200 a second: of a quota counts, of a window what is in it."""
    shared = Fleet(Nowhere())
    waiters = Waiters()
    for text, least, most in (("5000/day", 0, 0), ("200/s", 200, 700)):
        alone = Alone(shared, [rate_of(text)], 1.0, Slots(8, 10.0), waiters)
        now = 1000.0
        for at in range(200 * 3600):
            now = 1000.0 + at / 200
            alone.note(now)
        assert least <= len(alone.ages(now)) <= most
        counts = alone.counts(now)
        assert sum(counts[1::2]) == 200 * 3600
        assert len(counts) <= 2 * 62
        assert counts[::2] == sorted(counts[::2], reverse=True)
        assert alone.forget() == 200 * 3600
        assert not alone.to_tell
        assert alone.counts(now) == []


async def test_who_has_just_joined_has_no_part(valkey_url: str) -> None:
    """The others may not have counted it, and so their parts are all there is."""
    valkey = Valkey(valkey_url, 2.0)
    fleet = Fleet(valkey)
    fleet.start()
    assert await eventually_async(lambda: fleet.processes == 1)
    assert fleet.part() is None
    await fleet.close()
    await valkey.close()
