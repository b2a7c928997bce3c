"""What administrators did, kept where nobody changes it: who, what, to which object, when."""

from collections.abc import Mapping
from datetime import timedelta

import msgspec
from sqlalchemy import delete, insert, select

from access.audit_entry import Act, Entry
from batches.database import Database, Transaction, from_ms
from batches.tables import audit

ENTRIES_MAX = 500
"""Entries that are read at once."""


def note(
    transaction: Transaction,
    tenant: str,
    actor: str,
    act: Act,
    target: str,
    details: Mapping[str, str],
) -> None:
    """Keep that `actor` did `act`, in the transaction that does it."""
    transaction.execute(
        insert(audit).values(
            tenant=tenant,
            at=transaction.now_ms,
            actor=actor,
            act=act.value,
            target=target,
            details=msgspec.json.encode(details).decode(),
        )
    )


class Audit:
    """The log of one store."""

    def __init__(self, database: Database) -> None:
        """Read and keep it in `database`, which its owner closes."""
        self._database = database

    async def noted(
        self, tenant: str, actor: str, act: Act, target: str, details: Mapping[str, str]
    ) -> None:
        """Keep an act that is done elsewhere; when this returns, it is on disk."""
        await self._database.write(note, tenant, actor, act, target, details)

    async def entries(
        self, tenant: str | None, first: int, before: int | None = None
    ) -> list[Entry]:
        """Return the newest `first` entries of `tenant`, of all tenants if None.

        With `before`, those whose number is lower.
        """
        return await self._database.read(_entries, tenant, min(first, ENTRIES_MAX), before)

    async def prune(self, kept: timedelta) -> int:
        """Remove what is older than `kept`; return how many entries that were."""
        return await self._database.write(_prune, kept)


def _entries(
    transaction: Transaction, tenant: str | None, first: int, before: int | None
) -> list[Entry]:
    wanted = select(audit).order_by(audit.c.number.desc()).limit(first)
    if tenant is not None:
        wanted = wanted.where(audit.c.tenant == tenant)
    if before is not None:
        wanted = wanted.where(audit.c.number < before)
    found: list[Entry] = []
    for number, of, at, actor, act, target, details in transaction.rows(wanted):
        moment = from_ms(at)
        assert moment is not None, "every entry has its moment"
        said = msgspec.json.decode(details, type=dict[str, str])
        found.append(Entry(number, of, moment, actor, Act(act), target, said))
    return found


def _prune(transaction: Transaction, kept: timedelta) -> int:
    kept_ms = round(kept.total_seconds() * 1000)
    gone = delete(audit).where(audit.c.at < transaction.now_ms - kept_ms)
    return transaction.execute(gone).rowcount
