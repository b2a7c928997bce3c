"""`assay validate`: a verdict for each row of a file."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.options import Config, DataDir, Format, MaxAge, Sandbox, Url

DEADLINE_DEFAULT_S = 60.0
DEADLINE_MAX_S = 120.0
"""That of `resolvers.validate`, written again: importing it would slow `--help` down."""

HELP = """Validate a CSV or NDJSON file: one verdict for each row.

It guesses from the header which column is which field, says what it guessed, and --map corrects
it. Equal values are asked once, what is known is not asked again, and malformed values never
leave the machine. Rows that can't be read are told with their line numbers; the rest goes on.

The results have your own columns first, then the status of the row, then status, normalized form
and reasons of each field. They go to FILE.verdicts.csv beside FILE, or to standard output when
FILE is - .

\b
Examples:
  assay validate contacts.csv --sandbox
  assay validate kunden.csv --map "Mail 2=email" --map "Notiz=" --out checked.csv
  assay validate leads.ndjson --format ndjson --out - | jq .result.status
  assay validate contacts.csv --url http://127.0.0.1:8000/graphql

\b
A column is mapped to: ref, email, phone.number, phone.region, vatNumber, iban, lei,
company.number, company.name, company.jurisdiction, address.lines, address.locality,
address.administrativeArea, address.postalCode, address.country, postcode.code, postcode.country,
and to each kind that the configuration declares, by its name.
NDJSON has one object a line, its fields named as in RecordInput of the GraphQL schema; other
fields come back with the results (as columns of a CSV, if they are in the first 100 lines).

\b
Exit status:
  0    every row has its verdict
  1    some rows could not be read, or are UNKNOWN for a reason that asking again may mend (a
       provider was down, its limit was reached); or it could not go on, and says why
  2    wrong usage or configuration; nothing was asked
  130  interrupted with Ctrl-C; the results so far are kept
"""

Delimiter = Annotated[
    str | None, typer.Option(metavar="CHARACTER", help="Between cells; else found out.")
]
Encoding = Annotated[
    str | None, typer.Option(metavar="NAME", help="Such as cp1252; else found out.")
]


def validate(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="CSV or NDJSON; - reads standard input.")
    ],
    *,
    maps: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="COLUMN=FIELD",
            help="Say what a column is; COLUMN= leaves it alone. May be repeated.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where the results go; - is standard output."),
    ] = None,
    chosen: Annotated[
        Format | None,
        typer.Option("--format", help="ndjson has everything that is known of each value."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a results file.")] = False,
    url: Url = None,
    config: Config = None,
    data_dir: DataDir = None,
    sandbox: Sandbox = False,
    deadline: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", min=0.1, max=DEADLINE_MAX_S, help="Patience with each 250 rows."
        ),
    ] = DEADLINE_DEFAULT_S,
    max_age: MaxAge = None,
    delimiter: Delimiter = None,
    encoding: Encoding = None,
) -> None:
    """Validate a file; see HELP."""
    from gateway.cli import file_job
    from gateway.cli.asking import gateway_at, gateway_here
    from gateway.cli.declared_fields import declared_fields
    from gateway.cli.progress import stderr_console

    console = stderr_console()
    options = _options(max_age, sandbox=sandbox and url is not None)
    declared = declared_fields(url, config)
    wishes = file_job.Wishes(maps or (), chosen, delimiter, encoding, deadline, options, declared)
    gateway = gateway_here(config, data_dir, sandbox=sandbox) if url is None else gateway_at(url)
    with file_job.input_stream(file) as stream:
        job = file_job.prepared(stream, file, wishes, console)
        path = file_job.results_path(file, out, job.format, force=force)
        tally = file_job.run_job(job, path, gateway, console)
    raise typer.Exit(file_job.exit_status(tally))


def _options(max_age: str | None, *, sandbox: bool) -> dict[str, Any]:
    options: dict[str, Any] = {}
    from gateway.cli.option_values import duration

    if (told := duration("--max-age", max_age)) is not None:
        options["maxAge"] = told
    if sandbox:
        options["sandbox"] = True
    return options
