"""Subscriptions through nginx and gunicorn, as the npm clients see them."""

import asyncio
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from access.key import NewKey
from access.keys import Keys
from access.scope import scopes_of
from access.secret import Pepper
from batches.batch import Move, NewBatch
from batches.chunk import NewChunk
from batches.opening import open_store
from batches.settings import StoreSettings
from batches.store import Store
from gateway.sockets import FORBIDDEN
from providers.priority import TENANT
from tests.assay_process import HASH_KEY
from tests.deploy.gunicorn_process import Gunicorn, running_gunicorn
from tests.deploy.nginx_process import SERVER_NAME, Nginx, running_nginx
from tests.npm_client import CLIENTS, Npm, npm

STOP_MAX_S = 10.0
"""Far below the patience with requests in flight: no stream is waited for."""
WHO = "local:test"
SNAPSHOT = 'subscription { batchStatus(id: "%s") { state __typename } }'


@contextmanager
def serving(file: Path, **environment: str) -> Generator[tuple[Gunicorn, Nginx]]:
    """Run two workers that keep batches in `file`, and nginx before them."""
    environment["ASSAY_STORE__URL"] = f"sqlite:///{file}"
    with (
        running_gunicorn(environment, app=None) as (gunicorn, path),
        running_nginx(path) as nginx,
    ):
        yield gunicorn, nginx


@asynccontextmanager
async def stored(file: Path) -> AsyncGenerator[Store]:
    store = await open_store(StoreSettings(), file)
    try:
        yield store
    finally:
        await store.close()


def snapshot(state: str) -> object:
    return {"data": {"batchStatus": {"state": state, "__typename": "BatchStatus"}}}


@pytest.mark.timeout(180)
async def test_every_client_follows_a_batch_through_nginx_and_over_a_restart(
    tmp_path: Path,
) -> None:
    file = tmp_path / "batches.db"
    with serving(file) as (gunicorn, nginx):
        async with stored(file) as store, AsyncExitStack() as running:
            batch = (await store.create(NewBatch(), [NewChunk(1, b"given")])).batch
            url = f"https://{SERVER_NAME}:{nginx.https_port}/graphql"

            async def begun(name: str) -> Npm:
                client = npm(name, url, SNAPSHOT % batch.id, here=SERVER_NAME)
                return await running.enter_async_context(client)

            for name in CLIENTS:
                async with npm(name, url, SNAPSHOT % "none", here=SERVER_NAME) as client:
                    assert "There is no such batch" in str(await client.says()), name
                    assert await client.says() == "complete", name

            clients = {name: await begun(name) for name in CLIENTS}
            for name, client in clients.items():
                assert await client.says() == snapshot("DRAFT"), name
            await store.move(TENANT, batch.id, Move.START)
            for name, client in clients.items():
                assert await client.says() == snapshot("QUEUED"), name

            begun_at = time.monotonic()
            assert await asyncio.to_thread(gunicorn.stop) == 0
            assert time.monotonic() - begun_at < STOP_MAX_S
            gunicorn.start()
            # the others come again by themselves; Apollo tells its user
            assert "premature end" in str(await clients.pop("apollo").says())
            for name, client in clients.items():
                assert await client.says() == snapshot("QUEUED"), name
            await store.move(TENANT, batch.id, Move.CANCEL)
            for name, client in clients.items():
                assert await client.says() == snapshot("CANCELLED"), name
                assert await client.says() == "complete", name


@pytest.mark.timeout(180)
async def test_a_key_lets_every_client_in_and_nobody_else_through_nginx(tmp_path: Path) -> None:
    file = tmp_path / "batches.db"
    async with stored(file) as store, AsyncExitStack() as running:
        keys = Keys(store.database, Pepper(HASH_KEY.encode()))

        async def made() -> tuple[str, str]:
            new = NewKey(tenant=TENANT, name="a test", scopes=scopes_of(["batch:read"]))
            key, text = await keys.create(new, WHO)
            return key.id, text

        (good_id, good), (id_, revoked) = await made(), await made()
        await keys.revoke(id_, WHO)
        batch = (await store.create(NewBatch(), [NewChunk(1, b"given")])).batch
        guarded = {"ASSAY_ACCESS__OPEN": "false", "ASSAY_CACHE__HASH_KEY": HASH_KEY}
        _, nginx = running.enter_context(serving(file, **guarded))
        url = f"https://{SERVER_NAME}:{nginx.https_port}/graphql"

        async def begun(name: str, key: str | None) -> Npm:
            client = npm(name, url, SNAPSHOT % batch.id, here=SERVER_NAME, key=key)
            return await running.enter_async_context(client)

        for key in (None, revoked):
            for name in CLIENTS:
                assert_refused(name, await (await begun(name, key)).says())
        clients = {name: await begun(name, good) for name in CLIENTS}
        for name, client in clients.items():
            assert await client.says() == snapshot("DRAFT"), name
        await store.move(TENANT, batch.id, Move.START)
        for name, client in clients.items():
            assert await client.says() == snapshot("QUEUED"), name
        await keys.revoke(good_id, WHO)
        for name, client in clients.items():
            assert_refused(name, await client.says())


def assert_refused(name: str, said: object) -> None:
    """Hold what a client was told against the table of docs/subscriptions.md."""
    told = f"'status': {FORBIDDEN}" if name == "graphql-ws" else "UNAUTHENTICATED"
    assert told in str(said), (name, said)
