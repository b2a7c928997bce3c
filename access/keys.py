"""The keys of a store: made, listed, rotated, revoked; each of it leaves an entry in the audit log.

Each method is one transaction: what it returns is on disk, and what raises was not done.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select, update

from access.audit import note
from access.audit_entry import Act
from access.errors import KeyIsRevoked, KeyMadeBefore, NoSuchKey
from access.key import Key, Limits, NewKey, networks_of
from access.scope import names, scopes_of
from access.secret import Pepper, new_id, new_text
from batches.database import Database, Transaction, from_ms, now_of, to_ms
from batches.tables import access_keys, audit

OVERLAP_MAX = timedelta(days=30)
"""The longest that a secret is good after another one has taken its place."""


class Keys:
    """The keys in a database that its owner opens and closes."""

    def __init__(self, database: Database, pepper: Pepper) -> None:
        """Keep digests that `pepper` makes in `database`."""
        self._database = database
        self._pepper = pepper

    async def create(self, new: NewKey, actor: str) -> tuple[Key, str]:
        """Make a key; return it and its text, which nobody can find out later.

        Raises:
            KeyMadeBefore: its idempotency key was used before.
        """
        id_ = new_id()
        text = new_text(id_)
        digest = self._pepper.digest(text)
        return await self._database.write(_create, new, id_, digest, actor), text

    async def listed(self, tenant: str | None = None) -> list[Key]:
        """Return the keys of `tenant`, or of all; revoked and expired ones too, oldest first."""
        return await self._database.read(_listed, tenant)

    async def rotate(
        self, id_: str, actor: str, *, overlap: timedelta = timedelta(), tenant: str | None = None
    ) -> tuple[Key, str]:
        """Give a key another secret; the one before it stays good for `overlap`.

        Raises:
            NoSuchKey: there is none of this id, or it is not of `tenant`.
            KeyIsRevoked: it is of no use any more.
        """
        text = new_text(id_)
        digest = self._pepper.digest(text)
        kept = min(overlap, OVERLAP_MAX)
        return await self._database.write(_rotate, id_, digest, kept, actor, tenant), text

    async def revoke(self, id_: str, actor: str, *, tenant: str | None = None) -> Key:
        """End a key for good; one that is revoked already stays as it is.

        Raises:
            NoSuchKey: there is none of this id, or it is not of `tenant`.
        """
        return await self._database.write(_revoke, id_, actor, tenant)

    async def version(self) -> int:
        """Return a number that is another one after each change of any key."""
        return await self._database.read(_version)


async def any_live(database: Database) -> bool:
    """Return whether a key in `database` is neither revoked nor expired."""
    return await database.read(_any_live)


def _any_live(transaction: Transaction) -> bool:
    now = now_of(transaction)
    return any(key.is_live(now) for key in _listed(transaction, None))


def _create(transaction: Transaction, new: NewKey, id_: str, digest: bytes, actor: str) -> Key:
    limits = new.limits
    made = transaction.execute(
        transaction.insert(access_keys)
        .values(
            id=id_,
            tenant=new.tenant,
            name=new.name,
            scopes=" ".join(names(new.scopes)),
            networks=" ".join(map(str, new.networks)),
            created_at=transaction.now_ms,
            expires_at=to_ms(new.expires_at),
            requests_per_second=limits.requests_per_second,
            records_per_day=limits.records_per_day,
            cost_per_day_millionths=limits.cost_per_day_millionths,
            digest=digest,
            idempotency_key=new.idempotency_key,
        )
        .on_conflict_do_nothing()
    )
    if made.rowcount == 0:
        (before,) = transaction.values(
            select(access_keys.c.id).where(
                access_keys.c.tenant == new.tenant,
                access_keys.c.idempotency_key == new.idempotency_key,
            )
        )
        raise KeyMadeBefore(before)
    said = {"name": new.name, "scopes": " ".join(names(new.scopes))}
    note(transaction, new.tenant, actor, Act.KEY_CREATED, id_, said)
    return _one(transaction, id_, None)


def _listed(transaction: Transaction, tenant: str | None) -> list[Key]:
    wanted = select(access_keys).order_by(access_keys.c.created_at, access_keys.c.id)
    if tenant is not None:
        wanted = wanted.where(access_keys.c.tenant == tenant)
    return [_key_of(row) for row in transaction.execute(wanted)]


def _rotate(
    transaction: Transaction,
    id_: str,
    digest: bytes,
    overlap: timedelta,
    actor: str,
    tenant: str | None,
) -> Key:
    key = _one(transaction, id_, tenant)
    if key.revoked_at is not None:
        raise KeyIsRevoked(id_)
    overlap_ms = round(overlap.total_seconds() * 1000)
    until = transaction.now_ms + overlap_ms if overlap_ms > 0 else None
    transaction.execute(
        update(access_keys)
        .where(access_keys.c.id == id_)
        .values(
            digest=digest,
            digest_before=None if until is None else key.digest,
            before_until=until,
        )
    )
    said = {"overlap_s": str(overlap_ms // 1000)}
    note(transaction, key.tenant, actor, Act.KEY_ROTATED, id_, said)
    return _one(transaction, id_, tenant)


def _revoke(transaction: Transaction, id_: str, actor: str, tenant: str | None) -> Key:
    key = _one(transaction, id_, tenant)
    if key.revoked_at is not None:
        return key
    transaction.execute(
        update(access_keys).where(access_keys.c.id == id_).values(revoked_at=transaction.now_ms)
    )
    note(transaction, key.tenant, actor, Act.KEY_REVOKED, id_, {"name": key.name})
    return _one(transaction, id_, tenant)


def _version(transaction: Transaction) -> int:
    found = transaction.row(select(func.max(audit.c.number)))
    return (found[0] if found else None) or 0


def _one(transaction: Transaction, id_: str, tenant: str | None) -> Key:
    wanted = select(access_keys).where(access_keys.c.id == id_)
    if tenant is not None:
        wanted = wanted.where(access_keys.c.tenant == tenant)
    row = transaction.execute(wanted).first()
    if row is None:
        raise NoSuchKey(id_)
    return _key_of(row)


def _key_of(row: Any) -> Key:  # noqa: ANN401 - a row of SQLAlchemy, whose columns have no types
    created_at = from_ms(row.created_at)
    assert created_at is not None, "every key was made at some moment"
    networks: Sequence[str] = row.networks.split()
    return Key(
        id=row.id,
        tenant=row.tenant,
        name=row.name,
        scopes=scopes_of(row.scopes.split()),
        created_at=created_at,
        expires_at=from_ms(row.expires_at),
        revoked_at=from_ms(row.revoked_at),
        networks=tuple(networks_of(networks)),
        limits=Limits(row.requests_per_second, row.records_per_day, row.cost_per_day_millionths),
        digest=bytes(row.digest),
        digest_before=None if row.digest_before is None else bytes(row.digest_before),
        before_until=from_ms(row.before_until),
    )
