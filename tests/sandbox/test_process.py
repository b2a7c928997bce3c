"""The sandbox as a process: it starts, says where, counts, and goes with its parent."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
import time

import orjson
import psutil
import pytest

from sandbox.reference import BEGIN, renewed
from sandbox.wire import BODY_BYTES_MAX, HEADER_BYTES_MAX
from tests.sandbox import asking
from tests.sandbox_process import ROOT, RunningSandbox, running_sandbox, started_sandbox

GONE_S_MAX = 10.0
AWKWARD = "+&=%/?# '\"é\n¢,;+%2B"
PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-m", "sandbox"], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
sys.stdin.read()
"""


def gone(pid: int) -> bool:
    end = time.monotonic() + GONE_S_MAX
    while time.monotonic() < end:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


def test_it_ends_when_its_parent_is_killed() -> None:
    command = [sys.executable, "-c", PARENT]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert psutil.pid_exists(pid)
        parent.kill()
    assert gone(pid)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_on_a_signal_with_connections_open(number: signal.Signals) -> None:
    command = [sys.executable, "-m", "sandbox"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        port = int(orjson.loads(process.stdout.readline())["http"].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)):
            process.send_signal(number)
            assert process.wait(GONE_S_MAX) == 0


def test_a_port_in_use_is_said() -> None:
    with started_sandbox() as (http, _, _):
        port = http.rpartition(":")[2]
        command = [sys.executable, "-m", "sandbox", "--port", port]
        second = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, text=True)
    assert second.returncode == 2
    assert second.stderr.startswith("sandbox: cannot listen on 127.0.0.1")


async def test_one_of_ones_own_can_be_run() -> None:
    async with running_sandbox() as own:
        assert (await asking.vies(own, "DE100001003")).json["valid"] is True
    assert gone(own.pid)


async def test_values_arrive_exactly_as_meant(sandbox: RunningSandbox) -> None:
    """What a client encodes rightly is logged as the value that it meant."""
    email = f"p{AWKWARD}@x.example"
    await asking.mailbox(sandbox, email)
    assert await sandbox.values_asked("zerobounce") == [email]
    await asking.mailboxes(sandbox, email, "b@x.example")
    assert await sandbox.values_asked("zerobounce-bulk") == [email, "b@x.example"]
    await asking.postcodes(sandbox, AWKWARD)
    assert await sandbox.values_asked("postcodes-io") == [AWKWARD]
    await asking.vies(sandbox, f"DE{AWKWARD}")
    assert await sandbox.values_asked("vies") == [f"DE{AWKWARD}"]


async def test_an_encoded_slash_stays_inside_its_value(sandbox: RunningSandbox) -> None:
    host, port = sandbox.http.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    target = "/postcodes-io/postcodes/a%2Fb%2Bc%3F%23%0A%C3%A9+d"
    writer.write(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert b" 404 " in await reader.readline()
    writer.close()
    await writer.wait_closed()
    assert await sandbox.values_asked("postcodes-io") == ["a/b+c?#\né+d"]


async def test_a_plus_that_was_not_encoded_is_a_space(sandbox: RunningSandbox) -> None:
    """So that a client which forgets to encode is found out."""
    path = "/v2/validate?api_key=sandbox&email=p+1@x.example"
    await asking.call(sandbox, "GET", "zerobounce", path)
    assert await sandbox.values_asked("zerobounce") == ["p 1@x.example"]


async def test_calls_are_counted_by_path_and_status(sandbox: RunningSandbox) -> None:
    await asking.postcode(sandbox, "SW1A 2AA")
    await asking.postcode(sandbox, "LS1 9ZZ")
    await asking.postcodes(sandbox, "SW1A 2AA", "LS1 9ZZ")
    counts = await sandbox.statistics("postcodes-io")
    assert (counts["calls"], counts["values_asked"], counts["in_flight"]) == (3, 4, 0)
    assert counts["by_status"] == {"200": 2, "404": 1}
    assert {"method": "GET", "path": "/postcodes/", "status": 404, "calls": 1} in counts["by_path"]
    times = [call["time"] for call in await sandbox.log("postcodes-io")]
    assert times == sorted(times)


async def test_pipelined_requests_are_answered_in_order(sandbox: RunningSandbox) -> None:
    host, port = sandbox.http.removeprefix("http://").split(":")
    await sandbox.latency("postcodes-io", 5)
    reader, writer = await asyncio.open_connection(host, int(port))
    for code in ("SW1A2AA", "M320JG"):
        writer.write(f"GET /postcodes-io/postcodes/{code} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    for code in (b"SW1A 2AA", b"M32 0JG"):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
        assert code in await reader.readexactly(length)
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(
    "raw, status",
    [
        (b"NONSENSE\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * (HEADER_BYTES_MAX + 1) + b"\r\n\r\n", b"431"),
        (b"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"404"),
        (
            b"POST /vies/check-vat-number HTTP/1.1\r\nContent-Length: %d\r\n\r\n"
            % (BODY_BYTES_MAX + 1)
            + b" " * (BODY_BYTES_MAX + 1),
            b"413",
        ),
    ],
    ids=["nonsense", "long header", "elsewhere", "long body"],
)
async def test_what_is_no_call_is_refused(
    sandbox: RunningSandbox, raw: bytes, status: bytes
) -> None:
    host, port = sandbox.http.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(raw)
    assert (await reader.readline()).split()[1] == status
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def test_the_page_has_the_tables_of_the_data() -> None:
    """`python -m sandbox.reference docs/sandbox.md` renews them."""
    page = (ROOT / "docs" / "sandbox.md").read_text("utf-8")
    assert BEGIN in page
    assert renewed(page) == page


def test_it_imports_nothing_of_ours() -> None:
    script = (
        "import sys, sandbox.__main__, sandbox.reference; print(*{m.split('.')[0] for m in "
        "sys.modules} & set('verdicts checks cache providers questions batches resolvers schema "
        "gateway console'.split()))"
    )
    command = [sys.executable, "-c", script]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True)
    assert found.stdout.strip() == ""
