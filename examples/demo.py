"""`make demo`: start Assay and its sandbox, validate `contacts.csv` through the API, stop it all.

Everything is real but the services outside: a server with its private Valkey in a throw-away
folder, the GraphQL endpoint over HTTP, and stand-ins that speak the services' wire formats and
enforce their limits. Exit status 0 only when every row got through.
"""

import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from gateway.cli.asking import gateway_at
from gateway.cli.errors import (
    ALL_WELL,
    INTERRUPTED,
    SOMETHING_FAILED,
    CommandError,
    InterruptedCommand,
)
from gateway.cli.file_job import Wishes, input_stream, prepared, results_path, run_job
from gateway.cli.options import Format
from gateway.cli.progress import stderr_console

ROOT = Path(__file__).resolve().parent.parent
CONTACTS = "examples/contacts.csv"
RESULTS = Path("data/demo/contacts.verdicts.csv")
READY_WAIT_S = 60.0
STOP_WAIT_S = 30.0
WHERE = re.compile(rb"http://\S+/graphql")
ROWS_MIN = 2000


class DemoError(Exception):
    """The demo did not work; the message says why."""


@contextmanager
def serving() -> Generator[str]:
    """Run `assay serve --sandbox` on a free port and give the address of its API."""
    with tempfile.TemporaryDirectory(prefix="assay-demo-") as folder:
        config = Path(folder, "assay.toml")
        config.touch()  # nobody's own configuration takes part
        command = [sys.executable, "-m", "gateway.cli", "serve", "--sandbox", "--with-parent"]
        command += ["--port", "0", "--data-dir", folder, "--config", str(config)]
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")
        }
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            env=environment | {"ASSAY_GATEWAY__LOG_LEVEL": "ERROR"},
            start_new_session=True,  # Ctrl-C is for us: the server stops after its client
        ) as server:
            try:
                yield _address(server)
            finally:
                _stop(server)


def _address(server: subprocess.Popen[bytes]) -> str:
    """Return the address that the server prints once it is ready."""
    assert server.stdout is not None
    deadline = time.monotonic() + READY_WAIT_S
    while select.select([server.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
        line = server.stdout.readline()
        where = WHERE.search(line)
        if where is not None:
            return where[0].decode()
        if not line:
            break
    raise DemoError("Assay did not start. `assay serve --sandbox` says why.")


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.communicate(timeout=STOP_WAIT_S)
    except subprocess.TimeoutExpired:
        server.kill()


def demo() -> None:
    """Run the demo; DemoError or CommandError when it does not work."""
    console = stderr_console()
    console.rule("Assay: records in, verdicts out")
    console.print("Starting Assay, its private Valkey and the sandbox services")
    with serving() as url:
        console.print(f"GraphQL API at {url}. Validating {CONTACTS} through it")
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        with input_stream(CONTACTS) as stream:
            job = prepared(stream, CONTACTS, Wishes(), console)
            path = results_path(CONTACTS, RESULTS, Format.csv, force=True)
            tally = run_job(job, path, gateway_at(url), console)
    console.print("Stopped everything that was started.")
    if tally.rows < ROWS_MIN or tally.unreadable:
        raise DemoError(f"{tally.rows} rows got through, {tally.unreadable} could not be read.")
    console.print("Next: `make serve`, then GraphiQL on http://127.0.0.1:8000/graphql")


def main() -> int:
    """Run the demo and return its exit status."""
    os.chdir(ROOT)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # either signal stops the server
    try:
        demo()
    except (DemoError, CommandError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return SOMETHING_FAILED
    except (InterruptedCommand, KeyboardInterrupt):
        print("demo: interrupted", file=sys.stderr)
        return INTERRUPTED
    return ALL_WELL


if __name__ == "__main__":
    sys.exit(main())
