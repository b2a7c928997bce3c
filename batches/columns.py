"""The verdicts of one field, in columns: what they share stands once.

They stand attribute by attribute. Texts stand as they are; objects that verdicts share by identity
(what a bulk call found of many values, the facts of one domain) stand once, in a table, and each
verdict has the number of its own.
"""

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from itertools import repeat
from typing import Any, cast, get_args, get_type_hints

import msgspec
from msgspec import Struct
from msgspec.structs import astuple

from checks.kinds import KindModule, verdict_class
from verdicts.outcome import Outcome
from verdicts.reason import Reason
from verdicts.verdict import Head, Source, Status

HEAD = len(Head.__struct_fields__)
MOSTLY = 1.25
"""Where fewer than one in five is shared, a table would only add to it."""

# by identity: enums hash slowly, and this runs for every value
STATUSES: tuple[Status, ...] = tuple(Status)
STATUS_NUMBERS = {id(status): number for number, status in enumerate(STATUSES)}
_SOURCES: tuple[Source, ...] = tuple(Source)
_SOURCE_NUMBERS = {id(source): number for number, source in enumerate(_SOURCES)}


class Said(Struct, array_like=True, gc=False):
    """What verdicts of equal findings share: the last six attributes of `Head`, by columns."""

    statuses: bytes
    reasons: Sequence[tuple[Reason, ...]]
    outcomes: Sequence[tuple[Outcome, ...]]
    decided_at: Sequence[datetime]
    expires_at: Sequence[datetime | None]
    sources: bytes


class Field(Struct, array_like=True, gc=False):
    """The verdicts of one field; `places` are of those results that have one, None: all.

    `normalized` is None where it is `inputs`, else it has True where it is the input. `numbers`
    are those of each verdict's own in `decided`, None where each has its own in their order.
    `columns` hold the attributes of the kind: see `_Column`.
    """

    places: Sequence[int] | None
    inputs: Sequence[str]
    normalized: Sequence[str | bool | None] | None
    numbers: Sequence[int] | None
    decided: Said
    columns: dict[str, Any]
    kind: str


class RawField(Struct, array_like=True):
    """A `Field` as it is read; its columns are read by whoever knows the kind."""

    places: list[int] | None
    inputs: list[str]
    normalized: list[str | bool | None] | None
    numbers: list[int] | None
    decided: "RawSaid"
    columns: dict[str, msgspec.Raw]
    kind: str


class RawSaid(Struct, array_like=True):
    """What verdicts share, as it is read."""

    statuses: bytes
    reasons: list[tuple[Reason, ...]]
    outcomes: list[tuple[Outcome, ...]]
    decided_at: list[datetime]
    expires_at: list[datetime | None]
    sources: bytes


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


class KindColumns:
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

    def packed(self, verdicts: Sequence[Head], places: Sequence[int] | None) -> Field:
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
        return Field(places, inputs, normalized, numbers, decided, kept, self.name)

    def unpacked(self, field: RawField) -> list[Any]:
        """Return the verdicts again."""
        columns = [
            repeat(None) if (raw := field.columns.get(one.name)) is None else one.unpacked(raw)
            for one in self._columns
        ]
        # by `map`: in C, this runs for every value
        return list(map(self._made, *heads_of(field), *columns))


def heads_of(field: RawField) -> list[Iterable[Any]]:
    """Return the attributes of `Head`, in their order, for all verdicts of a field."""
    inputs, table = field.inputs, field.decided
    normalized: Sequence[str | bool | None] = inputs
    if field.normalized is not None:
        normalized = [
            other if one is True else one
            for one, other in zip(field.normalized, inputs, strict=True)
        ]
    decided: list[Sequence[Any]] = [
        list(map(STATUSES.__getitem__, table.statuses)),
        table.reasons,
        table.outcomes,
        table.decided_at,
        table.expires_at,
        list(map(_SOURCES.__getitem__, table.sources)),
    ]
    if (numbers := field.numbers) is not None:
        decided = [list(map(column.__getitem__, numbers)) for column in decided]
    return [repeat(field.kind), inputs, normalized, *decided]


def without_rows(field: RawField, rows: AbstractSet[int]) -> Field:
    """Return a field of an unknown kind without the values of the results in `rows`.

    What the kind's own attributes hold cannot be told apart by row, so all of it goes, and nobody
    reads it: of such a field only what every verdict says is shown.
    """
    at = range(len(field.inputs)) if field.places is None else field.places
    gone = [row in rows for row in at]
    plain = field.inputs if field.normalized is None else field.normalized
    table = field.decided
    return Field(
        field.places,
        ["" if erased else one for one, erased in zip(field.inputs, gone, strict=True)],
        [None if erased else one for one, erased in zip(plain, gone, strict=True)],
        field.numbers,
        Said(
            table.statuses,
            table.reasons,
            [()] * len(table.outcomes),
            table.decided_at,
            table.expires_at,
            table.sources,
        ),
        {},
        field.kind,
    )


def _class_of(module: KindModule) -> type[Struct]:
    return getattr(module, "verdict_class", None) or verdict_class(module)


def _shared(
    columns: Sequence[Sequence[Any]],
) -> tuple[list[int] | None, Said]:
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
    return numbers, Said(
        bytes(map(STATUS_NUMBERS.__getitem__, map(id, statuses))),
        reasons,
        outcomes,
        decided_at,
        expires_at,
        bytes(map(_SOURCE_NUMBERS.__getitem__, map(id, sources))),
    )
