"""Assay with real parts around it: in this process, or as processes of its own.

`living` builds it here and asks its schema directly: cheap, and the one to prefer where processes
are not the point. `processes` starts real servers that share a sandbox and a Valkey.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from msgspec import Struct

from gateway.assembly import Assembly, assembled
from gateway.settings import Settings
from providers.catalogue import SERVICES
from schema.lane.schema import FastSchema
from schema.roots import build_schema
from tests.sandbox_process import RunningSandbox
from tests.waiting import eventually

ROOT = Path(__file__).resolve().parent.parent
START_S_MAX = 60.0
STOP_S_MAX = 20.0
ANSWER_S_MAX = 40.0
HASH_KEY = "a key for tests, of 32 bytes...."
CLOSED = "http://127.0.0.1:9"
"""The discard port: nobody listens there."""
CLOSED_DNS = "127.0.0.1:9"
MOUNTS: Mapping[str, list[str]] = {
    service.NAME: [
        path.split("/")[1]
        for path in (service.DEFAULTS.sandbox_path, service.DEFAULTS.bulk_sandbox_path)
        if path is not None
    ]
    for service in SERVICES
}
EVERY_MOUNT = [mount for mounts in MOUNTS.values() for mount in mounts]

Sections = Mapping[str, Mapping[str, Any]]
Record = Mapping[str, Any]


def document(selection: str) -> str:
    """Return a document that validates records and selects `selection` of the payload."""
    return (
        "mutation ($records: [RecordInput!]!, $options: ValidateOptions)"
        f" {{ validate(records: $records, options: $options) {{ {selection} }} }}"
    )


def sections(
    sandbox: RunningSandbox | None, valkey_url: str, **given: Mapping[str, Any]
) -> Sections:
    """Return settings without limits, with one attempt a call and short patience.

    `given` goes over them, key by key in each section; a provider's table as a whole. Without a
    `sandbox` every address is a port of this machine where nobody listens.
    """
    gateway: dict[str, Any] = {"log_level": "INFO"}
    provider: dict[str, Any] = {"rates": [], "bulk_rates": [], "attempts": 1, "timeout": 5.0}
    if sandbox is None:
        gateway |= {"nameservers": [CLOSED_DNS]}
        provider |= {"base_url": CLOSED, "bulk_base_url": CLOSED}
    else:
        gateway |= {"sandbox": True, "sandbox_url": sandbox.http, "sandbox_dns": sandbox.dns}
    usual: dict[str, Mapping[str, Any]] = {
        "gateway": gateway,
        "access": {"open": True},
        "redis": {"url": valkey_url, "timeout_ms": 3000},
        "cache": {"hash_key": HASH_KEY},
        "dns": {"timeout": 0.5},
        "providers": {service.NAME: provider for service in SERVICES},
    }
    return usual | {name: {**usual.get(name, {}), **section} for name, section in given.items()}


class Living(Struct):
    """Assay in this process."""

    assembly: Assembly
    schema: FastSchema

    async def ask(self, query: str, variables: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401, JSON
        """Return the whole answer, as a client reads it."""
        answer = await self.schema.answer(query, dict(variables or {}), None, self.assembly.context)
        body = {"data": answer.data} | ({"errors": answer.errors} if answer.errors else {})
        return orjson.loads(orjson.dumps(body))

    async def validate(self, selection: str, records: Sequence[Record], **options: object) -> Any:  # noqa: ANN401, JSON
        """Return what `validate` answers; errors fail the test."""
        variables = {"records": list(records), "options": options or None}
        answer = await self.ask(document(selection), variables)
        assert "errors" not in answer, answer
        return answer["data"]["validate"]


@asynccontextmanager
async def living(given: Sections) -> AsyncGenerator[Living]:
    """Run Assay in this process for the time of the block."""
    with tempfile.TemporaryDirectory(prefix="assay-") as folder:
        settings = Settings(**_at_home(given, Path(folder)))  # pyright: ignore[reportArgumentType]
        async with assembled(settings) as assembly:
            yield Living(assembly, build_schema(assembly.declarations.kinds))


def _at_home(given: Sections, folder: Path) -> Sections:
    """Return settings with a data directory."""
    return {**given, "gateway": {"data_dir": str(folder), **given.get("gateway", {})}}


class AssayProcess(Struct):
    """One `uvicorn` with Assay in it, listening on a socket in the file system."""

    process: subprocess.Popen[bytes]
    path: Path
    log_path: Path

    @property
    def log(self) -> str:
        """All that it said."""
        return self.log_path.read_text()

    def kill(self) -> None:
        """End it as a power cut does."""
        self.process.kill()
        self.process.wait(STOP_S_MAX)


class Client(Struct):
    """A client of an Assay that listens on a socket in the file system."""

    session: aiohttp.ClientSession

    async def post(self, body: bytes) -> tuple[int, Any]:
        """Send a body to /graphql and return status and answer."""
        headers = {"Content-Type": "application/json"}
        async with self.session.post("/graphql", data=body, headers=headers) as response:
            return response.status, orjson.loads(await response.read())

    async def ask(self, query: str, variables: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401, JSON
        """Return the whole answer to a document."""
        status, answer = await self.post(
            orjson.dumps({"query": query, "variables": variables or {}})
        )
        assert status == 200, answer
        return answer

    async def validate(self, selection: str, records: Sequence[Record], **options: object) -> Any:  # noqa: ANN401, JSON
        """Return what `validate` answers; errors fail the test."""
        variables = {"records": list(records), "options": options or None}
        answer = await self.ask(document(selection), variables)
        assert "errors" not in answer, answer
        return answer["data"]["validate"]


@asynccontextmanager
async def client_of(path: Path) -> AsyncGenerator[Client]:
    """Give a client of whoever listens at `path`."""
    connector = aiohttp.UnixConnector(str(path), limit=0)
    timeout = aiohttp.ClientTimeout(ANSWER_S_MAX)
    async with aiohttp.ClientSession(
        "http://assay", connector=connector, timeout=timeout
    ) as session:
        yield Client(session)


def environment(given: Sections) -> dict[str, str]:
    """Return the environment of a process that runs with these settings and no others."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")}
    return kept | {
        f"ASSAY_{name.upper()}": orjson.dumps(section).decode() for name, section in given.items()
    }


@contextmanager
def processes(given: Sections, count: int) -> Generator[list[AssayProcess]]:
    """Run so many Assays, each a process of its own, until the block is left."""
    started: list[AssayProcess] = []
    with tempfile.TemporaryDirectory(prefix="assay-") as folder:
        try:
            started.extend(_started(given, Path(folder), number) for number in range(count))
            for one in started:
                assert eventually(lambda one=one: _is_up(one), START_S_MAX), one.log
            yield started
        finally:
            for one in started:
                one.process.terminate()
            for one in started:
                one.process.wait(STOP_S_MAX)


def _started(given: Sections, folder: Path, number: int) -> AssayProcess:
    path, log_path = folder / f"{number}.sock", folder / f"{number}.log"
    command = ("-m", "uvicorn", "--factory", "gateway.app:create_app", "--uds", str(path))
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, *command, "--no-access-log"],
            cwd=ROOT,
            env=environment(_at_home(given, folder)),
            stdout=log,
            stderr=log,
        )
    return AssayProcess(process, path, log_path)


def _is_up(one: AssayProcess) -> bool:
    assert one.process.poll() is None, one.log
    return "Uvicorn running" in one.log
