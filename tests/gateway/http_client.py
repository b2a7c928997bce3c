"""A server on a free port and a bare HTTP client: what is sent is exactly what the test says."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import uvicorn
from msgspec import Struct
from starlette.types import ASGIApp

WAIT_S = 10.0


class Answer(Struct):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401
        return orjson.loads(self.body)

    @property
    def code(self) -> str:
        return self.json["errors"][0]["extensions"]["code"]


class Client(Struct):
    port: int

    async def send(
        self, method: str, target: str = "/", body: bytes = b"", **headers: str
    ) -> Answer:
        """Send one request; a header called `content_type` is sent as content-type."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if body or method == "POST":
            given.setdefault("content-length", str(len(body)))
        lines = [f"{method} {target} HTTP/1.1", "host: localhost", "connection: close"]
        lines += [f"{name}: {value}" for name, value in given.items()]
        return await self.raw("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)

    async def raw(self, request: bytes) -> Answer:
        """Send bytes, and read one answer."""
        async with asyncio.timeout(WAIT_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                writer.write(request)
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                pairs = [line.partition(": ") for line in head[1:] if line]
                found = {name.lower(): value for name, _, value in pairs}
                content = await reader.readexactly(int(found["content-length"]))
                return Answer(int(head[0].split()[1]), found, content)
            finally:
                writer.close()
                await writer.wait_closed()

    async def post(self, members: object, **headers: str) -> Answer:
        """Send an operation as JSON."""
        headers = {"content_type": "application/json", **headers}
        return await self.send("POST", "/", orjson.dumps(members), **headers)


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncGenerator[Client]:
    """Serve an application with uvicorn while the block runs."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, http="httptools", log_level="error", lifespan="off")
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            async with asyncio.timeout(WAIT_S):
                while not server.started:  # noqa: ASYNC110 - uvicorn tells it in no other way
                    await asyncio.sleep(0.01)
            yield Client(listener.getsockname()[1])
        finally:
            server.should_exit = True
            await task
