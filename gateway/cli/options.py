"""Options that several commands have."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Format(StrEnum):
    """How results are written."""

    csv = "csv"
    ndjson = "ndjson"


Config = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Configuration; else the file that ASSAY_CONFIG names, or assay.toml here.",
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Where Assay keeps its own files.  [default: data]"),
]
Sandbox = Annotated[
    bool,
    typer.Option("--sandbox", help="Let stand-ins answer for providers without credentials."),
]
Url = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Ask the gateway that runs there (http://HOST:PORT/graphql) instead of working here.",
    ),
]
MaxAge = Annotated[
    str | None,
    typer.Option(metavar="DURATION", help="Ask anew what is older: PT12H, P30D; PT0S is all."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")]
