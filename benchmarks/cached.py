"""What typed GraphQL costs when everything is known in the process: the whole application.

Over HTTP beside a bare handler that sends the same bytes, in alternating pairs of CPU time; then
execution alone, in this process. (`typed_graphql` measures schema and endpoint over toy resolvers.)
"""

import argparse
import asyncio
import gc
import statistics
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import orjson
from msgspec import Struct

from benchmarks import stand_in
from benchmarks.asking import VALIDATE, asking, connected
from benchmarks.processes import (
    OUT,
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
from gateway.assembly import assembled
from gateway.garbage import THRESHOLDS
from gateway.settings import Settings
from providers.catalogue import SERVICES
from schema.roots import build_schema

PAIRS = 5
REQUESTS: Mapping[int, int] = {1: 1_500, 100: 300, 1_000: 50}
HTTP_GOALS: Mapping[int, float] = {1: 3.0, 100: 6.0}
RECORD_GOALS_US: Mapping[int, float] = {100: 13.0, 1_000: 6.0}
REQUEST_GOAL_US = 300.0


class Beside(Struct):
    """One pair over HTTP: CPU µs a request of Assay and of the bare handler."""

    records: int
    us: float
    bare_us: float


class Alone(Struct):
    """Execution in process: CPU µs a request, the least of all rounds and the median."""

    records: int
    us: float
    median_us: float


def emails(count: int) -> list[str]:
    """Return the e-mails that are asked over and over."""
    return [f"person.{at}@example.com" for at in range(count)]


async def _requests(port: int, body: bytes, times: int) -> bytes:
    (connection,) = await connected(port, 1)
    answer = b""
    for _ in range(times):
        answer = await connection.post(body)
    connection.close()
    return answer


def spent_us(server: Running, body: bytes, times: int) -> float:
    """Return the CPU µs that `server` spends on one request."""
    before = server.cpu_s()
    asyncio.run(_requests(server.port, body, times))
    return (server.cpu_s() - before) * 1e6 / times


@contextmanager
def bare(answer: bytes) -> Generator[Running]:
    """Run the bare handler, which knows the results in `answer`."""
    results: list[dict[str, Any]] = orjson.loads(answer)["data"]["validate"]["results"]
    rows = OUT / "rows.json"
    rows.write_bytes(orjson.dumps({one["email"]["input"]: one for one in results}))
    with started([sys.executable, "-m", "benchmarks.bare", str(rows)], TESTED_CPU, pipe=True) as it:
        yield Running(it.pid, announced_port(it))


def over_http(up: Upstream, shared: Store, pairs: int, share: float) -> list[Beside]:
    """Measure in alternating pairs."""
    measured: list[Beside] = []
    bodies = {records: asking(emails(records)) for records in REQUESTS}
    with assay(asking_settings(shared, up, bulk=100)) as us:
        for body in bodies.values():
            asyncio.run(_requests(us.port, body, 2))
        largest = asyncio.run(_requests(us.port, bodies[max(REQUESTS)], 1))
        with bare(largest) as plain:
            for records, body in bodies.items():
                same = [asyncio.run(_requests(one.port, body, 20)) for one in (us, plain)]
                assert same[0] == same[1], "the same bytes"
                times = max(10, round(REQUESTS[records] * share))
                for _ in range(pairs):
                    ours = spent_us(us, body, times)
                    measured.append(Beside(records, ours, spent_us(plain, body, times)))
    return measured


@contextmanager
def collecting_as_served() -> Generator[None]:
    """Let the garbage collector do what it does in a server."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


async def in_process(settings: Settings, rounds: int, share: float) -> list[Alone]:
    """Measure the execution of an operation, everything it needs being known."""
    schema, measured = build_schema(), list[Alone]()
    async with assembled(settings, (*SERVICES, stand_in)) as assembly:
        for records, requests in REQUESTS.items():
            variables = orjson.loads(asking(emails(records)))["variables"]
            times = max(10, round(requests * share / 3))
            spent: list[float] = []
            for at in range(rounds + 2):
                before = time.process_time()
                for _ in range(times):
                    found = await schema.execute(VALIDATE, variables, assembly.context)
                    assert not found.errors
                if at > 1:
                    spent.append((time.process_time() - before) * 1e6 / times)
            measured.append(Alone(records, min(spent), statistics.median(spent)))
    return measured


def measure(pairs: int = PAIRS, share: float = 1.0) -> tuple[list[Beside], list[Alone]]:
    """Measure both; `share` of the requests that are usual.

    Raises:
        NotHere: no yardsticks, or no C compiler.
    """
    pin_self()
    with upstream() as up, store() as shared:
        beside = over_http(up, shared, pairs, share)
        pin_self(TESTED_CPU)
        settings: Any = asking_settings(shared, up, bulk=100)
        try:
            with collecting_as_served():
                alone = asyncio.run(in_process(Settings(**settings), pairs, share))
        finally:
            pin_self()
    return beside, alone


def table(beside: Sequence[Beside], alone: Sequence[Alone]) -> list[str]:
    """Return the lines of a table of medians."""
    lines = [
        "| way | records | Assay µs a request | a record | bare µs | ratio (range) | goal | met |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for records in REQUESTS:
        of = [one for one in beside if one.records == records]
        ratios = [one.us / one.bare_us for one in of]
        ratio, us = statistics.median(ratios), statistics.median(one.us for one in of)
        goal = HTTP_GOALS.get(records)
        judged = f"{goal} | {_met(ratio <= goal)}" if goal else "- | "
        lines.append(
            f"| HTTP | {records:,} | {us:,.0f} | {us / records:.2f}"
            f" | {statistics.median(one.bare_us for one in of):,.0f}"
            f" | **{ratio:.2f}** ({min(ratios):.2f}-{max(ratios):.2f}) | {judged} |"
        )
    for one in alone:
        goal = RECORD_GOALS_US.get(one.records)
        judged = f"{REQUEST_GOAL_US:.0f} µs a request | {_met(one.us <= REQUEST_GOAL_US)}"
        if goal is not None:
            judged = f"{goal:.0f} µs a record | {_met(one.us / one.records <= goal)}"
        lines.append(
            f"| in process, best round | {one.records:,} | {one.us:,.0f}"
            f" | **{one.us / one.records:.2f}** (median {one.median_us / one.records:.2f})"
            f" | - | - | {judged} |"
        )
    return lines


def _met(met: bool) -> str:  # noqa: FBT001 - the answer itself
    return "yes" if met else "**no**"


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    print("\n".join(table(*measure(parser.parse_args().pairs))))


if __name__ == "__main__":
    main()
