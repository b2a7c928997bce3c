"""`assay schema`: the GraphQL schema as text."""

import difflib
import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.errors import WRONG_USAGE, CommandError
from gateway.cli.options import Config

HELP = """Print the GraphQL schema (SDL): that of what is built in, the same for everybody.

With --declared also what the configuration declares. With --toml the JSON Schema of assay.toml
instead, by which an editor completes and checks it.

\b
Examples:
  assay schema > schema.graphql
  assay schema --check schema.graphql
  assay schema --declared --config assay.toml
  assay schema --toml > assay.schema.json
"""


def schema(
    check: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Compare with FILE instead; 1 when it differs."),
    ] = None,
    *,
    toml: Annotated[
        bool, typer.Option("--toml", help="The JSON Schema of the configuration file.")
    ] = False,
    declared: Annotated[
        bool, typer.Option("--declared", help="With what the configuration declares.")
    ] = False,
    config: Config = None,
) -> None:
    """Print the schema or compare it; see HELP."""
    if toml:
        from gateway.configuration_schema import configuration_schema

        text = configuration_schema()
    else:
        text = _graphql(config) if declared else _graphql_of_all()
    if check is None:
        sys.stdout.write(text)
        return
    try:
        known = check.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{check}: can't be read: {error}", WRONG_USAGE) from None
    if known == text:
        sys.stdout.write(f"{check} is the schema.\n")
        return
    sys.stdout.writelines(
        difflib.unified_diff(
            known.splitlines(keepends=True), text.splitlines(keepends=True), str(check), "schema"
        )
    )
    command = "assay schema --toml" if toml else "assay schema"
    raise CommandError(f"{check} is not the schema. If the change is meant: {command} > {check}")


def _graphql_of_all() -> str:
    from schema.roots import build_schema

    return build_schema().as_str().rstrip() + "\n"


def _graphql(config: Path | None) -> str:
    from gateway.cli.opening import command_errors, settings_of
    from gateway.declarations import declarations_of
    from schema.roots import build_schema

    settings = settings_of(config)
    with command_errors():
        kinds = declarations_of(settings).kinds
    return build_schema(kinds).as_str().rstrip() + "\n"
