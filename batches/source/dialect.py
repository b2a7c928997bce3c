"""How a file of records is written, found out from its beginning or told."""

import io
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import BinaryIO, cast

from msgspec import Struct

from batches.source.coding import Coding, EncodingError
from batches.source.errors import SourceError
from batches.source.lines import LINE_BYTES_MAX, Line, Lines
from batches.source.mapping import ColumnMapping, MappingError, mapping_of
from batches.source.table import COLUMNS_MAX, DELIMITER_NAMES, Table
from batches.source.unpacking import GZIP, NOT_WHAT_IT_SAYS, ZSTD

HEAD_BYTES = LINE_BYTES_MAX + (1 << 16)
"""What is looked at: more than the longest line, so that one that is too long is seen to be."""
COLUMNS_NAMED_MAX = 20
"""How many columns a message names."""
NO_FILES_OF_RECORDS: Mapping[bytes, str] = {
    b"PK\x03\x04": "a ZIP archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"PAR1": "a Parquet file",
    b"%PDF": "a PDF document",
    b"SQLite format 3": "a database",
    b"BZh": "packed with bzip2",
    b"\xfd7zXZ": "packed with xz",
    b"7z\xbc\xaf": "a 7-Zip archive",
    GZIP: "packed twice",
    ZSTD: "packed twice",
    b"<": "a web page or XML",
}
"""How files begin that people send by mistake, and what they then are."""


class Format(Enum):
    """How records are written."""

    CSV = "csv"
    NDJSON = "ndjson"


class Wishes(Struct, frozen=True, omit_defaults=True):
    """What a client says of its file; None is: find out.

    `maps` are texts such as `E-Mail=email`.
    """

    format: Format | None = None
    delimiter: str | None = None
    encoding: str | None = None
    maps: tuple[str, ...] = ()


class Dialect(Struct, frozen=True, omit_defaults=True):
    """How a file is written. `mapping` is None for NDJSON.

    Records begin at the byte `begin`, on the line `line`, the first being 1.
    """

    format: Format
    coding: Coding
    begin: int
    line: int
    delimiter: str = ","
    mapping: ColumnMapping | None = None


def dialect_of(head: bytes, wishes: Wishes, names: Sequence[str] = ()) -> Dialect:
    """Return how the file is written that begins with `head`; a record can have fields `names`.

    Raises:
        SourceError: it is no file of records, or not as `wishes` say.
    """
    for begins, what in NO_FILES_OF_RECORDS.items():
        if head.startswith(begins):
            raise SourceError(
                NOT_WHAT_IT_SAYS, f"The file is {what}. Send CSV or NDJSON, packed once at most."
            )
    lines = _lines(head, wishes.encoding)
    coding = lines.coding
    first = _first(lines)
    if first is None:
        raise SourceError("EMPTY_FILE", "The file is empty: there is not even a header.")
    chosen = _format(first.text.strip().lstrip("\ufeff"), wishes)
    if chosen is Format.NDJSON:
        if wishes.maps:
            raise SourceError(
                "BAD_MAP",
                f"map={wishes.maps[0]}: the file is NDJSON, whose fields are named as in"
                " RecordInput. Name them so, or send CSV.",
            )
        return Dialect(chosen, coding, coding.mark, 1)
    table, mapping = _table(lines, wishes, names)
    rows = lines.ahead(1)
    line = rows[0].number if rows else lines.count + 1
    begin = coding.mark + coding.after(head[coding.mark :], line - 1)
    return Dialect(chosen, coding, begin, line, table.delimiter, mapping)


def _lines(head: bytes, encoding: str | None) -> Lines:
    try:
        return Lines(cast("BinaryIO", io.BytesIO(head)), encoding)
    except EncodingError as error:
        raise SourceError("BAD_ENCODING", f"encoding={error}") from None


def _first(lines: Lines) -> Line | None:
    """Return the first line that is not blank, without taking it."""
    count = 1
    while True:
        found = lines.ahead(count)
        first = next((line for line in found if line.flaw or line.text.strip()), None)
        if first is not None or len(found) < count:
            return first
        count *= 2


def _format(first: str, wishes: Wishes) -> Format:
    """Return the format of a file with this first line.

    Raises:
        SourceError: it is not the one that was told.
    """
    brace = first.startswith("{")
    if wishes.format is not Format.CSV and (first.startswith("[") or first == "{"):
        raise SourceError(
            NOT_WHAT_IT_SAYS,
            "The file is one JSON text over its whole length. Send NDJSON, one object a line;"
            " jq -c '.[]' makes it of an array.",
        )
    if wishes.format is Format.NDJSON and not brace:
        raise SourceError(
            NOT_WHAT_IT_SAYS,
            "The file is said to be NDJSON, and its first line is no object. If it is CSV, send"
            " Content-Type: text/csv.",
        )
    if wishes.format is Format.CSV and brace:
        raise SourceError(
            NOT_WHAT_IT_SAYS,
            "The file is said to be CSV, and its first line is a JSON object. If it is NDJSON, send"
            " Content-Type: application/x-ndjson.",
        )
    return Format.NDJSON if brace else Format.CSV


def _table(lines: Lines, wishes: Wishes, names: Sequence[str]) -> tuple[Table, ColumnMapping]:
    table = Table(lines, _delimiter(wishes.delimiter))
    if table.flaw:
        hint = " If it is UTF-16, say encoding=utf-16-le." if "NUL" in table.flaw else ""
        raise SourceError("BAD_HEADER", table.flaw + hint)
    if len(table.columns) > COLUMNS_MAX:
        raise SourceError(
            "TOO_MANY_COLUMNS",
            f"The header has {len(table.columns):,} columns, and {COLUMNS_MAX:,} are the most.",
        )
    try:
        mapping = mapping_of(table.columns, wishes.maps, names)
    except MappingError as error:
        raise SourceError("BAD_MAP", f"map={error}") from None
    if not mapping.fields:
        raise SourceError("NOTHING_TO_VALIDATE", _nothing(table))
    return table, mapping


def _delimiter(told: str | None) -> str | None:
    delimiter = {"tab": "\t", "\\t": "\t"}.get(told or "", told)
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n\0'):
        raise SourceError("BAD_DELIMITER", f"delimiter={told!r}: give one character, or tab.")
    return delimiter


def _nothing(table: Table) -> str:
    shown = ", ".join(map(repr, table.columns[:COLUMNS_NAMED_MAX]))
    more = len(table.columns) - COLUMNS_NAMED_MAX
    if more > 0:
        shown += f" and {more:,} more"
    if len(table.columns) == 1:
        delimiter = DELIMITER_NAMES.get(table.delimiter, repr(table.delimiter))
        return (
            f"The header has one column, {shown}, when read with {delimiter} between cells. If that"
            " is wrong, name what is between them: delimiter=;. If it is right, say what it is:"
            " map=COLUMN=email. The first line must name the columns."
        )
    return (
        f"No column has a name that is known here: {shown}. Say what they are, for example"
        f" map={table.columns[0]}=email. The first line must name the columns."
    )
