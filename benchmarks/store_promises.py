"""What is promised while the shared store is away, by kill and by standing still; see `scoreboard`.

Two processes are asked at a steady pace, whether they answer or not: in turns about a company that
is known and about one that nobody asked for before. The service enforces the limit that they share.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from os import kill
from signal import SIGCONT, SIGKILL, SIGSTOP

from msgspec import Struct

from benchmarks.asking import Refused
from benchmarks.failures import COMPANIES, FORGETFUL, STATUSES, companies, statuses_of
from benchmarks.processes import store
from benchmarks.promises import Kept, Promise, post_to
from benchmarks.sandboxed import House, asking, house, results
from benchmarks.sharing import most_within

RATE, PER_S = 100, 50
CALM_S, AWAY_S, BACK_S = 6.0, 30.0, 8.0
QUICK_AWAY_S = 9.0
KNOWN = 20
DEADLINE_MS = 2_000
LATER_MS_MAX, RECOVERY_S_MAX = 100.0, 5.0
ALONE_S = 5.0
"""After the loss: until then what was sent before it counts, and a new value waits for room."""
TAIL = 0.01


class Asked(Struct, frozen=True):
    """One request: when it was sent, how long it took, its status; none when it failed."""

    at: float
    took_s: float
    ref: str
    status: str | None
    is_known: bool


class Load:
    """Asks at a steady pace; what came of it is `asked`."""

    def __init__(self, home: House, begin: int) -> None:
        """Ask the gateways of `home` about companies from number `begin` on."""
        self.asked: list[Asked] = []
        self.records = companies(begin, KNOWN)
        self._home = home
        self._known = list(self.records)
        self._begin = begin

    async def run(self, seconds: float) -> None:
        """Ask for so long, and wait for the answers."""
        loop = asyncio.get_running_loop()
        begins, first = loop.time(), len(self.records)
        async with asyncio.TaskGroup() as group:
            for at in range(round(seconds * PER_S)):
                await asyncio.sleep(max(0.0, begins + at / PER_S - loop.time()))
                is_known = at % 4 < 2  # both kinds at both gateways
                if is_known:
                    ref = self._known[at % KNOWN]
                else:
                    ref, record = next(iter(companies(self._begin + first, 1).items()))
                    self.records[ref] = record
                    first += 1
                group.create_task(self._ask(ref, at % 2, is_known=is_known))

    async def _ask(self, ref: str, gateway: int, *, is_known: bool) -> None:
        record = {"ref": ref, **self.records[ref]}
        body = asking([record], STATUSES, deadlineMs=DEADLINE_MS)
        begun = time.monotonic()
        try:
            (answer,) = await post_to([self._home.gateways[gateway]], [body])
            status = results(answer)[0]["status"]
        except (Refused, ValueError, OSError, EOFError):
            status = None
        took_s = time.monotonic() - begun
        self.asked.append(Asked(begun, took_s, ref, status, is_known))


class _Phase(Struct):
    """What one way of being away came to."""

    later_ms: float
    slowest_ms: float
    unknown: int
    asked: int
    unknown_alone: int
    recovered_s: float


def store_away(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """R3: stop the store for a while, then kill it and start an empty one."""
    away_s = QUICK_AWAY_S if quick else AWAY_S
    limited: Mapping[str, object] = {
        **FORGETFUL,
        "providers": {"companies_house": {"rates": [f"{RATE}/s"]}},
    }
    phases: list[_Phase] = []
    asked: list[Asked] = []
    records: dict[str, dict[str, object]] = {}
    refused, most, calls = 0, 0, 0
    for at, deadly in enumerate((False, True)):
        with house(limited, limited) as home, ExitStack() as stack:
            window = {"requests": RATE, "window_s": 1.0, "counting": "sliding"}
            home.sandbox.control("POST", f"{COMPANIES}/limit", {"windows": [window]})
            load = Load(home, 70_000_000 + seed * 2_000 + at * 10_000_000)
            phases.append(asyncio.run(_weathered(home, load, away_s, stack, deadly=deadly)))
            log = home.sandbox.calls(COMPANIES)
        asked += load.asked
        records |= load.records
        refused += sum(call["status"] == 429 for call in log)
        most = max(most, most_within(1.0, [call["time"] for call in log]))
        calls += len(log)
    with house({}) as home:
        truth = asyncio.run(statuses_of(home, records))
    lies = sum(one.status not in {truth[one.ref], "UNKNOWN", None} for one in asked)
    failed = sum(one.status is None for one in asked)
    told = "; ".join(
        f"{way} {away_s:.0f} s: {one.unknown} of {one.asked} UNKNOWN, {one.unknown_alone} of them"
        f" after {ALONE_S:.0f} s, p99 {one.later_ms:+.0f} ms (a new value at first"
        f" {one.slowest_ms:.0f}), whole {one.recovered_s:.1f} s after its return"
        for way, one in zip(("stopped", "killed"), phases, strict=True)
    )
    return Kept(
        f"{told}; {len(asked)} requests, {failed} failed, {lies} wrong; {calls} calls, at most"
        f" {most} in any second of {RATE}, {refused} refused",
        not (lies or failed or refused)
        and most <= RATE
        and all(one.later_ms <= LATER_MS_MAX for one in phases)
        and all(one.recovered_s <= RECOVERY_S_MAX for one in phases)
        and not any(one.unknown_alone for one in phases),
    )


async def _weathered(
    home: House, load: Load, away_s: float, stack: ExitStack, *, deadly: bool
) -> _Phase:
    await load.run(1.0)  # what is known is known, and connections are there
    begins = len(load.asked)
    await load.run(CALM_S)
    calm, calm_ends = load.asked[begins:], len(load.asked)
    lost = time.monotonic()
    kill(home.store.pid, SIGKILL if deadly else SIGSTOP)
    try:
        await load.run(away_s)
    finally:
        if deadly:
            await asyncio.to_thread(lambda: stack.enter_context(store(home.store.port)))
        else:
            kill(home.store.pid, SIGCONT)
    away, away_ends = load.asked[calm_ends:], len(load.asked)
    back = time.monotonic()
    await load.run(BACK_S)
    calm_ms = _p99_ms(calm)
    alone = [one for one in away if one.at - lost > ALONE_S]
    known = [one for one in away if one.is_known]
    return _Phase(
        later_ms=max(_p99_ms(known), _p99_ms(alone)) - calm_ms,
        slowest_ms=_p99_ms(away),
        unknown=sum(one.status == "UNKNOWN" for one in away),
        asked=len(away),
        unknown_alone=sum(one.status == "UNKNOWN" for one in alone),
        recovered_s=_recovered_s(load.asked[away_ends:], back, calm_ms),
    )


def _recovered_s(asked: Sequence[Asked], back: float, calm_ms: float) -> float:
    """Return how long after `back` answers were late or UNKNOWN, but for one in a hundred."""
    late_s = (calm_ms + LATER_MS_MAX) / 1000
    unwell = sorted(
        one.at + one.took_s - back
        for one in asked
        if one.status in {"UNKNOWN", None} or one.took_s > late_s
    )
    return max(unwell[: len(unwell) - int(TAIL * len(asked))], default=0.0)


def _p99_ms(asked: Sequence[Asked]) -> float:
    took = sorted(one.took_s for one in asked)
    return took[int(0.99 * len(took))] * 1000


STORE_PROMISES: Mapping[str, Promise] = {
    "R3 store away": Promise(
        "Valkey stopped for 30 s, then killed: no wrong verdict, no failed request, p99 100 ms"
        " above calm (a new value waits at first), the limit kept, whole 5 s after its return",
        store_away,
    ),
}
