<<<<<<< HEAD
"""Results of a chunk as bytes and back: by columns, what several records share written once.

The verdicts of one field stand together, attribute by attribute. Texts stand as they are; objects
that verdicts share by identity (what a bulk call found of many values, the facts of one domain)
stand once, in a table, and each verdict has the number of its own. Which classes there are is the
configuration's business, so each field's attributes are named: what an older configuration wrote
is read as far as the newer one knows it.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, TypeAlias, cast, get_args, get_type_hints

import msgspec
from msgspec import Struct
from msgspec.structs import astuple

=======
"""Results to bytes and back, whole chunks at a time.

Results of one chunk say much alike: verdicts of equal findings share their outcomes, by identity,
and those are written once. The rest stands in columns, which pack well. Names go with what a kind
shows beyond `verdicts.verdict.Head`, so that a kind may gain and lose fields, or be configured no
longer, and what was written before can still be read.
"""

import sys
from array import array
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import chain, repeat
from operator import attrgetter
from typing import Any, cast

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import fields as fields_of

from batches.chunk import ChunkResults, Claimed
from batches.errors import StoreUnreadable
>>>>>>> store
from checks.declared import result_class
from checks.kinds import KindModule, verdict_class
from verdicts.outcome import Outcome
from verdicts.reason import Reason
<<<<<<< HEAD
from verdicts.verdict import Head, RecordResult, Source, Status

Numbers: TypeAlias = Sequence[int | None]

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


class _Packed(Struct, array_like=True, gc=False):
    """The results of some records of a chunk, in the order in which they were decided."""

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


class _RawDecided(Struct, array_like=True):
    statuses: bytes
    reasons: list[tuple[Reason, ...]]
    outcomes: list[tuple[Outcome, ...]]
    decided_at: list[datetime]
    expires_at: list[datetime | None]
    sources: bytes


class _RawPacked(Struct, array_like=True):
    places: int | list[int]
    statuses: bytes
    refs: list[str | None] | None
    fields: dict[str, _RawField]


class _Statuses(Struct, array_like=True):
    places: msgspec.Raw
    statuses: bytes


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

    def unpacked(self, raw: msgspec.Raw) -> list[Any]:
        """Return the attribute of each verdict."""
        found = self._decode(raw)
        if self._made is None:
            return found
        rows, numbers = found
        made = cast("Callable[..., Any]", self._made)
        table = [None if row is None else made(*astuple(row)) for row in rows]
        return table if numbers is None else [table[number] for number in numbers]


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
=======
from verdicts.verdict import Head, RecordResult, Source, Status, Verdict

FORMAT = 1
"""Grows when what is written can't be read by the rule of before."""
_STATUSES = tuple(Status)
_SOURCES = tuple(Source)
_RANK_OF = {id(one): at for at, one in enumerate(_STATUSES)}
_PLACE_OF = {id(one): at for at, one in enumerate(_SOURCES)}
_HEAD = Head.__struct_fields__
_SHARED = attrgetter("outcomes", "reasons", "status", "decided_at", "expires_at", "source")


class _Said(Struct, frozen=True, array_like=True):
    """What verdicts share; `outcomes` are places in the column's own list.

    `reasons` are None when they are those of the outcomes, one after the other.
    """

    status: int
    source: int
    decided_at: datetime
    expires_at: datetime | None
    outcomes: list[int]
    reasons: list[Reason] | None


class _Fact(Struct, frozen=True, array_like=True):
    """One field of the verdicts: its values, and which of them each has; None: one each."""

    values: Raw
    which: bytes | None


class _Column(Struct, frozen=True, array_like=True):
    """The verdicts of one kind. `at`: whose they are, None when every record has one.

    `canonical` is True where it is the input.
    """

    kind: str
    at: bytes | None
    inputs: list[str]
    canonical: list[str | bool | None]
    said: list[_Said]
    which: bytes
    outcomes: list[Outcome]
    facts: dict[str, _Fact]


class _Chunk(Struct, frozen=True, array_like=True):
    """All of it. `places`: where in the chunk each record is, None when they are all, in order."""

    format: int
    places: bytes | None
    refs: list[str | None]
    statuses: bytes
    columns: list[_Column]


_write = msgspec.msgpack.Encoder().encode
_read = msgspec.msgpack.Decoder(_Chunk).decode


class _Kind:
    """How the verdicts of one kind are taken apart and put together."""
>>>>>>> store

    def __init__(self, module: KindModule) -> None:
        self.name = module.KIND.name
        self.field = module.KIND.field
<<<<<<< HEAD
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
        return _Field(places, inputs, normalized, numbers, decided, kept)

    def unpacked(self, field: _RawField) -> list[Any]:
        """Return the verdicts again."""
        inputs, table = field.inputs, field.decided
        normalized: Sequence[str | bool | None] = inputs
        if field.normalized is not None:
            normalized = [
                other if one is True else one
                for one, other in zip(field.normalized, inputs, strict=True)
            ]
        decided: Sequence[tuple[Any, ...]] = list(
            zip(
                map(_STATUSES.__getitem__, table.statuses),
                table.reasons,
                table.outcomes,
                table.decided_at,
                table.expires_at,
                map(_SOURCES.__getitem__, table.sources),
                strict=True,
            )
        )
        if field.numbers is not None:
            decided = [decided[number] for number in field.numbers]
        nothing = [None] * len(inputs)
        columns = [
            nothing if (raw := field.columns.get(one.name)) is None else one.unpacked(raw)
            for one in self._columns
        ]
        made, kind = self._made, self.name
        return [
            made(kind, given, text, *same, *own)
            for given, text, same, *own in zip(inputs, normalized, decided, *columns, strict=True)
        ]


def _class_of(module: KindModule) -> type[Struct]:
    made = getattr(module, "verdict_class", None)
    return verdict_class(module) if made is None else made


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
        return _encode(_Packed(_short(places), statuses, None if unnamed else refs, fields))

    def unpacked(
        self, blob: bytes, first_index: int = 0
    ) -> tuple[Sequence[int], list[RecordResult]]:
        """Return the places that `packed` was given, and the results.

        The index of a result is `first_index`, that of its chunk's first record, and its place.

        Raises:
            msgspec.DecodeError: `blob` is not what `packed` makes.
        """
        found = _decoder.decode(blob)
        count = len(found.statuses)
        places = found.places
        if isinstance(places, int):
            places = range(places, places + count)
        columns = {name: self._column(name, found.fields.get(name), count) for name in self._names}
        present = [columns[name] for name in self._names if name in found.fields]
        together: Sequence[tuple[Any, ...]] = (
            [(one,) for one in present[0]]
            if len(present) == 1 and None not in present[0]
            else [
                tuple(one for one in row if one is not None) for row in zip(*present, strict=True)
            ]
            if present
            else [()] * count
        )
        made = self._made
        refs = found.refs or [None] * count
        return places, [
            made(ref, first_index + place, _STATUSES[status], *fields, verdicts)
            for ref, place, status, verdicts, *fields in zip(
                refs, places, found.statuses, together, *columns.values(), strict=True
            )
        ]

    def statuses(self, blob: bytes) -> list[Status]:
        """Return the status of each result, without reading more than that."""
        return [_STATUSES[number] for number in _status_decoder.decode(blob).statuses]

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
            if not absent:
                fields[name] = kind.packed(verdicts, None)
            elif absent < len(verdicts):
                at = [place for place, one in enumerate(verdicts) if one is not None]
                fields[name] = kind.packed([verdicts[place] for place in at], at)
        return fields

    def _column(self, name: str, field: _RawField | None, count: int) -> list[Any]:
        kind = self._kinds.get(name)
        if field is None or kind is None:
            return [None] * count
        verdicts = kind.unpacked(field)
        if field.places is None:
            return verdicts
        column: list[Any] = [None] * count
        for place, verdict in zip(field.places, verdicts, strict=True):
            column[place] = verdict
        return column


def _short(places: Sequence[int]) -> int | Sequence[int]:
    """Return the first place where they follow on each other."""
    if places and places[-1] - places[0] == len(places) - 1 and _rising(places):
        return places[0]
    return places


def _rising(places: Sequence[int]) -> bool:
    return isinstance(places, range) or all(map(int.__lt__, places, places[1:]))
=======
        declared: Any = getattr(module, "verdict_class", None)
        self.made: Any = declared or verdict_class(module)
        own = [one for one in fields_of(self.made) if one.name not in _HEAD]
        self.facts = [(one.name, attrgetter(one.name)) for one in own]
        self._nothing: dict[str, Any] = {one.name: one.default for one in own}
        self._readers: dict[str, Callable[[Raw], list[Any]]] = {
            one.name: msgspec.msgpack.Decoder(list[one.type]).decode for one in own
        }

    def facts_in(self, column: _Column, number: int) -> list[Iterable[Any]]:
        """Return the values of all fields of `number` verdicts, in the order of the class."""
        return [self._values(column.facts.get(name), name, number) for name, _ in self.facts]

    def _values(self, fact: _Fact | None, name: str, number: int) -> Iterable[Any]:
        if fact is None:
            return repeat(self._nothing[name], number)
        try:
            values = self._readers[name](fact.values)
        except msgspec.ValidationError:  # kept under an earlier declaration
            return repeat(None, number)
        return values if fact.which is None else map(values.__getitem__, _numbers(fact.which))


class ResultCodec:
    """Writes and reads the results of some kinds: those that the judge is made of."""

    def __init__(self, kinds: Sequence[KindModule]) -> None:
        """Know `kinds`, in the order in which a record's verdicts stand."""
        self._kinds = [_Kind(module) for module in kinds]
        self._made: Any = result_class(kinds)
        _ref, _index, _status, *self._fields, _verdicts = self._made.__struct_fields__

    def encode(self, results: Sequence[RecordResult], places: Sequence[int] | None = None) -> bytes:
        """Return `results` as bytes; `places` says where in the chunk each of their records is.

        Without `places` they are all results of the chunk, in order. The `index` of each is not
        looked at. Equal parts are found by identity, so hand in results as the judge gave them.
        """
        columns: list[_Column] = []
        for kind in self._kinds:
            verdicts = list(map(attrgetter(kind.field), results))
            absent = verdicts.count(None)
            if absent == len(verdicts):
                continue
            at = None
            if absent:
                at = _packed([place for place, one in enumerate(verdicts) if one is not None])
                verdicts = [one for one in verdicts if one is not None]
            columns.append(_column_of(kind, at, verdicts))
        return _write(
            _Chunk(
                FORMAT,
                None if places is None else _packed(places),
                [result.ref for result in results],
                bytes([_RANK_OF[id(result.status)] for result in results]),
                columns,
            )
        )

    def decode(self, data: bytes, first_index: int) -> list[RecordResult]:
        """Return the results in `data`, in the order in which they were handed in.

        The `index` of each is `first_index`, that of the chunk's first record, and its place.

        Raises:
            StoreUnreadable: `data` is nothing that this version can read.
        """
        try:
            chunk = _read(data)
        except msgspec.DecodeError as error:
            raise StoreUnreadable(f"results that cannot be read: {error}") from error
        if chunk.format != FORMAT:
            raise StoreUnreadable(f"results are written in format {chunk.format}: a newer Assay's")
        number = len(chunk.refs)
        found = {column.kind: column for column in chunk.columns}
        of = {kind.field: self._verdicts(kind, found.pop(kind.name, None)) for kind in self._kinds}
        given = {field: _spread(column, number) for field, column in of.items() if column}
        rest = [_spread(_bare(column), number) for column in found.values()]
        places = range(number) if chunk.places is None else _numbers(chunk.places)
        return list(
            map(
                self._made,
                chunk.refs,
                [first_index + place for place in places],
                map(_STATUSES.__getitem__, chunk.statuses),
                *(given.get(field) or repeat(None, number) for field in self._fields),
                _together([*given.values(), *rest], number),
            )
        )

    def decided(self, chunk: Claimed | ChunkResults) -> list[RecordResult]:
        """Return all results of a chunk that stand, in the order in which they were decided."""
        parts = [part for part in (chunk.results, *chunk.parts) if part is not None]
        before = chunk.reopened_parts + (chunk.results is not None)
        decoded = [self.decode(part, chunk.first_index) for part in parts]
        if chunk.reopened:
            gone = chunk.reopened
            decoded[:before] = [
                [result for result in results if result.status not in gone]
                for results in decoded[:before]
            ]
        return decoded[0] if len(decoded) == 1 else list(chain.from_iterable(decoded))

    def _verdicts(
        self, kind: _Kind, column: _Column | None
    ) -> tuple[bytes | None, list[Verdict]] | None:
        if column is None:
            return None
        heads = _heads(column)
        facts = kind.facts_in(column, len(column.inputs))
        return column.at, list(map(kind.made, *heads, *facts))


def _column_of(kind: _Kind, at: bytes | None, verdicts: Sequence[Any]) -> _Column:
    inputs = [verdict.input for verdict in verdicts]
    canonical = [
        True if verdict.normalized == text else verdict.normalized
        for verdict, text in zip(verdicts, inputs, strict=True)
    ]
    said, which, outcomes = _said_of(verdicts)
    facts = {name: _fact_of(list(map(get, verdicts))) for name, get in kind.facts}
    return _Column(kind.name, at, inputs, canonical, said, which, outcomes, facts)


def _said_of(verdicts: Sequence[Any]) -> tuple[list[_Said], bytes, list[Outcome]]:
    """Return what `verdicts` say, what is shared once; which of it each says; all outcomes."""
    known: dict[tuple[int, ...], int] = {}
    which: list[int] = []
    firsts: list[Any] = []
    for verdict in verdicts:
        same = tuple(map(id, _SHARED(verdict)))
        at = known.get(same)
        if at is None:
            at = known[same] = len(firsts)
            firsts.append(verdict)
        which.append(at)
    places: dict[int, int] = {}
    outcomes: list[Outcome] = []
    said: list[_Said] = []
    for verdict in firsts:
        own: list[int] = []
        for outcome in verdict.outcomes:
            place = places.get(id(outcome))
            if place is None:
                place = places[id(outcome)] = len(outcomes)
                outcomes.append(outcome)
            own.append(place)
        usual = tuple(reason for outcome in verdict.outcomes for reason in outcome.reasons)
        said.append(
            _Said(
                _RANK_OF[id(verdict.status)],
                _PLACE_OF[id(verdict.source)],
                verdict.decided_at,
                verdict.expires_at,
                own,
                None if verdict.reasons == usual else list(verdict.reasons),
            )
        )
    return said, _packed(which), outcomes


def _fact_of(values: list[Any]) -> _Fact:
    """Return a field of verdicts: each value once, unless they are texts, or have no hash."""
    if any(value.__class__ is str for value in values[:1]):
        return _Fact(Raw(_write(values)), None)
    known: dict[Any, int] = {}
    try:
        which = [known.setdefault(value, len(known)) for value in values]
    except TypeError:  # lists in declared facts
        return _Fact(Raw(_write(values)), None)
    return _Fact(Raw(_write(list(known))), _packed(which))


def _heads(column: _Column) -> list[Iterable[Any]]:
    """Return what every verdict of a column says first, field by field."""
    all_of = [tuple(column.outcomes[place] for place in one.outcomes) for one in column.said]
    reasons = [
        tuple(reason for outcome in outcomes for reason in outcome.reasons)
        if one.reasons is None
        else tuple(one.reasons)
        for one, outcomes in zip(column.said, all_of, strict=True)
    ]
    which = _numbers(column.which)
    shared: list[list[Any]] = [
        [_STATUSES[one.status] for one in column.said],
        reasons,
        all_of,
        [one.decided_at for one in column.said],
        [one.expires_at for one in column.said],
        [_SOURCES[one.source] for one in column.said],
    ]
    canonical = [
        text if one is True else one
        for one, text in zip(column.canonical, column.inputs, strict=True)
    ]
    return [
        repeat(column.kind, len(which)),
        column.inputs,
        canonical,
        *(map(values.__getitem__, which) for values in shared),
    ]


def _bare(column: _Column) -> tuple[bytes | None, list[Verdict]]:
    """Return the verdicts of a kind that is configured no longer: what every verdict says."""
    made = cast("Any", Head)
    return column.at, list(map(made, *_heads(column)))


def _spread(column: tuple[bytes | None, list[Verdict]], number: int) -> list[Verdict | None]:
    """Return one verdict a record, None where it has none."""
    at, verdicts = column
    if at is None:
        return cast("list[Verdict | None]", verdicts)
    spread: list[Verdict | None] = [None] * number
    for place, verdict in zip(_numbers(at), verdicts, strict=True):
        spread[place] = verdict
    return spread


def _together(columns: Sequence[Sequence[Verdict | None]], number: int) -> Iterable[Any]:
    """Return the verdicts of each record."""
    if not columns:
        return repeat((), number)
    whole = zip(*columns, strict=True)
    if all(column.count(None) == 0 for column in columns):
        return whole
    return (tuple(one for one in verdicts if one is not None) for verdicts in whole)


def _packed(numbers: Iterable[int]) -> bytes:
    packed = array("H", numbers)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def _numbers(packed: bytes) -> "array[int]":
    numbers = array("H", packed)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
>>>>>>> store
