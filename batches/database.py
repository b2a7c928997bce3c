"""The database behind the store. What differs is in `batches.sqlite` and `batches.postgres`.

A transaction is a plain function over `Transaction`. It may be run again when the database asks
for that, so it does nothing else.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import Connection, CursorResult, Executable, Table

MIGRATING, TURNS = 1, 2
"""What transactions keep each other from, beside single batches."""
_MS = 1000

P = ParamSpec("P")
T = TypeVar("T")
Clock = Callable[[], datetime]


def to_ms(moment: datetime | None) -> int | None:
    """Return `moment` as the tables have it, in whole milliseconds."""
    return None if moment is None else round(moment.timestamp() * _MS)


def from_ms(ms: int | None) -> datetime | None:
    """Return the moment that stands in a table."""
    return None if ms is None else datetime.fromtimestamp(ms / _MS, UTC)


class Ready:
    """A statement that is made once and run often: what it takes are its bound parameters."""

    __slots__ = ("compiled", "statement")

    def __init__(self, statement: Executable) -> None:
        """Run `statement`; a dialect keeps in `compiled` what it makes of it."""
        self.statement = statement
        self.compiled: tuple[str, tuple[tuple[str, Any], ...]] | None = None


Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]]
"""What is bound: once, or for each of many runs."""


class Dialect(Protocol):
    """What the two databases say differently."""

    def run(
        self, connection: Connection, ready: Ready, parameters: Parameters
    ) -> list[tuple[Any, ...]]:
        """Run what is ready the shortest way; return the rows that it gives."""
        ...

    def insert(self, table: Table) -> Any:  # noqa: ANN401 - either's own, which are alike here
        """Return an INSERT that knows `on_conflict_do_nothing` and `on_conflict_do_update`."""
        ...

    def now_ms(self, connection: Connection) -> int:
        """Return the moment by the clock that all users of the database share."""
        ...

    def hold(self, connection: Connection, what: int) -> None:
        """Keep everybody else from `what` until this transaction ends: MIGRATING, TURNS."""
        ...

    def lock(self, connection: Connection, batch_id: str) -> None:
        """Keep everybody else from changing a batch or its chunks until this transaction ends."""
        ...


class Transaction:
    """What one transaction works with: statements, and the moment at which it happens."""

    __slots__ = ("_clock", "_now_ms", "connection", "dialect")

    def __init__(self, connection: Connection, dialect: Dialect, clock: Clock | None) -> None:
        """Work on `connection`; `clock`, if any, takes the place of the database's own."""
        self.connection = connection
        self.dialect = dialect
        self._clock = clock
        self._now_ms: int | None = None

    def execute(self, statement: Executable, parameters: Any = None) -> CursorResult[Any]:  # noqa: ANN401 - as SQLAlchemy has it
        """Run one statement, for each of `parameters` when those are a list."""
        return self.connection.execute(statement, parameters)

    def run(self, ready: Ready, parameters: Parameters) -> list[tuple[Any, ...]]:
        """Run what is ready, for each of `parameters` when those are a list; return its rows."""
        return self.dialect.run(self.connection, ready, parameters)

    def rows(self, statement: Executable, parameters: Any = None) -> list[tuple[Any, ...]]:  # noqa: ANN401 - as above
        """Run a statement; return its rows."""
        found: Any = self.connection.execute(statement, parameters).all()
        return found

    def row(self, statement: Executable, parameters: Any = None) -> tuple[Any, ...] | None:  # noqa: ANN401 - as above
        """Run a statement; return its first row, None when it has none."""
        found: Any = self.connection.execute(statement, parameters).first()
        return found

    def values(self, statement: Executable, parameters: Any = None) -> list[Any]:  # noqa: ANN401 - as above
        """Run a statement; return the first column of its rows."""
        return [row[0] for row in self.rows(statement, parameters)]

    @property
    def now_ms(self) -> int:
        """The moment of this transaction, in milliseconds; the same however often it is asked."""
        if self._now_ms is None:
            if self._clock is not None:
                self._now_ms = round(self._clock().timestamp() * _MS)
            else:
                self._now_ms = self.dialect.now_ms(self.connection)
        return self._now_ms

    def insert(self, table: Table) -> Any:  # noqa: ANN401 - as in Dialect
        """Return an INSERT that knows `on_conflict_do_nothing` and `on_conflict_do_update`."""
        return self.dialect.insert(table)

    def hold(self, what: int) -> None:
        """Keep everybody else from `what` until this transaction ends."""
        self.dialect.hold(self.connection, what)

    def lock(self, batch_id: str) -> None:
        """Keep everybody else from changing a batch or its chunks; done before either is read."""
        self.dialect.lock(self.connection, batch_id)


Work = Callable[Concatenate[Transaction, P], T]


class Database(Protocol):
    """A database that transactions run in. What it raises is of `batches.errors`."""

    async def write(self, work: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work` as one transaction; when this returns, it is on disk."""
        ...

    async def note(self, work: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work` as `write` does; only a machine that loses its power may forget it.

        For what nobody needs then: who works on what ends with the machine, too.
        """
        ...

    async def read(self, work: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work`, which changes nothing, on one consistent state."""
        ...

    async def tidy(self) -> None:
        """After a removal: leave none of its bytes in any file, and give its room back."""
        ...

    async def close(self) -> None:
        """End what is under way and let every connection go."""
        ...


def now_of(transaction: Transaction) -> datetime:
    """Return the moment at which `transaction` happens."""
    return datetime.fromtimestamp(transaction.now_ms / _MS, UTC)
