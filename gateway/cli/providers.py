"""`assay providers`: who is asked, within which limits."""

import sys
from enum import StrEnum
from typing import Annotated, Any

import orjson
import typer

from gateway.cli.asking import ask_once
from gateway.cli.documents import PROVIDERS
from gateway.cli.options import AsJson, Config, DataDir, Sandbox, Url
from gateway.cli.tables import show_table, stdout_console

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
    del action  # the only one there is
    found: list[dict[str, Any]] = ask_once(PROVIDERS, url, config, data_dir, sandbox=sandbox)[
        "providers"
    ]
    if as_json:
        sys.stdout.write(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    columns = ["PROVIDER", "ANSWERS", "STATE", "LIMITS LEFT", "AT ONCE", "A CALL", "PRICE"]
    numbers = ["AT ONCE", "A CALL", "PRICE", "CALLS", "FAILED", "P95 MS"]
    rows = [
        [
            one["name"],
            f"{one['kind']}.{one['check']}",
            one["state"],
            _limits(one),
            one["concurrency"],
            one["valuesPerCall"],
            one["price"],
        ]
        for one in found
    ]
    if any(one["calls"] for one in found):
        columns += ["CALLS", "FAILED", "P95 MS"]
        for row, one in zip(rows, found, strict=True):
            latency = one["latencyP95Ms"]
            failed = sum(failure["count"] for failure in one["failures"])
            row += [one["calls"], failed, "-" if latency is None else f"{latency:.0f}"]
    show_table(stdout_console(), "", columns, rows, numbers=numbers)


def _limits(provider: dict[str, Any]) -> str:
    windows = provider["windows"]
    if windows is None:
        return "not known: Valkey is away"
    told = [f"{window['left']} of {window['rate']}" for window in windows]
    if provider["pausedForMs"]:
        told.append(f"paused for {provider['pausedForMs'] / 1000:.0f} s")
    return ", ".join(told) or "none"
