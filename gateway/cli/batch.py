"""`assay batch`: files of any size, worked on by a running Assay, whatever happens here."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import batch_changes
from gateway.cli.batch_changes import asked_of
from gateway.cli.batch_options import (
    CostCap,
    Follow,
    Form,
    Id,
    Maps,
    Name,
    NoStart,
    Priority,
    Resumed,
    StandIns,
    StartAfter,
    Statuses,
    Url,
    Webhook,
)
from gateway.cli.errors import WRONG_USAGE, CommandError
from gateway.cli.options import AsJson, Config, MaxAge
from gateway.cli.validate import Delimiter, Encoding

if TYPE_CHECKING:
    from gateway.cli.distant import Distant

HELP = """Work with batches: files of any size, validated by an Assay that runs.

A batch is kept by Assay, and goes on whatever happens to this terminal or to a process of it.

\b
A life of one:
  assay batch submit contacts.csv --follow
  assay batch results ID --out checked.csv
  assay batch delete ID

\b
Each command asks the Assay of --url, else the one of the configuration here (gateway.host and
gateway.port), which is http://127.0.0.1:8000 when there is none. `assay serve` starts one.

\b
Exit status of each of these commands:
  0    done; of submit --follow and follow: the batch is COMPLETED
  1    it could not be done, or rows could not be read (the others go on), or the batch that was
       followed is CANCELLED, CAPPED, FAILED, or a DRAFT
  2    wrong usage or configuration, or a file that is not taken; nothing was done
  130  interrupted with Ctrl-C; a batch that was followed goes on
"""

SUBMIT = """Send a CSV or NDJSON file as a batch, and start it.

Assay guesses from the header which column is which field, says what it guessed, and --map
corrects it (`assay validate --help` lists the fields). All other columns are carried through to
the results. Rows that can't be read are told with their line numbers; the rest goes on. Files
packed with gzip or zstd are taken as they are; - reads standard input.

The file is sent piece by piece. When the connection breaks, or Assay starts anew, it goes on where
it was; after Ctrl-C --resume does. The id of the batch is written to standard output, everything
else to standard error.

\b
Examples:
  assay batch submit contacts.csv --follow
  assay batch submit kunden.csv --map "Mail 2=email" --map "Notiz=" --name "Kunden, Mai"
  assay batch submit leads.ndjson.gz --cost-cap 25 --priority 10
  assay batch submit big.csv --no-start        what will it take? `start` starts it
  id=$(mysql ... | assay batch submit -)

\b
With --cost-cap a batch that might cost more is not started, but CAPPED.
--start-after takes a moment (2026-12-24T22:00, in this machine's time zone).
--webhook is told of each change of the batch's state; see docs/webhooks.md.
"""

RESULTS = """Write the results of a batch into a file.

Your own columns come first, then the verdicts, in the order of the rows. While the batch runs
these are the results so far; --wait waits for all of them.

\b
Examples:
  assay batch results ID --out checked.csv
  assay batch results ID --out bad.csv --status INVALID --status UNKNOWN
  assay batch results ID --out mail.parquet --kind email
  assay batch results ID --format ndjson --wait | jq .result.status
"""


def submit(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="CSV or NDJSON; - reads standard input.")
    ],
    *,
    maps: Maps = None,
    name: Name = None,
    cost_cap: CostCap = None,
    priority: Priority = None,
    start_after: StartAfter = None,
    webhook: Webhook = None,
    max_age: MaxAge = None,
    no_start: NoStart = False,
    follow_: Follow = False,
    resume: Resumed = None,
    delimiter: Delimiter = None,
    encoding: Encoding = None,
    sandbox: StandIns = False,
    url: Url = None,
    config: Config = None,
) -> None:
    """Make a batch of a file; see SUBMIT."""
    from gateway.cli.option_values import amount, duration, moment_of
    from gateway.cli.progress import stderr_console
    from gateway.cli.submitting import Order, submit_file

    query = [("map", one) for one in maps or ()]
    said = {
        "delimiter": delimiter,
        "encoding": encoding,
        "sandbox": "true" if sandbox else None,
        "maxAge": duration("--max-age", max_age),
    }
    query += [(key, value) for key, value in said.items() if value is not None]
    if resume is not None and query:
        raise CommandError(
            "--resume goes on as it was begun: leave --map, --delimiter, --encoding, --max-age and"
            " --sandbox.",
            WRONG_USAGE,
        )
    if no_start and follow_:
        raise CommandError("--no-start leaves nothing to --follow.", WRONG_USAGE)
    if name is None and resume is None and file != "-":
        name = Path(file).name
    changes = {
        "name": name,
        "costCap": amount("--cost-cap", cost_cap),
        "priority": priority,
        "startAfter": moment_of("--start-after", start_after),
        "webhook": webhook,
    }
    order = Order(
        file=file,
        query=query,
        changes={key: value for key, value in changes.items() if value is not None},
        start=not no_start,
        follow=follow_,
        resume=resume,
    )
    raise typer.Exit(submit_file(order, url, config, stderr_console()))


def list_(
    *,
    first: Annotated[int, typer.Option(metavar="N", min=1, max=100, help="How many at most.")] = 20,
    as_json: AsJson = False,
    url: Url = None,
    config: Config = None,
) -> None:
    """Show the batches."""
    from gateway.cli.batch_screen import moment
    from gateway.cli.distant import LIST
    from gateway.cli.tables import show_table, stdout_console, write_json

    async def asked(distant: "Distant") -> list[dict[str, Any]]:
        return (await distant.ask(LIST, {"first": first}))["batches"]["nodes"]

    found = asked_of(url, config, asked)
    if as_json:
        write_json(found)
        return
    if not found:
        print("There is no batch yet. `assay batch submit FILE` makes one.")
        return
    rows = [
        (
            one["id"],
            one["status"]["state"],
            f"{one['status']['recordsDone']:,}",
            f"{one['status']['records']:,}",
            moment(one["createdAt"])[:16],
            one["name"] or "",
        )
        for one in found
    ]
    columns = ("id", "state", "done", "records", "created", "name")
    show_table(stdout_console(), columns, rows, numbers=("done", "records"))


def show(
    id_: Id,
    *,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Also what its open records will take.")
    ] = False,
    as_json: AsJson = False,
    url: Url = None,
    config: Config = None,
) -> None:
    """Show everything of a batch."""
    from gateway.cli.batch_screen import show_batch, show_estimate
    from gateway.cli.tables import stdout_console, write_json

    async def asked(distant: "Distant") -> dict[str, Any]:
        return await distant.batch(id_, estimated=estimate)

    found = asked_of(url, config, asked)
    if as_json:
        write_json(found)
        return
    console = stdout_console()
    show_batch(console, found)
    if estimate:
        show_estimate(console, found["estimate"], found["status"]["currency"])


def results(
    id_: Id,
    *,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where they go; else, and with -, standard output."),
    ] = None,
    form: Annotated[
        Form | None, typer.Option("--format", help="Else as FILE ends, else csv.")
    ] = None,
    statuses: Statuses = None,
    kinds: Annotated[
        list[str] | None,
        typer.Option("--kind", metavar="KIND", help="Only with such a value; may be repeated."),
    ] = None,
    reasons: Annotated[
        list[str] | None,
        typer.Option("--reason", metavar="CODE", help="Only for this reason; may be repeated."),
    ] = None,
    raw: Annotated[
        bool,
        typer.Option(
            "--raw", help="CSV for programs: cells that begin like a formula stay as they are."
        ),
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the batch has ended.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite FILE.")] = False,
    url: Url = None,
    config: Config = None,
) -> None:
    """Write the results of a batch; see RESULTS."""
    from gateway.cli.fetching import Wanted, fetch_to

    query = [("status", one.value) for one in statuses or ()]
    query += [("kind", one) for one in kinds or ()]
    query += [("reason", one) for one in reasons or ()]
    query += [("dialect", "RAW")] if raw else []
    suffix = "" if out is None else out.suffix.lower().removeprefix(".")
    chosen = form or (Form(suffix) if suffix in set(Form) else Form.csv)
    wanted = Wanted(id_, chosen.value, tuple(query), wait)
    fetch_to(wanted, out, url, config, force=force)


app = typer.Typer(
    name="batch",
    help=HELP,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.command("submit", help=SUBMIT)(submit)
app.command("list", help="Show the batches, the newest first.")(list_)
app.command("show", help="Show everything of a batch.")(show)
app.command("follow", help=batch_changes.FOLLOW)(batch_changes.follow)
app.command("results", help=RESULTS)(results)
app.command("start", help=batch_changes.START)(batch_changes.start)
app.command("pause", help=batch_changes.PAUSE)(batch_changes.pause)
app.command("resume", help=batch_changes.RESUME)(batch_changes.resume)
app.command("cancel", help=batch_changes.CANCEL)(batch_changes.cancel)
app.command("retry", help=batch_changes.RETRY)(batch_changes.retry)
app.command("change", help=batch_changes.CHANGE)(batch_changes.change)
app.command("delete", help=batch_changes.DELETE)(batch_changes.delete)
