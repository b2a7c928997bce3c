"""What a gateway validates and shows beside what is built in: kinds and facts by configuration."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.cli.documents import FULL

TYPES = """
query AssayTypes {
  __schema {
    types { name inputFields { name } fields { name type { name kind ofType { name kind } } } }
  }
}
"""
Type = Mapping[str, Any]


def declared_fields(url: str | None, config: Path | None) -> dict[str, str]:
    """Return, for each field of a record whose verdict shows more than a built-in one, what.

    They are those of the gateway at `url`, or of the configuration here.

    Raises:
        CommandError: the gateway does not answer, or the configuration is wrong.
    """
    if url is not None:
        from gateway.cli.asking import ask_once

        types: Sequence[Type] = ask_once(TYPES, url, None, None, sandbox=False)["__schema"]["types"]
        return selections(types)
    from checks.kinds import KINDS
    from gateway.cli.opening import command_errors, settings_of
    from gateway.declarations import declarations_of
    from schema.roots import build_schema

    settings = settings_of(config)
    with command_errors():
        kinds = declarations_of(settings).kinds
    if tuple(kinds) == KINDS:
        return {}
    schema: Any = build_schema(kinds)
    return selections(schema.introspect()["__schema"]["types"])


def selections(types: Sequence[Type]) -> dict[str, str]:
    """Return what verdicts of these types show beside their head, where that is not built in."""
    fields = {one["name"]: one["fields"] or () for one in types}
    head = {field["name"] for field in fields["Verdict"]}
    sent = next(one["inputFields"] for one in types if one["name"] == "RecordInput")
    names = [field["name"] for field in sent if field["name"] != "ref"]
    found: dict[str, str] = {}
    for result in fields["RecordResult"]:
        name = result["name"]
        if name not in names:
            continue
        known = set(re.sub(r"\{[^}]*\}", "", FULL.get(name, "")).split())
        more = [
            field
            for field in fields[_named(result["type"])]
            if field["name"] not in head and field["name"] not in known
        ]
        if more or name not in FULL:
            shown = " ".join(_selection(field, fields) for field in more)
            found[name] = f"{FULL.get(name, '')} {shown}"
    return found


def _selection(field: Type, fields: Mapping[str, Sequence[Type]]) -> str:
    leaves = " ".join(one["name"] for one in fields.get(_named(field["type"]), ()))
    return f"{field['name']} {{ {leaves} }}" if leaves else str(field["name"])


def _named(type_: Type) -> str:
    return str(type_["name"] or type_["ofType"]["name"])
