"""Assay as it is deployed, every secret set: gunicorn behind nginx, a worker, `assay serve`."""

import asyncio
import base64
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from random import Random
from typing import Any

import orjson
from msgspec import Struct
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from providers.catalogue import SERVICES
from tests.access.test_tokens import RSA_KEY, shown, token
from tests.assay_process import ROOT, START_S_MAX, STOP_S_MAX
from tests.canaries.marks import Marks, Sort
from tests.canaries.sinks import Seen, Sink, entries, files, rows
from tests.deploy.gunicorn_process import Gunicorn, running_gunicorn
from tests.deploy.nginx_process import Nginx, running_nginx
from tests.gateway.http_client import served
from tests.sandbox_process import RunningSandbox, running_sandbox
from tests.waiting import eventually

TENANT = "ours"
CLI_S_MAX = 60.0
LOOK_S = 0.05
FLUSH_S = 1.2
"""Nginx holds its access log back for a second."""


class Command(Struct):
    """A command that ran to its end, and what it said."""

    status: int
    out: bytes
    err: bytes


class Deployed(Struct):
    """What runs, and what all of it has written and shown so far."""

    folder: Path
    marks: Marks
    sandbox: RunningSandbox
    gunicorn: Gunicorn
    nginx: Nginx
    hook: str
    environment: Mapping[str, str]
    worker: "subprocess.Popen[bytes]"
    server: "subprocess.Popen[bytes]"
    port: int
    seen: Seen
    keys: dict[str, str] = {}
    told: list[Sink] = []
    hooked: list[Sink] = []

    def note(self, what: str, content: bytes) -> None:
        """Keep what somebody was told of a mistake: by its words for its things, not by values."""
        self.told.append(Sink(what, content, labels=True))

    def look(self) -> None:
        """Look at what runs."""
        began = (self.gunicorn.process.pid, self.worker.pid, self.server.pid)
        self.seen.look(began)

    async def command(self, *words: str, **variables: str) -> Command:
        """Run `assay` with these arguments; look at what it starts."""
        return await run({**self.environment, **variables}, *words, seen=self.seen)

    def start_worker(self) -> None:
        """Start the worker, or another one after it ended."""
        self.worker = _started(self.folder, self.environment, "worker")

    def note_valkey(self, home: str) -> None:
        """Keep what the Valkey of a data directory holds now."""
        self.told += entries(valkey_of(self.folder / home), f"the Valkey of {home}")

    async def stopped(self) -> None:
        """Stop all of it in order, but nginx, which writes down what it knows."""
        for process in (self.worker, self.server):
            await asyncio.to_thread(_end, process)
        await asyncio.to_thread(self.gunicorn.stop)
        await asyncio.sleep(FLUSH_S)

    def written(self) -> list[Sink]:
        """Return all that was written, once everything has ended."""
        return [
            Sink("gunicorn's log", self.gunicorn.log_path.read_bytes()),
            *files(self.nginx.folder, "nginx's folder", "nginx.conf"),
            *files(self.folder, "our folder"),
            *rows(self.folder / "data" / "batches.db", "the store"),
            *rows(self.folder / "serve" / "batches.db", "the store of `assay serve`"),
            *self.seen.sinks(),
            *self.told,
            *self.hooked,
        ]


def valkey_of(home: Path) -> str:
    """Return the URL of the private Valkey of a data directory."""
    return orjson.loads((home / "valkey" / "valkey.lock").read_bytes())["url"]


async def run(environment: Mapping[str, str], *words: str, seen: Seen | None = None) -> Command:
    """Run `assay` with these arguments to its end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway.cli", *words),
        cwd=ROOT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    told = asyncio.create_task(process.communicate())
    async with asyncio.timeout(CLI_S_MAX):
        while not (await asyncio.wait((told,), timeout=LOOK_S))[0]:
            if seen is not None:
                seen.look((process.pid,))
    out, err = told.result()
    assert process.returncode is not None
    return Command(process.returncode, out, err)


def secrets(marks: Marks, sandbox: RunningSandbox, seed: int) -> dict[str, str]:
    """Return every secret that the configuration has, as its environment."""

    def sealing(what: str) -> str:
        key = Random(f"{seed} {what}").randbytes(32)
        marks.noted(f"{what}, its bytes", Sort.SECRET, key.hex())
        return marks.noted(what, Sort.SECRET, base64.b64encode(key).decode())

    hook = base64.b64encode(marks.word("webhook secret", Sort.SECRET).encode() * 2).decode()
    providers: dict[str, dict[str, Any]] = {}
    for service in SERVICES:
        paths = service.DEFAULTS.sandbox_path, service.DEFAULTS.bulk_sandbox_path
        known = f"sandbox-{marks.word(f'credentials of {service.NAME}', Sort.SECRET)}"
        one, bulk = (sandbox.http + (path or paths[0] or "") for path in paths)
        providers[service.NAME] = {
            "rates": [],
            "bulk_rates": [],
            "attempts": 2,
            "timeout": 0.5,
            "base_url": one,
            "bulk_base_url": bulk,
            **dict.fromkeys(service.SECRETS, known),
        }
    return {
        "ASSAY_ACCESS__PEPPER": marks.word("pepper", Sort.SECRET),
        "ASSAY_CACHE__HASH_KEY": marks.word("hash key", Sort.SECRET),
        "ASSAY_CACHE__ENCRYPTION_KEY": sealing("key of outcomes"),
        "ASSAY_STORE__ENCRYPTION_KEY": sealing("key of batches"),
        "ASSAY_WEBHOOKS__SECRET": marks.noted("webhook secret", Sort.SECRET, f"whsec_{hook}"),
        "ASSAY_PROVIDERS": orjson.dumps(providers).decode(),
    }


def _settings(folder: Path, sandbox: RunningSandbox, issuer: str) -> dict[str, str]:
    """Return the rest of the environment: everything says as much as it ever does."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")}
    return {
        **kept,
        "TMPDIR": str(folder / "tmp"),
        "ASSAY_GATEWAY__DATA_DIR": str(folder / "data"),
        "ASSAY_GATEWAY__LOG_LEVEL": "DEBUG",
        "ASSAY_GATEWAY__NAMESERVERS": sandbox.dns,
        "ASSAY_DNS__TIMEOUT": "0.5",
        "ASSAY_ACCESS__OPEN": "false",
        "ASSAY_ACCESS__JWT_ISSUER": "https://id.example",
        "ASSAY_ACCESS__JWT_AUDIENCE": "assay",
        "ASSAY_ACCESS__JWT_KEYS_URL": f"{issuer}/keys",
        "ASSAY_ACCESS__JWT_TENANT_CLAIM": "org",
        "ASSAY_WEBHOOKS__LOCAL": "true",
        "ASSAY_BATCHES__LEASE_S": "3",
        "ASSAY_DOCUMENTS__AUTOMATIC": "true",
    }


@asynccontextmanager
async def _others(hooked: list[Sink]) -> AsyncGenerator[str]:
    """Serve an issuer's keys, and a receiver of webhooks that fails as often as not."""

    async def keys(_: Request) -> Response:
        return Response(shown(one=RSA_KEY))

    async def hook(request: Request) -> Response:
        heads = "\n".join(f"{name}: {value}" for name, value in request.headers.items())
        hooked.append(Sink("a webhook", heads.encode() + b"\n" + await request.body()))
        return Response(status_code=500 if len(hooked) % 2 else 204)

    routes = [Route("/keys", keys), Route("/hook", hook, methods=["POST"])]
    async with served(Starlette(routes=routes)) as client:
        yield f"http://127.0.0.1:{client.port}"


def _started(
    folder: Path, environment: Mapping[str, str], *words: str
) -> "subprocess.Popen[bytes]":
    with (folder / "logs" / f"{words[0]}.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "gateway.cli", *words],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=log,
        )


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.terminate()
    process.wait(STOP_S_MAX)


@contextmanager
def _serving(
    folder: Path, environment: Mapping[str, str]
) -> Generator[tuple["subprocess.Popen[bytes]", int]]:
    """Run `assay serve`, with data of its own."""
    process = _started(
        folder, environment, "serve", "--port", "0", "--data-dir", str(folder / "serve")
    )
    log = folder / "logs" / "serve.log"
    try:
        assert eventually(lambda: "Ctrl-C stops it" in log.read_text(), START_S_MAX), (
            log.read_text()
        )
        address = log.read_text().partition("/graphql")[0]
        yield process, int(address.rpartition(":")[2])
    finally:
        _end(process)


async def _keys(marks: Marks, environment: Mapping[str, str], *more: str) -> dict[str, str]:
    """Make a key that may everything, and one that is revoked; make others up."""
    found: dict[str, str] = {}
    scopes = ("--scope", "admin", "--scope", "validate", "--scope", "batch:write")
    for name in ("valid", "revoked"):
        label = marks.word(f"name of the {name} key", Sort.LABEL)
        made = await run(
            environment, "keys", "create", "--tenant", TENANT, "--name", label, *scopes, *more
        )
        assert made.status == 0, made.err
        found[name] = made.out.decode().strip()
    ended = await run(environment, "keys", "revoke", found["revoked"].split("_")[1], *more)
    assert ended.status == 0, ended.err
    found["wrong"] = found["valid"][:-20] + "x" * 20
    subject = marks.word("subject of a token", Sort.LABEL)
    found["token"] = token(org=TENANT, scope="validate batch:write", sub=subject)
    found["forged"] = found["token"][:-30] + "A" * 30
    found["nothing"] = marks.word("a key that is none", Sort.SECRET)
    for name, text in found.items():
        secret = text[len("assay_0123456789_") :] if text.startswith("assay_") else text
        marks.noted(f"{name} key", Sort.SECRET, secret.rpartition(".")[2])
    return found


@asynccontextmanager
async def deployed(folder: Path, seed: int) -> AsyncGenerator[Deployed]:
    """Run all of it in `folder` until left."""
    for name in ("tmp", "logs", "data", "serve", "cli"):
        (folder / name).mkdir(parents=True)
    marks, hooked = Marks(seed), list[Sink]()
    async with running_sandbox() as sandbox, _others(hooked) as others:
        environment = _settings(folder, sandbox, others) | secrets(marks, sandbox, seed)
        keys = await _keys(marks, environment)
        elsewhere = await _keys(marks, environment, "--data-dir", str(folder / "serve"))
        stack = ExitStack()
        ours = {name: text for name, text in environment.items() if name.startswith("ASSAY_")}
        ours["TMPDIR"] = environment["TMPDIR"]

        def start() -> Deployed:
            gunicorn, path = stack.enter_context(running_gunicorn(ours, app=None))
            nginx = stack.enter_context(running_nginx(path))
            server, port = stack.enter_context(_serving(folder, environment))
            worker = _started(folder, environment, "worker")
            return Deployed(
                folder, marks, sandbox, gunicorn, nginx, f"{others}/hook", environment,
                worker, server, port, Seen(), hooked=hooked,
            )  # fmt: skip

        try:
            house = await asyncio.to_thread(start)
            house.keys = keys | {f"{name} of serve": text for name, text in elsewhere.items()}
            stack.callback(lambda: _end(house.worker))
            yield house
        finally:
            await asyncio.to_thread(stack.close)
