"""Results of a chunk as bytes and back: by columns, what several records share written once.

The verdicts of one field stand together, attribute by attribute. Texts stand as they are; objects
that verdicts share by identity (what a bulk call found of many values, the facts of one domain)
stand once, in a table, and each verdict has the number of its own. Which classes there are is the
configuration's business, so each field's attributes are named: what an older configuration wrote
is read as far as the newer one knows it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from operator import attrgetter
from typing import Any, cast

import msgspec
from msgspec import Struct

from batches.chunk import ChunkResults, Claimed
from batches.columns import STATUS_NUMBERS, STATUSES, Column, KindColumns, RawColumn, heads, spread
from batches.counts import Counts, Tally, counted
from batches.errors import StoreUnreadable
from checks.declared import result_class
from checks.kinds import KindModule
from verdicts.verdict import Head, RecordResult, Status

FORMAT = 1
"""Grows when what is written can't be read by the rule of before."""


class _Packed(Struct, array_like=True, gc=False):
    """The results of some records of a chunk, in the order in which they were decided."""

    format: int
    places: int | Sequence[int]
    statuses: bytes
    refs: Sequence[str | None] | None
    fields: Sequence[Column]


class _RawPacked(Struct, array_like=True):
    format: int
    places: int | list[int]
    statuses: bytes
    refs: list[str | None] | None
    fields: list[RawColumn]


class _Written(Struct, array_like=True):
    format: int


class _Statuses(Struct, array_like=True):
    format: int
    places: msgspec.Raw
    statuses: bytes


_ref, _status = attrgetter("ref"), attrgetter("status")
_verdicts, _kind = attrgetter("verdicts"), attrgetter("kind")
_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(_RawPacked)
_format_decoder = msgspec.msgpack.Decoder(_Written)
_status_decoder = msgspec.msgpack.Decoder(_Statuses)


class Results:
    """Turns results of records of the given kinds into bytes, and bytes into results."""

    def __init__(self, kinds: Sequence[KindModule], made: type[RecordResult] | None = None) -> None:
        """Make results of class `made`, the one of `kinds` if it is not given."""
        self._made = cast("Callable[..., Any]", made or result_class(kinds))
        _ref, _index, _status, *names, _verdicts = cast("Any", self._made).__struct_fields__
        self._names = cast("list[str]", names)
        self._kinds: Mapping[str, KindColumns] = {
            module.KIND.name: KindColumns(module) for module in kinds
        }

    def packed(self, places: Sequence[int], results: Sequence[RecordResult]) -> bytes:
        """Return `results`, of the records at `places` of their chunk, as bytes."""
        return self._packed(places, results, self._fields(results))

    def packed_and_counted(
        self, places: Sequence[int], results: Sequence[RecordResult]
    ) -> tuple[bytes, Counts]:
        """Return what `packed` does, and the counts of `results`."""
        fields = self._fields(results)
        whole = len(fields) == 1 and fields[0].places is None and fields[0].numbers is not None
        counts = _counts(fields[0]) if whole else counted(results)
        return self._packed(places, results, fields), counts

    def _packed(
        self, places: Sequence[int], results: Sequence[RecordResult], fields: Sequence[Column]
    ) -> bytes:
        refs = list(map(_ref, results))
        unnamed = refs.count(None) == len(refs)
        statuses = bytes(map(STATUS_NUMBERS.__getitem__, map(id, map(_status, results))))
        return _encode(_Packed(FORMAT, _short(places), statuses, None if unnamed else refs, fields))

    def unpacked(
        self, blob: bytes, first_index: int = 0
    ) -> tuple[Sequence[int], list[RecordResult]]:
        """Return the places that `packed` was given, and the results.

        The index of a result is `first_index`, that of its chunk's first record, and its place.

        Raises:
            StoreUnreadable: `blob` is nothing that this version can read.
        """
        try:
            written = _format_decoder.decode(blob).format
            if written != FORMAT:
                raise StoreUnreadable(f"results are in format {written}: a newer Assay wrote them")
            found = _decoder.decode(blob)
        except msgspec.DecodeError as error:
            raise StoreUnreadable(f"results that cannot be read: {error}") from error
        number = len(found.statuses)
        places = found.places
        if isinstance(places, int):
            places = range(places, places + number)
        columns: dict[str, Sequence[Any]] = {}
        present: list[Sequence[Any]] = []
        kept = {field.kind: field for field in found.fields}
        for name, kind in self._kinds.items():
            if (field := kept.pop(name, None)) is not None:
                columns[kind.field] = column = spread(field, kind.unpacked(field), number)
                present.append(column)
        for field in kept.values():  # of a kind that is configured no longer
            bare: list[Any] = list(map(cast("Callable[..., Any]", Head), *heads(field)))
            present.append(spread(field, bare, number))
        return places, list(
            map(
                self._made,
                found.refs or repeat(None, number),
                [first_index + place for place in places],
                map(STATUSES.__getitem__, found.statuses),
                *(columns.get(name, repeat(None, number)) for name in self._names),
                _together(present, number),
            )
        )

    def decided(self, chunk: Claimed | ChunkResults) -> list[RecordResult]:
        """Return all results of a chunk that stand, in the order in which they were decided."""
        blobs = [blob for blob in (chunk.results, *chunk.parts) if blob is not None]
        reopened = chunk.reopened_parts + (chunk.results is not None) if chunk.reopened else 0
        standing: list[RecordResult] = []
        for number, blob in enumerate(blobs):
            _, found = self.unpacked(blob, chunk.first_index)
            if number < reopened:
                found = [one for one in found if one.status not in chunk.reopened]
            standing += found
        return standing

    def statuses(self, blob: bytes) -> list[Status]:
        """Return the status of each result, without reading more than that."""
        return [STATUSES[number] for number in _status_decoder.decode(blob).statuses]

    def _fields(self, results: Sequence[RecordResult]) -> list[Column]:
        together = list(map(_verdicts, results))
        if together and all(len(verdicts) == 1 for verdicts in together):  # as it mostly is
            only = [verdict for (verdict,) in together]
            if len(set(map(_kind, only))) == 1:
                return [self._kinds[only[0].kind].packed(only, None)]
        fields: list[Column] = []
        for kind in self._kinds.values():
            verdicts = list(map(attrgetter(kind.field), results))
            absent = verdicts.count(None)
            if not absent and verdicts:
                fields.append(kind.packed(verdicts, None))
            elif absent < len(verdicts):
                at = [place for place, one in enumerate(verdicts) if one is not None]
                fields.append(kind.packed([verdicts[place] for place in at], at))
        return fields


def _counts(field: Column) -> Counts:
    """Return the counts of results that have this one verdict each: its status is theirs."""
    decided, kind = field.decided, field.kind
    records: dict[str, int] = {}
    reasons: dict[str, dict[str, int]] = {}
    for at, number in Counter(field.numbers or ()).items():
        status = STATUSES[decided.statuses[at]].value
        records[status] = records.get(status, 0) + number
        for code in {reason.code.value for reason in decided.reasons[at]}:
            codes = reasons.setdefault(status, {})
            codes[code] = codes.get(code, 0) + number
    return Counts(
        {
            status: Tally(
                number,
                {kind: {status: number}},
                {kind: reasons[status]} if status in reasons else {},
            )
            for status, number in records.items()
        }
    )


def _together(columns: Sequence[Sequence[Any]], number: int) -> Iterable[Any]:
    """Return the verdicts of each record."""
    if not columns:
        return repeat((), number)
    whole = zip(*columns, strict=True)
    if all(column.count(None) == 0 for column in columns):
        return whole
    return (tuple(one for one in row if one is not None) for row in whole)


def _short(places: Sequence[int]) -> int | Sequence[int]:
    """Return the first place where they follow on each other."""
    if places and places[-1] - places[0] == len(places) - 1 and _rising(places):
        return places[0]
    return list(places)


def _rising(places: Sequence[int]) -> bool:
    return isinstance(places, range) or all(map(int.__lt__, places, places[1:]))
