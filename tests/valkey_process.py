"""A throw-away Valkey for tests: `valkey_url` for most, the others to be alone with one."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import unquote

import pytest

from gateway.private_valkey import PrivateValkey, private_valkey

ANSWER_WAIT_S = 5.0


@asynccontextmanager
async def throwaway_valkey() -> AsyncGenerator[str]:
    """Give the URL of a fresh server that keeps nothing and is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="assay-") as folder:
        async with private_valkey(Path(folder), persistent=False) as url:
            yield url


@contextmanager
def running_valkey() -> Generator[str]:
    """Do the same where no loop runs."""
    with tempfile.TemporaryDirectory(prefix="assay-") as folder:
        valkey = PrivateValkey(Path(folder), persistent=False)
        try:
            yield valkey.start()
        finally:
            valkey.stop()


@pytest.fixture(scope="session")
def valkey_server_url() -> Generator[str]:
    """Give the one server that the tests of this process share."""
    with running_valkey() as url:
        yield url


@pytest.fixture
def valkey_url(valkey_server_url: str) -> str:
    """Give the URL of an empty server with the scripts of earlier tests forgotten."""
    assert ask_valkey(valkey_server_url, "FLUSHALL") == "+OK"
    assert ask_valkey(valkey_server_url, "SCRIPT FLUSH") == "+OK"
    assert ask_valkey(valkey_server_url, "CONFIG RESETSTAT") == "+OK"
    return valkey_server_url


def ask_valkey(url: str, command: str) -> str:
    """Send one inline command over a connection of its own and return the answer as it came."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ANSWER_WAIT_S)
        connection.connect(unquote(url.removeprefix("unix://")))
        connection.sendall(command.encode() + b"\r\n")
        return connection.recv(65_536).decode().removesuffix("\r\n")
