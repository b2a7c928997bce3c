"""Python that writes Python: the one place of this repository where text becomes code.

Why: reading 1,000 records and completing their results through general functions costs twenty
times what straight-line code does (benchmarks/typed_graphql.py). What is safe about it: the text
is made of our own templates, of names that `Generated` invents, of attribute names that
`attribute` has checked, and of strings and numbers written by `repr`. A client's text never becomes
code: response names are GraphQL names (letters, digits, underscore), and appear only inside `repr`.
"""

from collections.abc import Callable
from keyword import iskeyword
from types import CodeType
from typing import Any, NoReturn

from graphql import GRAPHQL_MAX_INT, GRAPHQL_MIN_INT


class NotPlain(Exception):
    """This document or type is for the stock executor; the message says why."""


class Unfit(Exception):
    """A value that the generated code does not handle: the stock executor decides about it."""


def unfit(*_values: object) -> NoReturn:
    """Refuse a value. An expression in generated code, where `raise` cannot stand."""
    raise Unfit


def is_int(class_: str, value: str) -> str:
    """Return the condition that `value`, whose class `class_` reads, is an Int of GraphQL.

    `class_` comes first: it may be what puts the value into its variable.
    """
    return f"{class_} is int and {GRAPHQL_MIN_INT} <= {value} <= {GRAPHQL_MAX_INT}"


def attribute(name: str) -> str:
    """Return `name` when it can be written after a dot.

    Raises:
        NotPlain: it is not an attribute name that Python's syntax takes as it is.
    """
    if not name.isidentifier() or iskeyword(name) or not name.isascii():
        raise NotPlain(f"{name!r} is not an attribute name")
    return name


class Generated:
    """A module under construction: its lines, and the objects that they name."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._names: dict[str, Any] = {"unfit": unfit}
        self._count = 0

    def name(self, stem: str) -> str:
        """Return a name that nothing else here has."""
        self._count += 1
        return f"{stem}{self._count}"

    def bind(self, stem: str, value: object) -> str:
        """Return a new name under which the code finds `value`."""
        name = self.name(stem)
        self._names[name] = value
        return name

    def add(self, *lines: str) -> None:
        """Add whole lines, indented as they shall stand."""
        self._lines += lines

    def build(self, name: str) -> Callable[[Any], Any]:
        """Compile what was added, and return the function called `name`.

        Raises:
            NotPlain: Python refuses the text, as it does when it is nested too deeply.
        """
        try:
            code: CodeType = compile("\n".join(self._lines), "<fast lane>", "exec")
        except (SyntaxError, RecursionError, MemoryError) as error:
            raise NotPlain("nested too deeply to be compiled") from error
        exec(code, self._names)  # nosec B102  # noqa: S102 - explained at the top of this file
        built: Callable[[Any], Any] = self._names[name]
        return built
