"""What `assay forget` does."""

from contextlib import suppress

from msgspec import Struct

from access.audit import Audit
from access.audit_entry import Act
from batches.erasing import Erasing, Sought
from batches.errors import StoreError
from gateway.cli.errors import WRONG_USAGE, CommandError
from gateway.cli.opening import opened
from gateway.cli.who import actor
from gateway.settings import Settings
from gateway.valkey import StoreAway
from providers.priority import TENANT


class Forgotten(Struct, frozen=True):
    """What was known about a value: how many outcomes, and in how many records of batches."""

    outcomes: int
    records: int


async def forgotten(settings: Settings, text: str, kind: str | None) -> Forgotten:
    """Forget `text`, of `kind` or of any; return what was known about it.

    Raises:
        CommandError: there is no such kind, a store does not answer, or a batch can't be read or
            is being worked on.
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
            store = await assembly.batches.opened()
            modules = assembly.declarations.kinds
            erased = await Erasing(store, modules).erase(Sought(modules, text, kind))
            details = {
                "outcomes": str(known),
                "records": str(erased.records),
                "kind": kind or "any",
            }
            await Audit(store.database).noted(
                TENANT, actor(), Act.VALUE_FORGOTTEN, "outcomes", details
            )
        except StoreError as error:
            raise CommandError(
                f"What was known is forgotten, but not all of the batches: {error}. Try again."
            ) from None
        if erased.busy:
            ids = ", ".join(sorted({ref.batch for ref in erased.busy}))
            raise CommandError(
                f"Some of it is being worked on in batch {ids}, and would be written again. Try"
                " again when that is done, or pause it before."
            )
        return Forgotten(known, erased.records)
