"""Assay beside Strawberry written by hand, in front of a service that takes 20 ms.

Every e-mail is new, one process each, nine fields a record: lists of 100 by one bulk call over 8
connections; single records by one call each over 32. Windows in turns, and the median of their
ratios, of requests a second and of CPU time. Then the same 20 e-mails from 8 clients at once.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count

import orjson
from msgspec import Struct

from benchmarks.asking import Connection, Refused, asking, connected, with_connections
from benchmarks.processes import (
    OTHER_CPU,
    TESTED_CPU,
    Running,
    Store,
    Upstream,
    announced_port,
    asking_settings,
    assay,
    pin_self,
    started,
    store,
    upstream,
)

LATENCY_MS = 20
PAIRS = 3
WINDOW_S = 2.0
CLIENTS, SHARED_EMAILS, ROUNDS = 8, 20, 5
OURS = """mutation Validate($records: [RecordInput!]!) {
  validate(records: $records) {
    results {
      index status
      email { normalized status source mailbox { deliverable catchAll freeProvider }
              reasons { code } }
    }
  }
}"""
_FIELDS = "value status score subStatus free disposable role mx code"
THEIRS_MANY = f"query Ask($emails: [String!]!) {{ mailboxes(emails: $emails) {{ {_FIELDS} }} }}"
THEIRS_ONE = f"query Ask($email: String!) {{ mailbox(email: $email) {{ {_FIELDS} }} }}"


class Task(Struct, frozen=True):
    """What both are asked to do: records in a request, connections, the goal of the ratio."""

    name: str
    records: int
    connections: int
    bulk: int
    goal: float | None


TASKS = (
    Task("lists of 100, one bulk call each", 100, 8, 100, 1.8),
    Task("single records, one call each", 1, 32, 1, 2.8),
    Task("single records, joined in bulk calls", 1, 32, 100, None),
)


PLAIN, CACHING = "plain Strawberry", "the same with its caches"
PEERS: Mapping[str, Sequence[str]] = {PLAIN: (), CACHING: ("--caches",)}
"""The peers and their options; the goals are about the first."""


class Window(Struct):
    """What came of one window: requests a second, CPU µs a record."""

    requests_s: float
    cpu_us: float


class Turn(Struct):
    """A window of Assay and one of each peer, next to each other."""

    task: Task
    ours: Window
    theirs: dict[str, Window]


class Duplicates(Struct):
    """How many values the service was asked when many clients wanted the same ones at once."""

    who: str
    processes: int
    asked: list[int]


def ours(emails: Sequence[str]) -> bytes:
    """Return the body that asks Assay."""
    return asking(emails, OURS)


def theirs(emails: Sequence[str]) -> bytes:
    """Return the body that asks the peer."""
    if len(emails) == 1:
        return orjson.dumps({"query": THEIRS_ONE, "variables": {"email": emails[0]}})
    return orjson.dumps({"query": THEIRS_MANY, "variables": {"emails": list(emails)}})


@contextmanager
def peer(up: Upstream, options: Sequence[str] = ()) -> Generator[Running]:
    """Run Strawberry written by hand until left."""
    command = [sys.executable, "-m", "benchmarks.peers.plain_strawberry"]
    url = f"http://127.0.0.1:{up.port}"
    with started([*command, url, *options], TESTED_CPU, pipe=True) as process:
        yield Running(process.pid, announced_port(process))


def window(
    server: Running,
    task: Task,
    body: Callable[[Sequence[str]], bytes],
    fresh: Callable[[], str],
    seconds: float,
) -> Window:
    """Keep `server` busy for so many seconds with e-mails that nobody asked for before."""
    done = 0
    until = 0.0

    async def ask(connection: Connection) -> None:
        nonlocal done
        while time.monotonic() < until:
            answer = await connection.post(body([fresh() for _ in range(task.records)]))
            if b'"errors"' in answer or b"UNKNOWN" in answer:
                raise Refused(repr(answer[:300]))
            done += 1

    async def run() -> float:
        nonlocal until
        begun = time.monotonic()
        until = begun + seconds
        await with_connections(server.port, task.connections, ask)
        return time.monotonic() - begun

    before = server.cpu_s()
    took_s = asyncio.run(run())
    cpu_s = server.cpu_s() - before
    return Window(done / took_s, cpu_s * 1e6 / (done * task.records))


def turns(up: Upstream, shared: Store, task: Task, pairs: int, seconds: float) -> list[Turn]:
    """Measure one task in turns, after a window to warm up."""
    shared.command("FLUSHALL")
    numbers = count()

    def fresh() -> str:
        at = next(numbers)
        return f"user{at}.{task.bulk}.{task.records}@example{at % 997}.com"

    with ExitStack() as stack:
        us = stack.enter_context(assay(asking_settings(shared, up, bulk=task.bulk)))
        them = {name: stack.enter_context(peer(up, options)) for name, options in PEERS.items()}
        measured: list[Turn] = []
        for at in range(pairs + 1):
            first = window(us, task, ours, fresh, seconds) if at % 2 else None
            others = {name: window(one, task, theirs, fresh, seconds) for name, one in them.items()}
            measured.append(Turn(task, first or window(us, task, ours, fresh, seconds), others))
        return measured[1:]


def duplicates(up: Upstream, servers: Sequence[Running], who: str, rounds: int) -> Duplicates:
    """Let `CLIENTS` clients, spread over `servers`, want the same e-mails at once."""
    body = ours if who == "Assay" else theirs

    async def once(at: int) -> None:
        emails = [f"same{at}.{who}{len(servers)}.{n}@example.com" for n in range(SHARED_EMAILS)]
        each = CLIENTS // len(servers)
        opened = [one for server in servers for one in await connected(server.port, each)]
        try:
            answers = await asyncio.gather(*(one.post(body(emails)) for one in opened))
        finally:
            for one in opened:
                one.close()
        assert len(answers) == CLIENTS
        assert not any(b"UNKNOWN" in answer or b'"errors"' in answer for answer in answers)

    asked: list[int] = []
    for at in range(rounds):
        up.reset()
        asyncio.run(once(at))
        asked.append(int(up.statistics()["items"]))
    return Duplicates(who, len(servers), asked)


def all_duplicates(up: Upstream, shared: Store, rounds: int) -> list[Duplicates]:
    """Count for one process of Assay, two that share a store, and the peer."""
    found: list[Duplicates] = []
    for processes in (1, 2):
        shared.command("FLUSHALL")
        with ExitStack() as stack:
            servers = [
                stack.enter_context(assay(asking_settings(shared, up, bulk=100), cpu))
                for cpu in (TESTED_CPU, OTHER_CPU)[:processes]
            ]
            found.append(duplicates(up, servers, "Assay", rounds))
    with peer(up) as them:
        found.append(duplicates(up, [them], PLAIN, rounds))
    return found


def measure(
    pairs: int = PAIRS, seconds: float = WINDOW_S, rounds: int = ROUNDS
) -> tuple[list[Turn], list[Duplicates]]:
    """Measure everything.

    Raises:
        NotHere: no yardsticks, or no C compiler.
    """
    pin_self()
    with upstream(latency_ms=LATENCY_MS) as up, store() as shared:
        measured = [turn for task in TASKS for turn in turns(up, shared, task, pairs, seconds)]
        return measured, all_duplicates(up, shared, rounds)


def table(measured: Sequence[Turn]) -> list[str]:
    """Return the lines of a table of medians."""
    lines = [
        "| task | beside | requests/s | theirs | ratio (range) | goal | met | CPU: theirs / ours |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for task in TASKS:
        for name in PEERS:
            of = [(turn.ours, turn.theirs[name]) for turn in measured if turn.task is task]
            ratios = [us.requests_s / them.requests_s for us, them in of]
            ratio = statistics.median(ratios)
            cells = [
                task.name,
                name,
                f"{statistics.median(us.requests_s for us, _ in of):,.0f}",
                f"{statistics.median(them.requests_s for _, them in of):,.0f}",
                f"**{ratio:.2f}** ({min(ratios):.2f}-{max(ratios):.2f})",
                *_judged(ratio, task.goal if name == PLAIN else None),
                f"{statistics.median(them.cpu_us / us.cpu_us for us, them in of):.2f}",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def _judged(ratio: float, goal: float | None) -> tuple[str, str]:
    if goal is None:
        return "-", ""
    return str(goal), "yes" if ratio >= goal else "**no**"


def duplicates_table(found: Sequence[Duplicates]) -> list[str]:
    """Return the lines of a table of values asked."""
    lines = ["| who | processes | values asked, each round | goal | met |", "| --- " * 5 + "|"]
    for one in found:
        met = "yes" if set(one.asked) == {SHARED_EMAILS} else "**no**"
        judged = f"{SHARED_EMAILS} | {met}" if one.who == "Assay" else "- | "
        asked = ", ".join(map(str, one.asked))
        lines.append(f"| {one.who} | {one.processes} | {asked} | {judged} |")
    return lines


def main() -> None:
    """Measure, and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--seconds", type=float, default=WINDOW_S)
    chosen = parser.parse_args()
    measured, found = measure(chosen.pairs, chosen.seconds)
    print("\n".join([*table(measured), "", *duplicates_table(found)]))


if __name__ == "__main__":
    main()
