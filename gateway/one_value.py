"""One value written as a single text, as people type it, for kinds whose values have parts too."""

from msgspec import Struct


class _Parts(Struct):
    """A value of a kind that has parts, from one text."""

    number: str | None = None
    region: str | None = None
    name: str | None = None
    jurisdiction: str | None = None
    lines: list[str] | None = None
    locality: str | None = None
    administrative_area: str | None = None
    postal_code: str | None = None
    code: str = ""
    country: str | None = None


def as_sent(kind: str, value: str) -> object:
    """Return `value` as a client sends it: `GB/00012345` for kinds that have a country, too."""
    country, slash, rest = value.partition("/")
    if kind == "phone":
        return _Parts(number=value)
    if kind == "company":
        return _Parts(number=rest if slash else value, jurisdiction=country if slash else None)
    if kind == "postcode":
        return _Parts(code=rest if slash else value, country=country if slash else None)
    if kind == "address":
        *lines, last = [part.strip() for part in value.replace("\n", ",").split(",")]
        return _Parts(lines=lines, country=last)
    return value
