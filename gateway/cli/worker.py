"""`assay worker`: works on batches, and serves nothing, until it is told to stop."""

from gateway.cli.options import Config, DataDir, Sandbox
from gateway.garbage import hold_off

HELP = """Work on batches until Ctrl-C or SIGTERM; serve nothing.

Beside gunicorn, whose workers answer requests only, and on as many machines as share a store
(store.url) and a Valkey (redis.url). Without redis.url it uses the private Valkey of the Assay that
runs in the same data directory. `assay serve` works on batches itself.

A stop keeps what is decided and gives the rest back, so that another worker goes on.

\b
Examples:
  assay worker --config assay.toml
  ASSAY_STORE__URL=postgresql://... ASSAY_REDIS__URL=redis://... assay worker

\b
Exit status:
  0  stopped as asked
  1  could not start: Valkey does not answer, the store can't be opened, ...
  2  wrong usage or configuration; nothing was started
"""


def worker(config: Config = None, data_dir: DataDir = None, sandbox: Sandbox = False) -> None:
    """Work until told to stop; see HELP."""
    hold_off()
    import uvloop

    from gateway.cli.opening import settings_of
    from gateway.cli.working import work_until_told

    settings = settings_of(config, data_dir=data_dir, sandbox=sandbox)
    uvloop.run(work_until_told(settings))
