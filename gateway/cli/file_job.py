"""One file to validate: opened and understood, then run, then told about."""

import errno
import os
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from msgspec import Struct
from rich.console import Console

from batches.source.coding import EncodingError
from batches.source.lines import Lines
from batches.source.mapping import ColumnMapping, MappingError, mapping_of
from batches.source.objects import Objects
from batches.source.table import DELIMITER_NAMES, Table
from gateway.cli.asking import Gateway
from gateway.cli.documents import FIELDS
from gateway.cli.errors import (
    ALL_WELL,
    SOMETHING_FAILED,
    WRONG_USAGE,
    CommandError,
    InterruptedCommand,
)
from gateway.cli.options import Format
from gateway.cli.progress import Moving, show_summary
from gateway.cli.running import run
from gateway.cli.tally import Tally
from gateway.cli.validating import Plan, validate_rows
from gateway.results_out import CsvResults, NdjsonResults, Output, Results, output_file

NDJSON_SUFFIXES = {".ndjson", ".jsonl"}
DASH = "-"
LINES_AHEAD = 100
"""Of objects that become a table: the fields beside records in so many have columns there."""


class Wishes(Struct, frozen=True):
    """What the options say of the reading and asking; None is: find out.

    `declared` has the fields that the configuration declares; see `gateway.cli.declared_fields`.
    """

    maps: Sequence[str] = ()
    format: Format | None = None
    delimiter: str | None = None
    encoding: str | None = None
    deadline_s: float = 60.0
    options: Mapping[str, Any] = {}
    declared: Mapping[str, str] = {}

    @property
    def fields(self) -> tuple[str, ...]:
        """Every field that a record can have."""
        return tuple(dict.fromkeys((*FIELDS, *self.declared)))


class FileJob(Struct):
    """A file that is understood: its rows, what to ask of them, how to write results."""

    lines: Lines
    rows: Table | Objects
    plan: Plan
    results: Results
    format: Format


@contextmanager
def input_stream(name: str) -> Generator[BinaryIO]:
    """Open a file, or standard input for `-`.

    Raises:
        CommandError: it can't be read.
    """
    if name == DASH:
        yield sys.stdin.buffer
        return
    try:
        stream = Path(name).open("rb")  # noqa: SIM115 - closed below, outside of this `try`
    except OSError as error:
        raise CommandError(f"{name}: can't be read: {error.strerror}.", WRONG_USAGE) from None
    with stream:
        yield stream


def prepared(stream: BinaryIO, name: str, wishes: Wishes, console: Console) -> FileJob:
    """Read the beginning of a file and say on `console` what was understood of it.

    Raises:
        CommandError: it can't be understood; the message says what to do.
    """
    try:
        lines = Lines(stream, wishes.encoding)
    except EncodingError as error:
        raise CommandError(f"--encoding {error}", WRONG_USAGE) from None
    except OSError as error:
        raise CommandError(f"{name}: can't be read: {error.strerror}.", WRONG_USAGE) from None
    if lines.guessed:
        _say(
            console,
            f"{name} is not UTF-8. Reading it as {lines.encoding}, which is a guess; --encoding"
            " names another.",
        )
    if Path(name).suffix.lower() in NDJSON_SUFFIXES or _begins_with_brace(lines):
        return _objects(lines, wishes)
    return _table(lines, name, wishes, console)


def _begins_with_brace(lines: Lines) -> bool:
    return any(line.text.lstrip().startswith("{") for line in lines.ahead(1))


def _objects(lines: Lines, wishes: Wishes) -> FileJob:
    chosen = wishes.format or Format.ndjson
    full = chosen is Format.ndjson
    fields = wishes.fields
    objects = Objects(lines, fields)
    results: Results = NdjsonResults()
    if not full:
        own = ["ref", *objects.carried_ahead(LINES_AHEAD)]
        results = CsvResults(own, fields, ",")
    plan = Plan(None, fields, full, wishes.deadline_s, wishes.options, wishes.declared)
    return FileJob(lines, objects, plan, results, chosen)


def _table(lines: Lines, name: str, wishes: Wishes, console: Console) -> FileJob:
    delimiter = {"tab": "\t", "\\t": "\t"}.get(wishes.delimiter or "", wishes.delimiter)
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise CommandError(
            f"--delimiter {wishes.delimiter!r}: give one character, or tab.", WRONG_USAGE
        )
    table = Table(lines, delimiter)
    if table.flaw:
        raise CommandError(f"{name}: {table.flaw}", WRONG_USAGE)
    if not table.columns:
        raise CommandError(f"{name} is empty: there is not even a header.", WRONG_USAGE)
    try:
        mapping = mapping_of(table.columns, wishes.maps, wishes.fields)
    except MappingError as error:
        raise CommandError(f"--map {error}", WRONG_USAGE) from None
    if not mapping.fields:
        raise CommandError(_nothing_to_validate(name, table), WRONG_USAGE)
    _tell_mapping(console, mapping, table)
    chosen = wishes.format or Format.csv
    full = chosen is Format.ndjson
    results = (
        NdjsonResults(table.columns)
        if full
        else CsvResults(table.columns, mapping.fields, table.delimiter, mark=lines.had_mark)
    )
    plan = Plan(mapping, mapping.fields, full, wishes.deadline_s, wishes.options, wishes.declared)
    return FileJob(lines, table, plan, results, chosen)


def _nothing_to_validate(name: str, table: Table) -> str:
    columns = ", ".join(map(repr, table.columns))
    if len(table.columns) == 1:
        delimiter = DELIMITER_NAMES.get(table.delimiter, repr(table.delimiter))
        return (
            f"{name} has one column, {columns}, when read with {delimiter} between cells. If that"
            " is wrong, name what is between them: --delimiter ';'. If it is right, say what it"
            " is: --map 'COLUMN=email'. Its first line must name the columns."
        )
    return (
        f"{name}: none of its columns has a name that is known here: {columns}. Say what they"
        f" are, for example --map {table.columns[0] + '=email'!r}; `assay validate --help` lists"
        " the fields. The first line of the file must name the columns."
    )


def _tell_mapping(console: Console, mapping: ColumnMapping, table: Table) -> None:
    delimiter = DELIMITER_NAMES.get(table.delimiter, table.delimiter)
    _say(console, f"{len(table.columns)} columns, {delimiter} between them; --map changes this:")
    told = mapping.told()
    width = max(len(column) for column, _, _ in told)
    for column, targets, guessed in told:
        _say(console, f"  {column:<{width}}  is {targets}{' (guessed)' if guessed else ''}")
    if mapping.alone:
        _say(console, f"  left alone: {', '.join(mapping.alone)}")


def results_path(name: str, out: Path | None, chosen: Format, *, force: bool) -> Path | None:
    """Return the file for the results; None is standard output.

    Raises:
        CommandError: it exists, or nobody may write there.
    """
    if out is None and name != DASH:
        out = Path(name)
        out = out.with_name(f"{out.stem}.verdicts.{chosen.value}")
    if out is None or str(out) == DASH:
        return None
    if not out.parent.is_dir():
        raise CommandError(f"{out}: there is no folder {out.parent}; make it first.", WRONG_USAGE)
    if out.is_dir():
        raise CommandError(f"{out} is a folder; name a file with --out.", WRONG_USAGE)
    if out.exists() and not force:
        raise CommandError(
            f"{out} exists. --force overwrites it, --out names another file.", WRONG_USAGE
        )
    if not os.access(out.parent, os.W_OK | os.X_OK):
        raise CommandError(
            f"{out}: this user may not write in {out.parent}; --out names another file.",
            WRONG_USAGE,
        )
    return out


def run_job(
    job: FileJob,
    path: Path | None,
    gateway: AbstractAsyncContextManager[Gateway],
    console: Console,
) -> Tally:
    """Validate the file, write `path`, show progress and summary, return what it came to.

    Raises:
        CommandError: it could not go on; what was done so far is in `path`.
        InterruptedCommand: it was interrupted; likewise.
    """
    tally = Tally()
    try:
        with _output(path) as output:
            run(_validated(job, gateway, output, console, tally))
    except CommandError as error:
        raise CommandError(f"{error}{_kept(tally, path)}", error.status) from None
    except InterruptedCommand:
        if tally.rows:
            _say(console, f"Interrupted.{_kept(tally, path)}")
        raise
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CommandError(_unwritable(path, error)) from None
    if path is not None:
        _say(console, f"Results in {path}")
    return tally


def exit_status(tally: Tally) -> int:
    """Return the exit status of a run that came to its end."""
    return SOMETHING_FAILED if tally.unreadable or tally.retryable else ALL_WELL


async def _validated(
    job: FileJob,
    opening: AbstractAsyncContextManager[Gateway],
    output: Output,
    console: Console,
    tally: Tally,
) -> None:
    async with opening as gateway:
        moving = Moving(console, job.lines, tally)
        with moving.shown():
            await validate_rows(
                job.rows, job.plan, gateway, job.results, output, tally, moving.moved
            )
        tally.blank = job.rows.blank
        show_summary(console, tally, gateway.currency)


@contextmanager
def _output(path: Path | None) -> Generator[Output]:
    if path is not None:
        with output_file(path) as output:
            yield output
    else:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()


def _kept(tally: Tally, path: Path | None) -> str:
    if not tally.rows or path is None:
        return ""
    return f" The results of the first {tally.rows:,} rows are in {path}."


def _unwritable(path: Path | None, error: OSError) -> str:
    where = path or "standard output"
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return f"{where}: the disk is full. Nothing was left behind; free some space, or use --out."
    return f"{where}: the results can't be written: {error.strerror or error}. Nothing was left."


def _say(console: Console, message: str) -> None:
    console.print(message, markup=False)
