"""`assay serve`: API and GraphiQL in one process, until it is told to stop."""

import os
from typing import Annotated

import typer

from gateway.cli.options import Config, DataDir, Sandbox
from gateway.garbage import hold_off

HELP = """Serve the GraphQL API and GraphiQL until Ctrl-C or SIGTERM.

Without redis.url in the configuration it runs a private Valkey in the data directory; with
--sandbox also stand-ins for the outside services. Both end with it. Many workers are
gunicorn's business: `gunicorn -c gunicorn.conf.py`.

A stop answers the requests in flight and hears out calls that may be charged
(gateway.stop_s); a second Ctrl-C ends at once.

\b
Examples:
  assay serve --sandbox
  assay serve --port 8080 --config assay.toml
  ASSAY_PROVIDERS__ZEROBOUNCE__API_KEY=... assay serve

\b
Exit status:
  0  stopped as asked
  1  could not start: the port is taken, Valkey does not answer, ...
  2  wrong usage or configuration; nothing was started
"""


def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on.  [default: 127.0.0.1]")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port; 0 takes a free one.  [default: 8000]"),
    ] = None,
    config: Config = None,
    data_dir: DataDir = None,
    sandbox: Sandbox = False,
    with_parent: Annotated[bool, typer.Option("--with-parent", hidden=True)] = False,
) -> None:
    """Serve until told to stop; see HELP."""
    hold_off()
    import uvloop

    from gateway.cli.opening import settings_of
    from gateway.cli.server import listener, serve_until_told

    settings = settings_of(config, data_dir=data_dir, sandbox=sandbox, host=host, port=port)
    with listener(settings.gateway.host, settings.gateway.port) as taken:
        uvloop.run(serve_until_told(settings, taken, os.getppid() if with_parent else None))
