"""The results of a batch on their way into a file."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlencode

from msgspec import Struct
from rich.console import Console
from rich.progress import DownloadColumn, Progress, SpinnerColumn, TextColumn, TransferSpeedColumn

from gateway.cli.distant import IDLE_S, Away, Distant, Patience, distant_at, refusal, whole
from gateway.cli.errors import WRONG_USAGE, CommandError
from gateway.cli.file_job import DASH, results_path
from gateway.cli.options import Format
from gateway.cli.progress import stderr_console
from gateway.cli.running import run
from gateway.results_out import OutputFile
from providers.errors import ProviderError, Unreachable

OK = 200
LATER = frozenset({429, 502, 503, 504})
BROKEN_MAX = 5
"""So often a download is begun that breaks off."""
QUIET_S = 24 * 3600.0
"""How long a download that waits for the batch may say nothing."""


class Wanted(Struct, frozen=True):
    """Which results, in which form."""

    batch_id: str
    form: str
    query: tuple[tuple[str, str], ...] = ()
    wait: bool = False


def fetch_to(
    wanted: Wanted, out: Path | None, url: str | None, config: Path | None, *, force: bool
) -> None:
    """Write the results to `out`, which appears when it is whole; else to standard output.

    Raises:
        CommandError: there is no such batch, nobody answers any more, or they can't be written.
    """
    console = stderr_console()
    form = Format.csv if wanted.form != Format.ndjson.value else Format.ndjson
    path = None if out is None else results_path(DASH, out, form, force=force)
    if path is None and wanted.form == "parquet" and sys.stdout.isatty():
        raise CommandError("Parquet is not for a terminal: name a file with --out.", WRONG_USAGE)
    try:
        size = run(_fetched(wanted, path, url, config, console))
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CommandError(
            f"{path or 'standard output'}: the results can't be written:"
            f" {error.strerror or error}. Nothing was left."
        ) from None
    if path is not None:
        console.print(f"{size:,} bytes in {path}", markup=False)


async def _fetched(
    wanted: Wanted, out: Path | None, url: str | None, config: Path | None, console: Console
) -> int:
    async with distant_at(url, config) as distant:
        patience = Patience(distant, console, met=False)
        broken = 0
        while True:
            try:
                if out is None:
                    return await _poured(wanted, distant, patience)
                return await _filed(wanted, out, distant, patience, console)
            except ProviderError as error:
                broken += not isinstance(error, Unreachable | Away)
                if broken == BROKEN_MAX:
                    raise CommandError(
                        f"{distant.shown} began to send {broken} times and broke off each time."
                        " Its log says why."
                    ) from None
                await patience.lost(error, "Nothing was left here; ask again later.")


async def _poured(wanted: Wanted, distant: Distant, patience: Patience) -> int:
    """Write to standard output, of which nothing can be taken back."""
    stream = sys.stdout.buffer
    size = 0
    try:
        async for part in _parts(wanted, distant, patience):
            stream.write(part)
            if wanted.wait:
                stream.flush()  # each result as soon as it is there
            size += len(part)
    except ProviderError as error:
        if not size:
            raise
        raise CommandError(
            f"The connection to {distant.shown} broke ({error}): what was written is not all. With"
            " --out it begins anew by itself."
        ) from None
    stream.flush()
    return size


async def _filed(
    wanted: Wanted, out: Path, distant: Distant, patience: Patience, console: Console
) -> int:
    output = OutputFile(out)
    size = 0
    try:
        with _shown(console) as moved:
            async for part in _parts(wanted, distant, patience):
                await asyncio.to_thread(output.write, part)
                size += len(part)
                moved(size)
        await asyncio.to_thread(output.keep)
    finally:
        output.discard()  # what is kept has another name by then
    return size


async def _parts(wanted: Wanted, distant: Distant, patience: Patience) -> AsyncGenerator[bytes]:
    query = urlencode([*wanted.query, *([("wait", "true")] if wanted.wait else [])])
    path = f"/batches/{quote(wanted.batch_id, safe='')}/results.{wanted.form}"
    headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
    idle_s = QUIET_S if wanted.wait else IDLE_S
    async with distant.flow(
        "GET", f"{path}?{query}" if query else path, headers, idle_s=idle_s
    ) as flow:
        if flow.status != OK:
            code, message = refusal(distant, flow.status, await whole(flow))
            if code == "NOT_FOUND":
                raise distant.unknown(wanted.batch_id)
            if flow.status in LATER:
                raise Away(message)
            raise CommandError(message, WRONG_USAGE)
        patience.fine()
        async for part in flow.parts():
            yield part


@contextmanager
def _shown(console: Console) -> Generator[Callable[[int], None]]:
    """Show on a terminal how much has arrived."""
    if not console.is_terminal:
        yield lambda _: None
        return
    columns = (SpinnerColumn(), TextColumn("Results"), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda size: bar.update(task, completed=size)
