"""Results as NDJSON: one object a line, with all that the API says of a record."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import TypeAlias

import msgspec
import orjson
from msgspec import Struct

from batches.decided import Decided
from batches.shapes import Own
from batches.source.objects import Carried
from checks.declared import DeclaredKind, ExtendedKind
from checks.kinds import KINDS, KindModule
from verdicts.facts import attribute_of, shown_as
from verdicts.outcome import Outcome
from verdicts.verdict import RecordResult, Verdict

Names: TypeAlias = Mapping[str, str]
"""The names that the API has for attributes, where they are not made from these."""
SHARED = ("reasons", "outcomes")
"""What verdicts of equal findings have in common, and is written once a chunk."""


class NdjsonWriter:
    """Writes `line` in the input, `given` as it was, `result` as the API gives it, all of it.

    `line` is null where there was no file, `given` where it is kept no longer.
    """

    def __init__(
        self,
        own: Own,
        fields: Sequence[str],
        kinds: Sequence[KindModule] = KINDS,
    ) -> None:
        self._columns = own.columns or ()
        self._fields = [(name, attribute_of(name)) for name in fields]
        self._declared = dict(_declared(kinds))
        self._shapes: dict[type[Struct], _Shape] = {}

    def head(self) -> bytes:
        """Return nothing: every line stands for itself."""
        return b""

    def rows(self, chunk: Decided, places: Sequence[int]) -> bytes:
        """Return one line a record."""
        written: dict[int, orjson.Fragment] = {}
        lines = None if chunk.given is None else chunk.given.lines
        given = self._given(chunk)
        parts: list[bytes] = []
        for place in places:
            result = chunk.results[place]
            if result is None:
                continue
            line = {
                "line": None if lines is None else lines[place],
                "given": None if given is None else given[place],
                "result": self._result(result, chunk.first_index + place, written),
            }
            parts.append(orjson.dumps(line, default=self._plain, option=orjson.OPT_APPEND_NEWLINE))
        return b"".join(parts)

    def end(self) -> bytes:
        """Return nothing, as `head`."""
        return b""

    def _given(self, chunk: Decided) -> Sequence[object] | None:
        if chunk.given is None:
            return None
        if chunk.given.records is not None:
            objects = map(msgspec.json.encode, chunk.given.records)
            if chunk.given.carried is not None:
                objects = map(_object, objects, chunk.given.carried)
            return list(map(orjson.Fragment, objects))
        return [dict(zip(self._columns, cells, strict=True)) for cells in chunk.given.rows]

    def _result(
        self, result: RecordResult, index: int, written: dict[int, orjson.Fragment]
    ) -> dict[str, object]:
        shown: dict[str, object] = {
            "ref": result.ref,
            "index": index,
            "status": result.status.value,
        }
        for name, attribute in self._fields:
            verdict = getattr(result, attribute, None)
            shown[name] = None if verdict is None else self._verdict(verdict, written)
        # one verdict alone has nothing to fit together with, which is the usual case
        shown["consistency"] = result.consistency if len(result.verdicts) > 1 else ()
        return shown

    def _verdict(self, verdict: Verdict, written: dict[int, orjson.Fragment]) -> dict[str, object]:
        shown = self._shape(type(verdict)).shown(verdict)
        for name in SHARED:
            value = shown[name]
            known = written.get(id(value))
            if known is None:
                known = orjson.Fragment(orjson.dumps(value, default=self._plain))
                written[id(value)] = known
            shown[name] = known
        return shown

    def _plain(self, value: object) -> object:
        """Return what orjson can write in the place of `value`."""
        if isinstance(value, Struct):
            return self._shape(type(value)).shown(value)
        if isinstance(value, Decimal):
            return str(value)
        raise TypeError(type(value).__name__)

    def _shape(self, class_: type[Struct]) -> "_Shape":
        shape = self._shapes.get(class_)
        if shape is None:
            shape = self._shapes[class_] = _Shape(class_, self._declared)
        return shape


def _object(record: bytes, carried: Carried) -> bytes:
    """Return an object with the fields of `record`, itself one, and those that it carried."""
    if not carried:
        return record
    more = b",".join(orjson.dumps(name) + b":" + text.encode() for name, text in carried.items())
    return b"{" + more + b"}" if record == b"{}" else record[:-1] + b"," + more + b"}"


def _declared(kinds: Sequence[KindModule]) -> Iterator[tuple[type[Struct], Names]]:
    """Yield the classes of what configuration declares, each with the names of its attributes."""
    for kind in kinds:
        if isinstance(kind, DeclaredKind | ExtendedKind):
            yield kind.verdict_class, {sheet.name: sheet.shown for sheet in kind.sheets}
            for sheet in kind.sheets:
                yield sheet.holder, {fact.name: fact.shown for fact in sheet.facts}


class _Shape:
    """The attributes of a class by the names that the API has for them."""

    def __init__(self, class_: type[Struct], declared: Mapping[type[Struct], Names]) -> None:
        own = declared.get(class_, {})
        attributes = list(map(_read, _fields(class_)))
        self._names = [own.get(name) or shown_as(name) for name in attributes]
        # of one attribute a getter returns it alone and no tuple
        self._all = attrgetter(*attributes) if len(attributes) > 1 else None
        self._one = attrgetter(*attributes[:1])

    def shown(self, value: Struct) -> dict[str, object]:
        """Return what the API shows of `value`."""
        values = self._all(value) if self._all is not None else (self._one(value),)
        return dict(zip(self._names, values, strict=True))


def _fields(class_: type[Struct]) -> Iterator[str]:
    """Yield the attributes that the API shows; evidence stands in the verdict, by its own names."""
    hidden = {"evidence"} if issubclass(class_, Outcome) else set[str]()
    yield from (name for name in class_.__struct_fields__ if name not in hidden)


def _read(attribute: str) -> str:
    return "cost" if attribute == "cost_millionths" else attribute
