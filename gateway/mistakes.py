"""Mistakes in the configuration, told by file, line or variable, key, and what is expected."""

import difflib
import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from msgspec import Struct
from pydantic import BaseModel, ValidationError

PREFIX = "ASSAY_"
_ARRAY = re.compile(r"\[\[\s*(?P<name>[^\]]+?)\s*\]\]")
_TABLE = re.compile(r"\[\s*(?P<name>[^\]]+?)\s*\]")
_EXPECTED = re.compile(r"'([^']*)'")
_CHOICES = frozenset({"enum", "literal_error"})
Schema = Mapping[str, Any]


class Mistake(Struct, frozen=True):
    """One mistake: the keys that lead to it, and what is wrong there."""

    keys: tuple[str, ...]
    message: str


def explain(error: ValidationError, model: type[BaseModel], path: Path, text: str) -> str:
    """Return one line for each mistake that `model` found in `text`, which stands in `path`."""
    mistakes: list[Mistake] = []
    schema: Schema = {}
    for one in error.errors(include_url=False):
        keys = tuple(str(part) for part in one["loc"])
        message = one["msg"].removeprefix("Value error, ")
        if one["type"] == "extra_forbidden":
            schema = schema or model.model_json_schema()
            near = nearest(keys[-1], _names_at(schema, keys[:-1]))
            message = "no such setting" + (
                near or "; see docs/configuration.md for those that exist"
            )
        elif one["type"] in _CHOICES and isinstance(one["input"], str):
            message += nearest(one["input"], _EXPECTED.findall(str(one.get("ctx"))))
        if not message.startswith("JMESPath"):
            message = message[:1].lower() + message[1:]
        mistakes.append(Mistake(keys, message))
    return told(mistakes, path, text)


def told(mistakes: Iterable[Mistake], path: Path, text: str) -> str:
    """Return one line for each of `mistakes`: where it is, and what is wrong."""
    lines: list[str] = []
    for mistake in mistakes:
        keys = list(mistake.keys)
        line = line_of(keys, text)
        if (variable := _variable_of(keys)) is not None:
            where = f"environment variable {variable}"
        elif line:
            where = f"{path}, line {line}: {'.'.join(keys)}"
        else:
            where = f"{path}: {'.'.join(keys)}"
        lines.append(f"{where}: {mistake.message}")
    return "\n".join(lines)


def nearest(name: str, names: Collection[str]) -> str:
    """Return what `name` was probably meant to be, as part of a message; empty if unclear."""
    folded = {one.lower(): one for one in names}
    near = difflib.get_close_matches(name.lower(), list(folded), n=1)
    return f"; did you mean {folded[near[0]]!r}?" if near else ""


def line_of(keys: Sequence[str], text: str) -> int | None:
    """Return the line of the TOML `text` that sets `keys`, or their table; None if none does.

    Of an array of tables (`[[name]]`) the place is a key, too: "0", "1", …
    """
    wanted = list(keys)
    table: list[str] = []
    counts: dict[str, int] = {}
    best: tuple[int, int] | None = None  # how many keys it shares, and the line
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if (array := _ARRAY.match(line)) is not None:
            name = array["name"]
            table = [*_parts(name), str(counts.get(name, 0))]
            counts[name] = counts.get(name, 0) + 1
        elif (header := _TABLE.match(line)) is not None and "=" not in line:
            table = _parts(header["name"])
        elif "=" in line and not line.startswith("#"):
            key = table + _parts(line.split("=", 1)[0])
            if wanted[: len(key)] == key:
                return number
            continue
        else:
            continue
        shared = min(len(wanted), len(table))
        if wanted[:shared] == table[:shared] and (best is None or best[0] < shared):
            best = shared, number
    return best[1] if best is not None else None


def _parts(dotted: str) -> list[str]:
    return [part.strip().strip("\"'") for part in dotted.split(".")]


def _variable_of(keys: list[str]) -> str | None:
    """Return the environment variable that set `keys`, or the list or table that holds them."""
    present = {name.upper(): name for name in os.environ}
    for length in range(len(keys), 0, -1):
        name = present.get(PREFIX + "__".join(keys[:length]).upper())
        if name is not None:
            return name
    return None


def _names_at(schema: Schema, keys: Sequence[str]) -> list[str]:
    """Return the names that the JSON Schema knows of the table that `keys` lead to."""
    nodes = _alternatives(schema, schema)
    for key in keys:
        below: list[Schema] = []
        for node in nodes:
            if key in node.get("properties", {}):
                below.append(node["properties"][key])
            elif isinstance(node.get("additionalProperties"), dict):
                below.append(node["additionalProperties"])
            elif isinstance(node.get("items"), dict):
                below.append(node["items"])
        nodes = [one for node in below for one in _alternatives(node, schema)]
    return [name for node in nodes for name in node.get("properties", {})]


def _alternatives(node: Schema, whole: Schema) -> list[Schema]:
    """Return the schemas that `node` stands for, references followed."""
    if "$ref" in node:
        name = str(node["$ref"]).rpartition("/")[2]
        return _alternatives(cast("Schema", whole["$defs"][name]), whole)
    choices = [one for word in ("anyOf", "oneOf", "allOf") for one in node.get(word, ())]
    return (
        [node] if not choices else [one for each in choices for one in _alternatives(each, whole)]
    )
