"""What `assay keys` does with the store of the configuration."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from rich.console import Console

from access.audit import Audit
from access.audit_entry import Entry
from access.errors import AccessError
from access.key import Key
from access.keys import Keys
from access.scope import NoSuchScope, Scope, names
from batches.errors import StoreError
from batches.opening import open_store
from gateway.batch_assembly import FILE
from gateway.cli.errors import WRONG_USAGE, CommandError
from gateway.cli.opening import command_errors, settings_of
from gateway.cli.running import run
from gateway.cli.tables import show_table, stdout_console, write_json
from gateway.cli.who import actor
from gateway.doorkeeper import pepper_of
from gateway.hash_key import hash_key
from resolvers.keys import BadWish, KeyRoom, new_key

T = TypeVar("T")


OPTIONS = {
    "name": "--name",
    "scopes": "--scope",
    "expiresAt": "--expires",
    "networks": "--network",
    "requestsPerSecond": "--rate",
    "recordsPerDay": "--records-per-day",
    "costPerDay": "--cost-per-day",
}
"""What a person has written for each field of a wish."""


class Wish(Struct, frozen=True, kw_only=True):
    """A key as its options wish it; satisfies `resolvers.keys.KeyWish`."""

    name: str
    scopes: Sequence[Scope]
    expires_in: timedelta | None
    networks: Sequence[str]
    requests_per_second: float | None
    records_per_day: int | None
    amount_per_day: str | None
    idempotency_key: str | None = None

    @property
    def expires_at(self) -> datetime | None:
        """When it is to expire."""
        return None if self.expires_in is None else datetime.now(UTC) + self.expires_in

    @property
    def cost_per_day(self) -> Decimal | None:
        """What it may cost a day."""
        return None if self.amount_per_day is None else Decimal(self.amount_per_day)


def scopes_given(given: Sequence[str]) -> list[Scope]:
    """Return the scopes of these names. Raise CommandError where one is none."""
    try:
        return [Scope(name) for name in given]
    except ValueError:
        wrong = next(name for name in given if name not in {scope.value for scope in Scope})
        raise CommandError(f"--scope {wrong!r}: {NoSuchScope(wrong)}.", WRONG_USAGE) from None


def create(config: Path | None, data_dir: Path | None, tenant: str, wish: Wish) -> None:
    """Make a key and write it."""
    try:
        new = new_key(tenant, wish)
    except BadWish as error:
        option = OPTIONS.get(error.field, error.field)
        raise CommandError(f"{option}: {error}", WRONG_USAGE) from None
    key, text = _done(config, data_dir, lambda room: room.keys.create(new, actor()))
    _tell(
        f"Key {key.id} of {key.tenant} may {', '.join(names(key.scopes))}. It is shown this once:"
    )
    print(text)


def rotate(config: Path | None, data_dir: Path | None, id_: str, overlap: timedelta) -> None:
    """Give a key another secret and write it."""
    key, text = _done(
        config, data_dir, lambda room: room.keys.rotate(id_, actor(), overlap=overlap)
    )
    until = key.before_until
    before = "is of no use any more" if until is None else f"is good until {_shown(until)}"
    _tell(f"The secret before it {before}. The key is shown this once:")
    print(text)


def revoke(config: Path | None, data_dir: Path | None, id_: str) -> None:
    """End a key."""
    key = _done(config, data_dir, lambda room: room.keys.revoke(id_, actor()))
    _tell(f"Key {key.id} of {key.tenant} ({key.name}) is revoked.")


def show(config: Path | None, data_dir: Path | None, tenant: str | None, *, as_json: bool) -> None:
    """Show keys."""
    found: list[Key] = _done(config, data_dir, lambda room: room.keys.listed(tenant))
    now = datetime.now(UTC)
    if as_json:
        write_json([_as_json(key, now) for key in found])
    elif not found:
        _tell("There is no key. `assay keys create --help` says how to make one.")
    else:
        head = ("id", "tenant", "name", "scopes", "state", "expires", "limits")
        rows = [
            (
                key.id,
                key.tenant,
                key.name,
                " ".join(names(key.scopes)),
                _state(key, now),
                "" if key.expires_at is None else _shown(key.expires_at),
                _limits(key),
            )
            for key in found
        ]
        show_table(stdout_console(), head, rows)


def log(
    config: Path | None, data_dir: Path | None, tenant: str | None, first: int, *, as_json: bool
) -> None:
    """Show the audit log."""
    found: list[Entry] = _done(config, data_dir, lambda room: room.audit.entries(tenant, first))
    if as_json:
        write_json([msgspec.to_builtins(entry) for entry in found])
        return
    rows = [
        (str(one.number), _shown(one.at), one.tenant, one.actor, one.act.value, one.target)
        for one in found
    ]
    show_table(stdout_console(), ("number", "at", "tenant", "actor", "act", "target"), rows)


def _done(config: Path | None, data_dir: Path | None, work: Callable[[KeyRoom], Awaitable[T]]) -> T:
    async def working() -> T:
        async with _room(config, data_dir) as room:
            return await work(room)

    try:
        return run(working())
    except AccessError as error:
        raise CommandError(f"{str(error)[0].upper()}{str(error)[1:]}.") from None
    except StoreError as error:
        raise CommandError(f"The store of keys and batches can't be used: {error}.") from None


@asynccontextmanager
async def _room(config: Path | None, data_dir: Path | None) -> AsyncGenerator[KeyRoom]:
    settings = settings_of(config, data_dir=data_dir)
    folder = settings.gateway.data_dir
    with command_errors():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        pepper = pepper_of(settings, hash_key(settings))
    store = await open_store(settings.store, folder / FILE)
    try:
        yield KeyRoom(Keys(store.database, pepper), Audit(store.database))
    finally:
        await store.close()


def _state(key: Key, now: datetime) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "live" if key.is_live(now) else "expired"


def _limits(key: Key) -> str:
    limits = key.limits
    said = [
        "" if limits.requests_per_second is None else f"{limits.requests_per_second:g}/s",
        "" if limits.records_per_day is None else f"{limits.records_per_day:,} records/d",
        "" if limits.cost_per_day_millionths is None else f"cost {_cost(key):f}/d",
        ", ".join(map(str, key.networks)),
    ]
    return "; ".join(filter(None, said))


def _cost(key: Key) -> Decimal:
    return Decimal(key.limits.cost_per_day_millionths or 0) / 1_000_000


def _as_json(key: Key, now: datetime) -> dict[str, Any]:
    return {
        "id": key.id,
        "tenant": key.tenant,
        "name": key.name,
        "scopes": names(key.scopes),
        "state": _state(key, now),
        "createdAt": key.created_at,
        "expiresAt": key.expires_at,
        "revokedAt": key.revoked_at,
        "networks": [str(network) for network in key.networks],
        "requestsPerSecond": key.limits.requests_per_second,
        "recordsPerDay": key.limits.records_per_day,
        "costPerDay": None if key.limits.cost_per_day_millionths is None else str(_cost(key)),
    }


def _shown(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def _tell(message: str) -> None:
    Console(stderr=True).print(message, markup=False, highlight=False, soft_wrap=True)
