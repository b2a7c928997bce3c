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
from itertools import chain, islice, repeat
from operator import attrgetter
from typing import Any, cast

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import fields as fields_of

from batches.chunk import ChunkResults, Claimed
from batches.errors import StoreUnreadable
from checks.declared import result_class
from checks.kinds import KindModule, verdict_class
from verdicts.outcome import Outcome
from verdicts.reason import Reason
from verdicts.verdict import Head, RecordResult, Source, Status, Verdict

FORMAT = 1
"""Grows when what is written can't be read by the rule of before."""
_STATUSES = tuple(Status)
_SOURCES = tuple(Source)
_RANK_OF = {id(one): at for at, one in enumerate(_STATUSES)}
_PLACE_OF = {id(one): at for at, one in enumerate(_SOURCES)}
_HEAD = Head.__struct_fields__


class _Said(Struct, frozen=True, array_like=True):
    """What verdicts share, in columns of equal length; of outcomes, how many and which each has.

    `reasons` are of those that have some, by place: None where they are those of the outcomes, one
    after the other.
    """

    statuses: bytes
    sources: bytes
    decided_at: list[datetime]
    expires_at: list[datetime | None]
    numbers: bytes
    which: bytes
    reasons: dict[int, list[Reason] | None]
    outcomes: list[Outcome]


class _Fact(Struct, frozen=True, array_like=True):
    """One field of the verdicts: its values, and which of them each has; None: one each."""

    values: Raw
    which: bytes | None


class _Column(Struct, frozen=True, array_like=True):
    """The verdicts of one kind. `at`: whose they are, None when every record has one.

    `canonical` is True where it is the input; `which` of what is `said` each of them says.
    """

    kind: str
    at: bytes | None
    inputs: list[str]
    canonical: list[str | bool | None]
    said: _Said
    which: bytes
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

    def __init__(self, module: KindModule) -> None:
        self.name = module.KIND.name
        self.field = module.KIND.field
        self.of = attrgetter(self.field)
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
        there = {one.kind for result in results for one in result.verdicts}
        for kind in self._kinds:
            if kind.name not in there:
                continue
            verdicts = list(map(kind.of, results))
            at = None
            if verdicts.count(None):
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
        True if (form := verdict.normalized) == text else form
        for verdict, text in zip(verdicts, inputs, strict=True)
    ]
    firsts, which = _firsts(verdicts)
    facts = {name: _fact_of(list(map(get, verdicts))) for name, get in kind.facts}
    return _Column(kind.name, at, inputs, canonical, _said_by(firsts), _packed(which), facts)


def _firsts(verdicts: Sequence[Any]) -> tuple[list[Any], list[int]]:
    """Return the first of those that share what they say, and which one each shares it with.

    By identity: what is made for many values at once is one object.
    """
    same = list(
        zip(
            [id(verdict.outcomes) for verdict in verdicts],
            [id(verdict.reasons) for verdict in verdicts],
            [id(verdict.decided_at) for verdict in verdicts],
            [id(verdict.expires_at) for verdict in verdicts],
            [id(verdict.status) for verdict in verdicts],
            [id(verdict.source) for verdict in verdicts],
            strict=True,
        )
    )
    first_of = dict(zip(reversed(same), reversed(verdicts), strict=True))
    place_of = {key: place for place, key in enumerate(first_of)}
    return list(first_of.values()), list(map(place_of.__getitem__, same))


def _said_by(verdicts: Sequence[Any]) -> _Said:
    """Return what `verdicts` say."""
    all_of = [verdict.outcomes for verdict in verdicts]
    flat = list(chain.from_iterable(all_of))
    outcomes = dict(zip(map(id, flat), flat, strict=True))
    place_of = {key: place for place, key in enumerate(outcomes)}
    reasons: dict[int, list[Reason] | None] = {
        at: None if one == _reasons_of(all_of[at]) else list(one)
        for at, one in enumerate([verdict.reasons for verdict in verdicts])
        if one
    }
    return _Said(
        bytes([_RANK_OF[id(verdict.status)] for verdict in verdicts]),
        bytes([_PLACE_OF[id(verdict.source)] for verdict in verdicts]),
        [verdict.decided_at for verdict in verdicts],
        [verdict.expires_at for verdict in verdicts],
        bytes(map(len, all_of)),
        _packed(map(place_of.__getitem__, map(id, flat))),
        reasons,
        list(outcomes.values()),
    )


def _reasons_of(outcomes: Sequence[Outcome]) -> tuple[Reason, ...]:
    return tuple([reason for outcome in outcomes for reason in outcome.reasons])


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
    said = column.said
    rest = map(said.outcomes.__getitem__, _numbers(said.which))
    all_of = [tuple(islice(rest, number)) for number in said.numbers]
    reasons: list[tuple[Reason, ...]] = [()] * len(all_of)
    for at, own in said.reasons.items():
        reasons[at] = _reasons_of(all_of[at]) if own is None else tuple(own)
    which = _numbers(column.which)
    shared: list[list[Any]] = [
        list(map(_STATUSES.__getitem__, said.statuses)),
        reasons,
        all_of,
        said.decided_at,
        said.expires_at,
        list(map(_SOURCES.__getitem__, said.sources)),
    ]
    canonical = [
        text if form is True else form
        for form, text in zip(column.canonical, column.inputs, strict=True)
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
