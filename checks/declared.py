"""Kinds that configuration declares, and built-in ones that it gives more checks."""

import importlib
import pkgutil
import re
from collections.abc import Mapping, Sequence
from functools import cache
from types import ModuleType
from typing import Any, Literal, Protocol, cast

import msgspec
import stdnum
from msgspec import Struct
from stdnum.exceptions import InvalidChecksum, InvalidLength, ValidationError

from checks.compose import head_of, refuting
from checks.kinds import KindModule, verdict_class
from checks.parts import WHOLE
from checks.text import TextRule, tidy
from verdicts.examined import Decided, Examined
from verdicts.facts import FactSheet, capitalized
from verdicts.kind import Check, Kind
from verdicts.outcome import Conclusion, Outcome
from verdicts.reason import ReasonCode
from verdicts.verdict import Head, RecordResult, Verdict

LENGTH_MAX = 100
"""Characters of a value of a declared kind, where its declaration does not say."""
_WELL_FORMED = (Outcome("syntax", Conclusion.CONFIRMED),)
_STDNUM_NAME = re.compile(r"[a-z_][a-z0-9_]*(?:\.[a-z_][a-z0-9_]*)?")

Case = Literal["upper", "lower", "keep"]


class NumberModule(Protocol):
    """What a module of python-stdnum is."""

    def validate(self, number: str, /) -> str:
        """Return the number in its compact form; raise what is wrong with it."""
        ...


class Form(Struct, frozen=True):
    """The form of a declared kind: how a text becomes canonical, and which texts are of it.

    `strip` are the characters that go wherever they stand, `pattern` what the rest must be as a
    whole: its named groups are the value's parts. `number` checks it further.
    """

    strip: str = ""
    case: Case = "keep"
    pattern: re.Pattern[str] | None = None
    number: NumberModule | None = None
    length_max: int = LENGTH_MAX

    def canonical(self, value: str) -> str | ReasonCode:
        """Return the canonical form of `value`, or why it has none."""
        text = tidy(value, TextRule(self.length_max))
        if isinstance(text, ReasonCode):
            return text
        text = text.translate(dict.fromkeys(map(ord, self.strip)))
        if self.case != "keep":
            text = text.upper() if self.case == "upper" else text.lower()
        if not text:
            return ReasonCode.MALFORMED
        if self.pattern is not None and self.pattern.fullmatch(text) is None:
            return ReasonCode.MALFORMED
        return text if self.number is None else _validated(text, self.number)

    def parts(self, canonical: str) -> Mapping[str, str]:
        """Return the parts of a canonical value: the named groups of the pattern, and the whole."""
        matched = self.pattern.fullmatch(canonical) if self.pattern is not None else None
        groups = matched.groupdict("") if matched is not None else {}
        return {**groups, WHOLE: canonical}

    @property
    def part_names(self) -> tuple[str, ...]:
        """The names of those parts."""
        return (WHOLE, *(self.pattern.groupindex if self.pattern is not None else ()))


def _validated(text: str, number: NumberModule) -> str | ReasonCode:
    try:
        return number.validate(text)
    except InvalidLength:
        return ReasonCode.WRONG_LENGTH
    except InvalidChecksum:
        return ReasonCode.WRONG_CHECK_DIGIT
    except ValidationError:
        return ReasonCode.MALFORMED


class DeclaredKind:
    """A kind that exists in the configuration alone; satisfies `checks.kinds.KindModule`."""

    def __init__(self, kind: Kind, form: Form, sheets: Sequence[FactSheet]) -> None:
        """Judge values of `form`; `sheets` are the facts of its asked checks."""
        self.KIND = _with_needs(kind, sheets)
        self.sheets = tuple(sheets)
        self.form = form
        self.verdict_class = _extended(Head, f"{capitalized(kind.name)}Verdict", sheets)

    def examine(self, value: str) -> Examined[None]:
        """Return the canonical value, or why there is none."""
        canonical = self.form.canonical(value)
        if isinstance(canonical, ReasonCode):
            return Examined(value, None, refuting(canonical))
        return Examined(value, canonical, _WELL_FORMED)

    def verdict(self, examined: Examined[Any], decided: Decided) -> Verdict:
        """Return the verdict that `decided` and the evidence in its outcomes make."""
        head = head_of(self.KIND.name, examined, decided)
        facts = (sheet.held(decided.outcomes) for sheet in self.sheets)
        return cast("Verdict", self.verdict_class(*head, *facts))


class ExtendedKind:
    """A built-in kind with more checks; satisfies `checks.kinds.KindModule`."""

    def __init__(
        self, module: KindModule, checks: Sequence[Check], sheets: Sequence[FactSheet]
    ) -> None:
        """Add `checks` to those of `module`, with the facts of `sheets`."""
        built_in = module.KIND
        whole = msgspec.structs.replace(built_in, checks=(*built_in.checks, *checks))
        self.KIND = _with_needs(whole, sheets)
        self.sheets = tuple(sheets)
        self.module = module
        self.built_in_class = verdict_class(module)
        self.verdict_class = _extended(self.built_in_class, self.built_in_class.__name__, sheets)

    def examine(self, value: Any) -> Examined[Any]:  # noqa: ANN401 - each kind has its own
        """Return what the built-in kind finds."""
        return self.module.examine(value)

    def verdict(self, examined: Examined[Any], decided: Decided) -> Verdict:
        """Return the verdict of the built-in kind, with the declared facts behind it."""
        verdict = self.module.verdict(examined, decided)
        facts = (sheet.held(decided.outcomes) for sheet in self.sheets)
        return cast("Verdict", self.verdict_class(*msgspec.structs.astuple(verdict), *facts))


def result_class(kinds: Sequence[KindModule]) -> type[RecordResult]:
    """Return the class of results that has a field for each of `kinds`, in their order.

    The same class each time: what a judge found equals what was read again.
    """
    fields = tuple(module.KIND.field for module in kinds if isinstance(module, DeclaredKind))
    return _result_class(fields) if fields else RecordResult


@cache
def _result_class(fields: tuple[str, ...]) -> type[RecordResult]:
    ref, index, status, *usual, verdicts = RecordResult.__struct_fields__
    head: list[str | tuple[str, Any] | tuple[str, Any, Any]] = [ref, index, status]
    more = [(name, Any, None) for name in (*usual, *fields)]
    made = msgspec.defstruct(
        "RecordResult",
        [*head, *more, (verdicts, Any, ())],
        namespace={"consistency": RecordResult.consistency},
        frozen=True,
        gc=False,
    )
    return cast("type[RecordResult]", made)


def _with_needs(kind: Kind, sheets: Sequence[FactSheet]) -> Kind:
    needs = {**kind.needs, **{sheet.name: sheet.check for sheet in sheets}}
    return msgspec.structs.replace(kind, needs=needs)


def _extended(base: type[Struct], name: str, sheets: Sequence[FactSheet]) -> type[Struct]:
    """Return a class of verdicts that has a field more for each of `sheets`."""
    fields: list[tuple[str, Any, Any]] = [
        (sheet.name, cast("Any", sheet.holder) | None, None) for sheet in sheets
    ]
    return msgspec.defstruct(name, fields, bases=(base,), frozen=True, gc=False)


def stdnum_module(name: str) -> NumberModule:
    """Return the module of python-stdnum called `name`, `isin` or `de.idnr`.

    Raises:
        KeyError: there is none.
    """
    if not _STDNUM_NAME.fullmatch(name):
        raise KeyError(name)
    try:
        module = importlib.import_module(f"stdnum.{name}")
    except ImportError:
        raise KeyError(name) from None
    if not callable(getattr(module, "validate", None)):
        raise KeyError(name)
    return cast("NumberModule", module)


def stdnum_names() -> list[str]:
    """Return the names of all modules of python-stdnum."""
    packages: ModuleType = stdnum
    found = pkgutil.walk_packages(packages.__path__, "stdnum.", onerror=lambda _: None)
    return [one.name.removeprefix("stdnum.") for one in found if not one.ispkg]
