"""What is promised of limits, each measured once against real processes; see `scoreboard`."""

import asyncio
import gc
import math
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence

from benchmarks.processes import store
from benchmarks.promises import Kept, Promise, emails, post_to
from benchmarks.sandboxed import MAILBOXES, house, mailboxes, of_emails, results
from benchmarks.sharer import STALL_EVERY_S
from benchmarks.sharing import Events, Service, Shared, most_within, shared, window
from gateway.valkey import Valkey
from providers.fleet import Fleet
from providers.permit import Bounds
from providers.permits import Permits
from providers.rates import OF_SERVICES_BURST, rate_of

RATE, SECONDS, QUICK_S, LONG_S = 200, 20.0, 5.0, 60.0
USED_MIN, USED_LONG_MIN, USED_QUICK_MIN = 0.99, 0.98, 0.95
FOUR: Sequence[Mapping[str, object]] = [dict[str, object]()] * 4
BUCKET, STALL_MS, STALLED_USED_MIN = 5, 30.0, 0.95
BATCHES_RATE = 100
URGENT_WAIT_MS_MAX = 120.0
UNEQUAL_MAX = 0.03
COST_US_MAX, BLOCK, COST_PAIRS = 15.0, 500, 12
PEERS_RATE, PEERS_S, PEERS_LIST, PEERS_CLIENTS = 50, 10.0, 100, 2
THEIRS = 50
SMALL_RATE, SMALL_AT_ONCE, SMALL_USED_MIN, SLOW_MS = 50, 5, 0.95, 50.0


def _held(came: Shared, allowed: float, used_min: float) -> Kept:
    return Kept(came.share_of(allowed), not came.refused and came.made >= allowed * used_min)


def _counted(
    counting: str, rate: str, burst: int = 1, seconds: float = SECONDS, used_min: float = USED_MIN
) -> Callable[[int, bool], Kept]:
    """Return what lets four processes share a limit that is counted in this way."""

    def measure(seed: int, quick: bool) -> Kept:  # noqa: FBT001
        del seed
        lasts = QUICK_S if quick else seconds
        came = shared([window(RATE, 1.0, counting, burst)], [rate], FOUR, lasts)
        return _held(came, RATE * lasts, USED_QUICK_MIN if quick else used_min)

    return measure


def two_windows(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """Let two windows hold at once, the longer one binding in the end."""
    del seed
    lasts = 12.0 if quick else 24.0
    windows = [window(RATE, 1.0, "sliding"), window(900, 6.0, "sliding")]
    came = shared(windows, [f"{RATE}/s", "900/6s"], FOUR, lasts)
    return _held(came, 150 * lasts, USED_QUICK_MIN if quick else USED_LONG_MIN)


def stalls(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """Let every process stand still for 30 ms, five times a second, all at once."""
    del seed
    lasts = QUICK_S if quick else SECONDS
    orders = ({"stall_ms": STALL_MS},) * 4
    came = shared([window(RATE, 1.0, "sliding")], [f"{RATE}/s"], orders, lasts)
    return _held(came, RATE * lasts, USED_QUICK_MIN if quick else USED_MIN)


def _stalled_at_a_bucket(apart_s: float, quick: bool) -> tuple[Shared, float]:  # noqa: FBT001
    """Let each process stand still, `apart_s` after the one before; return how long it lasted."""
    lasts = QUICK_S if quick else SECONDS
    orders = [{"stall_ms": STALL_MS, "stall_after_s": at * apart_s} for at in range(len(FOUR))]
    windows = [window(RATE, 1.0, "bucket", BUCKET)]
    return shared(windows, [f"{RATE}/s burst {BUCKET}"], orders, lasts), lasts


def stalls_at_a_bucket(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """Let them stand still in front of a bucket: what one can't send, another does."""
    del seed
    came, lasts = _stalled_at_a_bucket(STALL_EVERY_S / len(FOUR), quick)
    return _held(came, RATE * lasts, USED_QUICK_MIN if quick else USED_MIN)


def stalls_at_once(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """Let all stand still at once: what runs over then is lost to whoever can't foresee it.

    Compared with a sender that can: it empties the bucket right before, and again right after. One
    that can't leaves in the bucket what ours leave there, all the time, so that it is full sooner.
    """
    del seed
    came, lasts = _stalled_at_a_bucket(0.0, quick)
    stalled = [seen.stalls for seen in came.seen]
    ours = max(1, int(BUCKET * OF_SERVICES_BURST))
    foreseen, possible = (
        RATE * lasts - lost_to_stalls(stalled, RATE, room) for room in (BUCKET, ours)
    )
    return Kept(
        f"{came.share_of(possible)}; {foreseen:.0f} for one who knows of each beforehand",
        not came.refused and came.made >= possible * STALLED_USED_MIN,
    )


def lost_to_stalls(
    stalled: Sequence[Sequence[tuple[float, float]]], rate: float, room: float
) -> float:
    """Return the calls that run over while all processes of `stalled` stand still.

    There is room for so many in the bucket when such a time begins.
    """
    edges = sorted(
        edge for one in stalled for begins, ends in one for edge in ((begins, 1), (ends, -1))
    )
    still, since, lost = 0, 0.0, 0.0
    for at, change in edges:
        if still == len(stalled):
            lost += max(0.0, (at - since) * rate - room)
        still += change
        since = at
    return lost


def lost_processes(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """Kill one process and stop another half way."""
    del seed
    lasts = QUICK_S if quick else SECONDS
    events = Events(lose_at=lasts / 2)
    came = shared([window(RATE, 1.0, "sliding")], [f"{RATE}/s"], FOUR, lasts, events)
    return _held(came, RATE * lasts, USED_QUICK_MIN if quick else USED_MIN)


def small_limits(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """R11: let four processes share a small limit; and, without one, five places."""
    del seed
    lasts = QUICK_S if quick else SECONDS
    orders = ({"concurrency": SMALL_AT_ONCE},) * 4
    windows = [window(SMALL_RATE, 1.0, "sliding")]
    within = Service(concurrency=SMALL_AT_ONCE)
    rate = shared(windows, [f"{SMALL_RATE}/s"], orders, lasts, service=within)
    slow = Service(SLOW_MS, SMALL_AT_ONCE)
    places = shared([], [], orders, lasts, service=slow)
    most = most_within(1.0, rate.moments)
    at_once = max(rate.at_once, places.at_once)
    return Kept(
        f"{rate.share_of(SMALL_RATE * lasts)}, at most {most} in any second of {SMALL_RATE};"
        f" {places.made} calls of {SLOW_MS:.0f} ms without a rate, {places.refused} refused, at"
        f" most {at_once} at once of {SMALL_AT_ONCE}",
        not (rate.refused or places.refused)
        and most <= SMALL_RATE
        and at_once <= SMALL_AT_ONCE
        and rate.made >= SMALL_RATE * lasts * SMALL_USED_MIN,
    )


def beside_batches(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """Let three processes of batches saturate a limit, and one be interactive beside them."""
    del seed
    lasts = QUICK_S if quick else SECONDS
    orders = [*({"batch": True},) * 3, {"workers": 1, "every_s": 0.1}]
    came = shared([window(BATCHES_RATE, 1.0, "sliding")], [f"{BATCHES_RATE}/s"], orders, lasts)
    waits = sorted(came.seen[-1].waits_s)
    p50, p99 = (waits[int(len(waits) * share)] * 1000 for share in (0.5, 0.99))
    return Kept(
        f"interactive waits {p50:.0f} ms (median), {p99:.0f} ms (p99);"
        f" {came.share_of(BATCHES_RATE * lasts)}",
        not came.refused and p99 <= URGENT_WAIT_MS_MAX,
    )


def fair_share(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """Let one tenant have twice the processes, and four times the work at once, of another."""
    del seed
    lasts = QUICK_S if quick else SECONDS
    big = {"batch": True, "tenant": "big", "workers": 64}
    orders = [big, big, {"batch": True, "tenant": "small", "workers": 32}]
    came = shared([window(RATE, 1.0, "sliding")], [f"{RATE}/s"], orders, lasts)
    calls = [sum(one.statuses.values()) for one in came.seen]
    bigs, smalls = calls[0] + calls[1], calls[2]
    apart = abs(bigs - smalls) / (bigs + smalls)
    return Kept(
        f"{bigs} and {smalls} calls, {apart:.1%} apart; {came.share_of(RATE * lasts)}",
        not came.refused and apart <= UNEQUAL_MAX,
    )


def store_lost(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """Stop the store for a while: each process keeps to its part."""
    del seed
    lasts = 16.0 if quick else 24.0
    away = (4.0, lasts - 7.0)
    events = Events(store_away=away)
    came = shared([window(RATE, 1.0, "sliding")], [f"{RATE}/s"], FOUR, lasts, events)
    begins = min(came.moments)
    meanwhile = [at for at in came.moments if away[0] + 4.0 <= at - begins <= away[1]]
    after = [at for at in came.moments if away[1] + 4.0 <= at - begins]
    per_s = len(meanwhile) / (away[1] - away[0] - 4.0)
    return Kept(
        f"{came.refused} refused; {per_s:.0f} calls/s while it was away (from 4 s on),"
        f" {len(after) / (lasts - away[1] - 4.0):.0f}/s after it was back",
        not came.refused and per_s > RATE / 4 and bool(after),
    )


async def _cpu_us(take: Callable[[], Awaitable[None]], rounds: int) -> float:
    gc.collect()
    began = time.process_time()
    for _ in range(rounds):
        await asyncio.gather(*(take() for _ in range(BLOCK)))
    return (time.process_time() - began) / rounds / BLOCK * 1e6


async def _cost(url: str, rounds: int) -> tuple[float, float]:
    valkey = Valkey(url, 1.0)
    permits = Permits(valkey, Fleet(valkey), "cost", Bounds((rate_of("2000/50ms"),)))

    async def permitted() -> None:
        (await permits.take(time.monotonic() + 10)).end()

    async def bare() -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.set_result, None)
        await future

    await _cpu_us(permitted, 2)
    costs, bares = [math.inf], [math.inf]
    for _ in range(COST_PAIRS):  # in turns: the machine is quicker at one time than at another
        costs.append(await _cpu_us(permitted, rounds))
        bares.append(await _cpu_us(bare, rounds))
    await permits.close()
    await valkey.close()
    return min(costs), min(bares)


def permit_cost(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """Measure the CPU of permits taken in blocks, less that of tasks that await anything."""
    del seed
    with store() as running:
        whole, bare = asyncio.run(_cost(running.url, 5 if quick else 10))
    return Kept(
        f"{whole - bare:.1f} µs a permit ({whole:.1f} with the task that awaits it)",
        whole - bare <= COST_US_MAX,
    )


def every_verdict(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """Let two clients ask for lists, again only for what is missing, of a strict service."""
    seconds = QUICK_S if quick else PEERS_S
    how = mailboxes(bulk=1, bulk_from=1_000, rates=[f"{PEERS_RATE}/s"])
    delivered, undecided = Counter[str](), Counter[str]()

    async def client(home_gateways: Sequence[object], at: int, until: float) -> None:
        chance, number = random.Random(seed + at), 0
        missing: list[str] = []
        while (left_s := until - time.monotonic()) > 0.2:
            number += len(missing) == 0
            missing = missing or emails(f"peers{seed}.{at}.{number}.{chance.random()}", PEERS_LIST)
            body = of_emails(missing, deadlineMs=max(1, int((left_s - 0.1) * 1000)))
            (answer,) = await post_to([home_gateways[at]], [body])  # pyright: ignore[reportArgumentType]
            found = {one["ref"]: one["email"]["source"] for one in results(answer)}
            delivered.update(ref for ref, source in found.items() if source == "PROVIDER")
            missing = [ref for ref, source in found.items() if source != "PROVIDER"]
            undecided.update(missing)

    with house(how, how) as home:
        limit = {"windows": [window(PEERS_RATE, 1.0, "sliding")]}
        home.sandbox.control("POST", f"{MAILBOXES}/limit", limit)

        async def both() -> None:
            until = time.monotonic() + seconds
            await asyncio.gather(*(client(home.gateways, at, until) for at in range(PEERS_CLIENTS)))

        asyncio.run(both())
        calls = home.sandbox.calls(MAILBOXES)
    refused = sum(call["status"] != 200 for call in calls)
    least = PEERS_RATE * seconds * 0.95
    return Kept(
        f"{len(delivered)} verdicts of at most {PEERS_RATE * seconds:.0f} in {seconds:.0f} s,"
        f" {len(calls) / max(1, len(delivered)):.2f} calls a verdict, {refused} refused",
        not refused and len(delivered) >= least and len(calls) <= 1.02 * len(delivered) + 2,
    )


def shared_key(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """Let somebody else use half of the account's limit, so that ours is too much."""
    del seed
    lasts = 10.0 if quick else 30.0
    came = shared(
        [window(RATE - THEIRS, 1.0, "sliding")], [f"{RATE}/s"], ({"heeds": True},) * 2, lasts
    )
    possible = (RATE - THEIRS) * lasts
    return Kept(
        f"{came.share_of(possible)} of what the other leaves",
        came.refused <= 0.02 * came.made and came.made >= 0.6 * possible,
    )


LIMIT_PROMISES: Mapping[str, Promise] = {
    "sliding": Promise(
        "4 processes share 200/s for 20 s, counted in any second: no refusal, 99 % of it used",
        _counted("sliding", f"{RATE}/s"),
    ),
    "sliding 60 s": Promise(
        "The same for 60 s: 98 %",
        _counted("sliding", f"{RATE}/s", seconds=LONG_S, used_min=USED_LONG_MIN),
    ),
    "fixed": Promise("The same, counted by the second", _counted("fixed", f"{RATE}/s")),
    "bucket": Promise(
        "The same, a bucket that holds 5", _counted("bucket", f"{RATE}/s burst 5", burst=5)
    ),
    "two windows": Promise("200/s and 900/6s at once, counted in any such period", two_windows),
    "stalls": Promise("Loops stand still for 30 ms, 5 times a second: no refusal", stalls),
    "stalls, bucket": Promise(
        "The same in front of a bucket that holds 5, each process at its own time: 99 % of it used",
        stalls_at_a_bucket,
    ),
    "stalls at once, bucket": Promise(
        "The same, all processes at once: no refusal, 95 % of what does not run over meanwhile",
        stalls_at_once,
    ),
    "lost": Promise("One process is killed, one stopped, half way", lost_processes),
    "R11 small limits": Promise(
        "4 processes share 50/s and 5 calls at once: neither is exceeded, 95 % of the rate used",
        small_limits,
    ),
    "beside batches": Promise(
        "Interactive beside batches that saturate 100/s: waits at most 120 ms (p99)",
        beside_batches,
    ),
    "fair": Promise("Two tenants of unequal backlogs get the same", fair_share),
    "store lost": Promise("Valkey lost: each process keeps to its part of the limit", store_lost),
    "permit cost": Promise("A permit in a block costs at most 15 µs of CPU", permit_cost),
    "every verdict": Promise(
        "50 calls/s, two clients with lists of 100: every verdict that can be, 1.0 call each",
        every_verdict,
    ),
    "shared key": Promise(
        "Somebody else uses a quarter of the key: the rate that works is found", shared_key
    ),
}
