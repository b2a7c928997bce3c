"""Which column of a table is which field of a record: guessed from the header, or told."""

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from batches.source.column_names import COUNTRY, NAMES, POSTCODE

TARGETS = (
    "ref",
    "email",
    "phone.number",
    "phone.region",
    "vatNumber",
    "iban",
    "lei",
    "company.number",
    "company.name",
    "company.jurisdiction",
    "address.lines",
    "address.locality",
    "address.administrativeArea",
    "address.postalCode",
    "address.country",
    "postcode.code",
    "postcode.country",
)
"""What a column can be: the fields of `RecordInput`, and the parts of those that have parts."""

LINES = "address.lines"
"""The one target that takes several columns."""

ALIASES = {
    "phone": "phone.number",
    "company": "company.number",
    "address": LINES,
    "postcode": "postcode.code",
    "vat": "vatNumber",
}
COUNTRY_OF = {
    "phone": "phone.region",
    "company": "company.jurisdiction",
    "address": "address.country",
    "postcode": "postcode.country",
}
"""For each field that needs a country, the part that holds it."""

NEEDED: dict[str, tuple[str, ...]] = {
    "phone": ("number",),
    "company": ("number",),
    "address": ("lines", "locality", "postalCode"),
    "postcode": ("code",),
}
"""A field with parts is sent when one of these is there: a country alone says nothing."""


class MappingError(Exception):
    """A column or a field that does not exist; the message names the nearest one."""


class ColumnMapping(Struct, frozen=True):
    """Which columns make which field.

    `targets` has for each target the places of its columns, `guessed` the places of columns that
    nobody named, `alone` those that no field takes.
    """

    columns: Sequence[str]
    targets: Mapping[str, Sequence[int]]
    guessed: frozenset[int] = frozenset()
    needed: Mapping[str, Sequence[str]] = field(default_factory=lambda: dict(NEEDED))
    known: Sequence[str] = TARGETS

    @property
    def fields(self) -> list[str]:
        """The fields of a record that can be filled, in the order of `RecordInput`."""
        return [name for name in dict.fromkeys(map(_field, self.known)) if self._fills(name)]

    @property
    def alone(self) -> list[str]:
        """The columns that are not read."""
        used = {at for places in self.targets.values() for at in places}
        return [name for at, name in enumerate(self.columns) if at not in used]

    def told(self) -> list[tuple[str, str, bool]]:
        """Return for each column that is read its name, its targets, whether that is a guess."""
        by_place: dict[int, list[str]] = {}
        for target, places in self.targets.items():
            for at in places:
                by_place.setdefault(at, []).append(target)
        return [
            (self.columns[at], ", ".join(by_place[at]), at in self.guessed)
            for at in sorted(by_place)
        ]

    def record(self, cells: Sequence[str]) -> dict[str, Any]:
        """Return the record that a row makes; empty when it has no field to validate."""
        record: dict[str, Any] = {}
        parts: dict[str, dict[str, Any]] = {}
        for target, places in self.targets.items():
            filled = [cells[at] for at in places if cells[at] and not cells[at].isspace()]
            if not filled:
                continue
            name, _, part = target.partition(".")
            if part:
                parts.setdefault(name, {})[part] = filled if target == LINES else filled[0]
            else:
                record[name] = filled[0]
        record |= {
            name: found
            for name, found in parts.items()
            if any(part in found for part in self.needed[name])
        }
        return record if record.keys() - {"ref"} else {}

    def _fills(self, name: str) -> bool:
        if name == "ref":
            return False
        if name in NEEDED:
            return any(f"{name}.{part}" in self.targets for part in self.needed[name])
        return name in self.targets


def mapping_of(
    columns: Sequence[str], told: Iterable[str] = (), fields: Iterable[str] = ()
) -> ColumnMapping:
    """Return the mapping of a table with this header; `told` are texts such as `E-Mail=email`.

    What is told comes first, the rest is guessed. `fields` are those of a record: beside the
    built-in ones those that configuration declares, each one text. `Name=` leaves a column alone,
    and `Land=phone.region,address.country` gives it to several fields.

    Raises:
        MappingError: a column or a field that does not exist, or a text of another form.
    """
    built_in = set(map(_field, TARGETS))
    known = (*TARGETS, *(name for name in fields if name not in built_in))
    targets: dict[str, list[int]] = {}
    settled: set[int] = set()
    for text in told:
        at, wanted = _told(columns, text, known)
        settled.add(at)
        for target in wanted:
            if target in targets and target != LINES:
                other = columns[targets[target][0]]
                raise MappingError(f"{text!r}: {target} is column {other!r} already.")
            targets.setdefault(target, []).append(at)
    needed = dict(NEEDED)
    if "company.name" in targets and "company.number" not in targets:
        needed["company"] = ("number", "name")  # asked for by name, so sent by name
    guessed = _guess(columns, targets, settled, known)
    ordered = {target: tuple(targets[target]) for target in known if target in targets}
    return ColumnMapping(tuple(columns), ordered, frozenset(guessed), needed, known)


def _told(columns: Sequence[str], text: str, known: Sequence[str]) -> tuple[int, list[str]]:
    column, sign, names = text.rpartition("=")
    if not sign:
        raise MappingError(f"{text!r}: write COLUMN=FIELD, for example 'E-Mail=email'.")
    if column not in columns:
        folded = {_folded(name): name for name in columns}
        near = folded.get(_folded(column)) or _nearest(column, columns)
        hint = f" Did you mean {near!r}?" if near else ""
        raise MappingError(
            f"{text!r}: there is no column {column!r}.{hint}"
            f" The columns are {', '.join(map(repr, columns))}."
        )
    targets = [_target(text, name, known) for name in names.split(",") if name.strip()]
    return columns.index(column), targets


def _target(text: str, name: str, known: Sequence[str]) -> str:
    spelled = {_folded(target): target for target in known}
    spelled.update({_folded(alias): target for alias, target in ALIASES.items()})
    found = spelled.get(_folded(name))
    if found is not None:
        return found
    near = spelled.get(_nearest(_folded(name), list(spelled)) or "")
    hint = f" Did you mean {near}?" if near else ""
    raise MappingError(
        f"{text!r}: there is no field {name.strip()!r}.{hint} The fields are {', '.join(known)}."
    )


def nearest_field(name: str) -> str:
    """Return what `name` was probably meant to be, as the end of a message; empty if unclear."""
    near = _nearest(name, [*dict.fromkeys(map(_field, TARGETS))])
    return f"; did you mean {near}?" if near else ""


def _guess(
    columns: Sequence[str],
    targets: dict[str, list[int]],
    settled: set[int],
    known: Sequence[str],
) -> set[int]:
    """Add to `targets` what the names of the other columns say; return the places that it took."""
    free = [at for at in range(len(columns)) if at not in settled]
    free.sort(key=lambda at: _folded(columns[at]) not in NAMES)  # `phone` before `phone 2`
    own = {_folded(target): target for target in known[len(TARGETS) :]}
    meant = {at: meaning for at in free if (meaning := _meaning(columns[at], own)) is not None}
    told = frozenset(targets)
    guessed: set[int] = set()

    def give(meaning: str, *names: str) -> None:
        for at in (at for at, one in meant.items() if one == meaning):
            for target in names:
                if target not in targets or (target == LINES and target not in told):
                    targets.setdefault(target, []).append(at)
                    guessed.add(at)

    for target in known:
        if target != "company.name" or "company.number" in targets:  # a name can't be looked up
            give(target, target)
    has_address = LINES in targets or "address.locality" in targets
    give(POSTCODE, "address.postalCode" if has_address else "postcode.code")
    give(COUNTRY, *(part for name, part in COUNTRY_OF.items() if _has_value(name, targets)))
    for name, part in COUNTRY_OF.items():
        if part in targets and part not in told and not _has_value(name, targets):
            guessed.difference_update(targets.pop(part))
    return guessed


def _has_value(name: str, targets: Mapping[str, Sequence[int]]) -> bool:
    """Return whether a field has more than its country."""
    return any(_field(target) == name and target != COUNTRY_OF[name] for target in targets)


def _meaning(column: str, own: Mapping[str, str]) -> str | None:
    """Return what a column's name means; `own` are the names of declared kinds, which go first."""
    folded = _folded(column)
    found = own.get(folded) or NAMES.get(folded)
    if found is None:  # `Phone 2`, `address_line_3`
        found = NAMES.get(re.sub(r"[0-9]+$", "", folded))
    return found


def _folded(name: str) -> str:
    """Return a name without case, accents and punctuation."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in plain if letter.isalnum())


def _field(target: str) -> str:
    return target.partition(".")[0]


def _nearest(name: str, names: Sequence[str]) -> str | None:
    return next(iter(difflib.get_close_matches(name, names, n=1)), None)
