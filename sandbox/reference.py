"""The tables of docs/sandbox.md, made from the data.

`python -m sandbox.reference docs/sandbox.md` writes them between the marks of the page.
"""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path

from sandbox.app import STAND_INS
from sandbox.domains import FAULTS as DNS_FAULTS
from sandbox.faults import MODES
from sandbox.inputs import SANDBOX_INPUTS

BEGIN, END = "<!-- tables: begin -->\n", "<!-- tables: end -->\n"


def inputs_tables() -> str:
    """Return a table of magic inputs for each service."""
    parts: list[str] = []
    for service, inputs in groupby(SANDBOX_INPUTS, lambda magic: magic.service):
        rows = list(inputs)
        parts.append(f"### {service}: {rows[0].kind}\n\n")
        parts.append(
            "| value | the service says | conclusion | meaning |\n| --- | --- | --- | --- |\n"
        )
        parts.extend(
            f"| `{magic.value}` | `{magic.answer}` | {magic.conclusion} | {magic.meaning} |\n"
            for magic in rows
        )
        parts.append("\n")
    return "".join(parts)


def faults_tables() -> str:
    """Return the fault modes that all mounts know, and those of single services."""
    parts = ["## Fault modes of every service\n\n| mode | what happens |\n| --- | --- |\n"]
    parts.extend(f"| `{mode}` | {meaning} |\n" for mode, (meaning, _) in MODES.items())
    parts.append("\n## Fault modes of single services\n\n| service | modes |\n| --- | --- |\n")
    for module in STAND_INS:
        own = ", ".join(f"`{mode}`" for mode in module.stand_in().faults)
        if own:
            parts.append(f"| {module.NAME} | {own} |\n")
    parts.append(f"| dns | {', '.join(f'`{mode}`' for mode in DNS_FAULTS)} |\n")
    return "".join(parts)


def limits_table() -> str:
    """Return what each mount enforces unless told otherwise."""
    parts = ["## Limits\n\n| mount | windows | at once |\n| --- | --- | --- |\n"]
    for module in STAND_INS:
        for mount, limit in module.stand_in().mounts.items():
            windows = ", ".join(
                f"{window.requests} in {window.window_s:g} s ({window.counting})"
                for window in limit.windows
            )
            at_once = (
                f"{limit.concurrency}, {limit.partition_concurrency} a member state"
                if limit.concurrency
                else ""
            )
            parts.append(f"| `/{mount}` | {windows} | {at_once} |\n")
    return "".join(parts) + "\n"


def tables() -> str:
    """Return everything that stands between the marks."""
    return f"{limits_table()}## Magic inputs\n\n{inputs_tables()}{faults_tables()}"


def renewed(page: str) -> str:
    """Return a page with its tables written anew."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{tables()}\n{END}{after}"


def main(path: str) -> None:
    """Rewrite the tables of one page."""
    page = Path(path)
    page.write_text(renewed(page.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
