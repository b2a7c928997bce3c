"""docs/partners.md: each of its examples is run as it stands."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import orjson
import pytest

from access.scope import scopes_of
from tests.npm_client import NODE
from tests.promises.guarded import OURS, Guarded, guarded
from tests.sandbox_process import RunningSandbox

PAGE = Path(__file__).parents[2] / "docs" / "partners.md"
WAIT_S = 30.0


def example(language: str, mark: str) -> str:
    """Return the example in `language` that holds `mark`."""
    blocks = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    (found,) = [block for block in blocks if mark in block]
    return found


@pytest.fixture
async def house(
    tmp_path: Path, valkey_url: str, sandbox: RunningSandbox
) -> AsyncGenerator[Guarded]:
    async with guarded(tmp_path, valkey_url, sandbox=sandbox) as found:
        yield found


async def said_by(house: Guarded, *command: str) -> str:
    """Run a command with the address and a key in its environment; return what it writes."""
    key = await house.key(OURS, scopes_of(["validate"]))
    env = {**os.environ, "ASSAY_URL": house.url(""), "ASSAY_API_KEY": key}
    done = await asyncio.to_thread(
        subprocess.run,
        command,
        env=env,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


LINES = ["1 VALID valid@example.com", "2 INVALID MALFORMED"]


def lines_of(said: str) -> list[str]:
    return [
        " ".join(line.replace("None", "").replace("null", "").split()) for line in said.splitlines()
    ]


async def test_curl(house: Guarded) -> None:
    assert shutil.which("curl"), "curl is missing: `apt-get install curl`"
    found = orjson.loads(await said_by(house, "sh", "-c", example("sh", "curl")))
    results = found["data"]["validate"]["results"]
    assert [(one["ref"], one["status"]) for one in results] == [("1", "VALID"), ("2", "INVALID")]
    assert results[0]["email"]["normalized"] == "valid@example.com"


async def test_python(house: Guarded) -> None:
    said = await said_by(house, sys.executable, "-c", example("python", "urllib"))
    assert lines_of(said) == LINES


async def test_typescript(house: Guarded, tmp_path: Path) -> None:
    file = tmp_path / "partner.mts"
    file.write_text(example("ts", "fetch"))
    assert lines_of(await said_by(house, str(NODE), str(file))) == LINES
