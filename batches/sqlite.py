"""SQLite: one file, one thread of ours that writes, some that read.

What arrives while the writer is busy is written together, each transaction in a savepoint of its
own, all with one sync to the disk. Several processes may share the file; they wait for each other.
"""

import asyncio
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, Engine, Executable, Table, create_engine, event
from sqlalchemy.dialects.sqlite import dialect, insert
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool

from batches.database import Clock, P, Parameters, Ready, T, Transaction, Work
from batches.errors import (
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreUnavailable,
    StoreUnreadable,
)

WRITTEN_TOGETHER_MAX = 32
"""Transactions that share one sync to the disk at most."""
WAITING_MAX = 10_000
"""Transactions that wait for the writer at most."""
READERS = 2
"""Threads that read."""
BUSY_S = 10.0
"""How long one process waits for another that writes."""
VACUUMED_PAGES_MAX = 50_000
"""Pages of 4 KiB that one removal gives back to the disk at most; the rest is used again."""
LOG_BYTES_MAX = 64 << 20
"""What the write-ahead log may keep of the disk when it is empty."""
LOG_PAGES = 4_000
"""Pages in the log after which they are written into the file: each time costs two syncs."""
OLDEST = (3, 35, 0)
"""The first that knows RETURNING."""
BUSY_AGAIN_S = 0.01
"""After which the one thing is tried again for which SQLite itself does not wait."""
_WAL = "journal_mode=WAL"
_PRAGMAS = (
    "auto_vacuum=INCREMENTAL",
    _WAL,
    "synchronous=FULL",
    "secure_delete=ON",
    "cache_size=-16000",
    f"journal_size_limit={LOG_BYTES_MAX}",
    f"wal_autocheckpoint={LOG_PAGES}",
)

_R = TypeVar("_R")


class SqliteDialect:
    """One machine, whose clock is everybody's; and who writes has the file to itself."""

    def insert(self, table: Table) -> Any:  # noqa: ANN401 - as in Dialect
        """Return SQLite's INSERT."""
        return insert(table)

    def run(
        self, connection: Connection, ready: Ready, parameters: Parameters
    ) -> list[tuple[Any, ...]]:
        """Hand it to the driver: SQLAlchemy costs more than SQLite itself."""
        if ready.compiled is None:
            ready.compiled = _compiled(ready.statement)
        text, names = ready.compiled
        raw = _raw(connection)
        if isinstance(parameters, Mapping):
            return raw.execute(text, [parameters.get(*name) for name in names]).fetchall()
        rows = [[row.get(*name) for name in names] for row in parameters]
        return raw.executemany(text, rows).fetchall()

    def now_ms(self, connection: Connection) -> int:
        """Return this machine's time."""
        del connection
        return time.time_ns() // 1_000_000

    def hold(self, connection: Connection, what: int) -> None:
        """Do nothing: a transaction that writes excludes all others."""

    def lock(self, connection: Connection, batch_id: str) -> None:
        """Do nothing, as in `hold`."""


class _Waiting:
    """A transaction that waits for the writer, and who waits for it."""

    __slots__ = ("failed", "future", "lasting", "result", "work")

    def __init__(
        self, work: Callable[[Transaction], Any], future: "asyncio.Future[Any]", *, lasting: bool
    ) -> None:
        self.work = work
        self.future = future
        self.lasting = lasting
        self.result: Any = None
        self.failed: BaseException | None = None

    def tell(self) -> None:
        if self.future.done():
            return  # nobody waits any more; what was written stands
        if self.failed is not None:
            self.future.set_exception(self.failed)
        else:
            self.future.set_result(self.result)


class SqliteDatabase:
    """The file at a path; satisfies `batches.database.Database`."""

    def __init__(self, path: Path, clock: Clock | None = None) -> None:
        """Use the file at `path`; nothing is opened before the first transaction."""
        if sqlite3.sqlite_version_info < OLDEST:
            raise StoreUnreadable(
                f"SQLite {sqlite3.sqlite_version} is too old for batches: run Assay with 3.35 or"
                " newer, or set store.url to a PostgreSQL"
            )
        self.path = path
        self._dialect = SqliteDialect()
        self._clock = clock
        self._writer = _engine(path, 1)
        self._reader = _engine(path, READERS)
        self._open: Connection | None = None  # the writer's, in its thread alone
        self._synced = True
        self._writing = ThreadPoolExecutor(1, "batches-writer")
        self._reading = ThreadPoolExecutor(READERS, "batches-reader")
        self._waiting: deque[_Waiting] = deque()
        self._lock = threading.Lock()
        self._busy = False

    async def write(self, work: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work` as one transaction, together with others that wait."""
        return await self._queued(_bound(work, *args, **kwargs), lasting=True)

    async def note(self, work: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work` as `write` does, without a sync to the disk of its own."""
        return await self._queued(_bound(work, *args, **kwargs), lasting=False)

    async def _queued(self, work: Callable[[Transaction], _R], *, lasting: bool) -> _R:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_R] = loop.create_future()
        waiting = _Waiting(work, future, lasting=lasting)
        with self._lock:
            if len(self._waiting) >= WAITING_MAX:
                raise StoreUnavailable(f"{self.path}: {WAITING_MAX} changes wait to be written")
            self._waiting.append(waiting)
            start, self._busy = not self._busy, True
        if start:
            self._writing.submit(self._write_all, loop)
        return await future

    async def read(self, work: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work` on the state that is on disk now, beside whatever is being written."""
        loop = asyncio.get_running_loop()
        whole = partial(self._read, _bound(work, *args, **kwargs))
        return await loop.run_in_executor(self._reading, whole)

    async def tidy(self) -> None:
        """Empty the log into the file, which overwrites what was removed, and shrink both."""
        await asyncio.get_running_loop().run_in_executor(self._writing, self._tidy)

    async def close(self) -> None:
        """End what is under way and close the file."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._writing.submit(self._let_go).result()
        self._writing.shutdown()
        self._reading.shutdown()
        self._writer.dispose()
        self._reader.dispose()

    def _let_go(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    def _connection(self) -> Connection:
        """Return the writer's connection: taking one out of a pool each time would cost more."""
        if self._open is None:
            self._open = self._writer.connect()
        return self._open

    def _sync(self, *, on: bool) -> None:
        """Say whether the next commit waits for the disk, with all that was committed before."""
        if on is not self._synced:
            _raw(self._connection()).execute(f"PRAGMA synchronous={'FULL' if on else 'NORMAL'}")
            self._synced = on

    def _tidy(self) -> None:
        with _told(self.path):
            raw = _raw(self._connection())
            raw.execute(f"PRAGMA incremental_vacuum({VACUUMED_PAGES_MAX})").fetchall()
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _read(self, work: Callable[[Transaction], _R]) -> _R:
        with _told(self.path), self._reader.connect() as connection, _begun(connection, "BEGIN"):
            return work(Transaction(connection, self._dialect, self._clock))

    def _write_all(self, loop: asyncio.AbstractEventLoop) -> None:
        """Write until nothing waits."""
        while True:
            with self._lock:
                number = min(len(self._waiting), WRITTEN_TOGETHER_MAX)
                group = [self._waiting.popleft() for _ in range(number)]
                self._busy = bool(group)
            if not group:
                return
            self._write_group(group)
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_tell, group)

    def _write_group(self, group: list[_Waiting]) -> None:
        """Write `group` together; should that fail, each by itself, so that each hears its own."""
        try:
            with _told(self.path):
                self._sync(on=any(one.lasting for one in group))
                with _begun(self._connection(), "BEGIN IMMEDIATE") as connection:
                    for one in group:
                        self._write_one(connection, one, alone=len(group) == 1)
        except BaseException as error:  # noqa: BLE001 - told to whoever waits
            if len(group) == 1:
                group[0].failed = error
                return
            for one in group:
                one.failed = None
                self._write_group([one])

    def _write_one(self, connection: Connection, one: _Waiting, *, alone: bool) -> None:
        transaction = Transaction(connection, self._dialect, self._clock)
        if alone:
            one.result = one.work(transaction)
            return
        raw = _raw(connection)
        raw.execute("SAVEPOINT one")
        try:
            one.result = one.work(transaction)
        except (SQLAlchemyError, sqlite3.Error):
            raise  # a full disk, say, may have undone more than the savepoint
        except Exception as error:  # noqa: BLE001 - told to whoever waits
            raw.execute("ROLLBACK TO one")
            one.failed = error
        raw.execute("RELEASE one")


def _bound(work: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> Callable[[Transaction], T]:
    return lambda transaction: work(transaction, *args, **kwargs)


def _tell(group: list[_Waiting]) -> None:
    for one in group:
        one.tell()


def _engine(path: Path, connections: int) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=BUSY_S,
        connect_args={"timeout": BUSY_S, "check_same_thread": False},
        # `_begun` begins and commits: the driver would begin late, and two processes could then
        # deadlock on their way to write
        isolation_level="AUTOCOMMIT",
    )
    event.listen(engine, "connect", _prepare)

    return engine


@contextmanager
def _begun(connection: Connection, begin: str) -> Generator[Connection]:
    """Commit what is done within, or undo it."""
    raw = _raw(connection)
    raw.execute(begin)
    try:
        yield connection
    except BaseException:
        if raw.in_transaction:
            raw.execute("ROLLBACK")
        raise
    try:
        raw.execute("COMMIT")
    except sqlite3.Error:
        if raw.in_transaction:
            raw.execute("ROLLBACK")
        raise


def _raw(connection: Connection) -> sqlite3.Connection:
    return cast("sqlite3.Connection", connection.connection.driver_connection)


def _compiled(statement: Executable) -> tuple[str, tuple[tuple[str, Any], ...]]:
    """Return a statement as SQLite takes it, and its parameters in order, with their defaults."""
    compiled: Any = cast("Any", statement).compile(dialect=dialect())
    return str(compiled), tuple((name, compiled.params[name]) for name in compiled.positiontup)


def _prepare(connection: sqlite3.Connection, record: object) -> None:
    del record
    connection.isolation_level = None
    for pragma in _PRAGMAS:
        (_begin_log if pragma is _WAL else _set)(connection, pragma)


def _set(connection: sqlite3.Connection, pragma: str) -> None:
    connection.execute(f"PRAGMA {pragma}").close()


def _begin_log(connection: sqlite3.Connection, pragma: str) -> None:
    """Write a log ahead: of several that begin one in a new file, SQLite refuses all but one."""
    until = time.monotonic() + BUSY_S
    while True:
        try:
            _set(connection, pragma)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(BUSY_AGAIN_S)
        else:
            return


@contextmanager
def _told(path: Path) -> Generator[None]:
    """Say in words of ours what SQLite reports of the file at `path`."""
    try:
        yield
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None)
        raise _error_of(path, cause if isinstance(cause, sqlite3.Error) else error) from error
    except sqlite3.Error as error:
        raise _error_of(path, error) from error


def _error_of(path: Path, error: Exception) -> StoreError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return StoreFull(f"{path}: the disk is full; make room, nothing that was told is lost")
    if code in {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}:
        sort = StoreDamaged if code == sqlite3.SQLITE_CORRUPT else StoreUnreadable
        return sort(
            f"{path} is no SQLite file, or is damaged ({error}): put a backup in its place, or move"
            " it away to begin anew"
        )
    if code in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}:
        return StoreUnavailable(
            f"{path} cannot be opened for writing ({error}): Assay's user needs the right to write"
            " it and its directory"
        )
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return StoreUnavailable(f"{path}: another process has been writing for {BUSY_S:.0f} s")
    return StoreUnavailable(f"{path}: {error}")
