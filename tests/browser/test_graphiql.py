import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
import uvicorn
from playwright.async_api import expect
from starlette.applications import Starlette

from batches.batch import Move, NewBatch
from batches.chunk import NewChunk
from batches.opening import open_store
from batches.settings import StoreSettings
from gateway.app import create_app
from gateway.settings import GatewaySettings, RedisSettings, Settings
from providers.priority import TENANT
from tests.browser.conftest import WAIT_MS, Visit

pytestmark = pytest.mark.asyncio(loop_scope="module")

expect.set_options(timeout=WAIT_MS)
RUNS_MAX = 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the data directory of the application."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def app(folder: Path) -> Starlette:
    """Return the real application, on its private Valkey and with the sandbox's services."""
    gateway = GatewaySettings(data_dir=folder, sandbox=True)
    return create_app(Settings(gateway=gateway, redis=RedisSettings(timeout_ms=3000)))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def address(app: Starlette) -> AsyncIterator[str]:
    """Serve the app on a free port and return the address of the page."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="websockets-sansio"))
        serving = asyncio.create_task(server.serve([listening]))
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/graphql"
        server.should_exit = True
        await serving


async def test_a_query_runs_and_nothing_leaves_the_machine(visit: Visit, address: str) -> None:
    page = visit.page
    await page.goto(address)
    await expect(page).to_have_title("Assay")
    await page.get_by_role("button", name="Execute query").click()
    answer = page.get_by_role("region", name="Result Window")
    await expect(answer).to_contain_text('"status": "VALID"')
    hosts = {urlsplit(url).hostname for url in visit.asked if not url.startswith("data:")}
    assert hosts == {"127.0.0.1"}
    assert visit.complaints == []


async def test_the_manual_opens_and_explains_fields(visit: Visit, address: str) -> None:
    page = visit.page
    await page.goto(address)
    await page.get_by_role("button", name="Show Documentation Explorer").click()
    manual = page.locator(".graphiql-doc-explorer")
    await manual.get_by_role("link", name="Mutation").click()
    await expect(manual).to_contain_text("Validate up to 1,000 records now.")
    assert visit.complaints == []


async def test_menus_and_dialogs_obey_the_policy(visit: Visit, address: str) -> None:
    """They add styles of their own, which the page has to vouch for."""
    page = visit.page
    await page.goto(address)
    await page.get_by_role("button", name="Open settings dialog").click()
    await expect(page.get_by_role("dialog")).to_contain_text("Theme")
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Show GraphiQL Explorer").click()
    await expect(page.locator(".graphiql-explorer-root")).to_be_visible()
    assert visit.complaints == []


async def test_a_subscription_runs_over_a_websocket(
    visit: Visit, address: str, folder: Path
) -> None:
    page = visit.page
    await page.goto(address)
    await expect(page.get_by_role("button", name="Execute query")).to_be_visible()
    store = await open_store(StoreSettings(), folder / "batches.db")
    try:
        batch = (await store.create(NewBatch(), [NewChunk(1, b"given")])).batch
        query = f'subscription {{ batchStatus(id: "{batch.id}") {{ state }} }}'
        await page.evaluate(
            "query => document.querySelector('.graphiql-query-editor .CodeMirror')"
            ".CodeMirror.setValue(query)",
            query,
        )
        answer = page.get_by_role("region", name="Result Window")

        async def asked() -> None:
            """Run it: the editor takes note of a new text a moment later, and runs the old one."""
            await page.get_by_role("button", name="Execute query").click()
            await expect(answer).to_contain_text("DRAFT", timeout=1_000)

        for _ in range(RUNS_MAX - 1):
            with suppress(AssertionError):
                await asked()
                break
        else:
            await asked()
        await store.move(TENANT, batch.id, Move.CANCEL)
        await expect(answer).to_contain_text("CANCELLED")
        await expect(page.get_by_role("button", name="Execute query")).to_be_visible()
    finally:
        await store.close()
    assert address.replace("http", "ws") in visit.asked
    assert visit.complaints == []


async def test_the_page_keeps_no_cookie_and_no_token(visit: Visit, address: str) -> None:
    page = visit.page
    await page.goto(address)
    await page.get_by_role("button", name="Headers").click()
    await page.keyboard.type('{"Authorization": "Bearer throw-away"}')
    await page.get_by_role("button", name="Execute query").click()
    await expect(page.get_by_role("region", name="Result Window")).to_contain_text("status")
    kept = await page.evaluate("JSON.stringify(localStorage) + document.cookie + location.href")
    assert "throw-away" not in kept
    assert await page.context.cookies() == []
