"""The server of `assay serve`: it says where it is, and ends as asked, cleaned up."""

import asyncio
import errno
import os
import signal
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager

from uvicorn import Config as ServerConfig
from uvicorn import Server

from gateway.admission import KEYS_WAIT_S
from gateway.app import app_of
from gateway.assembly import Assembly
from gateway.bind import ANY_IPV4, NO_KEYS, is_local
from gateway.cli.errors import CommandError
from gateway.cli.opening import opened
from gateway.logs import configure_logs
from gateway.server import SERVER
from gateway.settings import Settings
from gateway.stopping import Stopping
from providers.sending import State

BACKLOG = 1024
TICKS_PER_PARENT_LOOK = 5
"""Uvicorn ticks ten times a second."""


@contextmanager
def listener(host: str, port: int) -> Generator[socket.socket]:
    """Listen on `host` and `port` until left.

    Raises:
        CommandError: somebody else listens there, or nobody may.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        taken = socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        raise CommandError(_unusable(host, port, error)) from None
    with taken:
        yield taken


def _unusable(host: str, port: int, error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return f"{host!r} is no address of this machine: {error.strerror}. Give --host another."
    advice = {
        errno.EADDRINUSE: "Another program listens there, perhaps another Assay. Stop it, or"
        " choose another port: --port 8001 (gateway.port), --port 0 for any free one.",
        errno.EACCES: "This user may not listen there. Choose a port above 1023: --port 8000.",
        errno.EADDRNOTAVAIL: "This machine does not have that address. Give --host another,"
        " 127.0.0.1 for this machine alone or 0.0.0.0 for all of its addresses.",
    }.get(error.errno or 0, "Give --host and --port others.")
    return f"Can't listen on {host} port {port}: {os.strerror(error.errno or 0)}. {advice}"


class StoppableServer(Server):
    """Uvicorn's server; signals are ours, and it can end with its parent."""

    def __init__(
        self,
        config: ServerConfig,
        announce: Callable[[], None],
        parent: int | None,
        stopping: Stopping,
    ) -> None:
        super().__init__(config)
        self._stopping = stopping
        self._announce = announce
        self._parent = parent

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave signals alone: uvicorn would raise them again before we have cleaned up."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say where."""
        await super().startup(sockets)
        self._announce()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End streamed subscriptions, then stop as uvicorn does."""
        self._stopping.begin()
        await super().shutdown(sockets)

    async def on_tick(self, counter: int) -> bool:
        """Say whether to stop: also when the parent that we belong to is gone."""
        orphaned = (
            self._parent is not None
            and counter % TICKS_PER_PARENT_LOOK == 0
            and os.getppid() != self._parent
        )
        return orphaned or await super().on_tick(counter)


async def serve_until_told(settings: Settings, taken: socket.socket, parent: int | None) -> None:
    """Serve on `taken` until a signal, or the end of the process `parent`.

    Raises:
        CommandError: a part of the gateway can't start.
    """
    stop = _Stop()
    with stop.on_signals():
        try:
            await _run(settings, taken, parent, stop)
        except asyncio.CancelledError:
            if not stop.asked:
                raise
    print("Stopped.", flush=True)


async def _run(settings: Settings, taken: socket.socket, parent: int | None, stop: "_Stop") -> None:
    configure_logs(settings.gateway.log_level)
    async with opened(settings) as assembly:
        if not is_local(settings.gateway.host) and not settings.access.open:
            await _guarded(assembly)
        app = Stopping(app_of(assembly))
        config = ServerConfig(app, log_config=None, log_level="warning", **SERVER)
        where = _url(settings, taken)

        def ready() -> None:
            _announce(assembly, where)
            assembly.batches.start(working=True)

        stop.server = StoppableServer(config, ready, parent, app)
        await stop.server.serve(sockets=[taken])
        stop.served()


class _Stop:
    """What SIGINT and SIGTERM do: end the server; before there is one, end the starting.

    A second one waits for nobody: not for the requests in flight, nor for calls to be heard out.
    """

    def __init__(self) -> None:
        self.server: Server | None = None
        self.asked = False
        self._hurried = self._closing = False
        self._main = asyncio.current_task()

    @contextmanager
    def on_signals(self) -> Generator[None]:
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGINT, signal.SIGTERM)
        for number in numbers:
            loop.add_signal_handler(number, self._ask)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    def served(self) -> None:
        """Say that the server has ended, and that the gateway is about to be closed."""
        self.server, self._closing = None, True
        if self._hurried:
            self._end()

    def _ask(self) -> None:
        again, self.asked = self.asked, True
        if self.server is not None:
            self._hurried = self.server.force_exit = again
            self.server.should_exit = True
        elif self._closing or not again:
            self._end()

    def _end(self) -> None:
        self._closing = False  # what is left is to be cleaned up in peace
        if self._main is not None:
            self._main.cancel()


async def _guarded(assembly: Assembly) -> None:
    """Return if callers need keys and there is one, or nobody can tell now.

    Raises:
        CommandError: there is no key.
    """
    assembly.batches.start(working=True)
    if await assembly.doorkeeper.door.known(KEYS_WAIT_S) and not assembly.doorkeeper.door.has_keys:
        raise CommandError(f"{assembly.settings.gateway.host}: {NO_KEYS}")


def _url(settings: Settings, taken: socket.socket) -> str:
    host = settings.gateway.host
    if host in {ANY_IPV4, "::"}:
        host = "127.0.0.1"
    return f"http://{f'[{host}]' if ':' in host else host}:{taken.getsockname()[1]}"


def _announce(assembly: Assembly, where: str) -> None:
    providers = {
        provider.name: provider.state
        for panel in assembly.context.panels.values()
        for provider in panel.providers
    }
    print(f"Assay is ready. GraphiQL and the API: {where}/graphql")
    for state, meaning in (
        (State.READY, "ready"),
        (State.SANDBOX, "answered by the sandbox"),
        (State.NOT_CONFIGURED, "without credentials, so NOT_CONFIGURED"),
    ):
        names = [name for name, one in providers.items() if one is state]
        if names:
            print(f"  {meaning}: {', '.join(sorted(names))}")
    if assembly.settings.access.open:
        print("  open to everybody without a key, as access.open says")
    elif is_local(assembly.settings.gateway.host):
        print("  while there is no key (`assay keys create`) everybody on this machine may ask")
    print("Ctrl-C stops it, a second one at once.", flush=True)
