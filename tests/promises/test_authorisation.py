"""Who may do what, for every root field that there is, over every transport (R18).

The table of documents is held against the schema: a new field without a line here fails.
"""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from access.scope import Scope, scopes_of
from batches.batch import Move, NewBatch
from gateway.sockets import FORBIDDEN
from schema.permissions import NEEDED
from schema.roots import build_schema
from tests.promises.guarded import OURS, THEIRS, Guarded, bearer, guarded, strangers
from tests.promises.matrix import (
    DOCUMENTS,
    NOBODYS,
    STREAMS,
    ask,
    asked_by_strangers,
    asked_for_anothers,
    code_of,
    revoke,
    sent_out_s,
    started,
    transports_of,
)

SENT_OUT_S_MAX = 5.0


@pytest.fixture
async def house(
    tmp_path: Path, valkey_url: str, request: pytest.FixtureRequest
) -> AsyncGenerator[Guarded]:
    """Run a gateway; its door looks more often where nothing is said of how soon it must."""
    if "revoked" not in request.node.name:
        request.getfixturevalue("quick_door")
    async with guarded(tmp_path, valkey_url) as found:
        yield found


def test_every_root_field_has_its_line() -> None:
    fields = set(build_schema().root_fields()) | {"Query.__schema", "Query.__type"}
    assert set(DOCUMENTS) == fields == set(NEEDED)


@pytest.mark.timeout(180)
async def test_nobody_gets_anything_without_a_key_that_may(house: Guarded) -> None:
    """Each field, each transport, each sort of stranger; and nothing was done for any of them."""
    batch = (await house.store.create(NewBatch(tenant=OURS))).batch
    kept: list[object] = [await house.store.batch(OURS, batch.id)]
    async for case in asked_by_strangers(house, batch.id):
        assert case.is_refused, case
    assert [await house.store.batch(OURS, batch.id)] == kept
    assert len((await house.store.batches(OURS, 10)).batches) == 1
    assert {key.name for key in await house.keys.listed(OURS)} == {"first", "a test"}


@pytest.mark.timeout(120)
async def test_the_scope_that_a_field_needs_is_enough(house: Guarded) -> None:
    for field, needed in NEEDED.items():
        if needed is None:
            continue
        key = await house.key(scopes=scopes_of([needed.value]))
        for how in transports_of(field):
            batch = await started(house, OURS)
            await house.store.move(OURS, batch.id, Move.CANCEL)  # so that subscriptions end
            said = await ask(house, how, key, field, batch.id)
            assert code_of(said) is None, (field, how, said)


async def test_anothers_object_answers_as_one_that_is_not_there(house: Guarded) -> None:
    """To the byte, over every transport, but for the id that was asked for."""
    batch = await started(house, THEIRS)
    their_key = await house.key(THEIRS)
    async for pair in asked_for_anothers(house, batch, their_key):
        assert pair.is_same, pair
    assert await house.store.batch(THEIRS, batch.id) == batch
    assert (await house.post(their_key, "{ __typename }"))[0] == 200
    listed = (await house.post(await house.key(), "{ batches { nodes { id } } keys { id } }"))[1]
    assert listed["data"]["batches"]["nodes"] == []
    assert not [one for one in listed["data"]["keys"] if one["id"] in their_key]


async def test_files_are_for_those_who_may(house: Guarded) -> None:
    running = await started(house, THEIRS)
    path = f"/batches/{running.id}/results.csv"
    for name, key in (await strangers(house, Scope.BATCH_READ)).items():
        async with house.session.get(house.url(path), headers=bearer(key)) as answer:
            assert answer.status == (403 if name.startswith("a key with") else 401), name
    for name, key in (await strangers(house, Scope.BATCH_WRITE)).items():
        wanted = 403 if name.startswith("a key with") else 401
        for method, address in (("POST", "/batches"), ("HEAD", f"/batches/{NOBODYS}/upload")):
            headers = bearer(key) | {"Content-Type": "text/csv"}
            async with house.session.request(
                method, house.url(address), headers=headers, data=b"email\na@b.example\n"
            ) as answer:
                assert answer.status == wanted, (name, method)
    ours, theirs = await house.key(OURS), await house.key(THEIRS)
    found: list[tuple[int, bytes]] = []
    for key, asked in ((ours, path), (ours, path.replace(running.id, NOBODYS)), (theirs, path)):
        async with house.session.get(house.url(asked), headers=bearer(key)) as answer:
            found.append((answer.status, await answer.read()))
    assert found[0] == (404, found[1][1].replace(NOBODYS.encode(), running.id.encode()))
    assert found[2][0] == 200
    for method in ("HEAD", "GET", "PATCH"):
        address = house.url(f"/batches/{running.id}/upload")
        async with house.session.request(method, address, headers=bearer(ours)) as answer:
            assert answer.status == 404, method


@pytest.mark.parametrize("how", STREAMS)
async def test_a_key_that_is_revoked_ends_a_stream(house: Guarded, how: str) -> None:
    assert await sent_out_s(house, how, SENT_OUT_S_MAX) <= SENT_OUT_S_MAX


async def test_a_key_that_is_revoked_ends_a_socket(house: Guarded) -> None:
    running = await started(house, OURS)
    key, other = await house.key(), await house.key()
    async with house.opened(key) as socket, house.opened(other) as another:
        for one in (socket, another):
            payload: dict[str, Any] = {
                "query": DOCUMENTS["Subscription.batchStatus"],
                "variables": {"id": running.id},
            }
            await one.send_json({"id": "1", "type": "subscribe", "payload": payload})
            await one.receive()
        await revoke(house, key)
        async with asyncio.timeout(SENT_OUT_S_MAX):
            while (await socket.receive()).type is aiohttp.WSMsgType.TEXT:
                pass
        assert socket.close_code == FORBIDDEN
        await house.store.move(OURS, running.id, Move.CANCEL)
        assert (await another.receive()).type is aiohttp.WSMsgType.TEXT


async def test_a_key_that_is_revoked_cuts_a_file_off_that_waits(house: Guarded) -> None:
    running = await started(house, OURS)
    key = await house.key()
    address = house.url(f"/batches/{running.id}/results.csv?wait=true")
    async with house.session.get(address, headers=bearer(key)) as answer:
        assert answer.status == 200
        await revoke(house, key)
        with pytest.raises(aiohttp.ClientPayloadError):
            async with asyncio.timeout(SENT_OUT_S_MAX):
                await answer.read()


async def test_an_open_gateway_needs_no_key(tmp_path: Path, valkey_url: str) -> None:
    async with guarded(tmp_path, valkey_url, access={"open": True}) as house:
        assert (await house.post(None, "{ kinds { name } }"))[0] == 200
        assert (await house.post("wrong", "{ kinds { name } }"))[0] == 401
