"""GraphiQL where a key is needed: it says so, and takes the key as a header."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
import pytest_asyncio
import uvicorn
from playwright.async_api import expect

from access.key import NewKey
from access.keys import Keys
from access.scope import EVERYTHING
from batches.opening import open_store
from batches.settings import StoreSettings
from gateway.app import create_app
from gateway.doorkeeper import pepper_of
from gateway.hash_key import hash_key
from gateway.settings import GatewaySettings, RedisSettings, Settings
from tests.browser.conftest import WAIT_MS, Visit

pytestmark = pytest.mark.asyncio(loop_scope="module")

expect.set_options(timeout=WAIT_MS)
RUNS_MAX = 8


async def made(settings: Settings) -> str:
    """Make a key in the store of `settings`, and return it."""
    store = await open_store(StoreSettings(), settings.gateway.data_dir / "batches.db")
    try:
        secret = await asyncio.to_thread(hash_key, settings)
        keys = Keys(store.database, pepper_of(settings, secret))
        new = NewKey(tenant="acme", name="a browser", scopes=EVERYTHING)
        return (await keys.create(new, "local:test"))[1]
    finally:
        await store.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guarded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[str, str]]:
    """Serve an Assay that needs a key; return the address of the page, and the key."""
    gateway = GatewaySettings(data_dir=tmp_path_factory.mktemp("data"), sandbox=True)
    settings = Settings(gateway=gateway, redis=RedisSettings(timeout_ms=3000))
    key = await made(settings)
    app = await asyncio.to_thread(create_app, settings)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="websockets-sansio"))
        serving = asyncio.create_task(server.serve([listening]))
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/graphql", key
        server.should_exit = True
        await serving


async def test_it_says_that_a_key_is_needed_and_takes_one(
    visit: Visit, guarded: tuple[str, str]
) -> None:
    address, key = guarded
    page = visit.page
    await page.goto(address)
    await page.get_by_role("button", name="Execute query").click()
    answer = page.get_by_role("region", name="Result Window")
    await expect(answer).to_contain_text("A key is needed here")
    await page.get_by_role("button", name="Headers").click()
    await page.evaluate(
        "text => [...document.querySelectorAll('.graphiql-editor-tool .CodeMirror')]"
        ".at(-1).CodeMirror.setValue(text)",
        f'{{"Authorization": "Bearer {key}"}}',
    )
    for _ in range(RUNS_MAX):  # the editor takes note of a new text a moment later
        with suppress(AssertionError):
            await page.get_by_role("button", name="Execute query").click()
            await expect(answer).to_contain_text('"status": "VALID"', timeout=1_000)
            break
    await expect(answer).to_contain_text('"status": "VALID"')
    kept = await page.evaluate("JSON.stringify(localStorage) + document.cookie + location.href")
    assert key not in kept
