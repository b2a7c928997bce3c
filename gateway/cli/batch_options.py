"""Options that several commands of `assay batch` have."""

from enum import StrEnum
from typing import Annotated

import typer


class Form(StrEnum):
    """How results are written."""

    csv = "csv"
    ndjson = "ndjson"
    parquet = "parquet"


class Status(StrEnum):
    """The status of a record."""

    VALID = "VALID"
    RISKY = "RISKY"
    INVALID = "INVALID"
    UNKNOWN = "UNKNOWN"


Id = Annotated[str, typer.Argument(metavar="ID", help="The batch; `list` shows them.")]
Url = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="The Assay to ask: http://HOST:PORT.  [default: that of the configuration]",
    ),
]
Name = Annotated[str | None, typer.Option(metavar="TEXT", help="Its name, for people.")]
CostCap = Annotated[
    str | None,
    typer.Option(metavar="AMOUNT", help="What it may cost at most, in the currency of Assay."),
]
Priority = Annotated[
    int | None,
    typer.Option(metavar="N", min=-100, max=100, help="The greater goes first; 0 is usual."),
]
StartAfter = Annotated[
    str | None, typer.Option(metavar="MOMENT", help="Nothing is begun before then.")
]
Webhook = Annotated[
    str | None, typer.Option(metavar="URL", help="Is told of each change of its state.")
]
Statuses = Annotated[
    list[Status] | None,
    typer.Option(
        "--status",
        metavar="STATUS",
        help="VALID, RISKY, INVALID or UNKNOWN; may be repeated.",
        case_sensitive=False,
    ),
]
Follow = Annotated[bool, typer.Option("--follow", help="Show how it goes on until it has ended.")]
Maps = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="COLUMN=FIELD",
        help="Say what a column is; COLUMN= leaves it alone. May be repeated.",
    ),
]
NoStart = Annotated[bool, typer.Option("--no-start", help="Leave it a DRAFT; `start` starts it.")]
Resumed = Annotated[
    str | None,
    typer.Option(metavar="ID", help="Go on with a file whose sending was interrupted."),
]
StandIns = Annotated[
    bool, typer.Option("--sandbox", help="Let stand-ins answer, where a sandbox runs.")
]
