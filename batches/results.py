"""Results of a chunk as bytes and back: by columns, what several records share written once.

Which classes there are is the configuration's business, so each field's attributes are named: what
an older configuration wrote is read as far as the newer one knows it, and of a kind that it does
not know, what every verdict says.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import repeat
from operator import attrgetter
from typing import Any, TypeVar, cast

import msgspec
from msgspec import Struct

from batches.chunk import ChunkResults, Claimed
from batches.columns import (
    STATUS_NUMBERS,
    STATUSES,
    Field,
    KindColumns,
    RawField,
    heads_of,
    without_rows,
)
from batches.counts import Counts, counted, counted_alike
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
    fields: dict[str, Field]


class _RawPacked(Struct, array_like=True):
    format: int
    places: int | list[int]
    statuses: bytes
    refs: list[str | None] | None
    fields: dict[str, RawField]


class _Statuses(Struct, array_like=True):
    format: int
    places: msgspec.Raw
    statuses: bytes


R = TypeVar("R", _RawPacked, _Statuses)
_ref, _status = attrgetter("ref"), attrgetter("status")
_verdicts, _kind = attrgetter("verdicts"), attrgetter("kind")
_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(_RawPacked)
_status_decoder = msgspec.msgpack.Decoder(_Statuses)


class Results:
    """Turns results of records of the given kinds into bytes, and bytes into results."""

    def __init__(self, kinds: Sequence[KindModule], made: type[RecordResult] | None = None) -> None:
        """Make results of class `made`, the one of `kinds` if it is not given."""
        self._made = cast("Callable[..., Any]", made or result_class(kinds))
        _ref, _index, _status, *names, _verdicts = cast("Any", self._made).__struct_fields__
        self._names = cast("list[str]", names)
        self._kinds: Mapping[str, KindColumns] = {
            module.KIND.field: KindColumns(module) for module in kinds
        }
        self._by_name = {kind.name: kind for kind in self._kinds.values()}

    def packed(self, places: Sequence[int], results: Sequence[RecordResult]) -> bytes:
        """Return `results`, of the records at `places` of their chunk, as bytes."""
        return self._packed(places, results, self._fields(results))

    def packed_and_counted(
        self, places: Sequence[int], results: Sequence[RecordResult]
    ) -> tuple[bytes, Counts]:
        """Return what `packed` returns, and the counts of `results`: cheaper than one by one."""
        fields = self._fields(results)
        (field, *more) = fields.values() or (None,)
        if field is None or more or field.places is not None:
            counts = counted(results)
        else:  # a record's status is that of its only verdict
            table = field.decided
            statuses = [STATUSES[number] for number in table.statuses]
            counts = counted_alike(field.kind, statuses, table.reasons, field.numbers)
        return self._packed(places, results, fields), counts

    def _packed(
        self,
        places: Sequence[int],
        results: Sequence[RecordResult],
        fields: dict[str, Field],
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
            StoreUnreadable: `blob` is not what `packed` makes, or a newer Assay's made it.
        """
        found = _read(_decoder, blob)
        count = len(found.statuses)
        places = found.places
        if isinstance(places, int):
            places = range(places, places + count)
        columns = {
            name: _spread(kind.unpacked(field), field.places, count)
            for name, kind in self._kinds.items()
            if (field := found.fields.get(name)) is not None
        }
        foreign = [
            _spread(list(map(cast("Any", Head), *heads_of(field))), field.places, count)
            for name, field in found.fields.items()
            if name not in self._kinds
        ]
        made = list(
            map(
                self._made,
                found.refs or repeat(None),
                [first_index + place for place in places],
                map(STATUSES.__getitem__, found.statuses),
                *(columns.get(name) or repeat(None) for name in self._names),
                _together([*columns.values(), *foreign], count),
            )
        )
        return places, made

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

    def blank(self, place: int) -> RecordResult:
        """Return what is said of a record that was erased before it was decided."""
        return self._made(None, place, Status.UNKNOWN)

    def without(self, blob: bytes, places: AbstractSet[int]) -> bytes:
        """Return `blob` with nothing left of the records at `places` but how they were decided.

        Raises StoreUnreadable, as `unpacked`.
        """
        raw = _read(_decoder, blob)
        decided, found = self.unpacked(blob)
        results = [
            _bare(result) if place in places else result
            for place, result in zip(decided, found, strict=True)
        ]
        rows = {row for row, place in enumerate(decided) if place in places}
        foreign = {
            name: without_rows(field, rows)
            for name, field in raw.fields.items()
            if name not in self._kinds
        }
        return self._packed(decided, results, self._fields(results) | foreign)

    def statuses(self, blob: bytes) -> list[Status]:
        """Return the status of each result, without reading more than that."""
        return [STATUSES[number] for number in _read(_status_decoder, blob).statuses]

    def _fields(self, results: Sequence[RecordResult]) -> dict[str, Field]:
        together = list(map(_verdicts, results))
        if list(map(len, together)).count(1) == len(together):  # as it mostly is
            only = [verdict for (verdict,) in together]
            if len(set(map(_kind, only))) == 1:
                kind = self._by_name.get(only[0].kind)
                return {} if kind is None else {kind.field: kind.packed(only, None)}
        fields: dict[str, Field] = {}
        for name, kind in self._kinds.items():
            verdicts = list(map(attrgetter(name), results))
            absent = verdicts.count(None)
            if not absent and verdicts:
                fields[name] = kind.packed(verdicts, None)
            elif absent < len(verdicts):
                at = [place for place, one in enumerate(verdicts) if one is not None]
                fields[name] = kind.packed([verdicts[place] for place in at], at)
        return fields


def _bare(result: RecordResult) -> RecordResult:
    """Return `result` with its statuses and reasons alone."""
    bare: dict[Any, Any] = {id(one): _bare_verdict(one) for one in result.verdicts}
    fields: dict[str, Any] = {name: getattr(result, name) for name in result.__struct_fields__}
    fields = {name: bare.get(id(value), value) for name, value in fields.items()}
    fields |= {"ref": None, "verdicts": tuple(bare.values())}
    return type(result)(**fields)


def _bare_verdict(verdict: Head) -> Head:
    head: dict[str, Any] = {name: getattr(verdict, name) for name in Head.__struct_fields__}
    head |= {"input": "", "normalized": None, "outcomes": ()}
    return type(verdict)(**head)


def _spread(verdicts: list[Any], places: Sequence[int] | None, count: int) -> list[Any]:
    """Return one verdict for each of `count` results, None where it has none."""
    if places is None:
        return verdicts
    column: list[Any] = [None] * count
    for place, verdict in zip(places, verdicts, strict=True):
        column[place] = verdict
    return column


def _read(decoder: "msgspec.msgpack.Decoder[R]", blob: bytes) -> R:
    try:
        found = decoder.decode(blob)
    except msgspec.DecodeError as error:
        raise StoreUnreadable(f"results that cannot be read: {error}") from error
    if found.format != FORMAT:
        raise StoreUnreadable(f"results are in format {found.format}: a newer Assay wrote them")
    return found


def _together(columns: Sequence[Sequence[Any]], count: int) -> Iterable[tuple[Any, ...]]:
    """Return the verdicts of each of `count` results, in the order of `columns`."""
    if not columns:
        return repeat((), count)
    rows = zip(*columns, strict=True)
    if not any(column.count(None) for column in columns):
        return rows
    return [tuple(one for one in row if one is not None) for row in rows]


def _short(places: Sequence[int]) -> int | list[int]:
    """Return the first place where they follow on each other."""
    if places and list(places) == list(range(places[0], places[0] + len(places))):
        return places[0]
    return list(places)
