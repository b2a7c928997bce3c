"""The tables of docs/kinds.md, made from the kinds themselves.

`python -m checks.tables docs/kinds.md` writes them between the page's two markers; a test holds
the page against them.
"""

import sys
from pathlib import Path

from checks.kinds import KINDS
from verdicts.kind import Kind

BEGIN = "<!-- generated from checks/ by `python -m checks.tables docs/kinds.md`: begin -->"
END = "<!-- generated: end -->"


def schema_name(path: str) -> str:
    """Return a dotted path of Python names as the GraphQL schema spells it.

    >>> schema_name("mailbox.catch_all")
    'mailbox.catchAll'
    """
    first, *rest = path.split("_")
    return first + "".join(word.capitalize() for word in rest)


def tables() -> str:
    """Return one section a kind, as Markdown: what VALID promises, its checks and their fields."""
    return "\n\n".join(_section(module.KIND) for module in KINDS)


def written(page: str) -> str:
    """Return `page` with the tables of today. Raise ValueError when it has no markers."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no markers: put {BEGIN!r} and {END!r} where tables belong")
    return f"{before}{BEGIN}\n\n{tables()}\n\n{END}{after}"


def _section(kind: Kind) -> str:
    lines = [
        f"### {kind.name}",
        "",
        kind.description,
        "",
        f"**VALID means:** {kind.meaning}",
        "",
        "| check | asked of | what it asks | fields that need it |",
        "| --- | --- | --- | --- |",
    ]
    for check in kind.checks:
        fields = ", ".join(
            f"`{schema_name(path)}`" for path, needed in kind.needs.items() if needed == check.name
        )
        source = "nobody (local)" if check.local else "a provider"
        if check.optional:
            source += ", once configured"
        lines.append(f"| `{check.name}` | {source} | {check.description} | {fields} |")
    return "\n".join(lines)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(written(target.read_text("utf-8")), "utf-8")
