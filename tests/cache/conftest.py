"""A client of the shared store."""

from collections.abc import AsyncGenerator

import pytest

from gateway.valkey import Valkey

STORE_TIMEOUT_S = 2.0


@pytest.fixture
async def valkey(valkey_url: str) -> AsyncGenerator[Valkey]:
    shared = Valkey(valkey_url, STORE_TIMEOUT_S)
    yield shared
    await shared.close()


@pytest.fixture
async def away() -> AsyncGenerator[Valkey]:
    """Be a client of a server that is not there."""
    shared = Valkey("unix:///nonexistent/valkey.sock", STORE_TIMEOUT_S)
    yield shared
    await shared.close()
