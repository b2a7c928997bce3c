"""What a caller may do."""

from collections.abc import Iterable
from enum import Enum


class Scope(Enum):
    """One sort of thing that a caller may do, by the name that keys and tokens have for it."""

    VALIDATE = "validate"
    BATCH_READ = "batch:read"
    BATCH_WRITE = "batch:write"
    ADMIN = "admin"


Scopes = frozenset[Scope]
EVERYTHING: Scopes = frozenset(Scope)
MEANINGS = {
    Scope.VALIDATE: "validate records; read which kinds and providers there are",
    Scope.BATCH_READ: "read batches and their results",
    Scope.BATCH_WRITE: "make batches, change and delete them; includes batch:read",
    Scope.ADMIN: "manage the tenant's keys, read its audit log",
}
"""In words that follow `may`."""
assert set(MEANINGS) == set(Scope), "every scope has its meaning"


class NoSuchScope(ValueError):
    """There is no scope of this name; the message says which there are."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no scope {name!r}: there are {', '.join(names(EVERYTHING))}")


def scopes_of(given: Iterable[str]) -> Scopes:
    """Return the scopes of these names, with those that they include.

    Raises:
        NoSuchScope: one of the names is none.
    """
    found: set[Scope] = set()
    for name in given:
        try:
            found.add(Scope(name))
        except ValueError:
            raise NoSuchScope(name) from None
    if Scope.BATCH_WRITE in found:
        found.add(Scope.BATCH_READ)  # what one may change, its answer shows
    return frozenset(found)


def names(scopes: Scopes) -> list[str]:
    """Return the names of `scopes`, in the order of `Scope`."""
    return [one.value for one in Scope if one in scopes]
