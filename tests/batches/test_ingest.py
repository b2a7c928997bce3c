"""Files into a real store: what is acknowledged is there, once, whatever happens on the way."""

import asyncio
import sqlite3
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from hashlib import blake2b
from pathlib import Path

import pytest
from pydantic import SecretStr

from batches import intake, sqlite
from batches.batch import Batch, Move, NewBatch, State
from batches.errors import (
    IdempotencyConflict,
    NotADraft,
    OffsetMismatch,
    StoreFull,
    StoreUnavailable,
)
from batches.given import Records, Upload, unpacked_layout
from batches.ingest import Ingest, NoUpload, Sent, Superseded, TooManyUploads, upload_of
from batches.intake import OtherFile
from batches.opening import open_store
from batches.settings import StoreSettings, UploadSettings
from batches.source.errors import SourceError
from providers.priority import TENANT
from tests.postgres_process import PostgresProcess

HEADER = b"email,note\n"
ROWS = [b"user%d@b.example,%d\n" % (at, at) for at in range(3000)]
CONTENT = HEADER + b"".join(ROWS)


class Broken(Exception):
    """The connection broke."""


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a sixteenth be what half a mebibyte is."""
    monkeypatch.setattr(intake, "BLOCK_BYTES", 16_384)
    monkeypatch.setattr(intake, "READ_BYTES", 4096)
    monkeypatch.setattr(intake, "HEAD_BYTES", 4096)
    monkeypatch.setattr("batches.ingest.READ_BYTES", 4096)


@asynccontextmanager
async def ingesting(
    folder: Path, url: str | None = None, **settings: int
) -> AsyncGenerator[Ingest]:
    """Take files into the store at `url`, or a SQLite one in `folder`."""
    where = StoreSettings(url=None if url is None else SecretStr(url))
    store = await open_store(where, folder / "batches.db")
    try:
        yield Ingest(store, UploadSettings(**settings))
    finally:
        await store.close()


async def pieces(content: bytes, breaks: Exception | None = None) -> AsyncIterator[bytes]:
    for at in range(0, len(content), 1000):
        yield content[at : at + 1000]
    if breaks is not None:
        raise breaks


async def begun(ingest: Ingest, *, start: bool = False, key: str | None = None) -> Batch:
    new = NewBatch(idempotency_key=key, fingerprint=b"f")
    return (await ingest.create(new, Upload(start=start))).batch


async def rows(ingest: Ingest, batch: Batch) -> list[tuple[str, ...]]:
    """Return the cells of every row of a batch."""
    records = Records(unpacked_layout(batch.layout))
    found = await ingest.store.chunk_results(TENANT, batch.id, -1, 1000)
    assert all(chunk.given is not None for chunk in found)
    return [row for chunk in found for row in records.given(chunk.given or b"").rows]


EXPECTED = [(f"user{at}@b.example", str(at)) for at in range(3000)]


async def test_a_file_becomes_a_draft_or_is_started_when_that_was_wished(tmp_path: Path) -> None:
    async with ingesting(tmp_path) as ingest:
        draft = await ingest.take(await begun(ingest), pieces(CONTENT), Sent())
        assert (draft.state, draft.records, draft.row_errors) == (State.DRAFT, 3000, 0)
        assert draft.offset == len(CONTENT)
        assert upload_of(draft).complete
        assert await rows(ingest, draft) == EXPECTED
        started = await ingest.take(await begun(ingest, start=True), pieces(CONTENT), Sent())
        assert started.state is State.QUEUED


async def test_rows_that_cannot_be_read_are_counted_and_the_rest_is_taken(tmp_path: Path) -> None:
    content = HEADER + b"a@b.example,x\nwrong\n,\n" * 1200
    async with ingesting(tmp_path) as ingest:
        batch = await ingest.take(await begun(ingest, start=True), pieces(content), Sent())
        errors = await ingest.store.row_errors(TENANT, batch.id)
    assert (batch.records, batch.row_errors, batch.state) == (1200, 2400, State.QUEUED)
    assert len(errors) == 1000
    assert [error.line for error in errors[:4]] == [3, 4, 6, 7]
    assert errors[0].why == "has 1 cell and the header 2 columns"


async def test_a_file_without_a_row_is_refused(tmp_path: Path) -> None:
    async with ingesting(tmp_path) as ingest:
        for content, code in ((HEADER, "NO_ROWS"), (b"", "EMPTY_FILE"), (b"email", "NO_ROWS")):
            batch = await begun(ingest)
            with pytest.raises(SourceError) as caught:
                await ingest.take(batch, pieces(content), Sent())
            assert caught.value.code == code


async def test_a_file_of_wrong_rows_only_is_kept_and_not_started(tmp_path: Path) -> None:
    async with ingesting(tmp_path) as ingest:
        content = HEADER + b"wrong\n" * 3
        batch = await ingest.take(await begun(ingest, start=True), pieces(content), Sent())
        assert (batch.state, batch.records, batch.row_errors) == (State.DRAFT, 0, 3)


@pytest.mark.parametrize("again", [False, True])
async def test_what_broke_goes_on_with_nothing_lost_and_nothing_doubled(
    tmp_path: Path, *, again: bool
) -> None:
    async with ingesting(tmp_path) as ingest:
        batch = await begun(ingest)
        offset = 0
        for part in (0, 1, 10_000, 30_000, 30_001, 70_000):
            sent = CONTENT[:part] if again else CONTENT[offset:part]
            with pytest.raises(Broken):
                await ingest.take(batch, pieces(sent, Broken()), Sent("identity", again))
            batch = await ingest.store.batch(TENANT, batch.id)
            assert offset <= batch.offset <= part
            assert CONTENT[: batch.offset].endswith(b"\n") or not batch.offset
            offset = batch.offset
        assert offset > 69_000
    async with ingesting(tmp_path) as ingest:  # another process, later
        rest = CONTENT if again else CONTENT[offset:]
        whole = await ingest.take(batch, pieces(rest), Sent("identity", again))
        assert await rows(ingest, whole) == EXPECTED
        same = await ingest.take(whole, pieces(CONTENT), Sent("identity", again))
        assert same.version == whole.version


async def test_who_sends_again_takes_the_place_of_who_hangs(tmp_path: Path) -> None:
    async with ingesting(tmp_path) as ingest:
        batch = await begun(ingest)
        hanging = asyncio.Event()

        async def hangs() -> AsyncIterator[bytes]:
            yield CONTENT[:40_000]
            hanging.set()
            await asyncio.Event().wait()

        first = asyncio.create_task(ingest.take(batch, hangs(), Sent()))
        await hanging.wait()
        whole = await ingest.take(batch, pieces(CONTENT), Sent(again=True))
        with pytest.raises(Superseded):
            await first
        assert await rows(ingest, whole) == EXPECTED


async def test_of_two_processes_that_take_the_same_one_is_told_to_look_again(
    tmp_path: Path,
) -> None:
    async with ingesting(tmp_path) as ingest, ingesting(tmp_path) as other:
        batch = await begun(ingest)
        told = await asyncio.gather(
            *(one.take(batch, pieces(CONTENT), Sent()) for one in (ingest, other)),
            return_exceptions=True,
        )
        assert any(isinstance(one, OffsetMismatch) for one in told)
        whole = await ingest.take(batch, pieces(CONTENT), Sent(again=True))
        assert await rows(ingest, whole) == EXPECTED


async def test_a_key_stands_for_one_file(tmp_path: Path) -> None:
    async with ingesting(tmp_path) as ingest:
        batch = await begun(ingest, key="k")
        with pytest.raises(Broken):
            await ingest.take(batch, pieces(CONTENT[:20_000], Broken()), Sent())
        again = await begun(ingest, key="k")
        assert again.id == batch.id
        with pytest.raises(OtherFile):
            await ingest.take(again, pieces(CONTENT[:100] + b"x" + CONTENT[101:]), Sent(again=True))
        assert (await ingest.take(again, pieces(CONTENT), Sent(again=True))).records == 3000
        with pytest.raises(IdempotencyConflict):
            await ingest.create(NewBatch(idempotency_key="k", fingerprint=b"other"), Upload())


async def test_what_takes_no_more_is_told(tmp_path: Path) -> None:
    async with ingesting(tmp_path, at_once_max=1, records_max=2000) as ingest:
        batch = await begun(ingest)
        with pytest.raises(SourceError, match="more than 2,000 records"):
            await ingest.take(batch, pieces(CONTENT), Sent())
        batch = await ingest.store.batch(TENANT, batch.id)
        assert 0 < batch.records <= 2000
        gone = await begun(ingest)
        await ingest.store.move(TENANT, gone.id, Move.CANCEL)
        with pytest.raises(NotADraft):
            await ingest.take(gone, pieces(CONTENT), Sent())
        inline = (await ingest.store.create(NewBatch())).batch
        with pytest.raises(NoUpload):
            await ingest.take(inline, pieces(CONTENT), Sent())

        held = asyncio.Event()
        first = asyncio.create_task(ingest.take(await begun(ingest), waits(held), Sent()))
        await asyncio.sleep(0)
        with pytest.raises(TooManyUploads):
            await ingest.take(await begun(ingest), pieces(CONTENT), Sent())
        held.set()
        assert (await first).records == 1


async def waits(held: asyncio.Event) -> AsyncIterator[bytes]:
    await held.wait()
    yield HEADER + b"a@b.example,x\n"


@pytest.fixture
def little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the store's disk have room for a few hundred kilobytes."""
    pragmas = (*sqlite._PRAGMAS, "max_page_count=60")  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(sqlite, "_PRAGMAS", pragmas)


async def test_a_disk_that_fills_up_loses_nothing_that_was_told(
    tmp_path: Path, little_room: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    del little_room
    names = [blake2b(str(at).encode(), digest_size=16).hexdigest() for at in range(10_000)]
    lines = [f"{name}@b.example,{at}\n".encode() for at, name in enumerate(names)]
    content = HEADER + b"".join(lines)
    async with ingesting(tmp_path) as ingest:
        batch = await begun(ingest)
        with pytest.raises(StoreFull):
            await ingest.take(batch, pieces(content), Sent())
        kept = await ingest.store.batch(TENANT, batch.id)
        assert 0 < kept.offset < len(content)
        assert len(await rows(ingest, kept)) == kept.records
    monkeypatch.undo()
    async with ingesting(tmp_path) as ingest:
        whole = await ingest.take(kept, pieces(content[kept.offset :]), Sent("identity"))
        found = await rows(ingest, whole)
        assert [note for _, note in found] == [str(at) for at in range(10_000)]


async def test_a_store_that_is_away_in_the_middle_is_told_and_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_S", 0.05)
    async with ingesting(tmp_path) as ingest:
        batch = await begun(ingest)
        other = sqlite3.connect(
            tmp_path / "batches.db", isolation_level=None, check_same_thread=False
        )

        async def until_locked() -> AsyncIterator[bytes]:
            yield CONTENT[:40_000]
            await asyncio.to_thread(other.execute, "BEGIN IMMEDIATE")
            yield CONTENT[40_000:]

        with pytest.raises(StoreUnavailable):
            await ingest.take(batch, until_locked(), Sent())
        other.execute("ROLLBACK")
        other.close()
        kept = await ingest.store.batch(TENANT, batch.id)
        assert 0 < kept.offset < len(CONTENT)
        whole = await ingest.take(kept, pieces(CONTENT), Sent(again=True))
        assert await rows(ingest, whole) == EXPECTED


async def test_a_postgresql_that_is_killed_in_the_middle_loses_nothing_that_was_told(
    tmp_path: Path,
) -> None:
    # pytest's own directories are for root alone
    with tempfile.TemporaryDirectory(prefix="assay-pg-", ignore_cleanup_errors=True) as folder:
        server = PostgresProcess(Path(folder), durable=True)
        await asyncio.to_thread(server.start)
        try:
            async with ingesting(tmp_path, server.url) as ingest:
                batch = await begun(ingest)

                async def until_killed() -> AsyncIterator[bytes]:
                    yield CONTENT[:40_000]
                    await asyncio.to_thread(server.kill)
                    yield CONTENT[40_000:]

                with pytest.raises(StoreUnavailable):
                    await ingest.take(batch, until_killed(), Sent())
                await asyncio.to_thread(server.start)
                kept = await ingest.store.batch(TENANT, batch.id)
                assert 0 < kept.offset < len(CONTENT)
                whole = await ingest.take(kept, pieces(CONTENT), Sent(again=True))
                assert await rows(ingest, whole) == EXPECTED
        finally:
            await asyncio.to_thread(server.stop)
