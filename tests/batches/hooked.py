"""Webhooks in the small: a real store, a real receiver over HTTP, a clock that a test moves."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import orjson
from msgspec import Struct
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from batches.delivery import Delivery, DeliveryState
from batches.store import Store
from batches.webhooks import ANSWER_BYTES_MAX, IN_FLIGHT_MAX, LEASE_S, Signer, Webhooks
from providers.egress import Gate
from providers.priority import TENANT
from providers.transport import Transport
from tests.assay_process import ROOT
from tests.batches.ended import Clock, Row, opened, started
from tests.gateway.http_client import served
from tests.waiting import eventually_async

SECRET = "whsec_" + "c2VjcmV0" * 5
OLDER = "whsec_" + "b2xkZXJz" * 5
ROWS: list[Row] = [("1", "canary-value@x.example", "canary-note")]


class Told(Struct):
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def json(self) -> Any:  # noqa: ANN401
        return orjson.loads(self.body)


class Receiver(Struct):
    """Somebody who is told, and answers as the test says."""

    port: int
    told: list[Told] = []
    status: int = 204
    headers: dict[str, str] = {}
    body: bytes = b""
    hold: asyncio.Event | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?tenant=a%20b"


@asynccontextmanager
async def receiving() -> AsyncGenerator[Receiver]:
    made: list[Receiver] = []

    async def hook(request: Request) -> Response:
        receiver = made[0]
        target = f"{request.url.path}?{request.url.query}"
        receiver.told.append(Told(target, dict(request.headers), await request.body()))
        if receiver.hold is not None:
            await receiver.hold.wait()
        return Response(receiver.body, receiver.status, receiver.headers)

    async with served(Starlette(routes=[Route("/hook", hook, methods=["POST"])])) as client:
        made.append(Receiver(client.port))
        yield made[0]


class World(Struct):
    store: Store
    clock: Clock
    receiver: Receiver
    webhooks: Webhooks
    transport: Transport

    async def attempt(self) -> list[Delivery]:
        """Make every attempt that is due now; return them."""
        found = await self.store.due(IN_FLIGHT_MAX, LEASE_S)
        for one in found:
            await self.webhooks.deliver(one)
        return found


@asynccontextmanager
async def world_in(folder: Path, seed: int = 7) -> AsyncGenerator[World]:
    """Open a store in `folder`, and a receiver, until left."""
    clock, gate = Clock(), Gate(local=True)
    async with opened(folder, clock) as store, receiving() as receiver:
        transport = Transport(gate, answer_bytes_max=ANSWER_BYTES_MAX)
        webhooks = Webhooks(store, transport, gate, Signer(SECRET), random=Random(seed))
        try:
            yield World(store, clock, receiver, webhooks, transport)
        finally:
            await transport.close()


@asynccontextmanager
async def looped(webhooks: Webhooks) -> AsyncGenerator[None]:
    """Run the loop for the time of the block."""
    loop = asyncio.create_task(webhooks.run())
    try:
        yield
    finally:
        loop.cancel()
        with suppress(asyncio.CancelledError):
            await loop


async def told_over_a_kill(folder: Path) -> list[Told]:
    """Kill a process while the receiver thinks, and let another go on; return what was told."""
    async with receiving() as receiver:
        receiver.hold = asyncio.Event()
        async with opened(folder) as store:
            running = await started(store, ROWS, webhook=receiver.url)
            command = [sys.executable, "-m", "tests.batches.webhook_process"]
            process = subprocess.Popen([*command, str(folder / "batches.db")], cwd=ROOT)
            try:
                assert await eventually_async(lambda: len(receiver.told) == 1)
            finally:
                process.kill()
                process.wait()
            receiver.hold.set()
            (one,) = await store.deliveries(TENANT, running.batch.id)
            assert (one.state, one.attempts) == (DeliveryState.DUE, 0)
        clock = Clock()
        clock.now = datetime.now(UTC) + timedelta(seconds=LEASE_S + 1)
        async with opened(folder, clock) as store:
            transport = Transport(Gate(local=True))
            webhooks = Webhooks(store, transport, Gate(local=True), Signer(SECRET))
            try:
                async with looped(webhooks):
                    assert await eventually_async(lambda: len(receiver.told) == 2)
            finally:
                await transport.close()
        return receiver.told
