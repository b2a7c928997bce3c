"""Records out of a CSV file, row by row; a row that can't be read is told and passed over."""

import csv
from collections.abc import Iterator, Sequence

from msgspec import Struct

from batches.source.lines import Line, Lines

DELIMITERS = ",;\t|"
FIELD_CHARACTERS_MAX = 65_536
ROW_LINES_MAX = 1000
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


class Table:
    """A CSV file: its header, then its rows, in constant memory. `blank` counts empty lines."""

    def __init__(self, lines: Lines, delimiter: str | None = None) -> None:
        """Read the header; find out the delimiter, unless told."""
        csv.field_size_limit(FIELD_CHARACTERS_MAX)
        self.lines = lines
        self.delimiter = delimiter or _sniffed(lines.ahead(SNIFFED_LINES))
        self.blank = 0
        self.columns: Sequence[str] = ()
        self.flaw: str | None = None
        """What is wrong with the header: then there are no columns."""
        for found in self._rows():
            if isinstance(found, Unreadable):
                self.flaw = f"Line {found.line}, the header, {found.why}."
            else:
                self.columns = [cell.strip() for cell in found.cells]
            break

    def __iter__(self) -> Iterator[Row | Unreadable]:
        """Yield every row after the header."""
        width = len(self.columns)
        for found in self._rows():
            if isinstance(found, Row) and len(found.cells) != width:
                cells = _count(len(found.cells), "cell")
                columns = _count(width, "column")
                yield Unreadable(found.line, f"has {cells} and the header {columns}")
            else:
                yield found

    def _rows(self) -> Iterator[Row | Unreadable]:
        while True:
            taken: list[Line] = []
            reader = csv.reader(self._texts(taken), delimiter=self.delimiter, strict=True)
            try:
                cells = next(reader, None)
            except csv.Error as error:
                # One wrong quote must not swallow the rows below: they are read again.
                self.lines.push_back(taken[1:])
                yield Unreadable(taken[0].number, _why(error, len(taken)))
                continue
            if cells is None:
                return
            flaw = next((line.flaw for line in taken if line.flaw), None)
            if flaw is not None:
                self.lines.push_back(taken[1:])
                yield Unreadable(taken[0].number, flaw)
            elif cells:
                yield Row(taken[0].number, cells)
            else:
                self.blank += 1

    def _texts(self, taken: list[Line]) -> Iterator[str]:
        for line in self.lines:
            taken.append(line)
            if len(taken) > ROW_LINES_MAX:
                raise csv.Error("unexpected end of data")
            yield line.text


def _why(error: csv.Error, lines: int) -> str:
    message = str(error)
    if "field limit" in message and lines == 1:
        return f"has a cell of more than {FIELD_CHARACTERS_MAX:,} characters"
    if "field limit" in message or "end of data" in message:
        return "opens a quote that is never closed"
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
