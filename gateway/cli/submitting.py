"""One file made a batch: sent, checked, started, followed."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlencode
from uuid import uuid4

from msgspec import Struct
from rich.console import Console

from gateway.cli.batch_screen import Sending, Watching, show_counts, show_estimate, show_file
from gateway.cli.distant import Distant, Patience, Refused, distant_at
from gateway.cli.errors import (
    ALL_WELL,
    SOMETHING_FAILED,
    WRONG_USAGE,
    CommandError,
    InterruptedCommand,
)
from gateway.cli.file_job import DASH, input_stream
from gateway.cli.following import follow
from gateway.cli.running import run
from gateway.cli.uploading import Refusal, Source, Uploading, created


class Order(Struct, frozen=True, kw_only=True):
    """What a person wants of a file.

    `query` is what `POST /batches` takes, `changes` what `changeBatch` takes. `resume` is the
    batch that has a part of the file already.
    """

    file: str
    query: Sequence[tuple[str, str]] = ()
    changes: Mapping[str, Any] = {}
    start: bool = True
    follow: bool = False
    resume: str | None = None


def submit_file(order: Order, url: str | None, config: Path | None, console: Console) -> int:
    """Do what `order` says and return the exit status; the batch's id goes to standard output.

    Raises:
        CommandError: it can't be done; the message says how to go on.
        InterruptedCommand: Ctrl-C; what is to be known then is told.
    """
    shown = Interrupted()
    try:
        with input_stream(order.file) as stream:
            # unbuffered: a thread that waits there for ever holds no lock
            raw: BinaryIO = getattr(stream, "raw", stream)
            source = Source(raw, _size(order.file))
            return run(_submitted(order, source, url, config, shown, console))
    except InterruptedCommand:
        shown.tell(console)
        raise


class Interrupted:
    """What to tell whoever interrupts a command."""

    def __init__(self) -> None:
        self.message = ""

    def tell(self, console: Console) -> None:
        """Say it."""
        if self.message:
            console.print(self.message, markup=False)


async def _submitted(
    order: Order,
    source: Source,
    url: str | None,
    config: Path | None,
    shown: Interrupted,
    console: Console,
) -> int:
    async with distant_at(url, config) as distant:
        answer = await _sent(order, source, distant, shown, console)
        batch = answer["batch"]
        id_: str = batch["id"]
        show_file(console, answer)
        if not batch["records"]:
            await distant.change("deleteBatch", id_)
            raise CommandError("No row could be read, so there is no batch.", WRONG_USAGE)
        if not sys.stdout.isatty():  # on a terminal it stands in the line above
            sys.stdout.write(f"{id_}\n")
            sys.stdout.flush()
        failed = SOMETHING_FAILED if answer["rowErrors"]["count"] else ALL_WELL
        if not order.start:
            await _tell_draft(distant, id_, console)
            return failed
        try:
            await started(distant, id_)
        except Refused:
            raise
        except CommandError as error:
            raise CommandError(f"{error} {shown.message}") from None
        if order.follow:
            return max(failed, await followed(distant, id_, shown, console, met=True))
        console.print(
            f"It is started. Follow it:  {distant.hint('follow', id_)}\n"
            f"Its results:  {distant.hint('results', id_, '--out', 'FILE')}",
            markup=False,
        )
        return failed


async def _sent(
    order: Order, source: Source, distant: Distant, shown: Interrupted, console: Console
) -> dict[str, Any]:
    """Send the file, and return what Assay says of it. Leaves nothing of one that is refused."""
    patience = Patience(distant, console, met=False)
    id_ = order.resume or await created(distant, urlencode(order.query), str(uuid4()), patience)
    shown.message = (
        "What arrived is kept, and not started. Send the same file again with"
        f" {distant.hint('submit', order.file, '--resume', id_)}\n"
        f"or remove it with {distant.hint('delete', id_)}"
    )
    sending = Sending(console, source.size)
    uploading = Uploading(distant, id_, patience, lambda: sending.moved(source.read_bytes))
    try:
        if order.changes:
            await distant.change("changeBatch", id_, input=order.changes)
        with sending.shown():
            offset = await _behind(source, uploading) if order.resume else 0
            answer = await uploading.send(source, offset)
    except (Refusal, Refused):
        if order.resume is None:
            with suppress(CommandError):
                await distant.change("deleteBatch", id_)
        raise
    shown.message = f"The batch is there, and not started: {distant.hint('start', id_)}"
    return answer


async def _behind(source: Source, uploading: Uploading) -> int:
    offset = await uploading.kept()
    source.skip(offset)
    return offset


async def _tell_draft(distant: Distant, id_: str, console: Console) -> None:
    batch = await distant.batch(id_, estimated=True)
    show_estimate(console, batch["estimate"], batch["status"]["currency"])
    console.print(f"It waits. Start it:  {distant.hint('start', id_)}", markup=False)


async def started(distant: Distant, id_: str) -> dict[str, Any]:
    """Start a batch and return it; CommandError when it is not, with what to do."""
    try:
        batch = await distant.change("startBatch", id_)
    except Refused as error:
        if error.code != "COST_CAP":
            raise
        raise CommandError(
            f"{error} Nothing was asked. Here that is:"
            f" {distant.hint('start', id_, '--cost-cap', 'AMOUNT')}"
        ) from None
    assert batch is not None, "it was not deleted"
    return batch


async def followed(
    distant: Distant, id_: str, shown: Interrupted, console: Console, *, met: bool = False
) -> int:
    """Show how a batch goes on until it has ended; return the exit status."""
    shown.message = f"The batch goes on without you. Come back with: {distant.hint('follow', id_)}"
    watching = Watching(console)
    with watching.shown():
        status = await follow(distant, id_, Patience(distant, console, met=met), watching.seen)
    shown.message = ""
    state: str = status["state"]
    if status["recordsDone"]:
        show_counts(console, status)
    console.print(f"{id_} is {state}.\n{_next(distant, status)}", markup=False, soft_wrap=True)
    return ALL_WELL if state == "COMPLETED" else SOMETHING_FAILED


def _next(distant: Distant, status: Mapping[str, Any]) -> str:
    id_: str = status["id"]
    results = f"Its results:  {distant.hint('results', id_, '--out', 'FILE')}"
    match status["state"]:
        case "DRAFT":
            return f"It is not started:  {distant.hint('start', id_)}"
        case "CAPPED":
            return (
                "It would exceed its cost cap. Raise that:"
                f"  {distant.hint('start', id_, '--cost-cap', 'AMOUNT')}"
            )
        case "COMPLETED" if any(
            one["status"] == "UNKNOWN" and one["records"] for one in status["statuses"]
        ):
            return f"{results}\nAsk again what is UNKNOWN:  {distant.hint('retry', id_)}"
        case "FAILED":
            return "Its data can't be read any more; the log of Assay says why."
        case _:
            return results


def _size(name: str) -> int | None:
    if name == DASH:
        return None
    size = Path(name).stat().st_size
    return size or None
