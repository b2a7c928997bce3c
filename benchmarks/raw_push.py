"""A bare Starlette WebSocket that sends a text to all its clients, over and over.

`python -m benchmarks.raw_push EVERY_S` takes a free port and writes it to standard output; the text
is the first that a client sends.
"""

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncGenerator

import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from gateway.server import SERVER


def create_app(every_s: float) -> Starlette:
    """Return the application."""
    sockets: list[WebSocket] = []
    texts: list[str] = []

    async def send() -> None:
        while True:
            await asyncio.sleep(every_s)
            for one in sockets:
                if texts:
                    await one.send_text(texts[0])

    async def watch(one: WebSocket) -> None:
        await one.accept()
        sockets.append(one)
        try:
            while True:
                texts.append(await one.receive_text())
        except WebSocketDisconnect:
            sockets.remove(one)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        task = asyncio.create_task(send())
        yield
        task.cancel()

    return Starlette(routes=[WebSocketRoute("/graphql", watch)], lifespan=lifespan)


if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        print(listener.getsockname()[1], flush=True)
        config = uvicorn.Config(
            create_app(float(sys.argv[1])),
            log_config=None,
            log_level="warning",
            **SERVER,
        )
        uvicorn.Server(config).run(sockets=[listener])
