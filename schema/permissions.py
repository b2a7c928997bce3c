"""Which scope each root field needs. A field without an entry keeps the schema from being built."""

from collections.abc import Iterable, Mapping

from access.scope import Scope
from resolvers.context import Context
from resolvers.errors import PublicError

ANY = None
"""Whoever is let in may."""

NEEDED: Mapping[str, Scope | None] = {
    "Query.__schema": ANY,
    "Query.__type": ANY,
    "Query.kinds": Scope.VALIDATE,
    "Query.providers": Scope.VALIDATE,
    "Query.batch": Scope.BATCH_READ,
    "Query.batches": Scope.BATCH_READ,
    "Query.keys": Scope.ADMIN,
    "Query.auditLog": Scope.ADMIN,
    "Mutation.validate": Scope.VALIDATE,
    "Mutation.createBatch": Scope.BATCH_WRITE,
    "Mutation.addRecords": Scope.BATCH_WRITE,
    "Mutation.startBatch": Scope.BATCH_WRITE,
    "Mutation.pauseBatch": Scope.BATCH_WRITE,
    "Mutation.resumeBatch": Scope.BATCH_WRITE,
    "Mutation.cancelBatch": Scope.BATCH_WRITE,
    "Mutation.retryBatch": Scope.BATCH_WRITE,
    "Mutation.changeBatch": Scope.BATCH_WRITE,
    "Mutation.deleteBatch": Scope.BATCH_WRITE,
    "Mutation.createKey": Scope.ADMIN,
    "Mutation.rotateKey": Scope.ADMIN,
    "Mutation.revokeKey": Scope.ADMIN,
    "Subscription.batchStatus": Scope.BATCH_READ,
    "Subscription.batchResults": Scope.BATCH_READ,
}


MAY_WAIT = frozenset({"Mutation.createBatch", "Mutation.addRecords"})
"""What a busy process refuses first: it is safe to send again."""


def permit(fields: Iterable[str], context: Context) -> None:
    """Return if who asks may ask all of `fields`.

    Raises:
        PublicError: FORBIDDEN, a scope is missing; BUSY, it is to be asked again later.
    """
    fields = frozenset(fields)
    if fields & MAY_WAIT and context.busy():
        raise PublicError("BUSY", "No new batch work is taken for a moment. Send it again soon.")
    for field in fields:
        needed = NEEDED[field]
        if needed is not None and needed not in context.principal.scopes:
            name = field.partition(".")[2]
            raise PublicError("FORBIDDEN", f"{name} needs the scope {needed.value}.")


def check_complete(fields: Iterable[str]) -> None:
    """Return if just these fields have an entry.

    Raises:
        LookupError: another one has, or one of them has none.
    """
    ours = {field for field in NEEDED if "__" not in field}
    if differ := ours.symmetric_difference(fields):
        raise LookupError(f"schema/permissions.py says too little or too much of {sorted(differ)}")
