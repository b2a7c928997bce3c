"""The sandbox beside a gateway comes back where it was, and goes with it."""

import asyncio
import json
import os
import signal
import urllib.request
from typing import Any

import psutil
import pytest

from gateway.sandbox import Sandbox, running_sandbox
from tests.waiting import eventually_async, is_gone

WAIT_S = 15.0


def _process(sandbox: Sandbox) -> psutil.Process:
    """Return the process that serves `sandbox`; other tests have theirs beside it."""
    port = int(sandbox.http.rpartition(":")[2])
    return next(
        child
        for child in psutil.Process().children()
        if any(one.laddr and one.laddr.port == port for one in child.net_connections("tcp"))
    )


def _answers(sandbox: Sandbox) -> bool:
    """Return whether it answers, and stands in for what was declared."""
    url = f"{sandbox.http}/_control/statistics"
    with urllib.request.urlopen(url, timeout=WAIT_S) as answer:  # noqa: S310 - of our own
        return answer.status == 200 and "declared-one" in json.loads(answer.read())


async def test_a_sandbox_that_was_killed_comes_back_where_it_was() -> None:
    told: dict[str, Any] = {"mount": "declared-one", "service": "one", "answers": []}
    async with running_sandbox([told]) as sandbox:
        first = await asyncio.to_thread(_process, sandbox)
        assert await asyncio.to_thread(_answers, sandbox)
        os.kill(first.pid, signal.SIGKILL)
        await asyncio.to_thread(first.wait, WAIT_S)
        assert await eventually_async(lambda: _answers(sandbox), WAIT_S)
        second = await asyncio.to_thread(_process, sandbox)
        assert second.pid != first.pid
    assert is_gone(second)


async def test_it_inherits_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_CACHE__HASH_KEY", "a secret")
    async with running_sandbox() as sandbox:
        process = await asyncio.to_thread(_process, sandbox)
        found = await asyncio.to_thread(process.environ)
    assert "PATH" in found
    assert "ASSAY_CACHE__HASH_KEY" not in found
