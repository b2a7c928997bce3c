"""Results of a chunk as bytes and back: by columns, what several records share written once.

The verdicts of one field stand together, attribute by attribute. Texts stand as they are; objects
that verdicts share by identity (what a bulk call found of many values, the facts of one domain)
stand once, in a table, and each verdict has the number of its own. Which classes there are is the
configuration's business, so each field's attributes are named: what an older configuration wrote
is read as far as the newer one knows it, and of a kind that it does not know, what every verdict
says.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import repeat
from operator import attrgetter
from typing import Any, TypeAlias, TypeVar, cast, get_args, get_type_hints

import msgspec
from msgspec import Struct
from msgspec.structs import astuple

from batches.chunk import ChunkResults, Claimed
from batches.errors import StoreUnreadable
from checks.declared import result_class
from checks.kinds import KindModule, verdict_class
from verdicts.outcome import Outcome
from verdicts.reason import Reason
from verdicts.verdict import Head, RecordResult, Source, Status

Numbers: TypeAlias = Sequence[int | None]

FORMAT = 1
"""Grows when what is written can't be read by the rule of before."""
HEAD = len(Head.__struct_fields__)
MOSTLY = 1.25
"""Where fewer than one in five is shared, a table would only add to it."""

# by identity: enums hash slowly, and this runs for every value
_STATUSES: tuple[Status, ...] = tuple(Status)
_STATUS_NUMBERS = {id(status): number for number, status in enumerate(_STATUSES)}
_SOURCES: tuple[Source, ...] = tuple(Source)
_SOURCE_NUMBERS = {id(source): number for number, source in enumerate(_SOURCES)}


class _Decided(Struct, array_like=True, gc=False):
    """What verdicts of equal findings share: the last six attributes of `Head`, by columns."""

    statuses: bytes
    reasons: Sequence[tuple[Reason, ...]]
    outcomes: Sequence[tuple[Outcome, ...]]
    decided_at: Sequence[datetime]
    expires_at: Sequence[datetime | None]
    sources: bytes


class _Field(Struct, array_like=True, gc=False):
    """The verdicts of one field; `places` are of those results that have one, None: all.

    `normalized` is None where it is `inputs`, else it has True where it is the input. `numbers`
    are those of each verdict's own in `decided`, None where each has its own in their order.
    `columns` hold the attributes of the kind: see `_Column`.
    """

    places: Sequence[int] | None
    inputs: Sequence[str]
    normalized: Sequence[str | bool | None] | None
    numbers: Sequence[int] | None
    decided: _Decided
    columns: dict[str, Any]
    kind: str


class _Packed(Struct, array_like=True, gc=False):
    """The results of some records of a chunk, in the order in which they were decided."""

    format: int
    places: int | Sequence[int]
    statuses: bytes
    refs: Sequence[str | None] | None
    fields: dict[str, _Field]


class _RawField(Struct, array_like=True):
    places: list[int] | None
    inputs: list[str]
    normalized: list[str | bool | None] | None
    numbers: list[int] | None
    decided: "_RawDecided"
    columns: dict[str, msgspec.Raw]
    kind: str


class _RawDecided(Struct, array_like=True):
    statuses: bytes
    reasons: list[tuple[Reason, ...]]
    outcomes: list[tuple[Outcome, ...]]
    decided_at: list[datetime]
    expires_at: list[datetime | None]
    sources: bytes


class _RawPacked(Struct, array_like=True):
    format: int
    places: int | list[int]
    statuses: bytes
    refs: list[str | None] | None
    fields: dict[str, _RawField]


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


class _Column:
    """One attribute of the verdicts of one class.

    Plain values, and objects that stand as arrays, stand as a list. Other objects stand as a
    table of their attributes, and the number of each verdict's own.
    """

    def __init__(self, name: str, annotation: Any) -> None:  # noqa: ANN401 - a type
        self.name = name
        classes = [one for one in (annotation, *get_args(annotation)) if isinstance(one, type)]
        self._made = next((one for one in classes if issubclass(one, Struct)), None)
        if self._made is not None and self._made.__struct_config__.array_like:
            self._made = None
        kept: Any = list[annotation]
        if self._made is not None:
            kept = tuple[list[_row_class(self._made) | None], list[int] | None]
        self._decode = msgspec.msgpack.Decoder(kept).decode

    def packed(self, values: Sequence[Any]) -> object:
        """Return the attribute of all verdicts, as it is encoded."""
        if self._made is None:
            return values
        numbers, own = _numbered(list(map(id, values)))
        table = [None if values[at] is None else astuple(values[at]) for at in own]
        return (table, numbers)

    def unpacked(self, raw: msgspec.Raw) -> Iterable[Any]:
        """Return the attribute of each verdict: None where it was declared otherwise then."""
        try:
            found = self._decode(raw)
        except msgspec.ValidationError:
            return repeat(None)
        if self._made is None:
            return found
        rows, numbers = found
        made = cast("Callable[..., Any]", self._made)
        table = [None if row is None else made(*astuple(row)) for row in rows]
        return table if numbers is None else list(map(table.__getitem__, numbers))


def _row_class(made: type[Struct]) -> Any:  # noqa: ANN401 - a type, made here
    """Return a class with the fields of `made` that stands as an array."""
    hints = get_type_hints(made)
    fields: list[tuple[str, Any, Any]] = [
        (name, hints[name], None) for name in made.__struct_fields__
    ]
    return msgspec.defstruct(made.__name__, fields, array_like=True, gc=False)


def _numbered(keys: Sequence[Any]) -> tuple[list[int] | None, Sequence[int]]:
    """Return the number of each key among those that differ, and the place of one of each.

    No numbers where most differ: then each is its own.
    """
    places = dict(zip(keys, range(len(keys)), strict=True))
    if MOSTLY * len(places) > len(keys):
        return None, range(len(keys))
    numbers = dict(zip(places, range(len(places)), strict=True))
    return list(map(numbers.__getitem__, keys)), list(places.values())


class _Kind:
    """How the verdicts of one kind stand."""

    def __init__(self, module: KindModule) -> None:
        self.name = module.KIND.name
        self.field = module.KIND.field
        made = _class_of(module)
        self._made = cast("Callable[..., Any]", made)
        hints = get_type_hints(made)
        assert made.__struct_fields__[:HEAD] == Head.__struct_fields__, "what all have comes first"
        own = made.__struct_fields__[HEAD:]
        self._columns = [_Column(name, hints[name]) for name in own]

    def packed(self, verdicts: Sequence[Head], places: Sequence[int] | None) -> _Field:
        """Return `verdicts`, which are of the results at `places`."""
        columns: list[tuple[Any, ...]] = list(zip(*map(astuple, verdicts), strict=True))
        _, inputs, plain, *shared = columns[:HEAD]
        normalized: Sequence[str | bool | None] | None = None
        if plain != inputs:
            normalized = [
                True if one == other else one for one, other in zip(plain, inputs, strict=True)
            ]
        numbers, decided = _shared(shared)
        own = zip(self._columns, columns[HEAD:], strict=True)
        kept = {column.name: column.packed(values) for column, values in own}
        return _Field(places, inputs, normalized, numbers, decided, kept, self.name)

    def unpacked(self, field: _RawField) -> list[Any]:
        """Return the verdicts again."""
        columns = [
            repeat(None) if (raw := field.columns.get(one.name)) is None else one.unpacked(raw)
            for one in self._columns
        ]
        # by `map`: in C, this runs for every value
        return list(map(self._made, *_heads(field), *columns))


def _heads(field: _RawField) -> list[Iterable[Any]]:
    """Return the attributes of `Head`, in their order, for all verdicts of a field."""
    inputs, table = field.inputs, field.decided
    normalized: Sequence[str | bool | None] = inputs
    if field.normalized is not None:
        normalized = [
            other if one is True else one
            for one, other in zip(field.normalized, inputs, strict=True)
        ]
    decided: list[Sequence[Any]] = [
        list(map(_STATUSES.__getitem__, table.statuses)),
        table.reasons,
        table.outcomes,
        table.decided_at,
        table.expires_at,
        list(map(_SOURCES.__getitem__, table.sources)),
    ]
    if (numbers := field.numbers) is not None:
        decided = [list(map(column.__getitem__, numbers)) for column in decided]
    return [repeat(field.kind), inputs, normalized, *decided]


def _class_of(module: KindModule) -> type[Struct]:
    return getattr(module, "verdict_class", None) or verdict_class(module)


def _shared(
    columns: Sequence[Sequence[Any]],
) -> tuple[list[int] | None, _Decided]:
    """Return the number of each verdict's own in the table of what they share, and that table.

    By identity: `questions.deciding` shares it so. Verdicts that share their outcomes share all of
    it, but for the source of those that were remembered, and for outcomes that are none.
    """
    statuses, reasons, outcomes, decided_at, expires_at, sources = columns
    keys: list[Any] = list(map(id, outcomes))
    if sources.count(sources[0]) < len(sources) or not all(outcomes):
        keys = list(zip(keys, map(id, sources), map(id, decided_at), strict=True))
    numbers, own = _numbered(keys)
    if numbers is not None:
        columns = [[column[at] for at in own] for column in columns]
        statuses, reasons, outcomes, decided_at, expires_at, sources = columns
    return numbers, _Decided(
        bytes(map(_STATUS_NUMBERS.__getitem__, map(id, statuses))),
        reasons,
        outcomes,
        decided_at,
        expires_at,
        bytes(map(_SOURCE_NUMBERS.__getitem__, map(id, sources))),
    )


class Results:
    """Turns results of records of the given kinds into bytes, and bytes into results."""

    def __init__(self, kinds: Sequence[KindModule], made: type[RecordResult] | None = None) -> None:
        """Make results of class `made`, the one of `kinds` if it is not given."""
        self._made = cast("Callable[..., Any]", made or result_class(kinds))
        _ref, _index, _status, *names, _verdicts = cast("Any", self._made).__struct_fields__
        self._names = cast("list[str]", names)
        self._kinds: Mapping[str, _Kind] = {module.KIND.field: _Kind(module) for module in kinds}
        self._by_name = {kind.name: kind for kind in self._kinds.values()}

    def packed(self, places: Sequence[int], results: Sequence[RecordResult]) -> bytes:
        """Return `results`, of the records at `places` of their chunk, as bytes."""
        fields = self._fields(results)
        refs = list(map(_ref, results))
        unnamed = refs.count(None) == len(refs)
        statuses = bytes(map(_STATUS_NUMBERS.__getitem__, map(id, map(_status, results))))
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
            _spread(list(map(cast("Any", Head), *_heads(field))), field.places, count)
            for name, field in found.fields.items()
            if name not in self._kinds
        ]
        made = list(
            map(
                self._made,
                found.refs or repeat(None),
                [first_index + place for place in places],
                map(_STATUSES.__getitem__, found.statuses),
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

    def statuses(self, blob: bytes) -> list[Status]:
        """Return the status of each result, without reading more than that."""
        return [_STATUSES[number] for number in _read(_status_decoder, blob).statuses]

    def _fields(self, results: Sequence[RecordResult]) -> dict[str, _Field]:
        together = list(map(_verdicts, results))
        if all(len(verdicts) == 1 for verdicts in together):  # as it mostly is
            only = [verdict for (verdict,) in together]
            if len(set(map(_kind, only))) == 1:
                kind = self._by_name[only[0].kind]
                return {kind.field: kind.packed(only, None)}
        fields: dict[str, _Field] = {}
        for name, kind in self._kinds.items():
            verdicts = list(map(attrgetter(name), results))
            absent = verdicts.count(None)
            if not absent and verdicts:
                fields[name] = kind.packed(verdicts, None)
            elif absent < len(verdicts):
                at = [place for place, one in enumerate(verdicts) if one is not None]
                fields[name] = kind.packed([verdicts[place] for place in at], at)
        return fields


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
