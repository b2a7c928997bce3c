"""A stand-in for any declared service: answers over a real socket as a function says."""

import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from msgspec import Struct, field


class Seen(Struct, frozen=True):
    """A call that came in: the path undecoded, the query decoded in its order."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401, JSON
        return json.loads(self.body)

    def asked(self, name: str) -> str | None:
        """Return the parameter of this name, None without one."""
        return dict(self.query).get(name)


class Reply(Struct, frozen=True):
    """What is answered: bytes as they are, anything else as JSON."""

    body: object
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


Answering = Callable[[Seen], Reply]


class StandIn(Struct):
    """Where it listens, and what it was asked so far."""

    url: str
    calls: list[Seen]


@asynccontextmanager
async def standing_in(answering: Answering) -> AsyncGenerator[StandIn]:
    """Answer on a free port for the time of the block."""
    calls: list[Seen] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        seen = Seen(
            request.method,
            request.raw_path.partition("?")[0],
            tuple((name, value) for name, value in request.query.items()),
            {name.lower(): value for name, value in request.headers.items()},
            await request.read(),
        )
        calls.append(seen)
        reply = answering(seen)
        plain = isinstance(reply.body, bytes)
        body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        sort = "text/html" if plain else "application/json"
        headers = {"Content-Type": sort, **reply.headers}
        return web.Response(body=body, status=reply.status, headers=headers)

    runner = web.ServerRunner(web.Server(answer), access_log=None)  # every path, however odd
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield StandIn(f"http://127.0.0.1:{runner.addresses[0][1]}", calls)
    finally:
        await runner.cleanup()
