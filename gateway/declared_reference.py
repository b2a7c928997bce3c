"""The tables of docs/declared-providers.md, made from the settings and the rules themselves."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from checks.kinds import KINDS
from checks.parts import part_names
from gateway.declared_evidence import BUILT_IN, built_in_facts
from providers.declared.faults import FAULTS, STATUSES
from providers.declared.settings import DeclaredProvider
from providers.declared.template import FILTERS
from providers.declared.vocabulary import EXPRESSION, JSON, TEMPLATE
from providers.settings import ProviderSettings
from verdicts.reason import MEANING

Schema = Mapping[str, Any]
Rows = Iterator[tuple[str, ...]]
TITLES: Mapping[str, str] = {
    "AuthTable": "[providers.NAME.auth]",
    "CallTable": "[providers.NAME.call]",
    "BulkCallTable": "[providers.NAME.bulk_call]",
    "BulkAnswerTable": "[providers.NAME.bulk_answer]",
    "AnswerTable": "[providers.NAME.answer]",
    "ErrorTable": "[[providers.NAME.answer.errors]]",
    "AbsentTable": "[providers.NAME.answer.absent]",
    "StatusTable": "[providers.NAME.answer.status]",
    "ReasonsTable": "[providers.NAME.answer.reasons]",
    "QuotaTable": "[providers.NAME.answer.quota]",
    "SourceTable": "`remaining` and `reset`",
    "FactTable": "[providers.NAME.evidence.FACT]",
    "SandboxTable": "[[providers.NAME.sandbox]]",
}
"""For each table its heading, in the order of the page."""
_SIMPLE: Mapping[str, str] = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "`true` or `false`",
    EXPRESSION: "expression",
    TEMPLATE: "template",
    JSON: "text, or JSON",
}


def declared_tables() -> str:
    """Return every table of a declaration with its keys, as Markdown."""
    whole: Schema = DeclaredProvider.model_json_schema()
    tables: Mapping[str, Schema] = whole["$defs"]
    own = {
        name: node
        for name, node in whole["properties"].items()
        if name not in ProviderSettings.model_fields or name in {"service", "base_url"}
    }
    parts = [_titled("[providers.NAME]", {**whole, "properties": own})]
    parts += [_titled(title, tables[name]) for name, title in TITLES.items()]
    return "\n\n".join(parts)


def parts_table() -> str:
    """Return the parts of the values of each built-in kind."""
    rows = (
        (module.KIND.name, ", ".join(f"`{part}`" for part in part_names(module.KIND.name)))
        for module in KINDS
    )
    return _table(("kind", "parts"), rows)


def faults_table() -> str:
    """Return what an error can be, what it means, and which statuses mean it without a word."""
    usual: dict[str, list[str]] = {}
    for status, code in STATUSES.items():
        usual.setdefault(code.value, []).append(str(int(status)))
    rows = (
        (
            f"`{code.value}`",
            MEANING[code],
            ", ".join(usual.get(code.value, ())),
            "yes" if fault.again else "no",
            "yes" if fault.charged else "no",
        )
        for code, fault in FAULTS.items()
    )
    return _table(("reason", "meaning", "HTTP status", "sent again", "may have cost"), rows)


def built_in_table() -> str:
    """Return the facts of the built-in checks that a declared provider can answer."""
    rows = (
        (f"`{kind}`", f"`{check}`", ", ".join(f"`{name}`" for name in built_in_facts(holder)))
        for (kind, check), holder in BUILT_IN.items()
    )
    return _table(("kind", "check", "facts"), rows)


def filters_table() -> str:
    """Return what may stand behind the name of a part."""
    sample = "US-De"
    rows = (
        (f"`{{part:{name}}}`", f"`{changed(sample)}`") for name, changed in FILTERS.items() if name
    )
    return _table(("written", f"makes of `{sample}`"), rows)


def _titled(title: str, table: Schema) -> str:
    required = table.get("required", ())
    rows = (
        (f"`{name}`", _takes(node), _default(node, name in required), _said(node))
        for name, node in table["properties"].items()
    )
    made = _table(("key", "takes", "default", "what it does"), rows)
    about = str(table.get("description", ""))
    return f"### {title}\n\n{about}\n\n{made}"


def _takes(node: Schema) -> str:
    choices = [one for one in node.get("anyOf", ()) if one.get("type") != "null"]
    if choices:
        return _takes(choices[0])
    if "const" in node:
        return f"`{node['const']}`"
    if "enum" in node:
        return ", ".join(f"`{one}`" for one in node["enum"])
    if "$ref" in node:
        name = str(node["$ref"]).rpartition("/")[2]
        return "reason code" if name == "ReasonCode" else "table"
    sort = node.get("type")
    if sort == "array":
        return f"list of {_plural(_takes(cast('Schema', node['items'])))}"
    if sort == "object":
        inner = cast("Schema | bool", node.get("additionalProperties", False))
        return "table" if isinstance(inner, bool) else f"table of {_plural(_takes(inner))}"
    return _SIMPLE.get(str(node.get("format")), _SIMPLE.get(str(sort), "JSON with templates"))


def _plural(word: str) -> str:
    return word if word.startswith("`") or word.endswith("s") else f"{word}s"


def _default(node: Schema, required: bool) -> str:  # noqa: FBT001 - a fact
    default = node.get("default")
    if required:
        return "needed"
    if default is None or default in ("", [], ()):
        return ""
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _said(node: Schema) -> str:
    return str(node.get("description", ""))


def _table(head: Sequence[str], rows: Rows) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )
