"""`assay providers`: who is asked, within which limits."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from gateway.cli.options import AsJson, Config, DataDir, Sandbox, Url

HELP = """Show the providers: state, limits and what is left of them, price.

What is left of a limit is counted over all processes and machines that share a Valkey; calls,
failures and latency are those of the process that answers, so ask the running one: --url.

\b
Examples:
  assay providers
  assay providers --url http://127.0.0.1:8000/graphql
  assay providers --json | jq '.[] | select(.state == "NOT_CONFIGURED").name'
"""


class Action(StrEnum):
    """What to do with providers."""

    list = "list"


def providers(
    action: Annotated[Action, typer.Argument(help="What to do.", show_default=False)] = Action.list,
    *,
    as_json: AsJson = False,
    url: Url = None,
    config: Config = None,
    data_dir: DataDir = None,
    sandbox: Sandbox = False,
) -> None:
    """Show providers; see HELP."""
    from gateway.cli.asking import ask_once
    from gateway.cli.catalogue import show_providers
    from gateway.cli.documents import PROVIDERS
    from gateway.cli.tables import write_json

    del action  # the only one there is
    found: list[dict[str, Any]] = ask_once(PROVIDERS, url, config, data_dir, sandbox=sandbox)[
        "providers"
    ]
    if as_json:
        write_json(found)
        return
    show_providers(found)
