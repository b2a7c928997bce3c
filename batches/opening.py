"""A store is opened: its tables are brought to this version, its data keys to the present key."""

import asyncio
from importlib import import_module
from pathlib import Path

from sqlalchemy import Column, MetaData, String, Table, insert, inspect, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from batches import batch_rows
from batches.blobs import Blobs
from batches.database import MIGRATING, Clock, Database, Transaction
from batches.errors import StoreUnavailable, StoreUnreadable
from batches.keys import Keyring
from batches.settings import StoreSettings
from batches.sqlite import SqliteDatabase
from batches.store import Store
from batches.tables import METADATA

NEWEST = "0004"
"""The revision of `batches.tables`: that of the newest file in `batches/migrations`."""
VERSIONS = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))
"""Where Alembic keeps the revision."""
REWRAPPED_PER_TRIP_MAX = 500
_SCHEMES = {"postgresql", "postgres", "postgresql+asyncpg"}


async def open_store(settings: StoreSettings, path: Path, clock: Clock | None = None) -> Store:
    """Return the store that `settings` name, or the SQLite file at `path` where they name none.

    It is made when it is not there, and migrated when an older Assay made it; of several processes
    that open it at once, one does that. `clock` takes the place of the database's own, for
    simulations.

    Raises:
        StoreUnavailable: it cannot be reached, or not be written.
        StoreUnreadable: what lies there is no store.
        StoreTooNew: a newer Assay made it.
        StoreLocked: it holds data keys that the keys of `settings` do not open.
    """
    keys = Keyring(settings.key, settings.older_keys)
    url = None if settings.url is None else _url_of(settings.url.get_secret_value())
    database = await _database(url, path, settings.connections, clock)
    try:
        if not await database.write(_is_newest):
            # here, because most starts find newest tables, and need less memory without Alembic
            migrating = await asyncio.to_thread(import_module, "batches.migrating")
            await migrating.migrate(database)
        blobs = Blobs(keys)
        while await database.write(batch_rows.rewrap, blobs, REWRAPPED_PER_TRIP_MAX):
            pass
    except BaseException:
        await database.close()
        raise
    return Store(database, blobs)


def _url_of(text: str) -> URL:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise StoreUnreadable(
            "store.url is no address of a database: write sqlite:///PATH or"
            " postgresql://USER:PASSWORD@HOST/NAME"
        ) from None
    if url.drivername != "sqlite" and url.drivername not in _SCHEMES:
        raise StoreUnreadable(
            f"store.url begins with {url.drivername}: batches are kept in sqlite or postgresql"
        )
    return url


async def _database(url: URL | None, path: Path, connections: int, clock: Clock | None) -> Database:
    if url is not None and url.drivername in _SCHEMES:
        # SQLAlchemy looks for files, and imports what it needs
        return await asyncio.to_thread(_server, url, connections, clock)
    file = Path(url.database) if url is not None and url.database else path
    return await asyncio.to_thread(_file, file, clock)


def _server(url: URL, connections: int, clock: Clock | None) -> Database:
    """Return the PostgreSQL database at `url`."""
    from batches.postgres import PostgresDatabase  # noqa: PLC0415 - a SQLite needs none of it

    return PostgresDatabase(url, connections, clock)


def _file(file: Path, clock: Clock | None) -> Database:
    """Return the database in `file`, which nobody but us may read if it is made now."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
    except OSError as error:
        raise StoreUnavailable(
            f"{file} cannot be made or written ({error.strerror}): Assay's user needs the right to"
        ) from error
    return SqliteDatabase(file, clock)


def _is_newest(transaction: Transaction) -> bool:
    """Return whether the tables are those of this version; make them where there are none.

    Alone, so that of several processes one makes them.

    Raises:
        StoreUnreadable: there are tables of these names that no revision made.
    """
    transaction.hold(MIGRATING)
    connection = transaction.connection
    names = set(inspect(connection).get_table_names())
    if VERSIONS.name in names:
        return connection.scalar(select(VERSIONS.c.version_num)) == NEWEST
    foreign = METADATA.tables.keys() & names
    if foreign:
        raise StoreUnreadable(
            f"the database has tables of its own called {', '.join(sorted(foreign))}: give"
            " Assay a database, or a file, to itself"
        )
    METADATA.create_all(connection)
    VERSIONS.create(connection)
    connection.execute(insert(VERSIONS).values(version_num=NEWEST))
    return True
