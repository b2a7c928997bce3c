"""Assay itself behind gunicorn and nginx, as in production, its providers the sandbox's."""

import asyncio
import json
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import aiohttp
import pytest

from tests.deploy.gunicorn_process import START_WAIT_S, Gunicorn, running_gunicorn
from tests.deploy.load import ask
from tests.deploy.nginx_process import Nginx, running_nginx
from tests.sandbox_process import started_sandbox
from tests.waiting import eventually_async

VAT_NUMBER = "IE6388047V"
VALIDATE = """
mutation ($records: [RecordInput!]!) {
  validate(records: $records) {
    results { ref vatNumber { status normalized reasons { code } } email { status } }
  }
}
"""
CLIENTS = 8


@contextmanager
def assay() -> Generator[tuple[Gunicorn, Nginx]]:
    """Run two workers in sandbox mode with one sandbox, and nginx before them."""
    with started_sandbox() as (http, dns, _):
        environment = {
            "ASSAY_GATEWAY__SANDBOX": "true",
            "ASSAY_GATEWAY__SANDBOX_URL": http,
            "ASSAY_GATEWAY__SANDBOX_DNS": dns,
        }
        with (
            running_gunicorn(environment, app=None) as (gunicorn, path),
            running_nginx(path) as nginx,
        ):
            yield gunicorn, nginx


async def validate(
    session: aiohttp.ClientSession, nginx: Nginx, records: list[dict[str, str]]
) -> list[dict[str, Any]]:
    """Ask for the verdicts of `records` through nginx."""
    body = json.dumps({"query": VALIDATE, "variables": {"records": records}}).encode()
    headers = {"Content-Type": "application/json"}
    async with ask(session, nginx, "/graphql", data=body, headers=headers) as response:
        answer = await response.json(content_type=None)
        assert response.status == 200, answer
        assert "errors" not in answer, answer
        return answer["data"]["validate"]["results"]


async def ask_on(session: aiohttp.ClientSession, nginx: Nginx, answered: list[str]) -> None:
    """Ask without a pause until cancelled; any failure ends the test."""
    while True:
        first, _ = await validate(session, nginx, [{"vatNumber": VAT_NUMBER}, {"email": "no@"}])
        answered.append(first["vatNumber"]["status"])


@pytest.mark.timeout(180)
async def test_assay_validates_through_nginx_and_restarts_without_a_failed_request() -> None:
    with assay() as (gunicorn, nginx):
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as clients:
            async with ask(session, nginx, "/readyz") as response:
                assert (response.status, (await response.json())["status"]) == (200, "ready")
            records = [{"ref": "one", "vatNumber": VAT_NUMBER}, {"ref": "two", "email": "no@"}]
            one, two = await validate(session, nginx, records)
            assert (one["ref"], one["vatNumber"]["normalized"]) == ("one", VAT_NUMBER)
            assert one["vatNumber"]["status"] == "VALID"
            assert (two["ref"], two["email"]["status"]) == ("two", "INVALID")

            answered: list[str] = []
            asking = [clients.create_task(ask_on(session, nginx, answered)) for _ in range(CLIENTS)]
            assert await eventually_async(lambda: len(answered) > 100)
            # What the first gunicorn does not answer any more waits in the socket for the next.
            assert await asyncio.to_thread(gunicorn.stop) == 0
            before = len(answered)
            gunicorn.start()
            assert await eventually_async(lambda: len(answered) > before + 100, START_WAIT_S)
            for client in asking:
                client.cancel()
        assert set(answered) == {"VALID"}
        assert gunicorn.stop() == 0
