"""A `validate` that is sent again with its idempotency key pays for nothing twice."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

import msgspec

from batches import bounds
from batches.source.record import record_class
from cache.first_use import KeyUsedError
from resolvers.context import Context
from resolvers.errors import PublicError
from verdicts.record import Record

MARGIN_S = 0.05
"""Beyond the first call, for the time that this one takes until it looks."""


class Keyed(Protocol):
    """The options of a call that has a key."""

    @property
    def idempotency_key(self) -> str | None: ...
    @property
    def max_age(self) -> timedelta | None: ...
    @property
    def sandbox(self) -> bool | None: ...


async def max_age_of_first(
    context: Context, records: Sequence[Record], options: Keyed, max_age_s: float | None
) -> float | None:
    """Return how old outcomes may be: `max_age_s`, and all that was found since the first call.

    While the shared store is away nobody knows of a first one.

    Raises:
        PublicError: the key was used for something else, or is none.
    """
    key = options.idempotency_key
    if key is None or context.first_uses is None:
        return max_age_s
    if not bounds.is_key(key):
        raise PublicError("BAD_OPTION", f"idempotencyKey: must be {bounds.KEY}.")
    made = record_class([kind.name for kind in context.kinds], strict=False)
    given = msgspec.convert(list(records), list[made], from_attributes=True)
    asked = msgspec.msgpack.encode((given, options.max_age, options.sandbox))
    now = datetime.now(UTC)
    try:
        first = await context.first_uses.since(context.tenant, key, asked, now)
    except KeyUsedError:
        raise PublicError(
            "IDEMPOTENCY_KEY_USED",
            "The idempotency key was used for other records or options: take a new one.",
        ) from None
    except OSError:
        return max_age_s
    since_s = (now - first).total_seconds()
    if max_age_s is None or since_s <= 0:
        return max_age_s
    return max(max_age_s, since_s + MARGIN_S)
