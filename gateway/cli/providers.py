"""`assay providers`: who is asked, within which limits; and whether a declaration is right."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from gateway.cli.errors import ALL_WELL, SOMETHING_FAILED, WRONG_USAGE, CommandError
from gateway.cli.options import AsJson, Config, DataDir, Sandbox, Url

HELP = """Show the providers, or find out whether one that the configuration declares is right.

list: state, limits and what is left of them, price. What is left of a limit, and the calls, their
cost and failures of today (UTC) are counted over all processes and machines that share a Valkey;
latency is that of the process that answers, so ask the running one: --url.

check: reads the configuration, starts nothing, asks nobody, and explains every mistake with its
line and the nearest right spelling. The answers of [[providers.NAME.sandbox]] are read by the
rules, which have to make of them what they say.

test NAME VALUE: asks the provider NAME about VALUE, with a real call within its limits, and shows
the call (secrets masked), the answer, and how each rule read it. With --sandbox a stand-in answers,
and costs nothing.

\b
Examples:
  assay providers
  assay providers --url http://127.0.0.1:8000/graphql
  assay providers --json | jq '.[] | select(.state == "NOT_CONFIGURED").name'
  assay providers check --config assay.toml
  assay providers test hunter ada@example.com
  assay providers test hunter valid@example.com --sandbox

\b
Exit status of check and test:
  0    the configuration is right; the provider decided
  1    the provider was asked and did not decide
  2    the configuration is wrong, or the value can't be asked about
"""


class Action(StrEnum):
    """What to do with providers."""

    list = "list"
    check = "check"
    test = "test"


Name = Annotated[str | None, typer.Argument(metavar="NAME", help="The provider to test.")]
Value = Annotated[str | None, typer.Argument(metavar="VALUE", help="What to ask it about.")]


def providers(
    action: Annotated[Action, typer.Argument(help="What to do.", show_default=False)] = Action.list,
    name: Name = None,
    value: Value = None,
    *,
    as_json: AsJson = False,
    url: Url = None,
    config: Config = None,
    data_dir: DataDir = None,
    sandbox: Sandbox = False,
) -> None:
    """Show, check or test providers; see HELP."""
    if (action is Action.test) is not (name is not None and value is not None):
        raise CommandError(
            "Write `assay providers test NAME VALUE`; list and check take no names.", WRONG_USAGE
        )
    if action is not Action.list and (as_json or url is not None):
        raise CommandError("--json and --url belong to `providers list`.", WRONG_USAGE)
    if action is Action.check and sandbox:
        raise CommandError("--sandbox belongs to list and test; check looks at both.", WRONG_USAGE)
    if action is Action.check:
        from gateway.cli.provider_check import check_providers

        check_providers(config, data_dir)
    elif name is not None and value is not None:
        from gateway.cli.provider_test import test_provider

        decided = test_provider(name, value, config, data_dir, sandbox=sandbox)
        raise typer.Exit(ALL_WELL if decided else SOMETHING_FAILED)
    else:
        _show(as_json=as_json, url=url, config=config, data_dir=data_dir, sandbox=sandbox)


def _show(*, as_json: bool, url: Url, config: Config, data_dir: DataDir, sandbox: bool) -> None:
    from gateway.cli.asking import ask_once
    from gateway.cli.catalogue import show_providers
    from gateway.cli.documents import PROVIDERS
    from gateway.cli.tables import write_json

    found: list[dict[str, Any]] = ask_once(PROVIDERS, url, config, data_dir, sandbox=sandbox)[
        "providers"
    ]
    if as_json:
        write_json(found)
        return
    show_providers(found)
