"""`assay forget`: what is known about a value is removed."""

from typing import Annotated

import typer

from gateway.cli.options import Config, DataDir, Sandbox

HELP = """Remove what is known about a value: its outcomes in the shared store, what running
processes remember, and the records of batches that hold it.

The value may be written as it was sent, or in its canonical form (a phone number as +44...). It is
looked for in every kind, or in that of --kind. What many values share stays: that a domain takes
mail, say. Give - to read the value from standard input, so that it stands in no list of processes.

A record of a batch that holds it, in a field or in a column of its own, is erased as a whole: what
was given, and what was found. Its place, its status and its reasons stay, so that counts and row
numbers hold.

What the stand-ins of a sandbox said is kept apart: --sandbox forgets that.

That something was forgotten is kept in the audit log; what it was is not.

\b
Examples:
  assay forget ada@example.com
  echo ada@example.com | assay forget - --kind email

\b
Exit status:
  0  nothing is known about it any more
  1  a store does not answer or a batch is being worked on, so some of it may still be there
  2  wrong usage or configuration
"""

KindName = Annotated[
    str | None, typer.Option("--kind", metavar="KIND", help="Only as a value of this kind.")
]


def forget(
    value: Annotated[str, typer.Argument(metavar="VALUE", help="The value, or -.")],
    kind: KindName = None,
    config: Config = None,
    data_dir: DataDir = None,
    sandbox: Sandbox = False,
) -> None:
    """Forget a value; see HELP."""
    import sys

    from gateway.cli.errors import WRONG_USAGE, CommandError
    from gateway.cli.forget_work import forgotten
    from gateway.cli.opening import settings_of
    from gateway.cli.running import run

    text = sys.stdin.readline().rstrip("\r\n") if value == "-" else value
    if not text.strip():
        raise CommandError("Give the value that is to be forgotten.", WRONG_USAGE)
    settings = settings_of(config, data_dir=data_dir, sandbox=sandbox)
    found = run(forgotten(settings, text, kind))
    outcomes = _counted(found.outcomes, "outcome")
    records = _counted(found.records, "record")
    print(f"{outcomes} removed, {records} of batches erased. It is known no more.")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
