"""`assay forget`: nothing is known any more, in the store and in every process."""

import asyncio
from pathlib import Path

import pytest

from access.audit import Audit
from access.audit_entry import Act
from batches.opening import open_store
from batches.settings import StoreSettings
from gateway.cli.errors import CommandError
from gateway.cli.forget_work import Forgotten, forgotten
from gateway.settings import Settings
from gateway.valkey import Valkey
from tests.assay_process import client_of, processes, sections
from tests.sandbox_process import RunningSandbox
from tests.waiting import WAIT_S, eventually_async

ADA, BOB = {"email": "Ada.L@example.com"}, {"email": "bob@example.com"}
STATUS = "results { status } usage { callsMade }"


def settings(sandbox: RunningSandbox, valkey_url: str, folder: Path) -> Settings:
    given = sections(sandbox, valkey_url)
    gateway = {**given["gateway"], "data_dir": str(folder)}
    return Settings(**{**given, "gateway": gateway})  # pyright: ignore[reportArgumentType]


async def test_every_process_forgets(
    sandbox: RunningSandbox, valkey_url: str, tmp_path: Path
) -> None:
    valkey = Valkey(valkey_url, 5.0)
    with processes(sections(sandbox, valkey_url), 2) as two:
        async with client_of(two[0].path) as one, client_of(two[1].path) as other:
            for client in (one, other):
                await client.validate(STATUS, [ADA, BOB])
            asked = await sandbox.values_asked("zerobounce")
            assert sorted(asked) == ["ada.l@example.com", "bob@example.com"]
            kept = await valkey.run("KEYS", "outcome:*")
            told = await forgotten(
                settings(sandbox, valkey_url, tmp_path), "ADA.L@example.com", None
            )
            assert told == Forgotten(outcomes=1, records=0)
            left = await valkey.run("KEYS", "outcome:*")
            assert len(left) == len(kept) - 1  # pyright: ignore[reportArgumentType]
            (again, both) = [await client.validate(STATUS, [ADA]) for client in (one, other)]
            assert (again["usage"]["callsMade"], both["usage"]["callsMade"]) == (1, 0)
            bob = await other.validate(STATUS, [BOB])
            assert bob["usage"]["callsMade"] == 0, "what others are is still known"
    await valkey.close()


async def test_it_is_noted_without_the_value(
    sandbox: RunningSandbox, valkey_url: str, tmp_path: Path
) -> None:
    given = settings(sandbox, valkey_url, tmp_path)
    assert await forgotten(given, "nobody@example.com", "email") == Forgotten(0, 0)
    store = await open_store(StoreSettings(), tmp_path / "batches.db")
    (entry,) = await Audit(store.database).entries(None, 10)
    await store.close()
    assert (entry.act, entry.target) == (Act.VALUE_FORGOTTEN, "outcomes")
    assert entry.details == {"outcomes": "0", "records": "0", "kind": "email"}
    assert not any(
        b"nobody@example.com" in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()
    )


async def test_a_kind_that_is_none_is_told(
    sandbox: RunningSandbox, valkey_url: str, tmp_path: Path
) -> None:
    with pytest.raises(CommandError, match="--kind 'mail': there are address, company"):
        await forgotten(settings(sandbox, valkey_url, tmp_path), "x", "mail")


async def test_a_store_that_comes_back_after_it_was_away_may_have_been_told(
    sandbox: RunningSandbox, valkey_url: str
) -> None:
    """What was said while a process could not hear is made up for: it forgets all the same."""
    valkey = Valkey(valkey_url, 5.0)
    with processes(sections(sandbox, valkey_url), 1) as (process,):
        async with client_of(process.path) as client:
            await client.validate(STATUS, [ADA])
            await valkey.run("FLUSHALL")
            assert (await client.validate(STATUS, [ADA]))["usage"]["callsMade"] == 0
            await valkey.run("CLIENT", "KILL", "TYPE", "pubsub")
            await valkey.run("FLUSHALL")
            assert await eventually_async(lambda: "forgetting not heard" in process.log)
            async with asyncio.timeout(WAIT_S):
                while (await client.validate(STATUS, [ADA]))["usage"]["callsMade"] == 0:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
    await valkey.close()
