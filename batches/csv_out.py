"""Results as CSV (RFC 4180): every cell quoted, in UTF-8."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from enum import Enum
from operator import attrgetter
from typing import Any

from batches.decided import Decided
from batches.shapes import Own, codes_text, our_columns
from verdicts.facts import attribute_of
from verdicts.reason import Reason
from verdicts.verdict import Status

# What a spreadsheet takes for a formula when a cell begins with it, in full width too.
_BEGINS = frozenset("=+-@\t\r\n\0＝＋－＠")  # noqa: RUF001 - full width on purpose
# A phone number in E.164 begins so too, does no harm, and must come back as it was.
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_NAMES = {id(status): status.value for status in Status}


class CsvDialect(Enum):
    """Whether cells that begin a formula get an apostrophe before them."""

    SAFE = "safe"
    RAW = "raw"


class CsvWriter:
    """Own columns, `status`, then `FIELD_status`, `FIELD_normalized`, `FIELD_reasons` each."""

    def __init__(
        self,
        own: Own,
        fields: Sequence[str],
        dialect: CsvDialect = CsvDialect.SAFE,
    ) -> None:
        self._own = own
        self._getters = [attrgetter(attribute_of(name)) for name in fields]
        self._header = [*own.names, *our_columns(own.names, fields)]
        self._safe = dialect is CsvDialect.SAFE
        self._text = io.StringIO(newline="")
        self._writer = csv.writer(self._text, quoting=csv.QUOTE_ALL, lineterminator="\n")

    def head(self) -> bytes:
        """Return the header."""
        return self._rows([self._guarded(self._header)])

    def rows(self, chunk: Decided, places: Sequence[int]) -> bytes:
        """Return one line a record."""
        results = [result for place in places if (result := chunk.results[place]) is not None]
        cells = [self._guarded(column) for column in self._own.cells(chunk, places, results)]
        cells.append([_NAMES[id(result.status)] for result in results])
        for getter in self._getters:
            statuses, normalized, codes = _said(map(getter, results))
            cells += (statuses, self._guarded(normalized), codes)
        return self._rows(zip(*cells, strict=True))

    def end(self) -> bytes:
        """Return nothing: every line stands for itself."""
        return b""

    def _guarded(self, cells: Sequence[str | None]) -> Sequence[str | None]:
        if not self._safe:
            return cells
        return [
            "'" + cell if cell and cell[0] in _BEGINS and not _E164.fullmatch(cell) else cell
            for cell in cells
        ]

    def _rows(self, rows: Iterable[Sequence[str | None]]) -> bytes:
        self._writer.writerows(rows)
        written = self._text.getvalue().encode("utf-8", "replace")
        self._text.seek(0)
        self._text.truncate()
        return written


def _said(verdicts: Iterable[Any]) -> tuple[list[str], list[str], list[str]]:
    """Return status, canonical value and reason codes of each verdict, empty without one."""
    statuses: list[str] = []
    normalized: list[str] = []
    codes: list[str] = []
    known: dict[int, str] = {}  # verdicts of equal findings share their reasons
    for verdict in verdicts:
        if verdict is None:
            statuses.append("")
            normalized.append("")
            codes.append("")
            continue
        statuses.append(_NAMES[id(verdict.status)])
        normalized.append(verdict.normalized or "")
        reasons: tuple[Reason, ...] = verdict.reasons
        text = known.get(id(reasons))
        if text is None:
            text = known[id(reasons)] = codes_text(reason.code.value for reason in reasons)
        codes.append(text)
    return statuses, normalized, codes
