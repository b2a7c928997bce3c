"""`assay doctor`: says whether everything is there and answers."""

import typer

from gateway.cli.errors import ALL_WELL, SOMETHING_FAILED
from gateway.cli.options import AsJson, Config, DataDir, Sandbox

HELP = """Look at everything that Assay needs, and say what is wrong and what to do.

Looked at are the installation, the configuration, built files, data directory, clock, Valkey
(reachable, new enough, never evicting, keeping its data), a real DNS lookup, and a connection to
each provider, at which nothing is asked and nothing spent.

\b
Examples:
  assay doctor
  assay doctor --config assay.toml --json

\b
Exit status:
  0    everything works, warnings aside
  1    something does not work
  2    the configuration is wrong; the message names file, key and line
"""


def doctor(
    *,
    as_json: AsJson = False,
    config: Config = None,
    data_dir: DataDir = None,
    sandbox: Sandbox = False,
) -> None:
    """Look at everything; see HELP."""
    from gateway.cli.examination import examine
    from gateway.cli.opening import settings_of

    settings = settings_of(config, data_dir=data_dir, sandbox=sandbox)
    works = examine(config, settings, as_json=as_json)
    raise typer.Exit(ALL_WELL if works else SOMETHING_FAILED)
