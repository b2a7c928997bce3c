"""The JSON Schema of `assay.toml`, by which editors complete and check it."""

import json
from typing import Any, cast

from gateway.settings import Settings

DRAFT = "http://json-schema.org/draft-07/schema#"
"""Of the words that are used here, and known to all editors."""
TITLE = "assay.toml"


def configuration_schema() -> str:
    """Return the schema as text, sorted as the settings are."""
    made: dict[str, Any] = Settings.model_json_schema()
    made = _plain(made)
    made["title"] = TITLE
    made["description"] = "The configuration of Assay; docs/configuration.md explains it."
    return json.dumps({"$schema": DRAFT, **made}, indent=2, ensure_ascii=False) + "\n"


def _plain(node: Any) -> Any:  # noqa: ANN401 - JSON
    """Return `node` without titles that only repeat names, and without what `null` allows.

    TOML has no null: a key that may be left out is left out.
    """
    if isinstance(node, list):
        return [_plain(one) for one in node]  # pyright: ignore[reportUnknownVariableType]
    if not isinstance(node, dict):
        return node
    members = cast("dict[str, Any]", node)
    plain = {
        key: _plain(value)
        for key, value in members.items()
        if not (key == "title" and isinstance(value, str))
        and not (key == "default" and value is None)
    }
    choices: list[Any] = plain.get("anyOf", [])
    rest = [one for one in choices if one != {"type": "null"}]
    if len(rest) == 1 and len(choices) > 1:
        del plain["anyOf"]
        return {**rest[0], **plain}
    return {**plain, "anyOf": rest} if choices else plain
