"""The composition: mounts, control and DNS on their sockets."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from sandbox import (
    companies_house,
    dns_over_https,
    gleif,
    google_address,
    hmrc,
    postcodes_io,
    twilio_lookup,
    vies,
    zerobounce,
)
from sandbox.control import Control
from sandbox.dns import Nameserver
from sandbox.message import Reply, Request
from sandbox.mount import Mount
from sandbox.wire import Connection

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

STAND_INS = (
    *(vies, hmrc, gleif, companies_house, zerobounce, twilio_lookup, postcodes_io),
    *(google_address, dns_over_https),
)
BACKLOG_MAX = 1024


class Sandbox:
    """All stand-ins behind one port: the first path segment says which."""

    def __init__(self) -> None:
        self.nameserver = Nameserver()
        self.mounts: dict[str, Mount] = {}
        for module in STAND_INS:
            standin = module.stand_in()
            for name, limit in standin.mounts.items():
                self.mounts[name] = Mount(name, standin, limit)
        self._control = Control(self.mounts, self.nameserver)

    def answer(self, request: Request) -> Reply:
        """Return the reply of the mount that the path names."""
        name, _, rest = request.path.lstrip("/").partition("/")
        mount = self.mounts.get(name)
        if mount is not None:
            request.mount = name
            request.path = f"/{rest}"
            return mount.answer(request)
        if name == "_control":
            return self._control.answer(request)
        return Reply(404, {"error": f"nothing here; mounts are: {', '.join(self.mounts)}"})


@asynccontextmanager
async def serving(host: str, port: int, dns_port: int) -> AsyncGenerator[tuple[int, int]]:
    """Serve until left; yield the ports of HTTP and DNS."""
    loop = asyncio.get_running_loop()
    sandbox = Sandbox()
    open_now: set[Connection] = set()
    server = await loop.create_server(
        lambda: Connection(sandbox.answer, open_now), host, port, backlog=BACKLOG_MAX
    )
    try:
        async with sandbox.nameserver.serving(host, dns_port) as dns_port_used:
            yield server.sockets[0].getsockname()[1], dns_port_used
    finally:
        server.close()
        for connection in list(open_now):
            connection.close()
        await server.wait_closed()
