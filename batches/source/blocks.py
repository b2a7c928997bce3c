"""Records out of whole lines, many at once; what is unusual is read row by row.

Both ways find the same: the quick one only takes what `batches.source.table` and
`batches.source.objects` would read alike, and leaves the rest to them.
"""

import csv
import io
import time
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from msgspec import Struct

from batches.source.coding import Coding
from batches.source.dialect import Dialect
from batches.source.lines import LINE_BYTES_MAX, Line, line_of
from batches.source.objects import Carried, CarryingReader
from batches.source.record import GivenRecord
from batches.source.table import (
    FIELD_CHARACTERS_MAX,
    ROW_CHARACTERS_MAX,
    Patience,
    Row,
    Rows,
    Unreadable,
    uneven,
)

PIECE_LINES = 1000
"""So many lines are read in one go: a millisecond in which no other thread runs."""
PAUSE_S = 50e-6
"""After each of them the event loop has its turn. Without it, it would wait for CPython's switch
interval, 5 ms, each time that something arrives."""

T = TypeVar("T")


class Found(Struct, Generic[T]):
    """What is in a block: `taken`, each with its line in `lines`, and what can't be read.

    `count` is how many lines it has, `left` how many of them, at its end, belong to a row that is
    not whole yet. `carried` is what stands beside what was taken, by line.
    """

    taken: list[T]
    lines: list[int]
    errors: list[Unreadable]
    count: int = 0
    left: int = 0
    carried: dict[int, Carried] = {}


class BlockReader(Protocol[T]):
    """What reads blocks of whole lines."""

    def read(self, block: bytes, number: int, *, final: bool) -> Found[T]:
        """Return what is in `block`, whose first line is line `number`.

        After a `final` one nothing follows.
        """
        ...


class TableBlocks:
    """Reads the rows of a CSV file behind its header."""

    def __init__(self, dialect: Dialect, width: int) -> None:
        """Read rows of `width` cells that are written as `dialect` says."""
        csv.field_size_limit(FIELD_CHARACTERS_MAX)
        self._coding = dialect.coding
        self._delimiter = dialect.delimiter
        self._width = width
        self._patience = Patience()

    def read(self, block: bytes, number: int, *, final: bool) -> Found[Sequence[str]]:
        """Return the rows in `block`."""
        plain = self._coding.plain(block)
        texts = _texts(plain, self._coding)
        found: Found[Sequence[str]] = Found([], [], [])
        if texts is None:
            raw = _raw_lines(plain)
            source = _BlockLines(len(raw), _reading(raw, number, self._coding), final=final)
            found.count = len(raw)
            self._carefully(source, len(raw), found)
            return found
        found.count = len(texts)
        source = _BlockLines(len(texts), lambda at: Line(number + at, texts[at]), final=final)
        while source.at < len(texts) and not found.left:
            time.sleep(PAUSE_S)
            at = source.at
            piece = texts[at : at + PIECE_LINES]
            if self._quickly(piece, number + at, found):
                source.at = at + len(piece)
            else:
                self._carefully(source, at + len(piece), found)
        return found

    def _quickly(self, piece: Sequence[str], number: int, found: Found[Sequence[str]]) -> bool:
        """Add the rows of `piece`; return False, having added none, when that can't be done."""
        reader = csv.reader(piece, delimiter=self._delimiter, strict=True)
        try:
            rows = list(reader)
        except csv.Error:
            return False
        self._patience.read(len(piece))
        lines: Sequence[int] = range(number, number + len(piece))
        if len(rows) != len(piece):  # some have several lines
            if sum(map(len, piece)) > ROW_CHARACTERS_MAX:
                return False
            lines = self._lines(piece, number)
        if set(map(len, rows)) == {self._width}:
            found.taken += rows
            found.lines += lines
            return True
        for line, row in zip(lines, rows, strict=True):
            if row:
                self._add(line, row, found)
        return True

    def _lines(self, piece: Sequence[str], number: int) -> list[int]:
        """Return the first line of each row in `piece`."""
        lines = [number]
        reader = csv.reader(piece, delimiter=self._delimiter, strict=True)
        lines += [number + reader.line_num for _ in reader]
        return lines[:-1]

    def _carefully(self, source: "_BlockLines", until: int, found: Found[Sequence[str]]) -> None:
        """Add the rows out of `source` until it is at `until` or behind."""
        try:
            for row in Rows(source, self._delimiter, self._patience):
                if isinstance(row, Row):
                    self._add(row.line, row.cells, found)
                else:
                    found.errors.append(row)
                if source.at >= until:
                    return
        except _BlockEnd:
            found.left = source.count - source.at

    def _add(self, line: int, cells: Sequence[str], found: Found[Sequence[str]]) -> None:
        if len(cells) == self._width:
            found.taken.append(cells)
            found.lines.append(line)
        else:
            found.errors.append(Unreadable(line, uneven(len(cells), self._width)))


class ObjectBlocks:
    """Reads the records of NDJSON lines, and what stands beside their fields."""

    def __init__(self, dialect: Dialect, names: Sequence[str], carried: Sequence[str] = ()) -> None:
        """Read records that may have fields `names`, written as `dialect` says.

        `carried` are the other fields that were met before.
        """
        self._coding = dialect.coding
        self._reader = CarryingReader(names, carried)

    @property
    def carried(self) -> tuple[str, ...]:
        """The fields that stood beside those of records so far."""
        return tuple(self._reader.carried)

    def read(self, block: bytes, number: int, *, final: bool) -> Found[GivenRecord]:  # noqa: ARG002 - a record is a line, whatever follows
        """Return the records in `block`."""
        plain = self._coding.plain(block)
        texts = _texts(plain, self._coding)
        found: Found[GivenRecord] = Found([], [], [])
        if texts is None:
            raw = _raw_lines(plain)
            found.count = len(raw)
            reading = _reading(raw, number, self._coding)
            self._carefully([reading(at) for at in range(len(raw))], found)
            return found
        found.count = len(texts)
        for at in range(0, len(texts), PIECE_LINES):
            time.sleep(PAUSE_S)
            piece = texts[at : at + PIECE_LINES]
            if not self._quickly(piece, number + at, found):
                lines = [Line(number + at + more, text) for more, text in enumerate(piece)]
                self._carefully(lines, found)
        return found

    def _quickly(self, piece: Sequence[str], number: int, found: Found[GivenRecord]) -> bool:
        if max(map(len, piece)) > FIELD_CHARACTERS_MAX:
            return False
        read = self._reader.read_all(piece)
        if read is None:
            return False
        records, carried = read
        found.taken += records
        found.lines += range(number, number + len(records))
        found.carried.update({number + at: one for at, one in enumerate(carried) if one})
        return True

    def _carefully(self, lines: Sequence[Line], found: Found[GivenRecord]) -> None:
        for line in lines:
            if line.flaw is not None:
                found.errors.append(Unreadable(line.number, line.flaw))
            elif line.text.strip():
                read = self._reader.read(line.number, line.text)
                if isinstance(read, Unreadable):
                    found.errors.append(read)
                    continue
                record, carried = read
                found.taken.append(record)
                found.lines.append(line.number)
                if carried:
                    found.carried[line.number] = carried


class _BlockEnd(Exception):
    """The block is at its end, and more may follow."""


class _BlockLines:
    """The lines of a block, which can be given back. `at` is the place of the next one."""

    def __init__(self, count: int, line: Callable[[int], Line], *, final: bool) -> None:
        self.at = 0
        self.count = count
        self._line = line
        self._final = final

    def __next__(self) -> Line:
        if self.at == self.count:
            raise StopIteration if self._final else _BlockEnd
        line = self._line(self.at)
        self.at += 1
        return line

    def push_back(self, lines: list[Line]) -> None:
        """Give `lines`, the last that were taken, again."""
        self.at -= len(lines)


def _texts(plain: bytes, coding: Coding) -> list[str] | None:
    """Return the lines with their ends; None when there is something wrong with one of them."""
    if b"\0" in plain:
        return None
    if len(plain) > LINE_BYTES_MAX and max(map(len, plain.split(b"\n"))) > LINE_BYTES_MAX:
        return None
    try:
        text = plain.decode(coding.line_encoding)
    except UnicodeDecodeError:
        return None
    return list(io.StringIO(text, newline="\n"))


def _raw_lines(plain: bytes) -> list[bytes]:
    return list(io.BytesIO(plain))


def _reading(raw: Sequence[bytes], number: int, coding: Coding) -> Callable[[int], Line]:
    def line(at: int) -> Line:
        return line_of(number + at, raw[at], coding)

    return line
