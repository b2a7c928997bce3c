"""Workers as real processes: killed, stopped, frozen; nothing is lost, and nothing doubled."""

import asyncio
import signal
from pathlib import Path

import pytest

from batches.batch import Move, State
from gateway.private_valkey import PrivateValkey
from tests.batches.workers import (
    IN_FLIGHT,
    LEASE_S,
    is_up,
    mailboxes,
    settings,
    started,
    workers,
    yard,
)
from tests.postgres_process import postgres_server, postgres_url
from tests.valkey_process import ask_valkey
from tests.waiting import eventually, eventually_async

assert postgres_server
assert postgres_url

pytestmark = [pytest.mark.timeout(180), pytest.mark.usefixtures("tables")]
RECORDS = 600
KEPT_LATE = 16
"""Answers that came just before (`questions.keeping.KEEP_WITHIN_S`), and were not kept yet."""


async def test_a_worker_that_is_killed_costs_what_was_in_flight_and_no_more(
    tmp_path: Path, valkey_url: str
) -> None:
    values = mailboxes(RECORDS, "kill")
    async with yard(tmp_path) as at:
        given = settings(at.sandbox, valkey_url)
        with workers(given, tmp_path):
            calm = await at.ended(await at.batch(values))
            assert await at.repeated(calm) == 0
        assert ask_valkey(valkey_url, "FLUSHALL") == "+OK"
        await at.forget()
        with workers(given, tmp_path, tmp_path) as (first, _):
            batch = await at.batch(values)
            await at.decided(batch, RECORDS // 4)
            first.kill()
            done = await at.ended(batch)
        assert await at.verdicts(done) == await at.verdicts(calm)
        assert await at.repeated(done) <= IN_FLIGHT + KEPT_LATE
        assert done.counts == calm.counts


async def test_a_worker_that_starts_again_goes_on_alone(tmp_path: Path, valkey_url: str) -> None:
    async with yard(tmp_path) as at:
        given = settings(at.sandbox, valkey_url)
        batch = await at.batch(values := mailboxes(RECORDS, "again"))
        with workers(given, tmp_path) as (first,):
            await at.decided(batch, RECORDS // 3)
            first.kill()
        with workers(given, tmp_path):
            done = await at.ended(batch)
        assert [value for value, _ in await at.verdicts(done)] == values
        assert await at.repeated(done) <= IN_FLIGHT + KEPT_LATE


async def test_a_worker_that_is_stopped_leaves_no_lease_to_wait_for(
    tmp_path: Path, valkey_url: str
) -> None:
    async with yard(tmp_path) as at:
        given = settings(at.sandbox, valkey_url, batches={"slots": 4, "lease_s": 600.0})
        batch = await at.batch(mailboxes(RECORDS, "stop"))
        with workers(given, tmp_path) as (first,):
            await at.decided(batch, RECORDS // 3)
            first.stop()
        with workers(given, tmp_path):
            done = await at.ended(batch)
        await at.verdicts(done)
        assert await at.repeated(done) == 0, "what was being asked was heard out"


async def test_a_worker_that_stood_still_past_its_lease_says_nothing_more(
    tmp_path: Path, valkey_url: str
) -> None:
    async with yard(tmp_path) as at:
        given = settings(at.sandbox, valkey_url)
        with workers(given, tmp_path, tmp_path) as (first, second):
            batch = await at.batch(mailboxes(RECORDS, "still"))
            await at.decided(batch, RECORDS // 4)
            await at.freeze(first)
            done = await at.ended(batch)
            first.signal(signal.SIGCONT)
            assert await eventually_async(lambda: "chunk lost" in first.log or is_idle(first.log))
            await asyncio.sleep(LEASE_S)
            assert await at.now(batch) == done
            assert second.process.poll() is None
        await at.verdicts(done)


def is_idle(log: str) -> bool:
    return "chunk" not in log


async def test_two_groups_share_a_database_and_one_is_killed(
    tmp_path: Path, valkey_url: str, postgres_url: str
) -> None:
    """Separate data directories, as on two machines: one PostgreSQL and one Valkey in common."""
    async with yard(tmp_path, postgres_url) as at:
        given = settings(at.sandbox, valkey_url, store={"url": postgres_url})
        one, other = tmp_path / "one", tmp_path / "other"
        with workers(given, one, other) as (first, _):
            batch = await at.batch(values := mailboxes(RECORDS, "groups"))
            await at.decided(batch, RECORDS // 4)
            first.kill()
            done = await at.ended(batch)
        assert [value for value, _ in await at.verdicts(done)] == values
        assert await at.repeated(done) <= IN_FLIGHT + KEPT_LATE


async def test_a_valkey_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    valkey = PrivateValkey(tmp_path / "shared")
    await asyncio.to_thread(valkey.start)
    try:
        async with yard(tmp_path) as at:
            given = settings(at.sandbox, valkey.url)
            with workers(given, tmp_path):
                batch = await at.batch(values := mailboxes(RECORDS, "valkey"))
                await at.decided(batch, RECORDS // 4)
                await asyncio.to_thread(valkey.stop)
                await asyncio.sleep(0.5)
                await asyncio.to_thread(valkey.start)
                done = await at.ended(batch)
            assert [value for value, _ in await at.verdicts(done)] == values
    finally:
        await asyncio.to_thread(valkey.stop)


async def test_assay_serve_works_on_batches_too(tmp_path: Path, valkey_url: str) -> None:
    async with yard(tmp_path) as at:
        given = settings(at.sandbox, valkey_url)
        served = started(given, tmp_path, "served", "serve")
        try:
            assert eventually(lambda: "Assay is ready" in served.log, 60.0), served.log
            batch = await at.batch(mailboxes(60, "served"))
            await at.ended(batch)
        finally:
            served.stop()


async def test_a_store_that_is_newer_ends_the_start_with_a_message(
    tmp_path: Path, valkey_url: str
) -> None:
    async with yard(tmp_path) as at:
        given = settings(at.sandbox, valkey_url)
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "batches.db").write_bytes(b"this is no database, by far" * 100)
        refused = started(given, tmp_path / "other")
        assert refused.process.wait(60) == 1
        assert "is no SQLite file" in refused.log
        batch = await at.batch(mailboxes(30, "none"))
        assert (await at.store.move(batch.tenant, batch.id, Move.CANCEL)).state is State.CANCELLED


assert is_up
