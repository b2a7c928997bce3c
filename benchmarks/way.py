"""What the whole way costs, beside the yardstick's hand-written bound.

One worker asks the yardstick's upstream (no latency, no limit) about distinct e-mails that come in
requests of 100 over GraphQL. CPU time of the process, user and system, by record; the bound does
the same without framework, retries, limits or options. In alternating pairs, one after another on
the same CPU, and the median of the ratios.
"""

import argparse
import asyncio
import random
import statistics
from collections.abc import Mapping, Sequence

from msgspec import Struct

from benchmarks import stand_in
from benchmarks.asking import asking, in_lists, post_all, results
from benchmarks.bound import bound_us
from benchmarks.processes import (
    Running,
    Store,
    Upstream,
    asking_settings,
    assay,
    pin_self,
    store,
    upstream,
)

RECORDS = 20_000
LIST = 100
CONNECTIONS = 4
WARM_UP_LISTS = 5
PAIRS = 4
GOALS: Mapping[str, float] = {
    "cold, one call a value": 1.5,
    "cold, bulk calls of 100": 2.0,
    "warm, in the shared store": 2.5,
    "warm, in the process": 2.5,
}
SINGLE, BULK, SHARED, NEAR = GOALS


class Pair(Struct):
    """One measurement of a way: CPU µs a record, and the bound's right before or after."""

    way: str
    us: float
    bound_us: float

    @property
    def ratio(self) -> float:
        """How many times the bound."""
        return self.us / self.bound_us


def emails(seed: int, count: int) -> list[str]:
    """Return the bound's own e-mails, in an order of their own."""
    made = [f"user{at}.{seed}@example{at % 997}.com" for at in range(count)]
    random.Random(seed).shuffle(made)
    return made


def spent_us(server: Running, seed: int, count: int) -> float:
    """Ask `server` about all e-mails of `seed` and return its CPU µs a record; check them all."""
    asked = emails(seed, count)
    bodies = [asking(part) for part in in_lists(asked, LIST)]
    before = server.cpu_s()
    answers = asyncio.run(post_all(server.port, bodies, CONNECTIONS))
    spent_s = server.cpu_s() - before
    found = {one.email.input: one.status for answer in answers for one in results(answer)}
    assert found == {email: stand_in.expected(email) for email in asked}, "a wrong verdict"
    return spent_s * 1e6 / count


def warm_up(server: Running, seed: int) -> None:
    """Let `server` meet what it will do, with other e-mails."""
    spent_us(server, -1 - seed, WARM_UP_LISTS * LIST)


def assay_us(up: Upstream, shared: Store, seed: int, count: int, *, bulk: int) -> list[float]:
    """Return what Assay spends cold, warm in a fresh worker, and warm in the same worker."""
    shared.command("FLUSHALL")
    settings = asking_settings(shared, up, bulk=bulk)
    with assay(settings) as server:
        warm_up(server, 2 * seed)
        up.reset()
        cold = spent_us(server, seed, count)
        assert up.statistics()["items"] == count, "each e-mail is asked once"
    with assay(settings) as server:
        warm_up(server, 2 * seed + 1)
        up.reset()
        warm = [spent_us(server, seed, count) for _ in range(2)]
        assert up.statistics()["items"] == 0, "nothing is asked again"
    return [cold, *warm]


def pair(up: Upstream, shared: Store, seed: int, count: int, *, bulk: int) -> list[Pair]:
    """Measure Assay and the bound next to each other; who begins depends on `seed`."""
    mode = ("--mode", "bulk" if bulk > 1 else "single")

    def bound() -> list[float]:
        shared.command("FLUSHALL")
        return [
            bound_us(
                up,
                shared,
                seed=seed,
                count=count,
                again=0,
                durable=False,
                variant=(*mode, "--cache", cache),
            )
            for cache in ("cold", "warm")
        ]

    theirs = bound() if seed % 2 else []
    cold, near_by, near = assay_us(up, shared, seed, count, bulk=bulk)
    theirs = theirs or bound()
    first = Pair(BULK if bulk > 1 else SINGLE, cold, theirs[0])
    return [first, Pair(SHARED, near_by, theirs[1]), Pair(NEAR, near, theirs[1])]


def measure(pairs: int = PAIRS, count: int = RECORDS, *, say: bool = False) -> list[Pair]:
    """Measure all ways, `pairs` times each; the warm ones twice as often.

    Raises:
        NotHere: no yardsticks, or no C compiler.
    """
    pin_self()
    measured: list[Pair] = []
    with upstream() as up, store() as shared:
        for seed in range(pairs):
            for bulk in (1, LIST):
                found = pair(up, shared, seed, count, bulk=bulk)
                measured += found
                if say:
                    for one in found:
                        print(f"{one.way}: {one.us:.1f} / {one.bound_us:.1f} = {one.ratio:.2f}")
    return measured


def of_way(measured: Sequence[Pair], way: str) -> list[Pair]:
    """Return the measurements of one way."""
    return [one for one in measured if one.way == way]


def table(measured: Sequence[Pair]) -> list[str]:
    """Return the lines of a table of medians; the last column is the ratio of the least figures.

    Others on the machine only ever add to a figure, so on a busy one the least are the truest.
    """
    lines = [
        "| way | Assay µs a record | bound µs | ratio (range) | goal | met | of the least |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for way, goal in GOALS.items():
        of = of_way(measured, way)
        ratios = [one.ratio for one in of]
        ratio = statistics.median(ratios)
        lines.append(
            f"| {way} | {statistics.median(one.us for one in of):.1f}"
            f" | {statistics.median(one.bound_us for one in of):.1f}"
            f" | **{ratio:.2f}** ({min(ratios):.2f}-{max(ratios):.2f})"
            f" | {goal} | {'yes' if ratio <= goal else '**no**'}"
            f" | {min(one.us for one in of) / min(one.bound_us for one in of):.2f} |"
        )
    return lines


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--records", type=int, default=RECORDS)
    chosen = parser.parse_args()
    print("\n".join(table(measure(chosen.pairs, chosen.records, say=True))))


if __name__ == "__main__":
    main()
