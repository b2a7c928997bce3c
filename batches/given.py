"""What clients gave, as it is stored with a chunk, and the records that it makes.

Of a table the cells of each column; which column is which field stands once, in the layout of the
batch. Of objects the records themselves. Either with the lines on which they stand.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import repeat
from types import MappingProxyType
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec
from msgspec import Struct

from batches.source.dialect import Dialect, Wishes
from batches.source.mapping import LINES, ColumnMapping
from batches.source.objects import Carried
from batches.source.record import FIELDS, PARTS, GivenRecord, record_class
from verdicts.facts import attribute_of
from verdicts.record import Record

Column: TypeAlias = Sequence[str]
Values: TypeAlias = Sequence[Any]
"""The values of one field of all records, None where a record has none."""


R = TypeVar("R")
T = TypeVar("T")

DIGEST = 1
"""The Adler-32 of no bytes."""


class Upload(Struct, frozen=True, omit_defaults=True):
    """A file that is taken in, up to the offset that the batch has.

    `wishes` are what the client said of it, `dialect` is how it turned out to be written. What
    comes next stands on the line `line`. `digest` is the Adler-32 of what was taken. `start`: the
    batch is to be started when the file is `complete`.
    """

    wishes: Wishes = Wishes()
    start: bool = False
    dialect: Dialect | None = None
    line: int = 1
    digest: int = DIGEST
    complete: bool = False


class Layout(Struct, frozen=True, omit_defaults=True):
    """How the records of a batch stand in its chunks; one a batch.

    `names` are the fields that a record can have. `upload` is of the file that they come from;
    None where there was none. `carried` are the fields of its objects that no record has.
    """

    names: tuple[str, ...] = ()
    upload: Upload | None = None
    carried: tuple[str, ...] = ()

    @property
    def mapping(self) -> ColumnMapping | None:
        """Which columns of a table make which field; None where records were given as such."""
        dialect = None if self.upload is None else self.upload.dialect
        return None if dialect is None else dialect.mapping


class Given(Struct, frozen=True, array_like=True):
    """What one chunk was given. `lines` is None where there was no file.

    Of a table `columns` has the cells of each column, else `records` has the records, and `carried`
    what stood beside each of them; None where nothing did. Those at the places `erased` are blank:
    see `batches.erasing`.
    """

    lines: Sequence[int] | None
    columns: Sequence[Column] | None = None
    records: Sequence[GivenRecord] | None = None
    carried: Sequence[Carried] | None = None
    erased: Sequence[int] = ()

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """The cells of each row of a table."""
        return list(zip(*(self.columns or ()), strict=True))


class _Stored(Struct, Generic[R], frozen=True, array_like=True):
    """A chunk in bytes: `lines` is the first one where they follow on each other."""

    lines: int | Sequence[int] | None
    columns: Sequence[Column] | None = None
    records: Sequence[R] | None = None
    carried: Sequence[Carried] | None = None
    erased: Sequence[int] = ()


_encoder = msgspec.msgpack.Encoder()
_layouts = msgspec.msgpack.Decoder(Layout)


def packed_layout(layout: Layout) -> bytes:
    """Return the bytes of `layout`."""
    return _encoder.encode(layout)


def unpacked_layout(blob: bytes) -> Layout:
    """Return the layout that `packed_layout` made these bytes of; of no bytes the empty one."""
    return _layouts.decode(blob) if blob else Layout()


def packed_rows(
    rows: Sequence[Sequence[str]],
    lines: Sequence[int],
    _carried: Mapping[int, Carried] = MappingProxyType({}),
) -> bytes:
    """Return the bytes of a chunk of rows, which all have the same number of cells."""
    return _encoder.encode(_Stored(_short(lines), tuple(zip(*rows, strict=True))))


def packed_records(
    records: Sequence[GivenRecord],
    lines: Sequence[int] | None = None,
    carried: Mapping[int, Carried] = MappingProxyType({}),
) -> bytes:
    """Return the bytes of a chunk of records; `carried` is what stood beside them, by line."""
    beside = None
    if carried and lines is not None:
        beside = [carried.get(line, {}) for line in lines]
        beside = beside if any(beside) else None
    short = lines if lines is None else _short(lines)
    return _encoder.encode(_Stored(short, None, records, beside))


class Records:
    """Turns the bytes of chunks of one batch into what was given, and that into records."""

    def __init__(self, layout: Layout) -> None:
        """Read chunks that stand as `layout` says."""
        self._layout = layout
        made: Any = record_class(layout.names, strict=False)
        self._decoder: msgspec.msgpack.Decoder[_Stored[GivenRecord]] = msgspec.msgpack.Decoder(
            _Stored[made]
        )
        self._fields: list[tuple[str, Callable[[Sequence[Column]], Values]]] = []
        self._make: Callable[..., Any] = GivenRecord
        if layout.mapping is not None:
            self._fields = _fields(layout.mapping)
            self._make = _class(layout, [name for name, _ in self._fields])

    def given(self, blob: bytes) -> Given:
        """Return what these bytes are.

        Raises:
            msgspec.DecodeError: they are no chunk of this batch.
        """
        stored = self._decoder.decode(blob)
        lines, columns, records = stored.lines, stored.columns, stored.records
        if isinstance(lines, int):
            count = len(records) if records is not None else len(columns[0]) if columns else 0
            lines = range(lines, lines + count)
        return Given(lines, columns, records, stored.carried, stored.erased)

    def without(self, blob: bytes, places: AbstractSet[int]) -> bytes:
        """Return the bytes of a chunk with nothing left in the records at `places`."""
        stored = self._decoder.decode(blob)
        columns, records, carried = stored.columns, stored.records, stored.carried
        if columns is not None:
            columns = [_blanked(column, places, "") for column in columns]
        if records is not None:
            records = _blanked(records, places, GivenRecord())
        if carried is not None:
            carried = _blanked(carried, places, {})
        erased = sorted(places | set(stored.erased))
        return _encoder.encode(_Stored(stored.lines, columns, records, carried, erased))

    def records(self, given: Given) -> Sequence[Record]:
        """Return the records, in their order."""
        if given.records is not None:
            return given.records
        columns = given.columns or ()
        return list(map(self._make, *(values(columns) for _, values in self._fields)))


def _blanked(given: Sequence[T], places: AbstractSet[int], blank: T) -> list[T]:
    return [blank if place in places else one for place, one in enumerate(given)]


def _short(lines: Sequence[int]) -> int | Sequence[int] | None:
    if not lines:
        return None
    return lines[0] if lines[-1] - lines[0] == len(lines) - 1 else lines


def _class(layout: Layout, first: Sequence[str]) -> Callable[..., Any]:
    """Return the class of a table's records, whose leading fields are `first`."""
    attributes = [attribute_of(name) for name in ("ref", *FIELDS, *layout.names)]
    leading = [attribute_of(name) for name in first]
    rest = [one for one in dict.fromkeys(attributes) if one not in leading]
    fields: list[tuple[str, Any, Any]] = [(one, Any, None) for one in (*leading, *rest)]
    return msgspec.defstruct("RowRecord", fields, gc=False, eq=False)


def _fields(mapping: ColumnMapping) -> list[tuple[str, Callable[[Sequence[Column]], Values]]]:
    """Return for each field that rows may fill what makes its values out of the columns."""
    parts: dict[str, dict[str, Sequence[int]]] = {}
    found: dict[str, Callable[[Sequence[Column]], Values]] = {}
    for target, places in mapping.targets.items():
        name, _, part = target.partition(".")
        if part:
            parts.setdefault(name, {})[part] = places
            found[name] = _whole(name, parts[name], mapping.needed[name])
        else:
            found[name] = _text(places)
    return list(found.items())


def _text(places: Sequence[int]) -> Callable[[Sequence[Column]], Values]:
    def values(columns: Sequence[Column]) -> Values:
        return _first(columns, places)

    return values


def _whole(
    name: str, parts: Mapping[str, Sequence[int]], needed: Sequence[str]
) -> Callable[[Sequence[Column]], Values]:
    """Return what makes the values of a field with parts: None without one that is needed."""
    made = PARTS[name]
    names = made.__struct_fields__
    by_attribute = {attribute_of(part): (part, places) for part, places in parts.items()}
    deciding = [names.index(attribute_of(part)) for part in needed if part in parts]

    def values(columns: Sequence[Column]) -> Values:
        cells: list[Iterable[Any]] = []
        for attribute in names:
            part, places = by_attribute.get(attribute, ("", ()))
            if not places:
                cells.append(repeat(None))
            elif f"{name}.{part}" == LINES:
                cells.append(_all(columns, places))
            else:
                cells.append(_first(columns, places))
        return [
            made(*given) if any(given[at] is not None for at in deciding) else None
            for given in zip(*cells, strict=False)
        ]

    return values


def _first(columns: Sequence[Column], places: Sequence[int]) -> Values:
    """Return the first filled cell among `places` of each row."""
    found = filled(columns[places[0]])
    for at in places[1:]:
        found = [
            one if one is not None else other
            for one, other in zip(found, filled(columns[at]), strict=True)
        ]
    return found


def _all(columns: Sequence[Column], places: Sequence[int]) -> Values:
    """Return all filled cells among `places` of each row."""
    rows = zip(*(filled(columns[at]) for at in places), strict=True)
    return [[one for one in row if one is not None] or None for row in rows]


def filled(column: Column) -> Sequence[str | None]:
    """Return the cells of a column, None for those that are blank."""
    if all(column) and not any(map(str.isspace, column)):
        return column
    return [cell if cell and not cell.isspace() else None for cell in column]


def empty_rows(mapping: ColumnMapping, rows: Sequence[Sequence[str]]) -> list[int]:
    """Return the places of the rows of a table in which there is nothing to validate."""
    left: Sequence[int] = range(len(rows))
    for at in deciding(mapping):
        cells = filled([rows[place][at] for place in left])
        if None not in cells:
            return []
        left = [place for place, cell in zip(left, cells, strict=True) if cell is None]
    return list(left)


def deciding(mapping: ColumnMapping) -> list[int]:
    """Return the places of the columns that make a field, where one of them is filled."""
    found: dict[int, None] = {}
    for target, places in mapping.targets.items():
        name, _, part = target.partition(".")
        if name != "ref" and (not part or part in mapping.needed[name]):
            found.update(dict.fromkeys(places))
    return list(found)
