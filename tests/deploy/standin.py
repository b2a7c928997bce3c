"""An app without Assay in it, to show what the worker, gunicorn and nginx do by themselves."""

import asyncio
import os

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect


async def echo(request: Request) -> JSONResponse:
    """Answer with what nginx made of the request, after `?after_s` seconds."""
    await asyncio.sleep(float(request.query_params.get("after_s", 0)))
    body = await request.body()
    return JSONResponse(
        {
            "worker": os.getpid(),
            "redis": os.environ.get("ASSAY_REDIS__URL"),
            "scheme": request.url.scheme,
            "host": request.headers.get("host"),
            "client": request.client.host if request.client else None,
            "bytes": len(body),
        }
    )


async def begun(request: Request) -> JSONResponse:
    """Answer as soon as the first bytes of the body are here."""
    stream = request.stream()
    size = len(await anext(stream))
    await stream.aclose()
    return JSONResponse({"bytes": size})


async def ready(_: Request) -> JSONResponse:
    """Answer that all is well."""
    return JSONResponse({"status": "ready"})


async def watch(socket: WebSocket) -> None:
    """Greet, then stay open until the other side or the server ends it."""
    await socket.accept()
    await socket.send_text("hello")
    try:
        while True:
            await socket.receive_text()
    except WebSocketDisconnect:
        return


def create_app() -> Starlette:
    """Return the app."""
    return Starlette(
        routes=[
            Route("/graphql", echo, methods=["GET", "POST"]),
            Route("/batches", begun, methods=["POST"]),
            Route("/batches/{id}/upload", begun, methods=["PATCH"]),
            Route("/readyz", ready),
            WebSocketRoute("/graphql", watch),
        ]
    )
