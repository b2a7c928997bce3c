"""What a person sees while a file is validated, and at the end. All on standard error."""

import time
from collections.abc import Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from batches.source.lines import Lines
from gateway.cli.tally import PROBLEMS_SHOWN_MAX, STATUSES, Tally

PLAIN_EVERY_S = 5.0
COLOURS = {"VALID": "green", "RISKY": "yellow", "INVALID": "red", "UNKNOWN": "magenta"}
REASONS_SHOWN_MAX = 6


def stderr_console() -> Console:
    """Return the console for people: it colours and moves on a terminal alone."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


class Moving:
    """Shows how far a run is."""

    def __init__(self, console: Console, lines: Lines, tally: Tally) -> None:
        self._console = console
        self._lines = lines
        self._tally = tally
        self._started = self._told = time.monotonic()
        self._bar: Progress | None = None
        self._task = None

    @contextmanager
    def shown(self) -> Generator[None]:
        """Show a bar on a terminal while inside."""
        try:
            if not self._console.is_terminal:
                yield
                return
            with self._progress() as self._bar:
                self._task = self._bar.add_task(
                    "", total=self._lines.size, told="waiting for the first"
                )
                yield
        finally:
            self._tally.seconds = time.monotonic() - self._started

    def moved(self) -> None:
        """Say how far it is, on a terminal at once, elsewhere every few seconds."""
        now = time.monotonic()
        rate = self._tally.rows / max(now - self._started, 1e-3)
        told = f"{self._tally.rows:,} rows, {rate:,.0f} rows/s"
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._done_bytes, told=told)
        elif now - self._told >= PLAIN_EVERY_S:
            self._told = now
            size = self._lines.size
            share = f"{min(self._done_bytes / size, 1):.0%}, " if size else ""
            self._console.print(f"{share}{told}")

    @property
    def _done_bytes(self) -> float:
        return self._tally.line * self._lines.line_bytes

    def _progress(self) -> Progress:
        if self._lines.size:
            moving = (BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        else:
            moving = (SpinnerColumn(),)
        return Progress(
            *moving, TextColumn("{task.fields[told]}"), console=self._console, transient=True
        )


def show_summary(console: Console, tally: Tally, currency: str | None) -> None:
    """Show what a run came to."""
    rate = tally.rows / max(tally.seconds, 1e-3)
    console.print(f"{_rows(tally.rows)} in {tally.seconds:.1f} s ({rate:,.0f} rows/s)")
    if tally.records:
        console.print(_verdicts(tally))
    usage = tally.usage
    console.print(
        f"Provider calls  {usage['callsMade']:,} made, for {usage['valuesAsked']:,} values,"
        f" at a cost of {tally.cost:f}{f' {currency}' if currency else ''}"
    )
    console.print(
        f"Not asked       {usage['savedByLocalChecks']:,} settled by local checks,"
        f" {usage['savedByDedupe']:,} asked once for several rows,"
        f" {usage['savedByCache']:,} known from the cache"
    )
    if tally.unknown_because:
        common = tally.unknown_because.most_common(REASONS_SHOWN_MAX)
        told = ", ".join(f"{code} {count:,}" for code, count in common)
        console.print(f"UNKNOWN because {told}")
    if tally.nothing:
        console.print(f"{_rows(tally.nothing)} without anything to validate; no verdict for them")
    if tally.retryable:
        console.print(
            f"{_rows(tally.retryable)} with an UNKNOWN that asking again later may settle"
        )
    if tally.unreadable:
        console.print(f"[red]{_rows(tally.unreadable)} can't be read, so not in the results:[/red]")
        for problem in tally.problems:
            console.print(f"  {problem}", markup=False)
        if tally.unreadable > PROBLEMS_SHOWN_MAX:
            console.print(f"  and {tally.unreadable - PROBLEMS_SHOWN_MAX:,} more")


def _rows(number: int) -> str:
    return "1 row" if number == 1 else f"{number:,} rows"


def _verdicts(tally: Tally) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    for status in STATUSES:
        table.add_column(status, justify="right", style=COLOURS[status])
    for name, counts in (("records", tally.statuses), *tally.by_field.items()):
        style = "bold" if name == "records" else None
        cells = (f"{counts[status]:,}" if counts[status] else "-" for status in STATUSES)
        table.add_row(name, *cells, style=style)
    return table
