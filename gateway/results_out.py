"""Results into a file: the client's own columns first, then the verdicts; or full, as NDJSON.

A file is written beside its place under another name and moved there when it is whole, so that
nobody ever reads half of one.
"""

import csv
import io
import os
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import orjson

from batches.shapes import PARTS, codes_text, our_columns


class Results(Protocol):
    """How results are written down."""

    def head(self) -> bytes:
        """Return what stands before all results."""
        ...

    def written(
        self, line: int, given: Sequence[str] | Mapping[str, Any], result: Mapping[str, Any] | None
    ) -> bytes:
        """Return one result; None for a row that had nothing to validate."""
        ...


class CsvResults:
    """Own columns, `status`, then `FIELD_status`, `FIELD_normalized`, `FIELD_reasons` each."""

    def __init__(
        self, columns: Sequence[str], fields: Sequence[str], delimiter: str, *, mark: bool = False
    ) -> None:
        """`mark` begins the file with a byte order mark, which Excel needs to read UTF-8."""
        self._fields = fields
        self._mark = mark
        self._columns = columns
        self._header = [*columns, *our_columns(columns, fields)]
        self._text = io.StringIO()
        self._writer = csv.writer(self._text, delimiter=delimiter, lineterminator="\n")

    def head(self) -> bytes:
        """Return the header."""
        return (b"\xef\xbb\xbf" if self._mark else b"") + self._row(self._header)

    def written(
        self, line: int, given: Sequence[str] | Mapping[str, Any], result: Mapping[str, Any] | None
    ) -> bytes:
        """Return one row."""
        del line
        own = given
        if isinstance(given, Mapping):
            own = [_cell(given.get(name)) for name in self._columns]
        cells = [*own, result["status"] if result else ""]
        for name in self._fields:
            verdict = result.get(name) if result else None
            if verdict is None:
                cells += [""] * len(PARTS)
            else:
                codes = codes_text(reason["code"] for reason in verdict["reasons"])
                cells += (verdict["status"], verdict["normalized"] or "", codes)
        return self._row(cells)

    def _row(self, cells: Sequence[str]) -> bytes:
        self._writer.writerow(cells)
        row = self._text.getvalue().encode()
        self._text.seek(0)
        self._text.truncate()
        return row


def _cell(value: object) -> str:
    """Return a value of JSON as it stands in one cell: a text as itself, null as nothing."""
    if value is None or isinstance(value, str):
        return value or ""
    return orjson.dumps(value).decode()


class NdjsonResults:
    """One object a line: `line` in the input, `given` as it was, `result` as the API gives it."""

    def __init__(self, columns: Sequence[str] = ()) -> None:
        self._columns = columns

    def head(self) -> bytes:
        """Return nothing: every line stands for itself."""
        return b""

    def written(
        self, line: int, given: Sequence[str] | Mapping[str, Any], result: Mapping[str, Any] | None
    ) -> bytes:
        """Return one line."""
        if not isinstance(given, Mapping):
            given = dict(zip(self._columns, given, strict=True))
        return orjson.dumps(
            {"line": line, "given": given, "result": result}, option=orjson.OPT_APPEND_NEWLINE
        )


class Output(Protocol):
    """Where results go."""

    def write(self, data: bytes, /) -> object:
        """Write `data`; OSError when there is no room, or nobody reads."""
        ...


class OutputFile:
    """A file that gets its name when it is whole."""

    def __init__(self, path: Path) -> None:
        """Open a file beside `path`, readable by its owner alone; OSError when that can't be."""
        descriptor, name = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.name}.", suffix=".part"
        )
        self.path = path
        self.written = 0
        self._half = Path(name)
        self._stream = os.fdopen(descriptor, "wb")

    def write(self, data: bytes) -> None:
        """Write `data`; OSError when there is no room."""
        self._stream.write(data)
        self.written += 1

    def keep(self) -> None:
        """Give the file its name; OSError, and no file, when what was written can't be kept."""
        try:
            self._stream.flush()
            os.fsync(self._stream.fileno())
            self._stream.close()
            self._half.replace(self.path)
        except OSError:
            self.discard()
            raise

    def discard(self) -> None:
        """Leave nothing behind."""
        self._half.unlink(missing_ok=True)
        with suppress(OSError):  # closing writes what is left, and may find no room again
            self._stream.close()


@contextmanager
def output_file(path: Path) -> Generator[OutputFile]:
    """Write `path`, which appears when left.

    What was written so far is kept whatever ends the work (Ctrl-C, a gateway that is gone), but
    not when it can't be written: a full disk leaves no file.
    """
    output = OutputFile(path)
    try:
        yield output
    except OSError:
        output.discard()
        raise
    except BaseException:
        if output.written > 1:  # more than the header
            output.keep()
        else:
            output.discard()
        raise
    output.keep()
