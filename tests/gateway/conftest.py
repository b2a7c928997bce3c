"""What the tests of files over HTTP get."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from batches import intake
from tests.gateway.upload_server import Running, running


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let 64 KiB be what a mebibyte is."""
    monkeypatch.setattr(intake, "BLOCK_BYTES", 1 << 16)
    monkeypatch.setattr(intake, "HEAD_BYTES", 1 << 16)


@pytest.fixture
async def here(tmp_path: Path, small_blocks: None) -> AsyncGenerator[Running]:
    """Give a served `/batches` over an empty store."""
    del small_blocks
    async with running(tmp_path) as found:
        yield found
