"""`make scoreboard`: measures the promises against real processes, writes benchmarks/SCOREBOARD.md.

Some twenty minutes. Stand-ins, store and processes of Assay are started for each promise; the seed
is printed and can be given again (`--seed`).
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from secrets import randbelow

from benchmarks.batch_promises import BATCH_PROMISES
from benchmarks.batch_sharing import BATCH_SHARING
from benchmarks.edge_promises import EDGE_PROMISES
from benchmarks.egress_promises import EGRESS_PROMISES
from benchmarks.failures import FAILURES
from benchmarks.faults import FAULTS
from benchmarks.guard_promises import GUARD_PROMISES
from benchmarks.kills import KILLS_PROMISES
from benchmarks.limit_promises import LIMIT_PROMISES
from benchmarks.machine import described
from benchmarks.processes import OUT, ROOT, NotHere
from benchmarks.promises import PROMISES, Promise
from benchmarks.push_promises import PUSH_PROMISES
from benchmarks.store_promises import STORE_PROMISES
from benchmarks.torn_files import TORN_FILES

EVERY: Mapping[str, Promise] = {
    **PROMISES,
    **STORE_PROMISES,
    **FAILURES,
    **FAULTS,
    **LIMIT_PROMISES,
    **PUSH_PROMISES,
    **BATCH_PROMISES,
    **KILLS_PROMISES,
    **TORN_FILES,
    **BATCH_SHARING,
    **EDGE_PROMISES,
    **GUARD_PROMISES,
    **EGRESS_PROMISES,
}
SCOREBOARD = ROOT / "benchmarks" / "SCOREBOARD.md"
SEED_MAX = 10_000
HOW = "against real processes: Assay, Valkey and the sandbox's services."


def scored(names: Sequence[str], seed: int, *, quick: bool) -> tuple[list[str], bool]:
    """Return the lines of the table, and whether every promise that was measured was kept."""
    lines = ["| promise | seen | kept | s |", "| --- | --- | --- | --- |"]
    kept = True
    for name in names:
        promise = EVERY[name]
        begun = time.monotonic()
        try:
            found = promise.measure(seed, quick)
        except NotHere as error:
            seen, verdict = f"not measured: {error}", "-"
        else:
            seen, verdict = found.seen, "yes" if found.kept else "**no**"
            kept = kept and found.kept
        lines.append(f"| {promise.words} | {seen} | {verdict} | {time.monotonic() - begun:.0f} |")
        print(f"{name}: {seen} - {verdict}", flush=True)
    return lines, kept


def main() -> int:
    """Measure, write, and return 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="make scoreboard", description=__doc__)
    parser.add_argument("--seed", type=int, default=randbelow(SEED_MAX))
    parser.add_argument("--quick", action="store_true", help="less of everything")
    parser.add_argument("--only", nargs="+", choices=list(EVERY), default=list(EVERY))
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}")
    lines, kept = scored(chosen.only, chosen.seed, quick=chosen.quick)
    whole = not chosen.quick and chosen.only == list(EVERY)
    OUT.mkdir(exist_ok=True)
    file = SCOREBOARD if whole else OUT / "SCOREBOARD.md"
    how = f"Made by `make scoreboard`, seed {chosen.seed}, {HOW}"
    said = ["# Scoreboard", "", how, "", *described(), "", *lines]
    file.write_text("\n".join(said) + "\n", "utf-8")
    print(f"Written to {file.relative_to(ROOT)}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
