"""Texts of a call with the parts of a value in them: `/v1/check/{country}/{number}`.

A part is put in as what it is for the place: percent-encoded in a path, as it is in a query, a form
or a JSON text (the transport encodes those whole), visible ASCII in a header. So no value, however
hostile, changes the structure of a call; and a value is never itself read as a template.
"""

import difflib
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from string import Formatter
from typing import cast
from urllib.parse import quote

from providers.exchange import encoded

Parts = Mapping[str, str]
"""A canonical value in its parts, by name; `value` is the whole."""
Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]

WHOLE = "value"
VALUES = "values"
"""In a bulk call: where what is asked about stands, all values together."""
_VISIBLE = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")
_OTHER = re.compile(r"[^A-Za-z0-9]+")

FILTERS: Mapping[str, Callable[[str], str]] = {
    "": str,
    "lower": str.lower,
    "upper": str.upper,
    "snake": lambda text: _OTHER.sub("_", text).strip("_").lower(),
}
"""What may stand behind a colon: `{country:lower}`. `snake`: `US-DE` is `us_de`."""


class Template:
    """A text with places for parts; `{{` and `}}` are braces of the text itself."""

    def __init__(self, text: str) -> None:
        """Read `text`.

        Raises:
            ValueError: a brace without its other one, or a filter that there is not.
        """
        self.text = text
        self._pieces: list[tuple[str, str | None, Callable[[str], str]]] = []
        try:
            pieces = list(Formatter().parse(text))
        except ValueError:
            raise ValueError(
                f"{text!r}: a brace has no other one; write {{{{ or }}}} for a brace itself"
            ) from None
        for literal, name, filter_name, conversion in pieces:
            if name is not None and (conversion or not name.isidentifier()):
                raise ValueError(f"{text!r}: between braces stands the name of a part, {{value}}")
            if (filter_name or "") not in FILTERS:
                raise ValueError(
                    f"{text!r}: no filter {filter_name!r}{nearest(filter_name or '', FILTERS)}"
                )
            self._pieces.append((literal, name, FILTERS[filter_name or ""]))

    def __repr__(self) -> str:
        return f"Template({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Template) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    @property
    def names(self) -> frozenset[str]:
        """The parts that it names."""
        return frozenset(name for _, name, _ in self._pieces if name is not None)

    def plain(self, parts: Parts) -> str:
        """Return the text with `parts` in it as they are; KeyError for one that is not there."""
        return self._filled(parts, str)

    def path(self, parts: Parts) -> str:
        """Return the text with `parts` percent-encoded, for a path (RFC 3986, section 3.3)."""
        return self._filled(parts, encoded)

    def header(self, parts: Parts) -> str:
        """Return the text with all that is not visible ASCII in `parts` percent-encoded."""
        return self._filled(parts, lambda part: quote(part, safe=_VISIBLE).strip())

    def _filled(self, parts: Parts, put: Callable[[str], str]) -> str:
        return "".join(
            literal if name is None else literal + put(changed(parts[name]))
            for literal, name, changed in self._pieces
        )


def template_of(value: object) -> object:
    """Return the template that the text `value` is; anything else as it is."""
    return Template(value) if isinstance(value, str) else value


class JsonTemplate:
    """A JSON value, whose texts are templates; its names and its other values stand as they are."""

    def __init__(self, shape: Json) -> None:
        """Read `shape`.

        Raises:
            ValueError: as `Template`.
        """
        self.shape = shape
        self._texts = {text: Template(text) for text in _texts(shape)}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, JsonTemplate) and other.shape == self.shape

    def __hash__(self) -> int:
        return hash(repr(self.shape))

    @property
    def names(self) -> frozenset[str]:
        """The parts that it names."""
        return frozenset[str]().union(*(one.names for one in self._texts.values()))

    def filled(self, parts: Parts, values: list[Json] | None = None) -> Json:
        """Return the JSON for `parts`; a text that is `{values}` alone becomes the list."""
        return self._fill(self.shape, parts, values)

    def _fill(self, shape: Json, parts: Parts, values: list[Json] | None) -> Json:
        if isinstance(shape, str):
            if values is not None and shape == f"{{{VALUES}}}":
                return values
            return self._texts[shape].plain(parts)
        if isinstance(shape, list):
            return [self._fill(one, parts, values) for one in shape]
        if isinstance(shape, dict):
            return {name: self._fill(one, parts, values) for name, one in shape.items()}
        return shape


def json_template_of(value: object) -> object:
    """Return the JSON template that the plain object `value` is."""
    return value if isinstance(value, JsonTemplate) else JsonTemplate(cast("Json", value))


def _texts(shape: Json) -> Iterator[str]:
    if isinstance(shape, str):
        yield shape
    elif isinstance(shape, list):
        for one in shape:
            yield from _texts(one)
    elif isinstance(shape, dict):
        for one in shape.values():
            yield from _texts(one)


def nearest(name: str, names: Collection[str]) -> str:
    """Return the end of a message: what `name` was probably meant to be, and what there is."""
    near = difflib.get_close_matches(name, [one for one in names if one], n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "; there are"
    return hint if near else f"{hint} {', '.join(one for one in names if one)}"
