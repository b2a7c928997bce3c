"""PostgreSQL: for several machines. Its own clock is the clock of all of them."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar, cast

from asyncpg.exceptions import PostgresError
from sqlalchemy import Connection, Table, bindparam, event, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from batches.database import Clock, P, Parameters, Ready, T, Transaction, Work
from batches.errors import (
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreUnavailable,
    StoreUnreadable,
)
from batches.tables import batches

CONNECT_S = 5.0
"""How long connecting may take."""
FREE_S = 30.0
"""How long a transaction waits for a free connection."""
STATEMENT_S = 60.0
"""How long one statement may take, waiting for others included."""
IDLE_S = 15.0
"""How long a transaction may stand still: a frozen process must not hold the others up."""
TRIES_MAX = 4
"""Times that a transaction is run which the server wants to be run again, or ended by itself."""
_AGAIN = {"40001", "40P01"}  # could not serialize, deadlock
_FULL = {"53100"}
_DAMAGED = {"XX001", "XX002"}  # data, an index
_REFUSED = {"28000", "28P01", "3D000", "42501"}
_LOCKS = 0x61737361  # any number, the same in every version
_LOCK_BATCH = select(batches.c.id).where(batches.c.id == bindparam("id")).with_for_update()

_R = TypeVar("_R")


class PostgresDialect:
    """Many machines: a clock and a lock that the server keeps."""

    def insert(self, table: Table) -> Any:  # noqa: ANN401 - as in Dialect
        """Return PostgreSQL's INSERT."""
        return insert(table)

    def run(
        self, connection: Connection, ready: Ready, parameters: Parameters
    ) -> list[tuple[Any, ...]]:
        """Run it as SQLAlchemy does, which remembers what it has compiled."""
        result: Any = connection.execute(ready.statement, cast("Any", parameters))
        return result.all() if result.returns_rows else []

    def now_ms(self, connection: Connection) -> int:
        """Return the server's time."""
        moment = connection.execute(select(func.clock_timestamp())).scalar_one()
        return int(cast("datetime", moment).timestamp() * 1000)

    def hold(self, connection: Connection, what: int) -> None:
        """Wait for whoever holds `what`, and hold it until the transaction ends."""
        connection.execute(select(func.pg_advisory_xact_lock(_LOCKS, what)))

    def lock(self, connection: Connection, batch_id: str) -> None:
        """Wait for whoever changes the batch; what is read from now on is what that one left."""
        connection.execute(_LOCK_BATCH, {"id": batch_id})


class PostgresDatabase:
    """A database on a server; satisfies `batches.database.Database`."""

    def __init__(self, url: URL, connections: int, clock: Clock | None = None) -> None:
        """Use at most `connections`; none is made before the first transaction."""
        self.place = f"{url.host or 'localhost'}:{url.port or 5432}/{url.database or ''}"
        self._dialect = PostgresDialect()
        self._clock = clock
        self._engine = create_async_engine(
            url.set(drivername="postgresql+asyncpg"),
            pool_size=connections,
            max_overflow=0,
            pool_timeout=FREE_S,
            connect_args={"timeout": CONNECT_S, "command_timeout": STATEMENT_S},
        )
        event.listen(self._engine.sync_engine, "connect", _prepare)

    async def write(self, work: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work` as one transaction, again where the server wants that."""
        return await self._run(lambda transaction: work(transaction, *args, **kwargs))

    async def note(self, work: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work` as `write` does: workers on other machines outlive the server's."""
        return await self.write(work, *args, **kwargs)

    async def read(self, work: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work` on one state of the database."""
        return await self._run(
            lambda transaction: work(transaction, *args, **kwargs), "REPEATABLE READ"
        )

    async def tidy(self) -> None:
        """Do nothing: the server gives room back by itself (autovacuum)."""

    async def close(self) -> None:
        """Let every connection go."""
        await self._engine.dispose()

    async def _run(self, work: Callable[[Transaction], _R], isolation: str | None = None) -> _R:
        for _ in range(TRIES_MAX - 1):
            try:
                return await self._once(work, isolation)
            except _RunAgain:
                continue
        with self._told():
            try:
                return await self._once(work, isolation)
            except _RunAgain as again:
                raise again.cause from again

    async def _once(self, work: Callable[[Transaction], _R], isolation: str | None) -> _R:
        with self._told():
            async with self._engine.connect() as connection:
                if isolation is not None:
                    await connection.execution_options(isolation_level=isolation)
                try:
                    result = await connection.run_sync(self._work, work)
                except DBAPIError as error:
                    if error.connection_invalidated or _sqlstate(error) in _AGAIN:
                        raise _RunAgain(error) from error
                    raise
                await connection.commit()
                return result

    def _work(self, connection: Connection, work: Callable[[Transaction], _R]) -> _R:
        return work(Transaction(connection, self._dialect, self._clock))

    @contextmanager
    def _told(self) -> Generator[None]:
        """Say in words of ours what the server, or the way to it, reports."""
        try:
            yield
        except (TimeoutError, SQLAlchemyError, PostgresError, OSError) as error:
            raise self._error_of(error) from error

    def _error_of(self, error: Exception) -> StoreError:
        state = _sqlstate(error)
        why = str(getattr(error, "orig", None) or error) or type(error).__name__
        if state in _FULL:
            return StoreFull(f"PostgreSQL at {self.place} has no room left: {why}")
        if state in _DAMAGED:
            return StoreDamaged(f"PostgreSQL at {self.place} is damaged ({why}): restore a backup")
        if state in _REFUSED:
            return StoreUnreadable(
                f"PostgreSQL at {self.place} refuses us ({why}): see user, password and database in"
                " store.url, and what that user may do"
            )
        return StoreUnavailable(f"PostgreSQL at {self.place} cannot be reached or failed: {why}")


class _RunAgain(Exception):
    """A transaction that was surely not made, and may be run once more."""

    def __init__(self, cause: DBAPIError) -> None:
        super().__init__(str(cause))
        self.cause = cause


def _prepare(connection: DBAPIConnection, record: object) -> None:
    """Say what holds for a connection, by a statement: a pooler refuses such options."""
    del record
    cursor = connection.cursor()
    cursor.execute(f"SET idle_in_transaction_session_timeout = {round(IDLE_S * 1000)}")
    cursor.close()
    connection.commit()


def _sqlstate(error: Exception) -> str | None:
    cause = getattr(error, "orig", None) or error
    return getattr(cause, "sqlstate", None)
