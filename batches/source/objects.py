"""Records out of NDJSON: one object a line, its fields named as in `RecordInput`."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from batches.source.lines import Lines
from batches.source.mapping import nearest_field
from batches.source.table import FIELD_CHARACTERS_MAX, Unreadable


class _Part(Struct, forbid_unknown_fields=True, rename="camel", omit_defaults=True):
    """What all objects here have in common."""


class _Phone(_Part):
    number: str
    region: str | None = None


class _Company(_Part):
    name: str | None = None
    number: str | None = None
    jurisdiction: str | None = None


class _Address(_Part):
    lines: list[str] | None = None
    locality: str | None = None
    administrative_area: str | None = None
    postal_code: str | None = None
    country: str | None = None


class _Postcode(_Part):
    code: str
    country: str | None = None


class _Record(_Part):
    ref: str | None = None
    email: str | None = None
    phone: _Phone | None = None
    vat_number: str | None = None
    iban: str | None = None
    lei: str | None = None
    company: _Company | None = None
    address: _Address | None = None
    postcode: _Postcode | None = None


class Given(Struct, frozen=True):
    """One record as it was given; `line` is its number in the file, the first being 1."""

    line: int
    record: dict[str, Any]


_BUILT_IN = frozenset(_Record.__struct_encode_fields__)
UNKNOWN_FIELD = re.compile(r"unknown field `(?P<name>[^`]*)`")


class Objects:
    """The records of NDJSON lines, in constant memory. `blank` counts empty lines."""

    def __init__(self, lines: Lines, fields: Iterable[str] = ()) -> None:
        """Read `lines`; `fields` of a record that are not built in are texts."""
        self.lines = lines
        self.blank = 0
        self._decoder = _decoder(tuple(name for name in fields if name not in _BUILT_IN))

    def __iter__(self) -> Iterator[Given | Unreadable]:
        """Yield every record, and every line that is none."""
        for line in self.lines:
            if line.flaw is not None:
                yield Unreadable(line.number, line.flaw)
            elif not line.text.strip():
                self.blank += 1
            else:
                yield _given(line.number, line.text, self._decoder)


def _decoder(declared: tuple[str, ...]) -> msgspec.json.Decoder[Any]:
    """Return what decodes records that may have these fields, too."""
    if not declared:
        return msgspec.json.Decoder(_Record)
    fields: list[tuple[str, Any, Any]] = [
        (f"declared_{at}", str | None, None) for at in range(len(declared))
    ]
    names = {f"declared_{at}": name for at, name in enumerate(declared)}
    own = {one.name: one.encode_name for one in msgspec.structs.fields(_Record)}
    made = msgspec.defstruct(
        "_Record",
        fields,
        bases=(_Record,),
        rename={**own, **names},
        forbid_unknown_fields=True,
        omit_defaults=True,
    )
    return msgspec.json.Decoder(made)


def _given(number: int, text: str, decoder: msgspec.json.Decoder[Any]) -> Given | Unreadable:
    try:
        record = msgspec.to_builtins(decoder.decode(text))
    except msgspec.ValidationError as error:
        message = str(error)
        unknown = UNKNOWN_FIELD.search(message)
        hint = nearest_field(unknown["name"]) if unknown else ""
        return Unreadable(number, f"is no record: {message}{hint}")
    except (msgspec.DecodeError, RecursionError) as error:
        return Unreadable(number, f"is not JSON: {error}")
    if len(text) > FIELD_CHARACTERS_MAX and _longest(record) > FIELD_CHARACTERS_MAX:
        return Unreadable(number, f"has a value of more than {FIELD_CHARACTERS_MAX:,} characters")
    return Given(number, record)


def _longest(value: Any) -> int:  # noqa: ANN401 - JSON
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return max(map(_longest, value.values()), default=0)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if isinstance(value, list):
        return max(map(_longest, value), default=0)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return 0
