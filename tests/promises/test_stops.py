"""A stop keeps what was paid for and sends nothing new: with real processes."""

import asyncio
import signal
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import orjson

from tests.assay_process import (
    AssayProcess,
    Client,
    Sections,
    client_of,
    document,
    living,
    processes,
)
from tests.gateway.cli.program import COMMAND, environment
from tests.sandbox_process import RunningSandbox

MAILBOX = "results { email { mailbox { deliverable } reasons { code } } } usage { valuesAsked }"
SLOWLY_MS = 7000.0
"""Longer than the grace of calls that may be repeated."""
ENDLESS_MS = 60_000
FIRST_ALONE_S = 2.5
"""Long enough to be told what is waited for."""
SOON_MS = 300
STOP_S_MAX = 40.0
ARRIVES_S = 10.0
EMAILS = ["heard@one.example", "second@one.example", "third@one.example"]


async def until_asked(sandbox: RunningSandbox) -> None:
    async with asyncio.timeout(ARRIVES_S):
        while not await sandbox.log("zerobounce"):  # noqa: ASYNC110 - it is another process
            await asyncio.sleep(0.01)


def slow_one_by_one(usual: Sections, **gateway: object) -> Sections:
    """Return `usual` with one paid call at a time, for which there is much time."""
    zerobounce = {**usual["providers"]["zerobounce"], "concurrency": 1, "bulk": 1, "timeout": 30.0}
    providers = {**usual["providers"], "zerobounce": zerobounce}
    return {**usual, "gateway": {**usual["gateway"], **gateway}, "providers": providers}


async def asked_in_vain(client: Client) -> None:
    """Ask for all mailboxes, with less time than the first answer takes."""
    payload = await client.validate(
        MAILBOX, [{"email": email} for email in EMAILS], deadlineMs=SOON_MS
    )
    codes = [why["code"] for one in payload["results"] for why in one["email"]["reasons"]]
    assert "DEADLINE" in codes


async def test_sigterm_keeps_the_outcome_of_a_paid_call_and_sends_nothing_new(
    sandbox: RunningSandbox, usual: Sections
) -> None:
    await sandbox.latency("zerobounce", SLOWLY_MS)
    with processes(slow_one_by_one(usual), 1) as (one,):
        await _stopped(one, sandbox)
    await sandbox.latency("zerobounce", 0)
    heard = await sandbox.values_asked("zerobounce")
    assert len(heard) == 1, "two waited for a place and were not sent"
    async with living(usual) as assay:
        again = await assay.validate(MAILBOX, [{"email": email} for email in heard])
    assert again["usage"] == {"valuesAsked": 0}
    assert again["results"][0]["email"]["mailbox"]["deliverable"] is not None


async def _stopped(one: AssayProcess, sandbox: RunningSandbox) -> None:
    """Ask, and return when the process has ended after SIGTERM."""
    async with client_of(one.path) as client:
        await asked_in_vain(client)
    await until_asked(sandbox)
    one.process.terminate()
    assert await asyncio.to_thread(one.process.wait, STOP_S_MAX) is not None
    assert "heard out" in one.log
    assert "Traceback" not in one.log


def configured(sandbox: RunningSandbox, valkey_url: str, folder: Path) -> None:
    (folder / "assay.toml").write_text(
        f"""
        [gateway]
        port = 0
        sandbox = true
        sandbox_url = "{sandbox.http}"
        sandbox_dns = "{sandbox.dns}"
        [redis]
        url = "{valkey_url}"
        [cache]
        hash_key = "a key for tests, of 32 bytes...."
        """
    )


@contextmanager
def started(folder: Path, *arguments: str) -> Generator[subprocess.Popen[bytes]]:
    command = [*COMMAND, *arguments, "--config", "assay.toml"]
    with subprocess.Popen(
        command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            process.kill()


async def interrupted_twice(process: subprocess.Popen[bytes]) -> tuple[int, bytes]:
    """Return exit status and what was said on standard error after two Ctrl-C."""
    process.send_signal(signal.SIGINT)
    await asyncio.sleep(FIRST_ALONE_S)
    assert process.poll() is None, "the first one hears the paid call out"
    process.send_signal(signal.SIGINT)
    _, said = await asyncio.to_thread(process.communicate, None, STOP_S_MAX)
    assert b"Traceback" not in said
    return process.returncode, said


async def test_a_second_ctrl_c_ends_a_command_at_once(
    sandbox: RunningSandbox, valkey_url: str, tmp_path: Path
) -> None:
    """It ends long before the call would be answered, and cleans up all the same."""
    await sandbox.latency("zerobounce", ENDLESS_MS)
    configured(sandbox, valkey_url, tmp_path)
    (tmp_path / "one.csv").write_text(f"email\n{EMAILS[0]}\n")
    with started(tmp_path, "validate", "one.csv") as process:
        await until_asked(sandbox)
        status, said = await interrupted_twice(process)
    assert status == 130
    assert b"Ctrl-C again ends at once" in said


async def test_a_second_ctrl_c_ends_a_server_at_once(
    sandbox: RunningSandbox, valkey_url: str, tmp_path: Path
) -> None:
    await sandbox.latency("zerobounce", ENDLESS_MS)
    configured(sandbox, valkey_url, tmp_path)
    body = orjson.dumps({
        "query": document(MAILBOX),
        "variables": {"records": [{"email": EMAILS[0]}], "options": {"deadlineMs": SOON_MS}},
    })  # fmt: skip
    with started(tmp_path, "serve") as process:
        assert process.stdout is not None
        where = await asyncio.to_thread(process.stdout.readline)
        url = where.rpartition(b" ")[2].strip().decode()
        headers = {"Content-Type": "application/json"}
        async with sandbox.session.post(url, data=body, headers=headers) as answer:
            assert answer.status == 200
        await until_asked(sandbox)
        status, _ = await interrupted_twice(process)
    assert status == 0
