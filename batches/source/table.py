"""Records out of a CSV file, row by row; a row that can't be read is told and passed over."""

import csv
from collections.abc import Iterator, Sequence
from typing import Protocol

from msgspec import Struct

from batches.source.lines import Line, Lines

DELIMITERS = ",;\t|"
COLUMNS_MAX = 1000
FIELD_CHARACTERS_MAX = 65_536
ROW_LINES_MAX = 1000
ROW_CHARACTERS_MAX = 1 << 20
ROW_LINES_AT_LEAST = 10
LINES_IN_VAIN_MAX = 50_000
SNIFFED_LINES = 50
DELIMITER_NAMES = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "bar"}


class Row(Struct, frozen=True):
    """One row; `line` is the number of its first line in the file, the first being 1."""

    line: int
    cells: Sequence[str]


class Unreadable(Struct, frozen=True):
    """A row that can't be read, and why."""

    line: int
    why: str


class Source(Protocol):
    """Lines that can be given back."""

    def __next__(self) -> Line: ...
    def push_back(self, lines: list[Line]) -> None:
        """Give `lines` again, before all others."""
        ...


class Patience:
    """How many lines may still be read in vain, for quotes that are never closed.

    Each costs the lines behind it, up to `ROW_LINES_MAX`, which are read again: a file full of
    them would take a thousand times as long. So what is read in vain may come to as much as what
    was read for good, and some more.
    """

    def __init__(self) -> None:
        self._left = LINES_IN_VAIN_MAX

    @property
    def row_lines_max(self) -> int:
        """How many lines the next row may have."""
        return min(ROW_LINES_MAX, ROW_LINES_AT_LEAST + self._left)

    def read(self, lines: int) -> None:
        """Take note of lines that were good."""
        self._left = min(LINES_IN_VAIN_MAX, self._left + lines)

    def read_in_vain(self, lines: int) -> None:
        """Take note of lines that will be read again."""
        self._left = max(0, self._left - lines)


class Rows:
    """The rows in lines, one by one. `blank` counts empty lines.

    What `lines` raises passes through; the lines of the row that it broke off are given back
    before.
    """

    def __init__(self, lines: Source, delimiter: str, patience: Patience | None = None) -> None:
        """Read rows out of `lines`, with `delimiter` between their cells."""
        csv.field_size_limit(FIELD_CHARACTERS_MAX)
        self.blank = 0
        self._patience = patience or Patience()
        self._lines = lines
        self._delimiter = delimiter

    def __iter__(self) -> Iterator[Row | Unreadable]:
        """Yield every row, of whatever width."""
        while True:
            taken: list[Line] = []
            reader = csv.reader(self._texts(taken), delimiter=self._delimiter, strict=True)
            try:
                cells = next(reader, None)
            except csv.Error as error:
                # One wrong quote must not swallow the rows below: they are read again.
                self._lines.push_back(taken[1:])
                self._patience.read_in_vain(len(taken) - 1)
                flaw = taken[-1].flaw or _why(error, len(taken))
                yield Unreadable(taken[0].number, flaw)
                continue
            except Exception:
                self._lines.push_back(taken)
                raise
            if cells is None:
                return
            self._patience.read(len(taken))
            if cells:
                yield Row(taken[0].number, cells)
            else:
                self.blank += 1

    def _texts(self, taken: list[Line]) -> Iterator[str]:
        characters = 0
        lines_max = self._patience.row_lines_max
        while True:
            try:
                line = next(self._lines)
            except StopIteration:
                return
            taken.append(line)
            characters += len(line.text)
            too_much = len(taken) > lines_max or characters > ROW_CHARACTERS_MAX
            if line.flaw or (too_much and len(taken) > 1):
                raise csv.Error("unexpected end of data")
            yield line.text


class Table:
    """A CSV file: its header, then its rows, in constant memory. `blank` counts empty lines."""

    def __init__(self, lines: Lines, delimiter: str | None = None) -> None:
        """Read the header; find out the delimiter, unless told."""
        self.lines = lines
        self.delimiter = delimiter or _sniffed(lines.ahead(SNIFFED_LINES))
        self.columns: Sequence[str] = ()
        self.flaw: str | None = None
        """What is wrong with the header: then there are no columns."""
        self._rows = Rows(lines, self.delimiter)
        for found in self._rows:
            if isinstance(found, Unreadable):
                self.flaw = f"Line {found.line}, the header, {found.why}."
            else:
                self.columns = [cell.strip() for cell in found.cells]
            break

    @property
    def blank(self) -> int:
        """How many empty lines there were so far."""
        return self._rows.blank

    def __iter__(self) -> Iterator[Row | Unreadable]:
        """Yield every row after the header."""
        width = len(self.columns)
        for found in self._rows:
            if isinstance(found, Row) and len(found.cells) != width:
                yield Unreadable(found.line, uneven(len(found.cells), width))
            else:
                yield found


def uneven(cells: int, width: int) -> str:
    """Return what is wrong with a row of so many cells, where the header has `width`."""
    return f"has {_count(cells, 'cell')} and the header {_count(width, 'column')}"


def _why(error: csv.Error, lines: int) -> str:
    message = str(error)
    if "field limit" in message and lines == 1:
        return f"has a cell of more than {FIELD_CHARACTERS_MAX:,} characters"
    if "field limit" in message or "end of data" in message:
        return "opens a quote that is never closed"
    if "new-line" in message:
        return "has a carriage return in the middle of a cell (put the cell into quotes)"
    return "has a quote in the middle of a cell (inside quotes, write it twice)"


def _sniffed(lines: Sequence[Line]) -> str:
    """Return the delimiter that splits most of `lines` like the first one, into most cells."""
    texts = [line.text for line in lines if line.text.strip()]
    best = (0.0, 0)
    found = DELIMITERS[0]
    for delimiter in DELIMITERS:
        widths = [_width(text, delimiter) for text in texts]
        if not widths or widths[0] < 2:  # noqa: PLR2004 - one cell is not split at all
            continue
        score = (widths.count(widths[0]) / len(widths), widths[0])
        if score > best:
            best, found = score, delimiter
    return found


def _width(text: str, delimiter: str) -> int:
    try:
        return sum(len(row) for row in csv.reader([text], delimiter=delimiter))
    except csv.Error:
        return 0


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
