"""`assay schema`: the GraphQL schema as text."""

import difflib
import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.errors import WRONG_USAGE, CommandError

HELP = """Print the GraphQL schema (SDL). It is the same for every configuration.

\b
Examples:
  assay schema > schema.graphql
  assay schema --check schema.graphql
"""


def schema(
    check: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Compare with FILE instead; 1 when it differs."),
    ] = None,
) -> None:
    """Print the schema or compare it; see HELP."""
    from schema.roots import build_schema

    text = build_schema().as_str().rstrip() + "\n"
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
    raise CommandError(f"{check} is not the schema. If the change is meant: assay schema > {check}")
