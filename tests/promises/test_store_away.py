"""The shared Valkey away: no answer is wrong, nothing exceeds a limit, and it ends by itself."""

import asyncio
import math
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from gateway.app import app_of
from gateway.private_valkey import PrivateValkey
from gateway.valkey import StoreAway
from providers.permits import KNOWN_FOR_S
from tests.assay_process import Living, Record, living, sections
from tests.gateway.http_client import served
from tests.sandbox_process import RunningSandbox

STATUS = "results { status verdicts { reasons { code check retryable } } } usage { callsMade }"
KNOWN: Record = {"vatNumber": "FR88100000009"}
OTHERS: list[Record] = [
    {"vatNumber": "IT10000100106"},
    {"lei": "SBOX00LAPSED00000088"},
    {"company": {"number": "00000301", "jurisdiction": "GB"}},
    {"email": "ada@one.example.org"},
]
LOCAL: list[Record] = [{"iban": "DE89370400440532013000"}, {"email": "ada@@x.example"}]
BACK_S_MAX = 15.0
DEADLINE_MS = 3000
BRIEF = {"ttl": {"undecided": 0.1}}


@pytest.fixture
def new(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a process stay one that has just joined, and so has no part of a limit while alone."""
    monkeypatch.setattr("providers.fleet.SEEN_BY_ALL_S", math.inf)


@asynccontextmanager
async def store() -> AsyncGenerator[tuple[PrivateValkey, str]]:
    """Run a server that may be stopped and started again at the same address."""
    with tempfile.TemporaryDirectory(prefix="assay-") as folder:
        valkey = PrivateValkey(Path(folder), persistent=False)
        url = await asyncio.to_thread(valkey.start)
        try:
            yield valkey, url
        finally:
            await asyncio.to_thread(valkey.stop)


def server_of(folder: str) -> psutil.Process:
    """Return the server process that works below `folder`."""
    for process in psutil.Process().children(recursive=True):
        if "valkey-server" in process.name() and folder in " ".join(process.cmdline()):
            return process
    raise AssertionError(folder)


async def assert_nothing_is_guessed(assay: Living) -> None:
    """Hold that what is known stays known, local checks decide, and the rest is worth a retry."""
    payload = await assay.validate(STATUS, [KNOWN, *LOCAL, *OTHERS], deadlineMs=DEADLINE_MS)
    statuses = [one["status"] for one in payload["results"]]
    assert statuses[:3] == ["VALID", "VALID", "INVALID"]
    for record, result in zip(OTHERS, payload["results"][3:], strict=True):
        (verdict,) = result["verdicts"]
        assert result["status"] == "UNKNOWN", (record, result)
        (reason,) = verdict["reasons"]
        assert reason["code"] in {"LIMITS_UNAVAILABLE", "DEADLINE"}, reason
        assert reason["retryable"] is True


async def until_back(assay: Living) -> Any:  # noqa: ANN401, JSON
    async with asyncio.timeout(BACK_S_MAX):
        while True:
            payload = await assay.validate(STATUS, OTHERS, deadlineMs=DEADLINE_MS)
            if "UNKNOWN" not in {one["status"] for one in payload["results"]}:
                return payload
            await asyncio.sleep(0.1)


@pytest.mark.usefixtures("new")
async def test_a_store_that_goes_away_and_comes_back(sandbox: RunningSandbox) -> None:
    async with store() as (valkey, url):
        given = sections(sandbox, url, redis={"timeout_ms": 500}, cache=BRIEF)
        async with living(given) as assay:
            await assay.validate(STATUS, [KNOWN])
            app = await asyncio.to_thread(app_of, assay.assembly)
            async with served(app) as client:
                assert (await client.send("GET", "/readyz")).status == 200
                await asyncio.to_thread(valkey.stop)
                await asyncio.sleep(KNOWN_FOR_S)  # so long a slot that was held may be used yet
                before = await sandbox.statistics()
                await assert_nothing_is_guessed(assay)
                after = await sandbox.statistics()
                ready = await client.send("GET", "/readyz")
                assert ready.status == 503
                assert "Valkey" in ready.json["reason"]
                assert (await client.send("GET", "/healthz")).status == 200
                windows = await assay.ask("{ providers { name state windows { limit } } }")
                assert "errors" not in windows
                # without the limits nothing is sent that has any
                assert {name for name, one in after.items() if one != before[name]} <= {"dns"}
                await asyncio.to_thread(valkey.start)
                payload = await until_back(assay)
                assert (await client.send("GET", "/readyz")).status == 200
    assert [one["status"] for one in payload["results"]] == ["VALID", "RISKY", "INVALID", "VALID"]


@pytest.mark.usefixtures("new")
async def test_a_frozen_store_costs_no_request_more_than_its_patience(
    sandbox: RunningSandbox,
) -> None:
    """It takes connections and says nothing, as a server that swaps or a lost route does."""
    loop = asyncio.get_running_loop()
    async with store() as (_, url):
        server = server_of(url.removeprefix("unix://").split("/valkey/")[0])
        async with living(sections(sandbox, url, redis={"timeout_ms": 200}, cache=BRIEF)) as assay:
            await assay.validate(STATUS, [KNOWN])
            server.suspend()
            try:
                await asyncio.sleep(KNOWN_FOR_S)
                started = loop.time()
                await assert_nothing_is_guessed(assay)
                took_s = loop.time() - started
            finally:
                server.resume()
            assert took_s < DEADLINE_MS / 1000
            await until_back(assay)


@pytest.mark.parametrize(
    "url", ["redis://:geheim@127.0.0.1:1/0", "unix:///nonexistent/valkey.sock"]
)
async def test_a_store_that_was_never_there_stops_the_start(url: str) -> None:
    with pytest.raises(StoreAway) as error:
        async with living(sections(None, url)):
            pass
    message = str(error.value)
    assert message.startswith(f"The Valkey at {url.replace(':geheim@', '')} does not answer")
    assert "ASSAY_REDIS__URL" in message
    assert "geheim" not in message
