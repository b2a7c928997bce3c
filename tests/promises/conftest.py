"""One sandbox for all promises of a test process; each test begins with it reset."""

from collections.abc import AsyncGenerator, Generator

import aiohttp
import pytest

from tests.assay_process import EVERY_MOUNT, Sections, sections
from tests.sandbox_process import RunningSandbox, started_sandbox


@pytest.fixture(scope="session")
def sandbox_process() -> Generator[tuple[str, str, int]]:
    """One process, started by the first promise."""
    with started_sandbox() as where:
        yield where


@pytest.fixture
async def sandbox(sandbox_process: tuple[str, str, int]) -> AsyncGenerator[RunningSandbox]:
    """Give it without limits of its own."""
    http, dns, pid = sandbox_process
    async with aiohttp.ClientSession() as session:
        running = RunningSandbox(http, dns, pid, session)
        await running.reset()
        for mount in EVERY_MOUNT:
            await running.limit(mount)
        yield running


@pytest.fixture
def usual(sandbox: RunningSandbox, valkey_url: str) -> Sections:
    """Give settings in which the sandbox answers for everybody."""
    return sections(sandbox, valkey_url)
