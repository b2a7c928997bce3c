"""Records out of NDJSON: one object a line, its fields named as in `RecordInput`."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from batches.source.lines import Lines
from batches.source.mapping import nearest_field
from batches.source.record import FIELDS, GivenRecord, record_class
from batches.source.table import COLUMNS_MAX, FIELD_CHARACTERS_MAX, Unreadable
from verdicts.facts import attribute_of

RecordDecoder: TypeAlias = msgspec.json.Decoder[GivenRecord]
Carried: TypeAlias = Mapping[str, str]
"""The fields of an object that no record has, each with its value as JSON."""


class Given(Struct, frozen=True):
    """One record as it was given; `line` is its number in the file, the first being 1."""

    line: int
    record: dict[str, Any]
    carried: Carried = {}

    @property
    def whole(self) -> dict[str, Any]:
        """The record with what is carried beside it."""
        carried = {name: msgspec.json.decode(value) for name, value in self.carried.items()}
        return self.record | carried


NAMES_CHARACTERS_MAX = 65_536
"""Of all names in `Carried` together: they stand in the layout, which is kept with each portion."""
UNKNOWN_FIELD = re.compile(r"unknown field `(?P<name>[^`]*)`")


class Objects:
    """The records of NDJSON lines, in constant memory. `blank` counts empty lines."""

    def __init__(self, lines: Lines, fields: Sequence[str] = ()) -> None:
        """Read `lines`; `fields` of a record that are not built in are texts."""
        self.lines = lines
        self.blank = 0
        self._reader = CarryingReader(fields)

    def __iter__(self) -> Iterator[Given | Unreadable]:
        """Yield every record, and every line that is none."""
        for line in self.lines:
            if line.flaw is not None:
                yield Unreadable(line.number, line.flaw)
            elif not line.text.strip():
                self.blank += 1
            else:
                yield self._given(line.number, line.text)

    def carried_ahead(self, count: int) -> list[str]:
        """Return the names of the fields beside records in the `count` lines that come next."""
        for line in self.lines.ahead(count):
            if line.flaw is None and line.text.strip():
                self._reader.read(line.number, line.text)
        return list(self._reader.carried)

    def _given(self, number: int, text: str) -> Given | Unreadable:
        found = self._reader.read(number, text)
        if isinstance(found, Unreadable):
            return found
        record, carried = found
        return Given(number, msgspec.to_builtins(record), carried)


def read_record(number: int, text: str, decoder: RecordDecoder) -> GivenRecord | Unreadable:
    """Return the record that a line is, or why it is none."""
    try:
        record = decoder.decode(text)
    except msgspec.ValidationError as error:
        message = str(error)
        unknown = UNKNOWN_FIELD.search(message)
        hint = nearest_field(unknown["name"]) if unknown else ""
        return Unreadable(number, f"is no record: {message}{hint}")
    except (msgspec.DecodeError, RecursionError) as error:
        return Unreadable(number, f"is not JSON: {error}")
    if len(text) > FIELD_CHARACTERS_MAX:
        longest = _longest(msgspec.to_builtins(record))
        if longest > FIELD_CHARACTERS_MAX:
            return Unreadable(
                number, f"has a value of more than {FIELD_CHARACTERS_MAX:,} characters"
            )
    return record


class CarryingReader:
    """Reads records whose objects may have fields of the client's own, which are carried through.

    `carried` are the names of those that were met, in the order in which they were.
    """

    def __init__(self, names: Sequence[str], carried: Iterable[str] = ()) -> None:
        """Read records that may have fields `names`; `carried` were met before."""
        own = record_class(names, strict=False)
        self._strict: RecordDecoder = msgspec.json.Decoder(record_class(names, strict=True))
        self._lenient: RecordDecoder = msgspec.json.Decoder(own)
        self._raw = msgspec.json.Decoder(dict[str, msgspec.Raw])
        self._known = frozenset(own.__struct_encode_fields__)
        self._names = names
        self.carried = dict.fromkeys(carried)
        self._characters = sum(map(len, self.carried))

    def read(self, number: int, text: str) -> tuple[GivenRecord, Carried] | Unreadable:
        """Return the record that a line is, and what it carries; or why it is none."""
        record = read_record(number, text, self._strict)
        if not isinstance(record, Unreadable):
            return record, {}
        lenient = read_record(number, text, self._lenient)
        if isinstance(lenient, Unreadable):
            return lenient
        if empty_records(self._names, [lenient]):
            return record  # nothing else is in it, so that the field may have been misspelt
        carried = self._rest(text)
        if max(map(len, carried.values()), default=0) > FIELD_CHARACTERS_MAX:
            why = f"has a value of more than {FIELD_CHARACTERS_MAX:,} characters"
            return Unreadable(number, why)
        if not self._met([carried]):
            why = (
                f"has more fields than the {COLUMNS_MAX:,}, of {NAMES_CHARACTERS_MAX:,} characters,"
                " that all lines together may have"
            )
            return Unreadable(number, why)
        return lenient, carried

    def read_all(self, texts: Sequence[str]) -> tuple[list[GivenRecord], list[Carried]] | None:
        """Return the records that lines are, and what each carries; None: read them one by one."""
        try:
            if not self.carried:
                return list(map(self._strict.decode, texts)), []
            records = list(map(self._lenient.decode, texts))
            carried = list(map(self._rest, texts))
        except (msgspec.MsgspecError, RecursionError):
            return None
        if empty_records(self._names, records) or not self._met(carried):
            return None
        return records, carried

    def _rest(self, text: str) -> Carried:
        found = self._raw.decode(text)
        return {
            name: bytes(value).decode() for name, value in found.items() if name not in self._known
        }

    def _met(self, all_carried: Iterable[Carried]) -> bool:
        """Take note of the fields that there are; return False, if these were too many."""
        new: dict[str, None] = {}
        for carried in all_carried:
            if carried.keys() - self.carried.keys():
                new.update(dict.fromkeys(name for name in carried if name not in self.carried))
        characters = self._characters + sum(map(len, new))
        if len(self.carried) + len(new) > COLUMNS_MAX or characters > NAMES_CHARACTERS_MAX:
            return False
        self.carried.update(new)
        self._characters = characters
        return True


def empty_records(names: Iterable[str], records: Sequence[GivenRecord]) -> list[int]:
    """Return the places of the records that have no field; `names` are those that they can have."""
    left = list(range(len(records)))
    for name in dict.fromkeys((*FIELDS, *names)):
        value = attrgetter(attribute_of(name))
        left = [at for at in left if value(records[at]) is None]
        if not left:
            break
    return left


def _longest(value: Any) -> int:  # noqa: ANN401 - JSON
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return max(map(_longest, value.values()), default=0)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if isinstance(value, list):
        return max(map(_longest, value), default=0)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return 0
