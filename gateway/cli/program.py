"""The program `assay`: its commands, and what becomes of errors."""

import os
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from gateway.cli import (
    batch,
    doctor,
    forget,
    keys,
    kinds,
    providers,
    schema,
    serve,
    validate,
    worker,
)
from gateway.cli.errors import INTERRUPTED, SOMETHING_FAILED, CommandError, InterruptedCommand
from gateway.garbage import collect_seldom

HELP = """Records in, verdicts out.

Assay validates e-mail addresses, phone numbers, VAT numbers, IBANs, LEIs, companies, addresses
and postcodes by local checks and by the outside services that know, within their limits and
without paying twice for the same question.

\b
To begin with:
  assay serve --sandbox              GraphiQL on http://127.0.0.1:8000/graphql
  assay validate contacts.csv        a verdict for each row of a file
  assay batch submit FILE --follow   the same for millions of rows, by an Assay that runs
  assay doctor                       is everything there, and does it answer?

`assay COMMAND --help` tells more, with examples.

\b
Exit status of every command:
  0    all went well
  1    something failed; the message says what, and what to do
  2    wrong usage or configuration; nothing was done
  130  interrupted with Ctrl-C
"""

TRACEBACK_VARIABLE = "ASSAY_TRACEBACK"

app = typer.Typer(
    name="assay",
    help=HELP,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.command("serve", help=serve.HELP)(serve.serve)
app.command("worker", help=worker.HELP)(worker.worker)
app.command("validate", help=validate.HELP)(validate.validate)
app.add_typer(batch.app)
app.command("kinds", help=kinds.HELP)(kinds.kinds)
app.command("providers", help=providers.HELP)(providers.providers)
app.add_typer(keys.app)
app.command("forget", help=forget.HELP)(forget.forget)
app.command("doctor", help=doctor.HELP)(doctor.doctor)
app.command("schema", help=schema.HELP)(schema.schema)


def _version(wanted: bool) -> None:
    if wanted:
        try:
            print(f"assay {version('assay')}")
        except PackageNotFoundError:
            print("assay (not installed; run from its source)")
        raise typer.Exit


@app.callback()
def assay(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """See HELP: what every command shares."""


def main() -> None:
    """Run the command of the arguments; exit with its status, having told any error."""
    collect_seldom()
    status: str | int | None = None
    try:
        app(prog_name="assay")
    except CommandError as error:
        _say(str(error))
        status = error.status
    except InterruptedCommand:
        _say("interrupted")
        status = INTERRUPTED
    except Exception as error:
        if os.environ.get(TRACEBACK_VARIABLE):
            raise
        _say(
            f"internal error: {type(error).__name__}: {error}. This is a fault of Assay's own;"
            f" {TRACEBACK_VARIABLE}=1 in the environment shows where."
        )
        status = SOMETHING_FAILED
    except SystemExit as end:
        status = end.code
        if status == INTERRUPTED:
            _say("interrupted")
    sys.exit(SOMETHING_FAILED if _reader_is_gone() else status)


def _reader_is_gone() -> bool:
    """Write what is still buffered; when nobody reads any more, see that nothing complains."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False


def _say(message: str) -> None:
    sys.stderr.write(f"assay: {message}\n")
    sys.stderr.flush()
