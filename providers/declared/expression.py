"""JMESPath expressions: compiled at the start, so that a mistake in one stops the start."""

import difflib
import json
import re
from typing import Any, cast

import jmespath
from jmespath.exceptions import JMESPathError, ParseError
from jmespath.functions import Functions
from jmespath.parser import ParsedResult

from providers.errors import ProtocolBroken
from providers.exchange import Answer

TEXT_MAX = 500
"""Characters of one expression."""
FUNCTIONS: dict[str, Any] = cast("Any", Functions).FUNCTION_TABLE
_VARIADIC = "variadic"


class Expression:
    """One compiled expression."""

    def __init__(self, text: str) -> None:
        """Compile `text`.

        Raises:
            ValueError: it is no JMESPath, or calls a function that there is not, or wrongly.
        """
        if len(text) > TEXT_MAX:
            raise ValueError(f"an expression has at most {TEXT_MAX} characters")
        self.text = text
        self._parsed: ParsedResult = _compiled(text)
        self._names = _names_in(cast("Any", self._parsed).parsed)

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def read(self, document: object) -> object:
        """Return what the expression finds in `document`; None for nothing.

        Raises:
            ProtocolBroken: `document` holds something else than the expression can work with.
        """
        if self._names is not None:  # most are a plain path, and this takes a thirtieth
            for name in self._names:
                document = (
                    cast("dict[str, object]", document).get(name)
                    if isinstance(document, dict)
                    else None
                )
            return document
        try:
            return self._parsed.search(document)
        except (JMESPathError, TypeError, ValueError, OverflowError, RecursionError):
            raise ProtocolBroken("the answer does not fit an expression of its rules") from None

    def holds(self, document: object) -> bool:
        """Return whether it finds something true: not null, false, or empty."""
        try:
            found = self.read(document)
        except ProtocolBroken:
            return False
        return not (found is None or found is False or (_sized(found) and not found))


def expression_of(value: object) -> object:
    """Return the expression that the text `value` is; anything else as it is."""
    return Expression(value) if isinstance(value, str) else value


def document_of(answer: Answer) -> object:
    """Return the JSON of `answer` as plain objects.

    Raises:
        ProtocolBroken: it is not JSON, says that it is something else, or says a thing twice.
    """
    media_type = answer.headers.get("content-type", "application/json")
    if "json" not in media_type:
        raise ProtocolBroken(f"the answer is {media_type.split(';')[0]}, not JSON")
    try:
        return json.loads(
            answer.body.decode(), object_pairs_hook=_once, parse_constant=_no_such_number
        )
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise ProtocolBroken("the answer is not JSON") from None


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Refuse members of one name: a parser keeps the last, and nobody knows which was meant."""
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ProtocolBroken("the answer says something twice")
    return made


def _no_such_number(_: str) -> object:
    raise ProtocolBroken("the answer holds a number that JSON does not have")


def _sized(found: object) -> bool:
    return isinstance(found, str | list | dict)


def _compiled(text: str) -> ParsedResult:
    try:
        parsed = jmespath.compile(text)
    except JMESPathError as error:
        raise ValueError(_told(text, error)) from None
    _refuse_unknown_functions(cast("Any", parsed).parsed)
    return parsed


def _told(text: str, error: JMESPathError) -> str:
    if not text.strip():
        return "not JMESPath: it is empty; `@` is the whole answer"
    position: int | None = getattr(error, "lex_position", None)
    if isinstance(error, ParseError) and position is not None:
        found = text[position:].partition(" ")[0] if position < len(text) else "its end"
        quoting = "; a word to compare with stands in single quotes" if '"' in text else ""
        return f"not JMESPath: unexpected {found!r} at character {position + 1}{quoting}"
    reason = re.sub(r"\s+", " ", str(error).split("\n")[0])
    return f"not JMESPath: {reason}"


def _names_in(node: dict[str, Any]) -> list[str] | None:
    """Return the names of a plain path (`data.status`, `@`); None for any other expression."""
    if node["type"] in {"identity", "current"}:
        return []
    if node["type"] == "field":
        return [node["value"]]
    if node["type"] != "subexpression":
        return None
    parts = [_names_in(child) for child in node["children"]]
    return None if None in parts else [name for part in parts if part for name in part]


def _refuse_unknown_functions(node: dict[str, Any]) -> None:
    if node["type"] == "function_expression":
        name, given = node["value"], len(node["children"])
        if name not in FUNCTIONS:
            near = difflib.get_close_matches(name, list(FUNCTIONS), n=1)
            hint = f"; did you mean {near[0]}()?" if near else ""
            raise ValueError(f"JMESPath has no function {name}(){hint}")
        takes = FUNCTIONS[name]["signature"]
        variadic = bool(takes) and bool(takes[-1].get(_VARIADIC))
        if given < len(takes) or (given > len(takes) and not variadic):
            raise ValueError(f"{name}() takes {len(takes)} arguments, and gets {given}")
    for child in node["children"]:
        if isinstance(child, dict):
            _refuse_unknown_functions(cast("dict[str, Any]", child))
