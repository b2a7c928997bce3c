"""`assay kinds`: what can be validated, and by which checks."""

import sys
from typing import Annotated, Any

import orjson
import typer

from gateway.cli.asking import ask_once
from gateway.cli.documents import KINDS
from gateway.cli.errors import WRONG_USAGE, CommandError
from gateway.cli.options import AsJson, Config, DataDir, Sandbox, Url
from gateway.cli.tables import show_table, stdout_console

HELP = """Show what can be validated: the kinds, their checks, and who is asked.

With a KIND it says what its verdict VALID promises; with --sandbox also which values the stand-ins
know, to try things out.

\b
Examples:
  assay kinds
  assay kinds email --sandbox
  assay kinds --json | jq '.[].name'
"""


def kinds(
    kind: Annotated[str | None, typer.Argument(metavar="[KIND]", help="Such as email.")] = None,
    *,
    as_json: AsJson = False,
    url: Url = None,
    config: Config = None,
    data_dir: DataDir = None,
    sandbox: Sandbox = False,
) -> None:
    """Show kinds; see HELP."""
    data = ask_once(KINDS, url, config, data_dir, sandbox=sandbox)
    found: list[dict[str, Any]] = data["kinds"]
    if kind is not None:
        names = ", ".join(one["name"] for one in found)
        found = [one for one in found if one["name"] == kind]
        if not found:
            raise CommandError(f"There is no kind {kind!r}. There are {names}.", WRONG_USAGE)
    if as_json:
        sys.stdout.write(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode() + "\n")
    elif kind is not None:
        _show_one(found[0])
    else:
        rows = [
            (one["name"], check["name"], _made(check), check["description"])
            for one in found
            for check in one["checks"]
        ]
        show_table(stdout_console(), "", ("KIND", "CHECK", "MADE BY", "WHAT IT ASKS"), rows)


def _show_one(kind: dict[str, Any]) -> None:
    console = stdout_console()
    console.print(kind["description"], markup=False)
    console.print(f"VALID means: {kind['meaning']}\n", markup=False)
    rows = [
        (check["name"], _made(check), "yes" if check["inPolicy"] else "no", check["description"])
        for check in kind["checks"]
    ]
    show_table(console, "", ("CHECK", "MADE BY", "IN POLICY", "WHAT IT ASKS"), rows)
    if kind["sandboxInputs"]:
        console.print("\nValues to try in the sandbox:")
        inputs = [(one["value"], one["service"], one["meaning"]) for one in kind["sandboxInputs"]]
        show_table(console, "", ("VALUE", "SERVICE", "WHAT IT SAYS"), inputs)


def _made(check: dict[str, Any]) -> str:
    return "here" if check["local"] else ", ".join(check["providers"]) or "nobody"
