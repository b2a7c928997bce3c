"""A store is opened, or it is said why not and what to do."""

import asyncio
import random
import sqlite3
import subprocess
import sys
import tempfile
from base64 import b64encode
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from pydantic import SecretStr, ValidationError
from sqlalchemy import select, text, update

from batches.batch import Move, NewBatch, State
from batches.chunk import NewChunk
from batches.database import Transaction
from batches.errors import (
    StoreFull,
    StoreLocked,
    StoreTooNew,
    StoreUnavailable,
    StoreUnreadable,
)
from batches.migrating import migrate, revisions
from batches.opening import NEWEST, VERSIONS, open_store
from batches.settings import StoreSettings
from batches.store import Store
from batches.tables import METADATA
from providers.priority import TENANT
from tests.batches.conftest import OpenStore
from tests.batches.given import claimed, draft, new_chunks, work_off
from tests.postgres_process import PostgresProcess

ROOT = Path(__file__).resolve().parents[2]
KEYS = [b64encode(bytes([at]) * 32).decode() for at in range(3)]


def at(url: str, *keys: str) -> StoreSettings:
    return StoreSettings(
        url=SecretStr(url),
        encryption_key=SecretStr(keys[0]) if keys else None,
        encryption_keys_old=SecretStr(", ".join(keys[1:])) if keys[1:] else None,
    )


def differences(transaction: Transaction) -> object:
    context = MigrationContext.configure(
        transaction.connection, opts={"compare_type": True, "compare_server_default": True}
    )
    return compare_metadata(context, METADATA)


def without_tables(transaction: Transaction) -> None:
    METADATA.drop_all(transaction.connection)
    VERSIONS.drop(transaction.connection)


async def test_the_migrations_make_the_tables(store: Store) -> None:
    assert await store.database.read(differences) == []
    await store.database.write(without_tables)
    await migrate(store.database)
    assert await store.database.read(differences) == []
    assert (await asyncio.to_thread(revisions)).get_current_head() == NEWEST
    found = select(VERSIONS.c.version_num)
    assert await store.database.read(lambda transaction: transaction.values(found)) == [NEWEST]


def as_the_first_revision_had_it(transaction: Transaction) -> None:
    for table in ("access_keys", "audit", "retries"):
        transaction.execute(text(f"DROP TABLE {table}"))
    transaction.execute(text("ALTER TABLE chunks DROP COLUMN aside_millionths"))
    transaction.execute(update(VERSIONS).values(version_num="0001"))


async def test_what_an_older_version_kept_is_worked_on(
    store: Store, open_another: OpenStore
) -> None:
    batch = await draft(store, 2, 2)
    await store.move(TENANT, batch.id, Move.START)
    await store.database.write(as_the_first_revision_had_it)
    newer = await open_another()
    assert await newer.database.read(differences) == []
    assert (await work_off(newer, batch)).state is State.COMPLETED


async def test_many_may_open_it_at_once(tmp_path: Path, postgres_url: str) -> None:
    for url in (f"sqlite:///{tmp_path / 'new' / 'batches.db'}", postgres_url):
        stores = await asyncio.gather(*(open_store(at(url), tmp_path) for _ in range(4)))
        batch = await draft(stores[0], 2)
        assert [await one.batch(TENANT, batch.id) for one in stores] == [batch] * 4
        for one in stores:
            await one.close()


async def test_whoever_writes_into_a_new_file_is_waited_for(tmp_path: Path) -> None:
    """SQLite does not wait by itself where a log ahead is begun."""
    path = tmp_path / "batches.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.executescript("CREATE TABLE some (a); DROP TABLE some; BEGIN IMMEDIATE")
        opening = asyncio.create_task(open_store(StoreSettings(), path))
        await asyncio.sleep(0.3)
        assert not opening.done()
        other.execute("COMMIT")
    store = await opening
    await store.close()


def test_a_file_needs_no_library_of_a_server(tmp_path: Path) -> None:
    """Nor any for older tables: they are a seventh of what an idle process takes of memory."""
    heavy = ("alembic", "asyncpg", "charset_normalizer", "sqlalchemy.orm")
    script = (
        "import asyncio, sys, pathlib\n"
        "import batches.ingest\n"
        "from batches.opening import open_store\n"
        "from batches.settings import StoreSettings\n"
        "async def main():\n"
        f"    store = await open_store(StoreSettings(), pathlib.Path({str(tmp_path / 'b.db')!r}))\n"
        "    await store.close()\n"
        "asyncio.run(main())\n"
        f"print(sorted(set({heavy!r}) & set(sys.modules)))\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert said.stdout == "[]\n"


async def test_without_a_url_it_lies_in_the_data_directory(tmp_path: Path) -> None:
    store = await open_store(StoreSettings(), tmp_path / "data" / "batches.db")
    await store.close()
    file = tmp_path / "data" / "batches.db"
    assert file.stat().st_mode & 0o777 == 0o600  # it holds what clients gave


async def test_one_of_a_newer_assay_is_left_alone(store: Store, open_another: OpenStore) -> None:
    await store.database.write(
        lambda transaction: transaction.execute(text("UPDATE alembic_version SET version_num='9'"))
    )
    with pytest.raises(StoreTooNew, match=r"revision 9.*newer"):
        await open_another()


async def test_tables_of_somebody_else_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE results (mine TEXT)")
    other.close()
    with pytest.raises(StoreUnreadable, match="called results"):
        await open_store(at(f"sqlite:///{path}"), tmp_path)


async def test_a_file_that_is_no_store_is_named(tmp_path: Path) -> None:
    path = tmp_path / "batches.db"
    path.write_bytes(b"ref,email\n1,ada@example.com\n" * 100)
    before = path.read_bytes()
    with pytest.raises(StoreUnreadable, match=r"batches\.db is no SQLite file"):
        await open_store(at(f"sqlite:///{path}"), tmp_path)
    assert path.read_bytes() == before


async def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="needs the right"):
        await open_store(StoreSettings(), tmp_path / "file" / "batches.db")
    (tmp_path / "batches.db").mkdir()
    with pytest.raises(StoreUnavailable, match="needs the right"):
        await open_store(StoreSettings(), tmp_path / "batches.db")


@pytest.mark.parametrize(
    "url", ["", "no url", "mysql://here/x", "redis://here", "postgresql://here:port/x"]
)
async def test_an_address_of_no_database_we_know_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(StoreUnreadable, match=r"store\.url"):
        await open_store(at(url), tmp_path)


async def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    store = await open_store(StoreSettings(), tmp_path / "batches.db")
    try:
        kept = await draft(store, 3)

        def fill(transaction: Transaction) -> None:
            (pages,) = transaction.connection.exec_driver_sql("PRAGMA page_count").one()
            transaction.connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 40}")

        await store.database.write(fill)
        large = [NewChunk(1, random.randbytes(2000)) for _ in range(50)]
        said = await asyncio.gather(
            *(store.append(TENANT, kept.id, large) for _ in range(5)), return_exceptions=True
        )
        fits = [one for one in said if not isinstance(one, BaseException)]
        assert len(fits) < 5
        assert {type(one) for one in said if isinstance(one, BaseException)} == {StoreFull}
        batch = await store.batch(TENANT, kept.id)
        assert batch.records == 3 + 50 * len(fits)
        assert len(await store.chunk_results(TENANT, kept.id, -1, 1000)) == batch.chunks
        assert (await store.move(TENANT, kept.id, Move.START)).records == batch.records
    finally:
        await store.close()


async def test_a_server_that_nobody_answers_at_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:9/x cannot be reached"):
        await open_store(at("postgresql://me@127.0.0.1:9/x"), tmp_path)


async def test_a_refusal_of_the_server_is_told_without_the_password(
    postgres_server: PostgresProcess, tmp_path: Path
) -> None:
    url = postgres_server.url_of("missing").replace("postgres@", "postgres:hidden@")
    with pytest.raises(StoreUnreadable, match=r"store\.url") as refusal:
        await open_store(at(url), tmp_path)
    assert "hidden" not in str(refusal.value)


async def test_a_killed_server_comes_back_with_everything_it_said_it_had(tmp_path: Path) -> None:
    # pytest's own directories are for root alone
    with tempfile.TemporaryDirectory(prefix="assay-pg-", ignore_cleanup_errors=True) as folder:
        server = PostgresProcess(Path(folder), durable=True)
        server.start()
        store = await open_store(at(server.url), tmp_path)
        try:
            kept = [await draft(store, 2) for _ in range(5)]
            server.kill()
            with pytest.raises(StoreUnavailable):
                await draft(store, 2)
            with pytest.raises(StoreUnavailable):
                await store.batches(TENANT, 10)
            await asyncio.to_thread(server.start)
            found = await store.batches(TENANT, 10)
            assert {batch.id for batch in found.batches} == {batch.id for batch in kept}
            assert (await draft(store, 2)).records == 2
        finally:
            await store.close()
            server.stop()


async def test_a_connection_that_was_cut_is_made_anew(
    postgres_server: PostgresProcess, postgres_url: str, tmp_path: Path
) -> None:
    store = await open_store(at(postgres_url), tmp_path)
    other = await open_store(at(postgres_server.url), tmp_path)
    try:
        batch = await draft(store, 2)
        await other.database.write(
            lambda transaction: transaction.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :of"),
                {"of": postgres_url.rpartition("/")[2]},
            )
        )
        assert await store.batch(TENANT, batch.id) == batch
    finally:
        await store.close()
        await other.close()


async def test_two_processes_wait_for_each_other(tmp_path: Path) -> None:
    one = await open_store(StoreSettings(), tmp_path / "batches.db")
    two = await open_store(StoreSettings(), tmp_path / "batches.db")
    try:
        await asyncio.gather(*(draft(store, 1) for store in [one, two] * 30))
        assert len((await one.batches(TENANT, 100)).batches) == 60
    finally:
        await one.close()
        await two.close()


async def test_what_is_sealed_can_be_read_with_its_key_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'batches.db'}"
    secret = b"ada.lovelace@example.com"
    store = await open_store(at(url, KEYS[0]), tmp_path)
    made = await store.create(NewBatch(), [NewChunk(1, secret)])
    await store.move(TENANT, made.batch.id, Move.START)
    assert (await claimed(store, made.batch)).given == secret
    await store.database.tidy()
    assert secret not in (tmp_path / "batches.db").read_bytes()
    await store.close()
    for keys in ((), (KEYS[1],)):
        store = await open_store(at(url, *keys), tmp_path)
        with pytest.raises(StoreLocked, match="encryption_keys_old"):
            await store.chunk_results(TENANT, made.batch.id, -1, 1)
        await store.close()


async def test_a_new_key_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'sealed.db'}"
    for present, older in ((0, [0]), (1, [0]), (2, [1, 0, 2])):
        store = await open_store(at(url, KEYS[present], *(KEYS[one] for one in older)), tmp_path)
        await store.create(NewBatch(idempotency_key=str(present)), new_chunks(1))
        await store.close()
    store = await open_store(at(url, KEYS[2]), tmp_path)  # the others are not needed any longer
    try:
        page = await store.batches(TENANT, 9)
        for batch in page.batches:
            (chunk,) = await store.chunk_results(TENANT, batch.id, -1, 9)
            assert chunk.given == new_chunks(1)[0].given
        assert len(page.batches) == 3
    finally:
        await store.close()


@pytest.mark.parametrize("key", ["", "short", "not base64!", b64encode(bytes(16)).decode()])
def test_what_is_no_key_is_refused_with_how_to_make_one(key: str) -> None:
    with pytest.raises(ValidationError, match="openssl rand") as refusal:
        StoreSettings(encryption_key=SecretStr(key or " x "))
    assert key not in str(refusal.value) or not key


async def test_without_a_key_nothing_new_is_sealed_and_old_batches_are_read(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path / 'batches.db'}"
    store = await open_store(at(url, KEYS[0]), tmp_path)
    old = await draft(store, 1)
    await store.close()
    settings = StoreSettings(url=SecretStr(url), encryption_keys_old=SecretStr(KEYS[0]))
    store = await open_store(settings, tmp_path)
    new = await draft(store, 1)
    for batch in (old, new):
        (chunk,) = await store.chunk_results(TENANT, batch.id, -1, 9)
        assert chunk.given == new_chunks(1)[0].given
    await store.close()
    store = await open_store(at(url), tmp_path)
    assert await store.chunk_results(TENANT, new.id, -1, 9)
    await store.close()


async def test_whoever_stops_waiting_leaves_nothing_half_done(store: Store) -> None:
    tasks = [asyncio.create_task(draft(store, 1, 1)) for _ in range(20)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    made = {one.id for one in done if not isinstance(one, BaseException)}
    found = (await store.batches(TENANT, 100)).batches
    assert made <= {batch.id for batch in found}
    assert {batch.records for batch in found} == {2}
