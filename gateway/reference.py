"""The tables of the README and of pages in docs/, made from the code.

`python -m gateway.reference README.md docs/configuration.md docs/declared-providers.md
docs/reasons.md` writes them between the markers that a page has; a test holds the pages against
them.
"""

import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from types import ModuleType, NoneType
from typing import Annotated, Any, Literal, cast, get_args, get_origin

from msgspec import Struct
from pydantic import BaseModel, HttpUrl, SecretStr
from pydantic.fields import FieldInfo

from checks.kinds import KINDS
from checks.text import identifier, tidy
from gateway.declared_reference import (
    built_in_table,
    declared_tables,
    faults_table,
    filters_table,
    parts_table,
)
from gateway.mistakes import PREFIX
from gateway.settings import Settings
from providers import dns, errors, matching, panel, permits, provider, quorum, sending
from providers.catalogue import SERVICES
from providers.panel import Strategy
from providers.rates import Rate
from questions import desk
from verdicts.reason import MEANING, ReasonCode

COMMAND = "python -m gateway.reference"
NAMED: Mapping[str, tuple[str, ...]] = {
    "kinds": ("KIND",),
    "checks": ("KIND", "CHECK"),
    "providers": ("NAME",),
}
"""Sections that hold one table for each name, and what stands for the name here."""
WORDS: Mapping[type, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    Decimal: "number",
    bool: "`true` or `false`",
    Path: "path",
    HttpUrl: "URL",
    SecretStr: "secret",
    Rate: "rate",
    re.Pattern: "regular expression",
    Strategy: "`failover` or `quorum`",
    Mapping: "table",
}
ESSENTIAL = (
    "gateway.host",
    "gateway.port",
    "gateway.data_dir",
    "gateway.sandbox",
    "gateway.deadline_ms",
    "redis.url",
    "redis.cache_url",
    "cache.hash_key",
    "cache.ttl.confirmed",
    "kinds.KIND.checks",
    "checks.KIND.CHECK.providers",
    "providers.NAME.api_key",
    "providers.NAME.rates",
    "providers.NAME.concurrency",
)
"""What the README shows: the settings that most people meet."""

LATER = frozenset(
    {
        ReasonCode.MAILBOX_UNREACHABLE,
        ReasonCode.DEADLINE,
        ReasonCode.RATE_LIMITED,
        ReasonCode.LIMITS_UNAVAILABLE,
        ReasonCode.QUOTA_EXHAUSTED,
        ReasonCode.SOURCE_UNAVAILABLE,
        ReasonCode.PROVIDER_UNAVAILABLE,
        ReasonCode.PROVIDER_PROTOCOL,
        ReasonCode.PROVIDER_REFUSED,
        ReasonCode.OUT_OF_CREDIT,
    }
)
"""Codes whose reasons are `retryable`; a test holds every fault of every service against them."""
SOMETIMES = frozenset({ReasonCode.LINE_TYPE_MISSING, ReasonCode.REJECTED_BY_PROVIDER})
"""Codes of which the service says each time whether asking again helps."""

_MENTION = re.compile(r"\bReasonCode\.([A-Z_]+)")
_THE_WAY: tuple[ModuleType, ...] = (
    *(errors, matching, panel, permits, provider, quorum, sending),
    desk,
)


class Setting(Struct, frozen=True):
    """One setting: its dotted key, what it takes, its default, its variable, what it means.

    `variable` is empty for a list in a table of its own name, which the environment can't reach.
    """

    key: str
    takes: str
    default: str
    variable: str
    meaning: str


def settings() -> list[Setting]:
    """Return every setting that there is, section by section."""
    return [one for section in Settings.model_fields for one in _section(section)]


def settings_tables() -> str:
    """Return one table a section, as Markdown."""
    return "\n\n".join(_settings_table(section) for section in Settings.model_fields)


def essential_table() -> str:
    """Return the table of the README."""
    known = {one.key: one for one in settings()}
    rows = (known[key] for key in ESSENTIAL)
    return _table(
        ("setting", "default", "what it does"),
        ((f"`{one.key}`", one.default, one.meaning) for one in rows),
    )


def reasons_table() -> str:
    """Return every reason code with its meaning, who gives it, and whether to ask again."""
    given = _givers()
    return _table(
        ("code", "meaning", "from a local check of", "from asking", "`retryable`"),
        (
            (f"`{code.value}`", MEANING[code], *_who(given.get(code, ())), _again(code))
            for code in ReasonCode
        ),
    )


TABLES: Mapping[str, Callable[[], str]] = {
    "settings": settings_tables,
    "essential settings": essential_table,
    "reasons": reasons_table,
    "declared tables": declared_tables,
    "declared parts": parts_table,
    "declared filters": filters_table,
    "declared errors": faults_table,
    "declared built-in facts": built_in_table,
}


def written(page: str) -> str:
    """Return `page` with the tables of today between its markers.

    Raises:
        ValueError: it has no markers, or one without its end.
    """
    found = 0
    for name, made in TABLES.items():
        begin = f"<!-- {name}, by `{COMMAND}`: begin -->"
        end = f"<!-- {name}: end -->"
        before, begun, rest = page.partition(begin)
        if begun:
            _, ended, after = rest.partition(end)
            if not ended:
                raise ValueError(f"the page has no {end!r}")
            page = f"{before}{begin}\n\n{made()}\n\n{end}{after}"
            found += 1
    if not found:
        raise ValueError(f"the page has no markers of {COMMAND}")
    return page


def _section(name: str) -> Iterator[Setting]:
    keys = (name, *NAMED.get(name, ()))
    model = Settings.model_fields[name].annotation
    for _ in NAMED.get(name, ()):
        _, model = get_args(model)
    return _fields(keys, cast("type[BaseModel]", model))


def _fields(keys: tuple[str, ...], model: type[BaseModel]) -> Iterator[Setting]:
    for name, field in model.model_fields.items():
        inner = _plain(field.annotation)
        if inspect.isclass(inner) and issubclass(inner, BaseModel):
            yield from _fields((*keys, name), inner)
        else:
            yield Setting(
                ".".join((*keys, name)),
                _takes(field),
                _default(field),
                _variable((*keys, name), inner),
                field.description or "",
            )


def _plain(annotation: object) -> object:
    """Return what `annotation` allows beside None, without what is said of how it is read."""
    if NoneType in get_args(annotation):
        annotation = next(part for part in get_args(annotation) if part is not NoneType)
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _takes(field: FieldInfo) -> str:
    inner = _plain(field.annotation)
    if get_origin(inner) is Literal:
        return ", ".join(f"`{word}`" for word in get_args(inner))
    listed = getattr(inner, "__origin__", None) is tuple
    sort = get_args(inner)[0] if listed else inner
    sort = getattr(sort, "__origin__", sort) if not isinstance(sort, type) else sort
    word = WORDS[cast("type", sort)]
    return f"list of {word}s" if listed else f"{word}{_bounds(field)}"


def _bounds(field: FieldInfo) -> str:
    said: dict[str, Any] = {
        name: bound
        for one in field.metadata
        for name in ("ge", "gt", "le", "min_length", "pattern")
        if (bound := getattr(one, name, None)) is not None
    }
    if "pattern" in said:
        return f" like `{said['pattern']}`"
    if "min_length" in said:
        return f" of {said['min_length']} or more characters"
    least = (
        f" from {said['ge']}" if "ge" in said else f" above {said['gt']}" if "gt" in said else ""
    )
    return f"{least} to {said['le']}" if "le" in said else least


def _default(field: FieldInfo) -> str:
    default: object = field.get_default(call_default_factory=True)
    if default is None or default in ((), {}):
        return ""
    text = str(default).lower() if isinstance(default, bool) else str(default)
    return f"`{text.removesuffix('.0')}`"


def _variable(keys: Sequence[str], inner: object) -> str:
    if keys[0] in NAMED and getattr(inner, "__origin__", None) is tuple:
        return ""
    return PREFIX + "__".join(keys).upper()


def _settings_table(section: str) -> str:
    model = Settings.model_fields[section]
    title = ".".join((section, *NAMED.get(section, ())))
    doc = inspect.getdoc(_model_of(model.annotation)) or ""
    about = doc.partition("\n")[0].partition("]`: ")[2] or doc.partition("\n")[0]
    rows = (
        (
            f"`{one.key.removeprefix(title + '.')}`",
            one.takes,
            one.default,
            f"`{one.variable}`" if one.variable else "",
            one.meaning,
        )
        for one in _section(section)
    )
    table = _table(("key", "takes", "default", "environment", "what it does"), rows)
    return f"### [{title}]\n\n{about[:1].upper()}{about[1:]}\n\n{table}"


def _model_of(annotation: object) -> object:
    while get_args(annotation):
        annotation = get_args(annotation)[0 if get_origin(annotation) is Annotated else -1]
    return annotation


def _givers() -> Mapping[ReasonCode, Sequence[tuple[str, bool]]]:
    """Return for each code who gives it, by name, and whether that is a local check."""
    given: dict[ReasonCode, list[tuple[str, bool]]] = {}
    for module in KINDS:
        source = inspect.getsource(cast("ModuleType", module))
        for reading in (identifier, tidy):
            if re.search(rf"\b{reading.__name__}\(", source):
                source += inspect.getsource(reading)
        for code in _mentioned(source):
            given.setdefault(code, []).append((module.KIND.name, True))
    for service in SERVICES:
        for code in _mentioned(inspect.getsource(cast("ModuleType", service))):
            given.setdefault(code, []).append((service.NAME, False))
    for code in _mentioned(inspect.getsource(dns)):
        given.setdefault(code, []).append((dns.CHECK, False))
    for part in _THE_WAY:
        for code in _mentioned(inspect.getsource(part)):
            given.setdefault(code, []).append(("*", False))
    return given


def _mentioned(source: str) -> set[ReasonCode]:
    return {ReasonCode[name] for name in _MENTION.findall(source)}


def _who(givers: Sequence[tuple[str, bool]]) -> tuple[str, str]:
    kinds = [f"`{name}`" for name, local in givers if local]
    services = [
        "`dns`" if name == dns.CHECK else f"`{name}`" for name, local in givers if not local
    ]
    said = "any provider" if "`*`" in services else ", ".join(services)
    return ("every kind" if len(kinds) == len(KINDS) else ", ".join(kinds)), said


def _again(code: ReasonCode) -> str:
    return "yes" if code in LATER else "sometimes" if code in SOMETIMES else "no"


def _table(head: Sequence[str], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        path.write_text(written(path.read_text("utf-8")), "utf-8")
