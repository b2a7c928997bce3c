"""`make bench`: measures everything, prints the tables, writes benchmarks/RESULTS.md.

Some ten minutes on a quiet machine. What needs the yardsticks (ASSAY_YARDSTICKS, by default
../shared/yardsticks) or a C compiler is left out where they are missing, and the file says so.
"""

import argparse
import time
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from benchmarks import (
    batch_size,
    batch_speed,
    beside_peers,
    cached,
    export,
    guarding,
    ingest,
    push,
    startup,
    way,
)
from benchmarks.machine import described
from benchmarks.processes import OUT, ROOT, NotHere

RESULTS = ROOT / "benchmarks" / "RESULTS.md"
HOW = (
    "Made by `make bench`. The code under test runs on CPU 0, everything else on CPU 1. CPU time is"
    " user and system time of the server's process; what is compared runs in turns, and the ratio"
    " is the median of the pairwise ratios. Absolute figures drift with the machine; ratios hold."
)


class Section(Struct, frozen=True):
    """A part of the results: its title, what it says, what measures it, quickly or in full."""

    title: str
    text: str
    lines: Callable[[bool], list[str]]


def _way(quick: bool) -> list[str]:  # noqa: FBT001 - the one choice there is
    return way.table(way.measure(1, 1_000) if quick else way.measure())


def _batches(quick: bool) -> list[str]:  # noqa: FBT001
    return batch_speed.table(batch_speed.measure(1, 2_000) if quick else batch_speed.measure())


def _sizes(quick: bool) -> list[str]:  # noqa: FBT001
    return batch_size.table(batch_size.measure((1_000,) if quick else batch_size.SIZES))


def _peers(quick: bool) -> list[str]:  # noqa: FBT001
    turns, same = beside_peers.measure(1, 0.3, 1) if quick else beside_peers.measure()
    return [*beside_peers.table(turns), "", *beside_peers.duplicates_table(same)]


def _cached(quick: bool) -> list[str]:  # noqa: FBT001
    return cached.table(*(cached.measure(1, 0.05) if quick else cached.measure()))


def _ingest(quick: bool) -> list[str]:  # noqa: FBT001
    return ingest.table(ingest.measure(1, (2_000,)) if quick else ingest.measure())


def _push(quick: bool) -> list[str]:  # noqa: FBT001
    return push.table(push.measure(1, 0.5, 20), 20) if quick else push.table(push.measure())


def _startup(quick: bool) -> list[str]:  # noqa: FBT001
    return startup.table(startup.measure(1) if quick else startup.measure())


def _guarding(quick: bool) -> list[str]:  # noqa: FBT001
    return guarding.table(guarding.measure(1, 100) if quick else guarding.measure())


def _export(quick: bool) -> list[str]:  # noqa: FBT001
    return export.table(export.measure(1_000) if quick else export.measure())


SECTIONS: Mapping[str, Section] = {
    "way": Section(
        "The whole way",
        f"{way.RECORDS:,} distinct e-mails in requests of {way.LIST} over GraphQL, one worker, a"
        " service without latency or limit; beside the yardstick's bound, written by hand without"
        " framework, retries or limits. CPU µs a record, lower is better; the last column is the"
        " ratio of the least figures, which a busy machine distorts least.",
        _way,
    ),
    "batches": Section(
        "A batch",
        f"{batch_speed.RECORDS:,} e-mails, 30 % of which come again, one worker, SQLite with a full"
        " sync, a service without latency or limit; beside the yardstick's bound, which commits its"
        " input and its verdicts likewise. CPU µs a record, putting it into the store included; the"
        " share is that of the bound's speed, higher is better.",
        _batches,
    ),
    "sizes": Section(
        "Batches of every size",
        "E-mails, 30 % of which come again, in bulk calls; a worker begun anew for each size,"
        " SQLite with a full sync. The disk holds what was given and what was found.",
        _sizes,
    ),
    "peers": Section(
        "Beside Strawberry written by hand",
        f"A service that takes {beside_peers.LATENCY_MS} ms, new e-mails only, one process each;"
        " requests a second, higher is better. The goals are about Strawberry as its manual's first"
        " pages have it; the peer with parser and validation caches stands beside it. Then"
        f" {beside_peers.SHARED_EMAILS} e-mails that {beside_peers.CLIENTS} clients want at once.",
        _peers,
    ),
    "cached": Section(
        "Typed GraphQL, everything known in the process",
        "Eleven fields a record; beside a bare Starlette handler that looks the same results up and"
        " sends the same bytes by orjson. Lower is better.",
        _cached,
    ),
    "guarding": Section(
        "Knowing who asks",
        "One known record over HTTP, with a key that has a rate, records and cost of a day, and"
        " without; the same process, in alternating rounds. CPU µs a request.",
        _guarding,
    ),
    "ingest": Section(
        "Taking files in",
        "Seven columns, or their four fields as NDJSON, into a SQLite store; one process that does"
        " nothing else, on one CPU. The most of rows a second over some rounds.",
        _ingest,
    ),
    "export": Section(
        "A batch's results as a file",
        f"{export.RECORDS:,} e-mails with three columns beside them, out of SQLite; one process for"
        " each form, which writes to nowhere. The goals are of CSV: pyarrow alone is 65 MB.",
        _export,
    ),
    "push": Section(
        "Telling many clients of a batch",
        f"{push.SUBSCRIBERS:,} WebSockets follow `batchStatus` (twelve fields) of one batch, which"
        f" changes {push.EVENTS_PER_S} times a second in another process; beside a bare Starlette"
        " WebSocket that sends the same bytes as often. Lower is better.",
        _push,
    ),
    "startup": Section(
        "Start and memory",
        "A new folder, a private Valkey, no sandbox; modules compiled and files read before.",
        _startup,
    ),
}


def measured(names: Sequence[str], *, quick: bool) -> str:
    """Return the results of the sections called `names` as Markdown; print them on the way."""
    text = ["# Results", "", HOW, "", *described()]
    missing: list[str] = []
    for name in names:
        section = SECTIONS[name]
        begun = time.monotonic()
        try:
            lines = section.lines(quick)
        except NotHere as error:
            missing.append(f"{section.title}: not measured, {error}.")
            lines = [missing[-1]]
        part = ["", f"## {section.title}", "", section.text, "", *lines]
        print("\n".join(part), f"({time.monotonic() - begun:.0f} s)", sep="\n", flush=True)
        text += part
    said = "\n".join(text)
    met, unmet = said.count("| yes |"), said.count("| **no** |")
    text[3:3] = ["", f"**{met} of {met + unmet} goals met.**", *missing]
    print(f"\n{met} of {met + unmet} goals met.", *missing, sep="\n")
    return "\n".join(text) + "\n"


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="see that it runs; measures nothing")
    parser.add_argument("--only", nargs="+", choices=list(SECTIONS), default=list(SECTIONS))
    chosen = parser.parse_args()
    whole = not chosen.quick and chosen.only == list(SECTIONS)
    OUT.mkdir(exist_ok=True)
    file = RESULTS if whole else OUT / "RESULTS.md"
    file.write_text(measured(chosen.only, quick=chosen.quick), "utf-8")
    print(f"Written to {file.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
