from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
import pytest

from tests.sandbox_process import RunningSandbox, started_sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator


@pytest.fixture(scope="session")
def sandbox_process() -> Generator[tuple[str, str, int]]:
    """One process for all tests of a worker; each test resets it."""
    with started_sandbox() as where:
        yield where


@pytest.fixture
async def sandbox(sandbox_process: tuple[str, str, int]) -> AsyncGenerator[RunningSandbox]:
    http, dns, pid = sandbox_process
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
        running = RunningSandbox(http, dns, pid, session)
        await running.reset()
        yield running
        await asyncio.sleep(0)
