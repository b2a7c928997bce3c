"""What is promised about failures, each measured against real processes; see `scoreboard`."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from os import kill
from signal import SIGCONT, SIGSTOP
from typing import Any

import orjson

from benchmarks.asking import in_lists
from benchmarks.promises import OTHER_KEY, Kept, Promise, emails, post, post_to
from benchmarks.sandboxed import MAILBOXES, House, asking, house, mailboxes, results

COMPANIES, POSTCODES = "companies-house", "postcodes-io"
STATUSES = """mutation Validate($records: [RecordInput!]!, $options: ValidateOptions) {
  validate(records: $records, options: $options) { results { ref status } usage { callsMade } }
}"""
PAUSES = "{ providers { name pausedForMs } }"
FORGETFUL: Mapping[str, object] = {"cache": {"ttl": {"undecided": 0}, "hash_key": "failures, " * 4}}
"""An UNKNOWN is not remembered, so that who asks again is answered anew."""
LIST = 100
AT_ONCE = 4
ROUNDS_MAX = 60
ROUND_S = 0.25
DEADLINE_MS = 5_000
EVERY_S = 0.1
Statuses = dict[str, str]


def companies(begin: int, count: int) -> dict[str, dict[str, object]]:
    """Return records that nobody asked for before, by their company number."""
    numbers = (f"{begin + at:08}" for at in range(count))
    return {one: {"company": {"number": one, "jurisdiction": "GB"}} for one in numbers}


async def statuses_of(
    home: House, records: Mapping[str, Mapping[str, object]], gateway: int = 0
) -> Statuses:
    """Ask once about all `records`, in lists, some at once; return what came by reference."""
    found: Statuses = {}
    bodies = [
        asking([{"ref": ref, **records[ref]} for ref in refs], STATUSES, deadlineMs=DEADLINE_MS)
        for refs in in_lists(list(records), LIST)
    ]
    for some in in_lists(bodies, AT_ONCE):
        for answer in await post_to([home.gateways[gateway]], some):
            found |= {one["ref"]: one["status"] for one in results(answer)}
    return found


async def decided(home: House, records: Mapping[str, Mapping[str, object]]) -> Statuses:
    """Ask again for what is UNKNOWN, as a batch would, until nothing is or it takes too long."""
    found: Statuses = {}
    left = dict(records)
    for _ in range(ROUNDS_MAX):
        found |= await statuses_of(home, left)
        left = {ref: one for ref, one in left.items() if found[ref] == "UNKNOWN"}
        if not left:
            break
        await asyncio.sleep(ROUND_S)
    return found


def wrong(found: Statuses, truth: Statuses) -> int:
    """Return how many statuses are neither the true one nor UNKNOWN."""
    return sum(status not in {truth[ref], "UNKNOWN"} for ref, status in found.items())


def independent(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """R4: let three calls in ten fail, each by itself."""
    records = companies(10_000_000 + seed * 1_000, 500 if quick else 20_000)
    with house(FORGETFUL, {"cache": OTHER_KEY}) as home:
        fault = {"mode": "status_500", "share": 0.3, "seed": seed}
        home.sandbox.control("POST", f"{COMPANIES}/fault", fault)
        found = asyncio.run(decided(home, records))
        calls = Counter(home.sandbox.values_asked(COMPANIES))
        home.sandbox.control("DELETE", f"{COMPANIES}/fault")
        truth = asyncio.run(statuses_of(home, records, gateway=1))
    within = sum(status != "UNKNOWN" and calls[ref] <= 8 for ref, status in found.items())
    each, lies = calls.total() / len(records), wrong(found, truth)
    return Kept(
        f"{within / len(records):.2%} of {len(records)} decided within 8 calls, {each:.3f} calls a"
        f" record (floor 1.429), {lies} wrong",
        within >= 0.999 * len(records) and each <= 1.50 and not lies,
    )


def bursts(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """R5: let the service be down for ten parts of every thirty-three."""
    down_s, period_s, periods = (2.0, 6.6, 2) if quick else (10.0, 33.0, 3)
    records = companies(20_000_000 + seed * 1_000, round(periods * period_s / EVERY_S) * 6)
    found: Statuses = {}

    async def one(home: House, refs: Sequence[str]) -> None:
        left: list[str] = list(refs)
        while left:
            found.update(await statuses_of(home, {ref: records[ref] for ref in left}))
            left = [ref for ref in left if found[ref] == "UNKNOWN"]
            if left:
                await asyncio.sleep(1.0)

    async def load(home: House) -> None:
        async with asyncio.TaskGroup() as group, asyncio.timeout(periods * period_s + 20):
            group.create_task(weather(home))
            for refs in in_lists(list(records), 6):
                group.create_task(one(home, refs))
                await asyncio.sleep(EVERY_S)

    async def weather(home: House) -> None:
        down = {"mode": "status_503"}
        for _ in range(periods):
            await asyncio.sleep(period_s - down_s)
            await asyncio.to_thread(home.sandbox.control, "POST", f"{COMPANIES}/fault", down)
            await asyncio.sleep(down_s)
            await asyncio.to_thread(home.sandbox.control, "DELETE", f"{COMPANIES}/fault")

    with house(FORGETFUL, {"cache": OTHER_KEY}) as home:
        asyncio.run(load(home))
        log = home.sandbox.calls(COMPANIES)
        truth = asyncio.run(statuses_of(home, records, gateway=1))
    each, lies, repeats = len(log) / len(records), wrong(found, truth), repeated(log, 10.0)
    undecided = sum(status == "UNKNOWN" for status in found.values())
    return Kept(
        f"{len(records) - undecided} of {len(records)} decided, {each:.3f} calls a record, at most"
        f" {repeats:.1%} repeats in 10 s, {lies} wrong",
        not undecided and each <= 1.05 and repeats <= 0.2 and not lies,
    )


def repeated(log: Sequence[Mapping[str, Any]], window_s: float) -> float:
    """Return the largest share of calls in a window that ask for a value again."""
    seen: set[str] = set()
    marks: list[tuple[float, bool]] = []
    for call in log:
        value = call["values"][0]
        marks.append((call["time"], value in seen))
        seen.add(value)
    shares = [0.0]
    for begin, _ in marks[:: max(1, len(marks) // 200)]:
        inside = [again for at, again in marks if begin <= at < begin + window_s]
        shares.append(sum(inside) / len(inside) if len(inside) > 50 else 0.0)
    return max(shares)


def outage(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """R6: take the service away altogether, and bring it back."""
    down_s = 6.0 if quick else 60.0
    refs = iter(companies(30_000_000 + seed * 1_000, 10_000).items())
    took: list[float] = []
    found: Statuses = {}
    recovered_s = calm_ms = 0.0

    async def ask(home: House) -> str:
        ref, record = next(refs)
        begun = time.monotonic()
        found.update(await statuses_of(home, {ref: record}))
        took.append(time.monotonic() - begun)
        return found[ref]

    async def load(home: House) -> None:
        nonlocal recovered_s, calm_ms
        for _ in range(50):
            await ask(home)
        calm_ms = max(took[10:]) * 1000
        down = {"mode": "status_503"}
        await asyncio.to_thread(home.sandbox.control, "POST", f"{COMPANIES}/fault", down)
        until = time.monotonic() + down_s
        for _ in range(10):  # it opens
            await ask(home)
        took.clear()
        while time.monotonic() < until:
            await ask(home)
            await asyncio.sleep(0.03)
        await asyncio.to_thread(home.sandbox.control, "DELETE", f"{COMPANIES}/fault")
        back, row = time.monotonic(), 0
        while row < 20:
            row = row + 1 if await ask(home) != "UNKNOWN" else 0
            await asyncio.sleep(0.01)
        recovered_s = time.monotonic() - back

    with house(FORGETFUL, {"cache": OTHER_KEY}) as home:
        asyncio.run(load(home))
        log = [call["time"] for call in home.sandbox.calls(COMPANIES) if call["status"] == 503]
        truth = asyncio.run(statuses_of(home, companies(30_000_000 + seed * 1_000, len(found)), 1))
    probes = log[5:]
    most = max((sum(at <= one < at + 1.0 for one in probes) for at in probes), default=0)
    p99_ms = sorted(took)[int(0.99 * len(took))] * 1000
    lies = wrong(found, truth)
    return Kept(
        f"{len(probes)} probes in {down_s:.0f} s, at most {most} a second; {len(took)} answers,"
        f" p99 {p99_ms:.0f} ms (calm {calm_ms:.0f}); whole {recovered_s:.1f} s after it was back;"
        f" {lies} wrong",
        most <= 1 and p99_ms <= max(50, calm_ms) and recovered_s <= 15 and not lies,
    )


VARIANTS: Sequence[tuple[str, Mapping[str, object], tuple[float, float]]] = (
    ("seconds", {"retry_after": "2"}, (1.5, 2.0)),
    ("seconds with blanks", {"retry_after": " 2 "}, (1.5, 2.0)),
    ("none", {}, (0.5, 1.0)),
    ("date", {"retry_after": "date:+3"}, (1.5, 3.0)),
    ("date, their clock an hour ahead", {"retry_after": "date:+3", "date_skew_s": 3600}, (1.5, 3)),
    (
        "date, their clock an hour behind",
        {"retry_after": "date:+3", "date_skew_s": -3600},
        (1.5, 3),
    ),
    ("date that has passed", {"retry_after": "date:-30"}, (0.0, 0.0)),
    ("nought", {"retry_after": "0"}, (0.0, 0.0)),
    ("negative", {"retry_after": "-5"}, (0.5, 1.0)),
    ("a fraction", {"retry_after": "1.5"}, (0.5, 1.0)),
    ("nonsense", {"retry_after": "soon, please"}, (0.5, 1.0)),
    ("for ever", {"retry_after": "9" * 30}, (899.0, 900.0)),
)
"""What `Retry-After` says, how to have it said, and the pause in seconds that comes of it."""


def retry_after(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """R7: say Retry-After in twelve ways, and look how long the account pauses."""
    del quick
    seen: list[str] = []
    early = 0
    with house({"providers": {"companies_house": {"rates": [], "attempts": 1}}}) as home:
        for at, (name, said, (least_s, most_s)) in enumerate(VARIANTS):
            home.store.command("FLUSHALL")
            fault = {"mode": "status_429", "count": 1, **said}
            home.sandbox.control("POST", f"{COMPANIES}/fault", fault)
            ((ref, record),) = companies(40_000_000 + seed * 100 + at, 1).items()
            post(home.gateways, asking([{"ref": ref, **record}], STATUSES))
            answer = orjson.loads(post(home.gateways, orjson.dumps({"query": PAUSES}))[0])
            pauses = {one["name"]: one["pausedForMs"] for one in answer["data"]["providers"]}
            pause_s = pauses["companies_house"] / 1000
            if not least_s <= pause_s <= most_s:
                seen.append(f"{name}: {pause_s:.1f} s")
        home.store.command("FLUSHALL")
        fault = {"mode": "status_429", "count": 1, "retry_after": "2"}
        home.sandbox.control("POST", f"{COMPANIES}/fault", fault)
        time.sleep(0.2)  # what a process may hold that there is no pause
        asyncio.run(decided(home, companies(45_000_000 + seed * 100, 30)))
        times = [call["time"] for call in home.sandbox.calls(COMPANIES)][len(VARIANTS) :]
        early = sum(at < times[0] + 1.95 for at in times[9:])  # eight were under way
    return Kept(
        f"{len(VARIANTS) - len(seen)} of {len(VARIANTS)} ways read as meant"
        f"{''.join(f' ({one})' for one in seen)}, {early} calls before the time",
        not seen and not early,
    )


def postcodes(chance: random.Random, count: int) -> dict[str, dict[str, object]]:
    """Return so many records with postcodes of the right form."""
    found: dict[str, dict[str, object]] = {}
    while len(found) < count:
        ends = "".join(chance.choices("ABDEFGHJLNPQRSTUWXYZ", k=2))
        code = f"LS{chance.randint(1, 29)} {chance.randint(0, 9)}{ends}"
        found[code] = {"postcode": {"code": code, "country": "GB"}}
    return found


def bulk_answers(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """R9: let bulk answers lack items, and have them twice, in another order, and foreign ones."""
    records = postcodes(random.Random(seed), 1_000 if quick else 10_000)
    modes = ("items_missing", "items_doubled", "items_reordered", "items_foreign")
    with house(FORGETFUL, {"cache": OTHER_KEY}) as home:
        faults = [
            {"mode": mode, "share": 0.1, "seed": seed + at}
            for at, mode in enumerate((*modes, "items_contradict"))
        ]
        home.sandbox.control("POST", f"{POSTCODES}/fault", faults)
        found = asyncio.run(decided(home, records))
        mount = home.sandbox.control("GET", "statistics")[POSTCODES]
        hits = {one["mode"]: one["hit"] for one in mount["faults"]}
        home.sandbox.control("DELETE", f"{POSTCODES}/fault")
        truth = asyncio.run(statuses_of(home, records, gateway=1))
    undecided, lies = sum(one == "UNKNOWN" for one in found.values()), wrong(found, truth)
    said = ", ".join(f"{mode.removeprefix('items_')} {count}" for mode, count in hits.items())
    return Kept(
        f"{len(records)} records, {mount['calls']} bulk calls ({said}): {lies} verdicts on the"
        f" wrong record, {undecided} left out",
        not lies and not undecided and (quick or all(hits.values())),
    )


def revoked(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """R10: take the credit away, and the key, half way; give them back."""
    count = 600 if quick else 10_000
    said: list[str] = []
    kept = True
    records = companies(50_000_000 + seed * 1_000, count)
    addresses = {one: {"email": one} for one in emails(f"credit{seed}", count)}
    wanted: Sequence[tuple[str, str, Mapping[str, Mapping[str, object]]]] = (
        (COMPANIES, "status_401", records),
        (MAILBOXES, "no_credit", addresses),
    )
    unlimited: Mapping[str, object] = {"rates": [], "bulk_rates": [], "bulk": 1}
    providers = {"zerobounce": unlimited, "companies_house": unlimited}
    sections = {**mailboxes(), **FORGETFUL, "providers": providers}
    for mount, mode, some in wanted:
        with house(sections) as home:
            fault = {"mode": mode, "after": count // 2}
            home.sandbox.control("POST", f"{mount}/fault", fault)
            before = asyncio.run(statuses_of(home, some))
            (told,) = home.sandbox.control("GET", "statistics")[mount]["faults"]
            home.sandbox.control("DELETE", f"{mount}/fault")
            left = {ref: one for ref, one in some.items() if before[ref] == "UNKNOWN"}
            after = asyncio.run(resumed(home, left))
            asked = Counter(home.sandbox.values_asked(mount))
        done = [ref for ref, status in before.items() if status != "UNKNOWN"]
        repeats = sum(asked[ref] - 1 for ref in done)
        undecided = sum(status == "UNKNOWN" for status in after.values())
        said.append(
            f"{mode}: {told['hit']} calls after it, {repeats} of {len(done)} records repeated,"
            f" {undecided} of {count} UNKNOWN at the end"
        )
        kept = kept and 0 < told["hit"] <= 32 and not repeats and undecided <= 0.04 * count
    return Kept("; ".join(said), kept)


async def resumed(home: House, records: Mapping[str, Mapping[str, object]]) -> Statuses:
    """Ask until the service answers again; the stand-in leaves some mailboxes UNKNOWN by itself."""
    found = await statuses_of(home, records)
    for _ in range(ROUNDS_MAX):
        if sum(status == "UNKNOWN" for status in found.values()) <= 0.06 * len(records):
            break
        await asyncio.sleep(1.0)
        found = await statuses_of(home, records)
    return found


def deadlines(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """Let the service hang, drip, and the shared store freeze; look when answers come."""
    count, deadline_ms = (20, 300) if quick else (60, 300)
    late: dict[str, float] = {}
    numbers: Iterator[int] = iter(range(60_000_000 + seed * 1_000, 99_000_000))

    async def p99_ms(home: House) -> float:
        took: list[float] = []

        async def one() -> None:
            ((ref, record),) = companies(next(numbers), 1).items()
            body = asking([{"ref": ref, **record}], STATUSES, deadlineMs=deadline_ms)
            begun = time.monotonic()
            await post_to(home.gateways, [body])
            took.append(time.monotonic() - begun)

        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(one())
                await asyncio.sleep(0.02)
        return sorted(took)[int(0.99 * len(took))] * 1000

    for mode in ("calm", "hang", "drip", "frozen store"):
        with house(FORGETFUL) as home:
            if mode == "frozen store":
                kill(home.store.pid, SIGSTOP)
            elif mode != "calm":
                fault = {"mode": mode, "delay_ms": 50}
                home.sandbox.control("POST", f"{COMPANIES}/fault", fault)
            try:
                late[mode] = asyncio.run(p99_ms(home))
            finally:
                kill(home.store.pid, SIGCONT)
    calm_ms = late.pop("calm")
    told = ", ".join(f"{mode} {ms:.0f} ms" for mode, ms in late.items())
    return Kept(
        f"deadline {deadline_ms} ms, p99 of {count}: {told}; a calm answer takes {calm_ms:.0f} ms",
        max(late.values()) <= deadline_ms + 50 + calm_ms,
    )


FAILURES: Mapping[str, Promise] = {
    "R4 independent": Promise(
        "Three calls in ten fail: 99.9 % decided within 8, at 1.50 calls a record at most",
        independent,
    ),
    "R5 bursts": Promise(
        "Down for 10 of every 33 parts: everything decided, at 1.05 calls a record at most", bursts
    ),
    "R6 outage": Promise(
        "Down altogether: one probe a second, UNKNOWN within 50 ms, whole 15 s after its return",
        outage,
    ),
    "R7 Retry-After": Promise("Twelve ways to say Retry-After", retry_after),
    "R9 bulk answers": Promise(
        "Bulk answers that lack, repeat, reorder, add items: each verdict on its record",
        bulk_answers,
    ),
    "R10 revoked": Promise(
        "Key or credit gone half way: 32 further calls at most, and no record asked twice", revoked
    ),
    "deadlines": Promise(
        "The deadline holds whatever service or store do, by 50 ms more than calm, at p99",
        deadlines,
    ),
}
