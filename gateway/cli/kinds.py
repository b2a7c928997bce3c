"""`assay kinds`: what can be validated, and by which checks."""

from typing import Annotated, Any

import typer

from gateway.cli.errors import WRONG_USAGE, CommandError
from gateway.cli.options import AsJson, Config, DataDir, Sandbox, Url

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
    from gateway.cli.asking import ask_once
    from gateway.cli.catalogue import show_kind, show_kinds
    from gateway.cli.documents import KINDS
    from gateway.cli.tables import write_json

    data = ask_once(KINDS, url, config, data_dir, sandbox=sandbox)
    found: list[dict[str, Any]] = data["kinds"]
    if kind is not None:
        names = ", ".join(one["name"] for one in found)
        found = [one for one in found if one["name"] == kind]
        if not found:
            raise CommandError(f"There is no kind {kind!r}. There are {names}.", WRONG_USAGE)
    if as_json:
        write_json(found)
    elif kind is not None:
        show_kind(found[0])
    else:
        show_kinds(found)
