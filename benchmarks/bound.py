"""The yardstick's bound: written by hand, without framework, retries, limits or options."""

import re
import sys
from collections.abc import Sequence

from benchmarks.processes import OUT, TESTED_CPU, Store, Upstream, said_by, yardsticks

WAIT_S = 240.0
_SPENT = re.compile(r"cpu\s+([\d.]+) us/rec")


def bound_us(
    up: Upstream,
    shared: Store,
    *,
    seed: int,
    count: int,
    again: float,
    durable: bool,
    variant: Sequence[str],
) -> float:
    """Run the bound once over `count` records and return its CPU µs a record.

    A share of `again` comes again; a `durable` one commits its input first, with a full sync.
    """
    script = str(yardsticks() / "bound" / "bound.py")
    ports = ("--up", str(up.port), "--redis", str(shared.port), "--db", str(OUT / "bound.db"))
    size = ("--n", str(count), "--dup", str(again), "--seed", str(seed))
    kept = ("--durable", "1", "--sync", "FULL") if durable else ("--durable", "0")
    said = said_by([sys.executable, script, *ports, *size, *kept, *variant], TESTED_CPU, WAIT_S)
    found = _SPENT.search(said)
    assert found is not None, said
    return float(found[1])
