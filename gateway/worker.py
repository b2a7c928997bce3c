"""Gunicorn's worker: uvicorn with bounds, a stop that loses no request, no life without a master.

A stop has four steps. `/readyz` answers 503 and every response closes its connection, while the
worker still accepts (`ASSAY_DRAIN_S`: time for a load balancer to notice). Then it accepts no
more, but what was accepted already and has not been read yet still gets its answer. Then streamed
subscriptions end, and uvicorn closes WebSockets with 1012 (service restart) and waits for the
requests in flight. Whatever is left after GRACEFUL_S is cancelled. At last the app closes: nothing
new is sent, and calls that may be charged are heard out, for `gateway.stop_s` at most.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from socket import socket
from typing import Protocol, cast

from gunicorn.arbiter import Arbiter
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn import Config, Server
from uvicorn_worker import UvicornWorker

from gateway.server import GRACEFUL_S, SERVER
from gateway.stopping import Stopping

READY_PATH = "/readyz"
CLOSING_S = 5.0
"""For all that is closed after the calls were heard out."""
SIGN_OF_LIFE_S = 5.0
"""Between two signs while stopping: uvicorn gives none then, and gunicorn kills who is silent."""
DRAIN_DEFAULT_S = 0.5
DRAIN_MAX_S = 30.0
DRAIN_FORM = re.compile(r"\d+(\.\d+)?")
ACCEPTED_WAIT_S = 0.25
"""A connection that was accepted last has sent its request long before this has passed."""
TICKS_PER_MASTER_CHECK = 10
"""Uvicorn ticks ten times a second."""

NOT_READY = b'{"status":"unready","reason":"this worker is stopping"}'


class Draining:
    """Stands before the app: sees to `/readyz` and to connections once the worker drains."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = Stopping(app)
        self.begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request to the app; while draining, answer `/readyz` with 503 ourselves."""
        if not self.begun or scope["type"] != "http":
            await self.app(scope, receive, send)
        elif scope["path"] == READY_PATH:
            await refuse(send)
        else:
            await self.app(scope, receive, closing(send))


def closing(send: Send) -> Send:
    """Return a `send` whose responses tell the client to open another connection next time."""

    async def send_and_close(event: Message) -> None:
        if event["type"] == "http.response.start":
            event["headers"] = [*event.get("headers", ()), (b"connection", b"close")]
        await send(event)

    return send_and_close


async def refuse(send: Send) -> None:
    """Answer that this worker takes no new work."""
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(NOT_READY)).encode()),
        (b"cache-control", b"no-store"),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": NOT_READY})


class DrainingServer(Server):
    """Uvicorn's server with the first two steps of a stop, which ends with its master too."""

    def __init__(self, config: Config, draining: Draining, master: int, drain_s: float) -> None:
        super().__init__(config)
        self.draining = draining
        self.master = master
        self.drain_s = drain_s

    async def on_tick(self, counter: int) -> bool:
        """Say whether to stop: also when the master was killed and nobody else would tell us."""
        orphaned = counter % TICKS_PER_MASTER_CHECK == 0 and os.getppid() != self.master
        return orphaned or await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Drain, accept no more, answer what was accepted; then stop as uvicorn does."""
        self.draining.begun = True
        living = asyncio.create_task(self._show_life())
        try:
            await asyncio.sleep(self.drain_s)
            for server in self.servers:
                server.close()
            for listener in sockets or ():
                listener.close()  # at once: later its number may be another connection's
            await asyncio.sleep(ACCEPTED_WAIT_S)
            self.draining.app.begin()
            await super().shutdown([])
        finally:
            living.cancel()
            await asyncio.gather(living, return_exceptions=True)

    async def _show_life(self) -> None:
        while self.config.callback_notify is not None:
            await self.config.callback_notify()
            await asyncio.sleep(SIGN_OF_LIFE_S)


class GunicornWorker(Protocol):
    """What gunicorn, which has no types, gives a worker."""

    ppid: int
    wsgi: ASGIApp
    sockets: list[socket]


class Worker(UvicornWorker):
    """The worker class of `gunicorn.conf.py`."""

    CONFIG_KWARGS = SERVER

    async def _serve(self) -> None:
        ours = cast("GunicornWorker", self)
        draining = Draining(ours.wsgi)
        self.config.app = draining
        server = DrainingServer(self.config, draining, ours.ppid, drain_time_s())
        self._install_sigquit_handler()
        await server.serve(sockets=ours.sockets)
        if not server.started:
            raise SystemExit(Arbiter.WORKER_BOOT_ERROR)


def stop_time_s(stop_s: float) -> float:
    """Return the seconds that a stop of a worker takes at most, with `gateway.stop_s`."""
    return drain_time_s() + ACCEPTED_WAIT_S + GRACEFUL_S + stop_s + CLOSING_S


def drain_time_s() -> float:
    """Return the seconds for which a stopping worker goes on accepting, from `ASSAY_DRAIN_S`.

    What is no number, or is more than gunicorn would wait for, ends the start with a message.
    """
    text = os.environ.get("ASSAY_DRAIN_S", str(DRAIN_DEFAULT_S))
    if DRAIN_FORM.fullmatch(text) and float(text) <= DRAIN_MAX_S:
        return float(text)
    sys.exit(
        "Assay does not start:\nenvironment variable ASSAY_DRAIN_S: seconds from 0 to"
        f" {DRAIN_MAX_S:.0f} are expected, not {text!r}"
    )
