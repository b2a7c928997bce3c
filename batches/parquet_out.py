"""Results as Parquet: the columns of the CSV, reason codes as lists, a row group at a time.

Import it where it is used, and in a thread: pyarrow takes a quarter of a second and 50 MB.
"""

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from batches.decided import Decided
from batches.shapes import PARTS, Own, our_columns
from verdicts.facts import attribute_of
from verdicts.verdict import Status

arrow, parquet = cast("Any", pa), cast("Any", pq)  # they have no types
GROUP_ROWS = 10_000
"""Rows that are in memory before they are written as one group; the last has fewer."""
COMPRESSION = "zstd"
_NAMES = {id(status): status.value for status in Status}


class ParquetWriter:
    """Own columns, `status`, then `FIELD_status`, `FIELD_normalized`, `FIELD_reasons` each."""

    def __init__(self, own: Own, fields: Sequence[str]) -> None:
        ours = our_columns(own.names, fields)
        word, text, codes = (
            arrow.dictionary(arrow.int32(), arrow.string()),
            arrow.string(),
            arrow.list_(arrow.string()),
        )
        types = [*(text for _ in own.names), word, *([word, text, codes] * len(fields))]
        assert len(types) == len(own.names) + 1 + len(PARTS) * len(fields)
        names = _unlike([*own.names, *ours])
        # its own allocator keeps 20 MB more, to be quick where there are many threads
        arrow.set_memory_pool(arrow.system_memory_pool())
        self._own = own
        self._getters = [attrgetter(attribute_of(name)) for name in fields]
        self._schema: Any = arrow.schema(list(zip(names, types, strict=True)))
        self._sink = _Sink()
        self._writer: Any = parquet.ParquetWriter(
            arrow.PythonFile(self._sink, mode="w"), self._schema, compression=COMPRESSION
        )
        self._waiting: list[Any] = []
        self._rows = 0

    def head(self) -> bytes:
        """Return the magic number."""
        return self._sink.taken()

    def rows(self, chunk: Decided, places: Sequence[int]) -> bytes:
        """Return the row groups that are full by now."""
        results = [result for place in places if (result := chunk.results[place]) is not None]
        cells: list[Sequence[Any]] = [*self._own.cells(chunk, places, results)]
        cells.append([_NAMES[id(result.status)] for result in results])
        for getter in self._getters:
            cells += _said(map(getter, results))
        arrays: list[Any] = [
            arrow.array(column, field.type)
            if not arrow.types.is_dictionary(field.type)
            else arrow.array(column, arrow.string()).dictionary_encode()
            for column, field in zip(cells, self._schema, strict=True)
        ]
        self._waiting.append(arrow.record_batch(arrays, schema=self._schema))
        self._rows += len(places)
        if self._rows >= GROUP_ROWS:
            self._write()
        return self._sink.taken()

    def end(self) -> bytes:
        """Return the last group and the footer."""
        if self._waiting:
            self._write()
        self._writer.close()
        return self._sink.taken()

    def _write(self) -> None:
        table: Any = arrow.Table.from_batches(self._waiting, self._schema)
        self._writer.write_table(table, row_group_size=self._rows)
        self._waiting.clear()
        self._rows = 0


class _Sink:
    """Where pyarrow writes: what came so far is taken away piece by piece."""

    def __init__(self) -> None:
        self.closed = False
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Do nothing: there is nothing behind this."""

    def close(self) -> None:
        self.closed = True

    def taken(self) -> bytes:
        """Return what was written since the last time."""
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken


def _said(
    verdicts: Iterable[Any],
) -> tuple[list[str | None], list[str | None], list[list[str] | None]]:
    """Return status, canonical value and reason codes of each verdict, None where there is none."""
    statuses: list[str | None] = []
    normalized: list[str | None] = []
    codes: list[list[str] | None] = []
    known: dict[int, list[str]] = {}  # verdicts of equal findings share their reasons
    for verdict in verdicts:
        if verdict is None:
            statuses.append(None)
            normalized.append(None)
            codes.append(None)
            continue
        statuses.append(_NAMES[id(verdict.status)])
        normalized.append(verdict.normalized)
        reasons = verdict.reasons
        found = known.get(id(reasons))
        if found is None:
            found = list(dict.fromkeys(reason.code.value for reason in reasons))
            known[id(reasons)] = found
        codes.append(found)
    return statuses, normalized, codes


def _unlike(names: Sequence[str]) -> list[str]:
    """Return `names`, each once: readers of Parquet find columns by name.

    >>> _unlike(["a", "", "a", "a_2"])
    ['a', 'column_2', 'a_3', 'a_2']
    """
    taken = set(names)
    found: set[str] = set()
    unlike: list[str] = []
    for place, name in enumerate(names, 1):
        own = name or f"column_{place}"
        number = 2
        base = own
        while own in found or (own != name and own in taken):
            own = f"{base}_{number}"
            number += 1
        found.add(own)
        unlike.append(own)
    return unlike
