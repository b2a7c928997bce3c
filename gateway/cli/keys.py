"""`assay keys`: who is let in, said where Assay's store is."""

from datetime import timedelta
from typing import Annotated

import typer

from gateway.cli.options import AsJson, Config, DataDir

HELP = """Make, show, rotate and revoke the keys that let callers in.

This works on the store of the configuration here, of every tenant; a process that runs knows within
2 seconds. Administrators of a tenant do the same for their tenant by GraphQL (createKey, …). Each
change leaves an entry in the audit log.

While there is no key, Assay answers this machine alone, and everybody on it. Callers send a key as
`Authorization: Bearer KEY`; commands that ask another Assay take it from ASSAY_API_KEY.

\b
Examples:
  assay keys create --tenant acme --name "web shop" --scope validate
  assay keys list
  assay keys rotate 4fK2pQ9xYz --overlap P1D
  assay keys revoke 4fK2pQ9xYz
"""

CREATE = """Make a key, and write it to standard output, this once.

\b
Scopes:
  validate     validate records; read which kinds and providers there are
  batch:read   read batches and their results
  batch:write  make batches, change and delete them; includes batch:read
  admin        manage the tenant's keys, read its audit log
"""

app = typer.Typer(
    name="keys", help=HELP, no_args_is_help=True, rich_markup_mode=None, add_completion=False
)

Id = Annotated[str, typer.Argument(metavar="ID", help="The key's id, as `assay keys list` has it.")]
Tenant = Annotated[str, typer.Option(metavar="NAME", help="Whose key it is.")]
OnlyTenant = Annotated[str | None, typer.Option("--tenant", metavar="NAME", help="Only these.")]
Name = Annotated[str, typer.Option(metavar="TEXT", help="What it is for.")]
Scopes = Annotated[
    list[str], typer.Option("--scope", metavar="SCOPE", help="What it may do; give several.")
]
Expires = Annotated[
    str | None, typer.Option(metavar="DURATION", help="Let it expire after this: P90D, PT12H.")
]
Networks = Annotated[
    list[str] | None,
    typer.Option("--network", metavar="NET", help="From where alone: 203.0.113.0/24; several."),
]
Rate = Annotated[
    float | None, typer.Option("--rate", metavar="N", help="Requests a second at most.")
]
Records = Annotated[
    int | None, typer.Option("--records-per-day", metavar="N", help="Records a day at most.")
]
Cost = Annotated[
    str | None, typer.Option("--cost-per-day", metavar="AMOUNT", help="Cost a day at most.")
]
OverlapOption = Annotated[
    str | None,
    typer.Option(metavar="DURATION", help="How long the secret before it stays good, to P30D."),
]
First = Annotated[int, typer.Option(metavar="N", min=1, max=500, help="How many entries.")]


@app.command("create", help=CREATE)
def create(
    name: Name,
    scope: Scopes,
    *,
    tenant: Tenant = "default",
    expires: Expires = None,
    network: Networks = None,
    rate: Rate = None,
    records_per_day: Records = None,
    cost_per_day: Cost = None,
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Make a key."""
    from gateway.cli import key_work
    from gateway.cli.option_values import amount, length

    wish = key_work.Wish(
        name=name,
        scopes=key_work.scopes_given(scope),
        expires_in=length("--expires", expires),
        networks=network or (),
        requests_per_second=rate,
        records_per_day=records_per_day,
        amount_per_day=amount("--cost-per-day", cost_per_day),
    )
    key_work.create(config, data_dir, tenant, wish)


@app.command("list")
def list_(
    tenant: OnlyTenant = None,
    as_json: AsJson = False,
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Show the keys that there are, revoked and expired ones too; never their secrets."""
    from gateway.cli import key_work

    key_work.show(config, data_dir, tenant, as_json=as_json)


@app.command("rotate")
def rotate(
    id: Id,  # noqa: A002 - the option's name
    overlap: OverlapOption = None,
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Give a key another secret, and write the key to standard output, this once."""
    from gateway.cli import key_work
    from gateway.cli.option_values import length

    key_work.rotate(config, data_dir, id, length("--overlap", overlap) or timedelta())


@app.command("revoke")
def revoke(
    id: Id,  # noqa: A002 - the option's name
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """End a key for good; whoever is connected with it is sent out within 5 seconds."""
    from gateway.cli import key_work

    key_work.revoke(config, data_dir, id)


@app.command("log")
def log(
    tenant: OnlyTenant = None,
    first: First = 50,
    as_json: AsJson = False,
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Show what administrators did, the newest first."""
    from gateway.cli import key_work

    key_work.log(config, data_dir, tenant, first, as_json=as_json)
