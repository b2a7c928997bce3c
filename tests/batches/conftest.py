"""Stores on both databases, for every test that asks for one."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from batches.opening import open_store
from batches.settings import StoreSettings
from batches.store import Store
from checks.kinds import load
from tests.batches.house import Place, place
from tests.postgres_process import PostgresProcess, postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]

OpenStore = Callable[[], Awaitable[Store]]


class Clock:
    """A clock that stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_s(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def postgres_template(postgres_server: PostgresProcess) -> str:
    """Give the name of a database that holds an empty store: copying it is quick."""
    url = postgres_server.database()

    async def make() -> None:
        store = await open_store(StoreSettings(url=SecretStr(url)), Path("unused.db"))
        await store.close()

    asyncio.run(make())
    return url.rpartition("/")[2]


@pytest.fixture
def postgres_store_url(postgres_server: PostgresProcess, postgres_template: str) -> Iterator[str]:
    """Give the URL of an empty store in PostgreSQL."""
    url = postgres_server.database(like=postgres_template)
    yield url
    postgres_server.drop(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def store_settings(request: pytest.FixtureRequest, tmp_path: Path) -> StoreSettings:
    """Give settings of an empty store."""
    if request.param == "sqlite":
        return StoreSettings(url=SecretStr(f"sqlite:///{tmp_path / 'batches.db'}"))
    return StoreSettings(url=SecretStr(request.getfixturevalue("postgres_store_url")))


@pytest.fixture
async def open_another(
    store_settings: StoreSettings, clock: Clock, tmp_path: Path
) -> AsyncGenerator[OpenStore]:
    """Give what opens the same store as another process would."""
    async with AsyncExitStack() as stores:

        async def another() -> Store:
            store = await open_store(store_settings, tmp_path / "unused.db", clock)
            stores.push_async_callback(store.close)
            return store

        yield another


@pytest.fixture
async def store(open_another: OpenStore) -> Store:
    """Give an empty store whose clock is `clock`."""
    return await open_another()


@pytest.fixture
def tables() -> None:
    """Read what the local checks need, as a start does: off the loop, which must not wait."""
    load()


@pytest.fixture
async def at(tables: None, tmp_path: Path, valkey_url: str) -> AsyncGenerator[Place]:
    """Give a place in which batches are worked on."""
    del tables
    async with place(tmp_path, valkey_url) as found:
        yield found
