"""What a person sees of a batch: while it is sent, while it runs, and what it came to."""

import time
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from gateway.cli.progress import COLOURS, PLAIN_EVERY_S
from gateway.cli.tally import STATUSES

REASONS_SHOWN_MAX = 6
ROW_ERRORS_SHOWN_MAX = 10
BAR_WIDTH = 30
STATE_COLOURS = {
    "COMPLETED": "green",
    "RUNNING": "cyan",
    "PAUSED": "yellow",
    "CAPPED": "yellow",
    "CANCELLING": "yellow",
    "FAILED": "red",
}
Status = Mapping[str, Any]


class Sending:
    """Shows how much of a file is kept."""

    def __init__(self, console: Console, size: int | None) -> None:
        self._console = console
        self._size = size
        self._told = time.monotonic()
        self._bar: Progress | None = None
        self._task: Any = None

    @contextmanager
    def shown(self) -> Generator[None]:
        """Show a bar on a terminal while inside."""
        if not self._console.is_terminal:
            yield
            return
        columns = (
            TextColumn("Sending"),
            BarColumn(BAR_WIDTH),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._console, transient=True) as self._bar:
            self._task = self._bar.add_task("", total=self._size)
            yield

    def moved(self, read_bytes: int) -> None:
        """Say how far it is, on a terminal at once, elsewhere every few seconds."""
        now = time.monotonic()
        if self._bar is not None:
            self._bar.update(self._task, completed=read_bytes)
        elif now - self._told >= PLAIN_EVERY_S:
            self._told = now
            share = f"{read_bytes / self._size:.0%}, " if self._size else ""
            self._console.print(f"Sending: {share}{read_bytes:,} bytes")


class Watching:
    """Shows how a batch goes on."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._told = 0.0
        self._state = ""

    @contextmanager
    def shown(self) -> Generator[None]:
        """Show a bar on a terminal while inside."""
        if not self._console.is_terminal:
            yield
            return
        with Live(console=self._console, transient=True, auto_refresh=False) as self._live:
            yield

    def seen(self, status: Status) -> None:
        """Show `status`: on a terminal at once, elsewhere when it has changed or time went by."""
        if self._live is not None:
            self._live.update(_moving(status, self._console.width), refresh=True)
            return
        now = time.monotonic()
        if status["state"] != self._state or now - self._told >= PLAIN_EVERY_S:
            self._told, self._state = now, status["state"]
            parts = (where(status), _counts(status).plain, _pace(status))
            self._console.print(", ".join(part for part in parts if part), markup=False)


def _moving(status: Status, width: int) -> Group:
    total, done = status["records"], status["recordsDone"]
    bar = ProgressBar(total=max(total, 1), completed=done, width=min(BAR_WIDTH, width // 3))
    first = Table.grid(padding=(0, 1))
    share = f"{done / total:4.0%}" if total else ""
    first.add_row(_state_text(status), bar, share, f"{done:,} of {_records(total)}")
    lines: list[Any] = [first]
    lines += [line for line in (_counts(status), Text(_pace(status))) if line.plain]
    if status["state"] == "PAUSED":
        lines.append(Text(_pause(status)))
    return Group(*lines)


def where(status: Status) -> str:
    """Return in words where a batch stands."""
    why = f" ({_pause(status)})" if status["state"] == "PAUSED" else ""
    return f"{status['state']}{why}: {status['recordsDone']:,} of {_records(status['records'])}"


def _state_text(status: Status) -> Text:
    state = status["state"]
    return Text(state, style=STATE_COLOURS.get(state, "bold"))


def _pause(status: Status) -> str:
    why = {
        "REQUESTED": "until somebody resumes it",
        "QUOTA_EXHAUSTED": "a provider's quota is used up",
        "OUT_OF_CREDIT": "a provider's account has no credit left",
        "PROVIDER_REFUSED": "a provider refuses our credentials",
    }.get(status["pauseReason"] or "", "")
    again = status["retryAt"]
    return f"{why}; goes on at {moment(again)}" if again else why


def _counts(status: Status) -> Text:
    found = {one["status"]: one["records"] for one in status["statuses"]}
    told = Text()
    for name in STATUSES:
        if found.get(name):
            told.append("  " if told.plain else "")
            told.append(f"{name} {found[name]:,}", style=COLOURS[name])
    return told


def _pace(status: Status) -> str:
    parts: list[str] = []
    if status["ratePerSecond"]:
        parts.append(f"{status['ratePerSecond']:,.0f} records/s")
    if status["eta"]:
        left = datetime.fromisoformat(status["eta"]) - datetime.now(UTC)
        parts.append(f"{_length(max(left, timedelta(0)))} left")
    if status["callsMade"]:
        parts.append(f"{status['callsMade']:,} calls")
    if Decimal(status["cost"]):
        parts.append(_cost(status))
    return ", ".join(parts)


def _cost(status: Status) -> str:
    return f"{_amount(status['cost'])} {status['currency']}"


def _amount(given: str) -> str:
    """Return an amount with two places, and more only where it has them."""
    whole, _, part = f"{Decimal(given):f}".partition(".")
    return f"{int(whole):,}.{part.rstrip('0').ljust(2, '0')}"


def _length(time_: timedelta) -> str:
    return str(timedelta(seconds=round(time_.total_seconds())))


def moment(given: str) -> str:
    """Return a moment in the time zone of this machine, in words of fixed length."""
    return datetime.fromisoformat(given).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _records(number: int) -> str:
    return "1 record" if number == 1 else f"{number:,} records"


def show_file(console: Console, answer: Mapping[str, Any]) -> None:
    """Say how a file was understood: the answer to its upload."""
    file: Mapping[str, Any] = answer["file"] or {}
    if file.get("encodingGuessed"):
        _say(
            console,
            f"It is not UTF-8. It was read as {file['encoding']}, which is a guess; --encoding"
            " names another.",
        )
    columns: Sequence[Mapping[str, Any]] = file.get("columns") or ()
    width = max((len(one["column"]) for one in columns), default=0)
    for one in columns:
        guessed = " (guessed; --map changes it)" if one["guessed"] else ""
        _say(console, f"  {one['column']:<{width}}  is {', '.join(one['fields'])}{guessed}")
    if file.get("carriedThrough"):
        _say(console, f"  carried through: {', '.join(file['carriedThrough'])}")
    errors = answer["rowErrors"]
    show_row_errors(console, errors["count"], errors["first"])
    _say(console, f"{_records(answer['batch']['records'])} in batch {answer['batch']['id']}")


def show_row_errors(console: Console, count: int, first: Sequence[Mapping[str, Any]]) -> None:
    """Say which rows are not in the batch."""
    if not count:
        return
    rows = "1 row is" if count == 1 else f"{count:,} rows are"
    console.print(f"[red]{rows} not in the batch:[/red]")
    shown = first[:ROW_ERRORS_SHOWN_MAX]
    for one in shown:
        _say(console, f"  line {one['line']} {one['why']}")
    if count > len(shown):
        _say(console, f"  and {count - len(shown):,} more")


def show_batch(console: Console, batch: Mapping[str, Any]) -> None:
    """Show everything of a batch."""
    status = batch["status"]
    facts = _facts(batch)
    width = max(len(name) for name, _ in facts)
    for name, value in facts:
        _say(console, f"{name:<{width}}  {value}")
    columns = batch["mapping"]
    width = max((len(one["column"]) for one in columns), default=0)
    for one in columns:
        _say(console, f"  {one['column']:<{width}}  is {', '.join(one['fields'])}")
    show_row_errors(console, status["rowErrors"], batch["rowErrors"])
    if status["recordsDone"]:
        show_counts(console, status)


def _facts(batch: Mapping[str, Any]) -> list[tuple[str, str]]:
    status = batch["status"]
    cap = batch["costCap"]
    found = {
        "batch": batch["id"],
        "name": batch["name"],
        "state": where(status),
        "pace": _pace({**status, "callsMade": 0, "cost": "0"}),
        "created": moment(batch["createdAt"]),
        "not before": batch["startAfter"] and moment(batch["startAfter"]),
        "started": status["startedAt"] and moment(status["startedAt"]),
        "ended": status["finishedAt"] and moment(status["finishedAt"]),
        "priority": batch["priority"] and str(batch["priority"]),
        "cost cap": cap and f"{_amount(cap)} {status['currency']}",
        "webhook": batch["webhook"],
        "sandbox": batch["sandbox"] and "asks stand-ins only",
    }
    return [(name, value) for name, value in found.items() if value]


def show_counts(console: Console, status: Status) -> None:
    """Show what a batch has come to so far: statuses, calls, cost, why some are UNKNOWN."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    for name in STATUSES:
        table.add_column(name, justify="right", style=COLOURS[name])
    rows: dict[str, Counter[str]] = {"records": Counter()}
    for one in status["statuses"]:
        rows["records"][one["status"]] += one["records"]
    for one in status["kinds"]:
        rows.setdefault(one["kind"], Counter())[one["status"]] += one["verdicts"]
    for name, counts in rows.items():
        cells = (f"{counts[status]:,}" if counts[status] else "-" for status in STATUSES)
        table.add_row(name, *cells, style="bold" if name == "records" else None)
    console.print(table)
    _say(
        console,
        f"Provider calls  {status['callsMade']:,} made, {status['callsSaved']:,} questions"
        f" settled without one, at a cost of {_cost(status)}",
    )
    reasons: Counter[str] = Counter()
    for one in status["reasons"]:
        reasons[one["code"]] += one["verdicts"]
    if reasons:
        told = ", ".join(f"{code} {n:,}" for code, n in reasons.most_common(REASONS_SHOWN_MAX))
        more = len(reasons) - REASONS_SHOWN_MAX
        _say(console, f"Reasons         {told}{f' and {more} more' if more > 0 else ''}")


def show_estimate(console: Console, estimate: Mapping[str, Any], currency: str) -> None:
    """Show what the open records of a batch will take."""
    seconds = estimate["seconds"]
    time_ = "" if seconds is None else f", at least {_length(timedelta(seconds=seconds))}"
    _say(
        console,
        f"Still to do     {_records(estimate['records'])}: up to {estimate['calls']:,} calls,"
        f" {_amount(estimate['cost'])} {currency}{time_}",
    )
    for one in estimate["providers"]:
        _say(
            console,
            f"  {one['provider']} ({one['check']}): {one['questions']:,} values in"
            f" {one['calls']:,} calls, {_amount(one['cost'])} {currency}",
        )


def _say(console: Console, message: str) -> None:
    console.print(message, markup=False, soft_wrap=True)
