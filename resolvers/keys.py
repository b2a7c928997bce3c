"""The keys of a tenant: what administrators see of them, and do with them."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from access.errors import AccessError, KeyIsRevoked, KeyMadeBefore, NoSuchKey
from access.key import (
    COST_PER_DAY_MAX,
    RATE_MAX,
    RECORDS_PER_DAY_MAX,
    Key,
    Limits,
    NewKey,
    networks_of,
)
from access.scope import EVERYTHING, Scope, names, scopes_of
from batches.bounds import KEY, NAME, is_key, is_name
from batches.errors import StoreError
from resolvers.context import Context
from resolvers.errors import PublicError
from verdicts.outcome import MILLION

if TYPE_CHECKING:
    from access.audit import Audit
    from access.audit_entry import Entry
    from access.keys import Keys

NOBODY = "anybody"
"""Who acted, in the audit log, where no key is needed."""
ENTRIES_PER_PAGE_MAX = 200


class KeyRoom(Struct, frozen=True):
    """What administrators work with."""

    keys: "Keys"
    audit: "Audit"


class KeyProblem(Enum):
    """What a client can act on."""

    NOT_FOUND = "NOT_FOUND"
    REVOKED = "REVOKED"
    KEY_USED = "KEY_USED"
    BAD_INPUT = "BAD_INPUT"
    UNAVAILABLE = "UNAVAILABLE"


class KeyTold(Struct, frozen=True):
    """Why nothing was changed, in words, and at which part of the input."""

    code: KeyProblem
    message: str
    field: str | None = None


class KeyView(Struct, frozen=True):
    """A key as its tenant's administrators see it: never its secret."""

    id: str
    name: str
    scopes: Sequence[Scope]
    live: bool
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    networks: Sequence[str]
    requests_per_second: float | None
    records_per_day: int | None
    cost_per_day: Decimal | None


class KeyChanged(Struct, frozen=True):
    """The key after a change, its text where that is new, or why nothing was changed."""

    key: KeyView | None
    text: str | None
    errors: Sequence[KeyTold]


class KeyWish(Protocol):
    """What is wanted of a new key; the fields are described in `schema.keys`."""

    @property
    def name(self) -> str: ...
    @property
    def scopes(self) -> Sequence[Scope]: ...
    @property
    def expires_at(self) -> datetime | None: ...
    @property
    def networks(self) -> Sequence[str] | None: ...
    @property
    def requests_per_second(self) -> float | None: ...
    @property
    def records_per_day(self) -> int | None: ...
    @property
    def cost_per_day(self) -> Decimal | None: ...
    @property
    def idempotency_key(self) -> str | None: ...


class BadWish(ValueError):
    """A key like that is not made; `field` says what is wrong with it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


async def keys(context: Context) -> list[KeyView]:
    """Return the keys of the tenant, revoked and expired ones too, oldest first."""
    room = await _room(context)
    try:
        return [view_of(key) for key in await room.keys.listed(context.tenant)]
    except StoreError as error:
        raise _away() from error


async def audit_log(context: Context, first: int, before: int | None) -> "list[Entry]":
    """Return what administrators of the tenant did, the newest first."""
    if not 1 <= first <= ENTRIES_PER_PAGE_MAX:
        raise PublicError("BAD_OPTION", f"first is {first}; give 1 to {ENTRIES_PER_PAGE_MAX}.")
    room = await _room(context)
    try:
        return await room.audit.entries(context.tenant, first, before)
    except StoreError as error:
        raise _away() from error


async def create(context: Context, wish: KeyWish) -> KeyChanged:
    """Make a key of the tenant."""
    try:
        new = new_key(context.tenant, wish)
    except BadWish as error:
        return KeyChanged(None, None, [KeyTold(KeyProblem.BAD_INPUT, str(error), error.field)])
    return await _changed(context, lambda room: room.keys.create(new, _actor(context)))


async def rotate(context: Context, key_id: str, overlap: timedelta | None) -> KeyChanged:
    """Give a key another secret; the one before it stays good for `overlap`."""
    kept = overlap or timedelta()

    return await _changed(
        context,
        lambda room: room.keys.rotate(key_id, _actor(context), overlap=kept, tenant=context.tenant),
    )


async def revoke(context: Context, key_id: str) -> KeyChanged:
    """End a key for good."""

    async def revoked(room: KeyRoom) -> tuple[Key, None]:
        return await room.keys.revoke(key_id, _actor(context), tenant=context.tenant), None

    return await _changed(context, revoked)


def new_key(tenant: str, wish: KeyWish) -> NewKey:
    """Return what `wish` wants, if there can be such a key.

    Raises:
        BadWish: there cannot.
    """
    name = wish.name.strip()
    if not is_name(name):
        raise BadWish("name", f"Give {NAME}.")
    if not wish.scopes:
        raise BadWish("scopes", f"Give a scope or more: {', '.join(names(EVERYTHING))}.")
    if wish.expires_at is not None and wish.expires_at <= datetime.now(UTC):
        raise BadWish("expiresAt", "That is past already.")
    try:
        networks = tuple(networks_of(wish.networks or ()))
    except ValueError as error:
        raise BadWish("networks", f"{error}.") from None
    said = wish.idempotency_key
    if said is not None and not is_key(said):
        raise BadWish("idempotencyKey", f"Give {KEY}.")
    return NewKey(
        tenant=tenant,
        name=name,
        scopes=scopes_of(scope.value for scope in wish.scopes),
        expires_at=wish.expires_at,
        networks=networks,
        limits=_limits(wish),
        idempotency_key=said,
    )


def view_of(key: Key) -> KeyView:
    """Return what may be seen of `key`."""
    cost = key.limits.cost_per_day_millionths
    return KeyView(
        key.id,
        key.name,
        [scope for scope in Scope if scope in key.scopes],
        key.is_live(datetime.now(UTC)),
        key.created_at,
        key.expires_at,
        key.revoked_at,
        [str(network) for network in key.networks],
        key.limits.requests_per_second,
        key.limits.records_per_day,
        None if cost is None else Decimal(cost) / MILLION,
    )


def _limits(wish: KeyWish) -> Limits:
    rate, records, cost = wish.requests_per_second, wish.records_per_day, wish.cost_per_day
    if rate is not None and not 0 < rate <= RATE_MAX:
        raise BadWish("requestsPerSecond", f"Give more than 0, and at most {RATE_MAX}.")
    if records is not None and not 0 <= records <= RECORDS_PER_DAY_MAX:
        raise BadWish("recordsPerDay", f"Give 0 to {RECORDS_PER_DAY_MAX}.")
    millionths = None
    if cost is not None:
        if not (cost.is_finite() and 0 <= cost <= COST_PER_DAY_MAX):
            raise BadWish("costPerDay", f"Give 0 to {COST_PER_DAY_MAX}.")
        millionths = int(cost * MILLION)
    return Limits(rate, records, millionths)


def _actor(context: Context) -> str:
    return context.principal.credential or NOBODY


async def _changed(
    context: Context, change: Callable[[KeyRoom], Awaitable[tuple[Key, str | None]]]
) -> KeyChanged:
    room = await _room(context)
    try:
        key, text = await change(room)
    except AccessError as error:
        return KeyChanged(None, None, [KeyTold(_problem_of(error), f"{error}.")])
    except StoreError:
        told = KeyTold(KeyProblem.UNAVAILABLE, "Keys cannot be changed now. Try again soon.")
        return KeyChanged(None, None, [told])
    return KeyChanged(view_of(key), text, ())


def _problem_of(error: AccessError) -> KeyProblem:
    match error:
        case NoSuchKey():
            return KeyProblem.NOT_FOUND
        case KeyIsRevoked():
            return KeyProblem.REVOKED
        case KeyMadeBefore():
            return KeyProblem.KEY_USED
        case _:
            return KeyProblem.BAD_INPUT


async def _room(context: Context) -> KeyRoom:
    if context.key_room is None:
        raise PublicError("UNAVAILABLE", "Keys are not kept here.")
    try:
        return await context.key_room()
    except StoreError as error:
        raise _away() from error


def _away() -> PublicError:
    return PublicError("UNAVAILABLE", "Keys can't be read now. Try again in a moment.")
