"""Who a request is from, once that is known."""

from datetime import datetime

from msgspec import Struct

from access.key import UNLIMITED, Key, Limits
from access.scope import EVERYTHING, Scopes
from providers.priority import TENANT


class Principal(Struct, frozen=True, eq=False):
    """A caller: for which tenant, with which credential, what it may do, how much, until when.

    `credential` is the id of a key, or else (not `of_key`) the subject of a token; None where none
    is needed.
    """

    tenant: str
    credential: str | None
    scopes: Scopes
    limits: Limits = UNLIMITED
    ends_at: datetime | None = None
    of_key: bool = False


ANYBODY = Principal(TENANT, None, EVERYTHING)


def principal_of(key: Key) -> Principal:
    """Return who calls with `key`."""
    return Principal(key.tenant, key.id, key.scopes, key.limits, key.expires_at, of_key=True)
