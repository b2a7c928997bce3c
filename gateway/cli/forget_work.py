"""What `assay forget` does."""

from contextlib import suppress

from access.audit import Audit
from access.audit_entry import Act
from batches.errors import StoreError
from gateway.cli.errors import WRONG_USAGE, CommandError
from gateway.cli.opening import opened
from gateway.cli.who import actor
from gateway.settings import Settings
from gateway.valkey import StoreAway
from providers.priority import TENANT


async def forgotten(settings: Settings, text: str, kind: str | None) -> int:
    """Forget `text`, of `kind` or of any; return how many outcomes were kept of it.

    Raises:
        CommandError: there is no such kind, or a store does not answer.
    """
    async with opened(settings, guest=True) as assembly:
        kinds = [one.name for one in assembly.context.kinds]
        if kind is not None and kind not in kinds:
            raise CommandError(
                f"--kind {kind!r}: there are {', '.join(sorted(kinds))}.", WRONG_USAGE
            )
        digests = [name for memory in assembly.memories for name in memory.names(text, kind)]
        try:
            known = await assembly.forgetting.forget(digests)
        except OSError as error:
            raise CommandError(
                f"The shared store does not answer ({error}), so what it knows is still there."
                " Try again."
            ) from None
        with suppress(StoreAway):  # where it keeps a file, that is written anew without it
            await assembly.valkey.run("BGREWRITEAOF")
        assembly.batches.start(working=False)
        try:
            audit = Audit((await assembly.batches.opened()).database)
            details = {"outcomes": str(known), "kind": kind or "any"}
            await audit.noted(TENANT, actor(), Act.VALUE_FORGOTTEN, "outcomes", details)
        except StoreError as error:
            raise CommandError(
                f"It is forgotten, but the audit log could not be written: {error}."
            ) from None
        return known
