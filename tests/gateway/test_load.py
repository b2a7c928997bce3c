"""A busy process refuses new batch work first, and then requests; what is under way goes on."""

import asyncio
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

import gateway.load
from gateway.load import Load, LoadCheck
from tests.gateway.http_client import served
from tests.logged import logged
from tests.promises.guarded import Guarded, guarded
from tests.waiting import WAIT_S

CREATE = "mutation { createBatch(input: {}) { batch { id } errors { code } } }"


@pytest.fixture
async def house(tmp_path: Path, valkey_url: str) -> AsyncGenerator[Guarded]:
    async with guarded(tmp_path, valkey_url, access={"open": True}) as found:
        yield found


async def test_a_loop_that_comes_late_is_noticed_and_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gateway.load, "LOOK_S", 0.01)
    monkeypatch.setattr(gateway.load, "LATE_S_MAX", 0.02)
    load = Load()
    load.start()
    load.start()
    with logged("gateway.load") as said:
        async with asyncio.timeout(WAIT_S):
            while not load.is_high:
                time.sleep(0.1)  # noqa: ASYNC251 - what holds the loop up
                await asyncio.sleep(0.02)
            while load.is_high:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.02)
    assert [one["event"] for one in said] == ["no new batch work", "batch work again"]
    await load.close()


async def test_new_batch_work_waits_while_the_process_is_busy(
    house: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway.load, "LATE_S_MAX", -1.0)
    status, told = await house.post(None, CREATE)
    assert (status, told["errors"][0]["extensions"]["code"]) == (503, "BUSY")
    async with house.session.post(house.url("/batches"), data=b"email\n") as answer:
        assert (answer.status, answer.headers["retry-after"]) == (503, "2")
    assert (await house.post(None, "{ kinds { name } batches { nodes { id } } }"))[0] == 200
    monkeypatch.setattr(gateway.load, "LATE_S_MAX", 60.0)
    assert (await house.post(None, CREATE))[0] == 200


async def test_too_many_requests_at_once_are_refused_and_those_under_way_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gateway.load, "REQUESTS_MAX", 3)
    gate, load = asyncio.Event(), Load()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        if scope["type"] == "http":
            await gate.wait()
            start = {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-length", b"0")],
            }
            await send(start)
            await send({"type": "http.response.body", "body": b""})

    async with served(LoadCheck(app, lambda: load)) as client:
        waiting = [asyncio.ensure_future(client.send("GET")) for _ in range(3)]
        async with asyncio.timeout(WAIT_S):
            while load.requests < 3:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)
        refused = await client.send("GET")
        assert (refused.status, refused.code) == (503, "BUSY")
        gate.set()
        assert [one.status for one in await asyncio.gather(*waiting)] == [200] * 3
        assert (await client.send("GET")).status == 200
        assert load.requests == 0
