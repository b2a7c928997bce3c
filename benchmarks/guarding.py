"""What it costs to know who asks, and to count how much: one cached record over HTTP.

The same process answers the same request without a key and with one that has a rate, a number of
records and a cost a day, in alternating rounds of CPU time. Measuring a document costs at its first
sight alone, and so is in neither.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from access.key import Limits, NewKey
from access.keys import Keys
from access.scope import EVERYTHING
from batches.opening import open_store
from batches.settings import StoreSettings
from benchmarks.asking import asking, connected
from benchmarks.cached import emails
from benchmarks.processes import OUT, Running, asking_settings, assay, pin_self, store, upstream
from gateway.doorkeeper import pepper_of
from gateway.hash_key import hash_key
from gateway.settings import Settings

ROUNDS, REQUESTS = 30, 400
"""Many short ones: this way what the machine does meanwhile meets both alike."""
GOAL = 0.90
"""Of the requests a second without any of it."""
DATA = OUT / "guarding"
LIMITS = Limits(50_000.0, 10**9, 10**12)


class Round(Struct):
    """CPU µs a request, with a key and without."""

    guarded_us: float
    open_us: float

    @property
    def ratio(self) -> float:
        """How many requests there are with a key for one without."""
        return self.open_us / self.guarded_us


async def _key(settings: Settings, folder: Path) -> str:
    kept = await open_store(StoreSettings(), folder / "batches.db")
    try:
        keys = Keys(kept.database, pepper_of(settings, hash_key(settings)))
        new = NewKey(tenant="default", name="benchmark", scopes=EVERYTHING, limits=LIMITS)
        _, text = await keys.create(new, "benchmark")
    finally:
        await kept.close()
    return text


async def _requests(port: int, headers: Mapping[str, str], times: int) -> None:
    (connection,) = await connected(port, 1, headers)
    body = asking(emails(1))
    for _ in range(times):
        await connection.post(body)
    connection.close()


def _spent_us(server: Running, headers: Mapping[str, str], times: int) -> float:
    before = server.cpu_s()
    asyncio.run(_requests(server.port, headers, times))
    return (server.cpu_s() - before) * 1e6 / times


def measure(rounds: int = ROUNDS, requests: int = REQUESTS) -> list[Round]:
    """Measure `rounds` of so many requests each way.

    Raises:
        NotHere: no yardsticks, or no C compiler.
    """
    pin_self()
    DATA.mkdir(parents=True, exist_ok=True)
    with upstream() as up, store() as shared:
        given = asking_settings(shared, up, bulk=1)
        home = {"data_dir": str(DATA), "log_level": "WARNING"}
        given = {**given, "gateway": home, "access": {"open": True}}
        key = asyncio.run(_key(Settings(**given), DATA))  # pyright: ignore[reportArgumentType]
        guarded = {"authorization": f"Bearer {key}"}
        with assay(given) as server:
            time.sleep(0.5)
            for headers in (guarded, {}):
                _spent_us(server, headers, 200)
            return [
                Round(_spent_us(server, guarded, requests), _spent_us(server, {}, requests))
                for _ in range(rounds)
            ]


def table(measured: Sequence[Round]) -> list[str]:
    """Return the lines of a table of medians."""
    ratio = statistics.median(one.ratio for one in measured)
    guarded_us = statistics.median(one.guarded_us for one in measured)
    open_us = statistics.median(one.open_us for one in measured)
    met = "yes" if ratio >= GOAL else "**no**"
    seen = f"{guarded_us:.0f} | {open_us:.0f} | **{ratio:.2f}** | {GOAL} | {met}"
    return [
        "| one cached record | CPU µs with a key | without | requests beside none | goal | met |",
        "| --- | --- | --- | --- | --- | --- |",
        f"| key, rate, records and cost of a day | {seen} |",
    ]


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    chosen = parser.parse_args()
    print("\n".join(table(measure(chosen.rounds))))


if __name__ == "__main__":
    main()
