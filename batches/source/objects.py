"""Records out of NDJSON: one object a line, its fields named as in `RecordInput`."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from batches.source.lines import Lines
from batches.source.mapping import nearest_field
from batches.source.record import GivenRecord, record_class
from batches.source.table import FIELD_CHARACTERS_MAX, Unreadable


class Given(Struct, frozen=True):
    """One record as it was given; `line` is its number in the file, the first being 1."""

    line: int
    record: dict[str, Any]


RecordDecoder: TypeAlias = msgspec.json.Decoder[GivenRecord]
UNKNOWN_FIELD = re.compile(r"unknown field `(?P<name>[^`]*)`")


class Objects:
    """The records of NDJSON lines, in constant memory. `blank` counts empty lines."""

    def __init__(self, lines: Lines, fields: Iterable[str] = ()) -> None:
        """Read `lines`; `fields` of a record that are not built in are texts."""
        self.lines = lines
        self.blank = 0
        self._decoder = msgspec.json.Decoder(record_class(fields, strict=True))

    def __iter__(self) -> Iterator[Given | Unreadable]:
        """Yield every record, and every line that is none."""
        for line in self.lines:
            if line.flaw is not None:
                yield Unreadable(line.number, line.flaw)
            elif not line.text.strip():
                self.blank += 1
            else:
                yield _given(line.number, line.text, self._decoder)


def _given(number: int, text: str, decoder: RecordDecoder) -> Given | Unreadable:
    record = read_record(number, text, decoder)
    if isinstance(record, Unreadable):
        return record
    return Given(number, msgspec.to_builtins(record))


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


def _longest(value: Any) -> int:  # noqa: ANN401 - JSON
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return max(map(_longest, value.values()), default=0)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if isinstance(value, list):
        return max(map(_longest, value), default=0)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return 0
