"""The commands of `assay batch` that change or follow one, and how any of them asks."""

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from gateway.cli.batch_options import (
    CostCap,
    Follow,
    Id,
    Name,
    Priority,
    StartAfter,
    Status,
    Statuses,
    Url,
    Webhook,
)
from gateway.cli.errors import WRONG_USAGE, CommandError, InterruptedCommand
from gateway.cli.options import Config

if TYPE_CHECKING:
    from gateway.cli.distant import Distant

T = TypeVar("T")

START = """Start a batch that was sent with --no-start, or that is CAPPED.

--cost-cap raises what it may cost before.
"""

FOLLOW = """Show how a batch goes on, until it has ended.

Counts by status, records a second, the time that is left, calls and cost. It reconnects when the
connection breaks or Assay starts anew. Ctrl-C ends the looking and not the batch.
"""

PAUSE = """Begin nothing more of a batch.

What is under way comes back and is kept; `resume` goes on.
"""

RESUME = """Go on with a paused batch."""

CANCEL = """End a batch.

What is under way comes back; all that was found is kept, and `results` has it.
"""

RETRY = """Ask again what is UNKNOWN (or of another --status) in a COMPLETED batch.

All other results stand. What was UNKNOWN because a service was down is so settled once it is
back.
"""

CHANGE = """Change name, priority, cost cap, start or webhook of a batch."""

DELETE = """Delete a batch, its records and its results, for good."""


def start(
    id_: Id,
    *,
    cost_cap: CostCap = None,
    follow_: Follow = False,
    url: Url = None,
    config: Config = None,
) -> None:
    """Start a batch; see START."""
    from gateway.cli.option_values import amount
    from gateway.cli.submitting import started

    cap = amount("--cost-cap", cost_cap)

    async def asked(distant: "Distant") -> dict[str, Any]:
        if cap is not None:
            await distant.change("changeBatch", id_, input={"costCap": cap})
        return await started(distant, id_)

    tell(asked_of(url, config, asked))
    if follow_:
        follow(id_, url=url, config=config)


def pause(id_: Id, *, url: Url = None, config: Config = None) -> None:
    """Pause a batch."""
    changed("pauseBatch", id_, url, config)


def resume(id_: Id, *, url: Url = None, config: Config = None) -> None:
    """Resume a batch."""
    changed("resumeBatch", id_, url, config)


def cancel(id_: Id, *, url: Url = None, config: Config = None) -> None:
    """Cancel a batch."""
    changed("cancelBatch", id_, url, config)


def retry(
    id_: Id,
    *,
    statuses: Statuses = None,
    follow_: Follow = False,
    url: Url = None,
    config: Config = None,
) -> None:
    """Ask again what is UNKNOWN; see RETRY."""
    chosen = [one.value for one in statuses or (Status.UNKNOWN,)]
    changed("retryBatch", id_, url, config, statuses=chosen)
    if follow_:
        follow(id_, url=url, config=config)


def change(
    id_: Id,
    *,
    name: Name = None,
    cost_cap: CostCap = None,
    priority: Priority = None,
    start_after: StartAfter = None,
    webhook: Webhook = None,
    url: Url = None,
    config: Config = None,
) -> None:
    """Change what is not about records."""
    from gateway.cli.option_values import amount, moment_of

    wished = {
        "name": name,
        "costCap": amount("--cost-cap", cost_cap),
        "priority": priority,
        "startAfter": moment_of("--start-after", start_after),
        "webhook": webhook,
    }
    given = {key: value for key, value in wished.items() if value is not None}
    if not given:
        raise CommandError("Say what is to change: --priority 10, say.", WRONG_USAGE)
    changed("changeBatch", id_, url, config, input=given)


def delete(id_: Id, *, url: Url = None, config: Config = None) -> None:
    """Delete a batch."""
    changed("deleteBatch", id_, url, config)
    print(f"{id_} is deleted")


def follow(id_: Id, *, url: Url = None, config: Config = None) -> None:
    """Show how a batch goes on; see FOLLOW."""
    from gateway.cli.progress import stderr_console
    from gateway.cli.submitting import Interrupted, followed

    console, shown = stderr_console(), Interrupted()

    async def asked(distant: "Distant") -> int:
        return await followed(distant, id_, shown, console)

    try:
        status = asked_of(url, config, asked)
    except InterruptedCommand:
        shown.tell(console)
        raise
    raise typer.Exit(status)


def changed(
    name: str,
    id_: str,
    url: str | None,
    config: Path | None,
    **variables: Any,  # noqa: ANN401 - of GraphQL
) -> None:
    """Make a change of a batch, and say where it stands then."""

    async def asked(distant: "Distant") -> dict[str, Any] | None:
        return await distant.change(name, id_, **variables)

    batch = asked_of(url, config, asked)
    if batch is not None:
        tell(batch)


def tell(batch: dict[str, Any]) -> None:
    """Say where a batch stands."""
    from gateway.cli.batch_screen import where

    print(f"{batch['id']} is {where(batch['status'])}")


def asked_of(
    url: str | None, config: Path | None, ask: "Callable[[Distant], Coroutine[Any, Any, T]]"
) -> T:
    """Return what `ask` finds out from the Assay of the options."""
    from gateway.cli.distant import distant_at
    from gateway.cli.running import run

    async def asked() -> T:
        async with distant_at(url, config) as distant:
            return await ask(distant)

    return run(asked())
