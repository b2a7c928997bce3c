"""One sandbox for all promises of a test process; each test begins with it reset."""

from collections.abc import AsyncGenerator, Generator
from typing import Any

import aiohttp
import pytest

import access.door
from tests.assay_process import (
    EVERY_MOUNT,
    MOUNTS,
    AssayProcess,
    Client,
    Sections,
    client_of,
    processes,
    sections,
)
from tests.sandbox_process import RunningSandbox, started_sandbox
from tests.valkey_process import running_valkey

LIMITS = {20: 1, 50: 4}
"""Calls in so many seconds that `twilio` of the two processes may make."""


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
def quick_door(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let doors look more often for new keys."""
    monkeypatch.setattr(access.door, "LOOK_S", 0.05)
    monkeypatch.setattr(access.door, "TOLD_WITHIN_S", 0.02)


@pytest.fixture
def usual(sandbox: RunningSandbox, valkey_url: str) -> Sections:
    """Give settings in which the sandbox answers for everybody."""
    return sections(sandbox, valkey_url)


@pytest.fixture(scope="session")
def assay_processes(
    sandbox_process: tuple[str, str, int],
) -> Generator[list[AssayProcess]]:
    """Two Assays that share the sandbox of this test process, and a Valkey of their own.

    Over the one of the other tests they would hear of every breaker that opens there. What they
    remember outlives a test: each test asks about values of its own. Their `twilio` has limits,
    for the tests of limits; `hmrc` has several attempts.
    """
    http, dns, _ = sandbox_process
    gateway = {"sandbox": True, "sandbox_url": http, "sandbox_dns": dns}
    rates = [f"{count}/{window_s}s" for count, window_s in LIMITS.items()]
    usual: dict[str, Any] = {"rates": [], "bulk_rates": [], "attempts": 1, "timeout": 5.0}
    providers = {
        **dict.fromkeys(MOUNTS, usual),
        "twilio_lookup": {**usual, "rates": rates},
        "hmrc": {**usual, "attempts": 5},
    }
    with running_valkey() as url:
        given = {**sections(None, url), "gateway": gateway, "providers": providers}
        with processes(given, 2) as both:
            yield both


@pytest.fixture
async def pair(assay_processes: list[AssayProcess]) -> AsyncGenerator[tuple[Client, Client]]:
    """Give a client of each of the two processes."""
    one, other = assay_processes
    async with client_of(one.path) as first, client_of(other.path) as second:
        yield first, second
