"""The store that all processes share: one redis-py client, scripts, one subscription a channel.

Every command has `timeout_s` and no hidden retry (`gateway.patience` has a word for a loop that
stood still). After a failure the store counts as away, and calls fail at once: for `AWAY_S` after
one that took its time, so that a frozen server costs one timeout and not one for each request; for
`REFUSED_S` at first, and ever longer, where a server that is being started refuses at once.
"""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from hashlib import sha1
from typing import Any, cast

from hiredis import pack_command  # pyright: ignore[reportUnknownVariableType] - has no types
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
    parse_url,
)
from redis.exceptions import NoScriptError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeout

from gateway.patience import patiently

CONNECTIONS_MAX = 128
COMMANDS_MAX = 64
"""Commands under way at once; what reads outcomes goes beside them, one a desk at a time."""
AWAY_S = 1.0
REFUSED_S = 0.05
REFUSED_WITHIN_S = 0.01
LISTEN_POLL_S = 5.0
LISTENER_CONNECT_S = 1.0
LISTENER_PROBE_S = 10
"""A connection that only listens would not notice that its other end is gone."""

_log = logging.getLogger(__name__)


class StoreAway(OSError):
    """The shared store can't be reached, or refuses what we ask."""


class _Packing(AbstractConnection):
    """Packs a command in C and writes it at once: half of what redis-py's own way costs a key.

    It awaits an answer with `patiently`, rather than with an alarm that a stalled loop sets off.
    """

    async def read_response(
        self,
        disable_decoding: bool = False,  # noqa: FBT001, FBT002 - as redis-py
        timeout: float | None = None,  # noqa: ASYNC109 - as redis-py
        *,
        disconnect_on_error: bool = True,
        push_request: bool | None = False,
    ) -> Any:  # noqa: ANN401 - as redis-py
        """Return the answer to one command; TimeoutError of redis-py when it does not come."""
        own = timeout is None and self.socket_timeout is not None
        reading = cast("Callable[..., Coroutine[Any, Any, Any]]", super().read_response)(
            disable_decoding,
            math.inf if own else timeout,
            disconnect_on_error=disconnect_on_error,
            push_request=push_request,
        )
        if not own or self.socket_timeout is None:
            return await reading
        try:
            return await patiently(self.socket_timeout, reading)
        except TimeoutError:
            raise RedisTimeout(f"no answer within {self.socket_timeout * 1000:.0f} ms") from None

    def pack_command(self, *args: Any) -> list[bytes]:  # noqa: ANN401 - as redis-py
        """Return the whole command as one piece."""
        return [pack_command(args)]


class _PackedTcp(_Packing, Connection):
    pass


class _PackedTls(_Packing, SSLConnection):
    pass


class _PackedUnix(_Packing, UnixDomainSocketConnection):
    pass


_PACKED: dict[type[AbstractConnection], type[AbstractConnection]] = {
    Connection: _PackedTcp,
    SSLConnection: _PackedTls,
    UnixDomainSocketConnection: _PackedUnix,
}


class Valkey:
    """A client of one Valkey or Redis."""

    def __init__(self, url: str, timeout_s: float) -> None:
        """Use the server at `url` (`redis://`, `rediss://` or `unix://`); opens nothing yet.

        Raises:
            ValueError: `url` is none of these.
        """
        try:
            parse_url(url)
        except ValueError:  # which may repeat a part of it, such as a password
            raise ValueError("no address that begins with redis://, rediss:// or unix://") from None
        self.url = url
        self.client = self._client(url, timeout_s, probe_every_s=0)
        self._listeners = self._client(url, None, probe_every_s=LISTENER_PROBE_S)
        self._away_s = 0.0
        self._away_until = 0.0
        self._turns = asyncio.Semaphore(COMMANDS_MAX)

    @staticmethod
    def _client(url: str, timeout_s: float | None, probe_every_s: int) -> "Redis":
        pool = ConnectionPool.from_url(  # pyright: ignore[reportUnknownMemberType] - untyped in redis-py
            url,
            max_connections=CONNECTIONS_MAX,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s or LISTENER_CONNECT_S,
            retry=None,
            retry_on_timeout=False,
            health_check_interval=probe_every_s,
            client_name="assay",
        )
        pool.connection_class = _PACKED[pool.connection_class]
        return Redis(connection_pool=pool)

    def script(self, source: str) -> "Script":
        """Return `source` as a call; see `Script.__call__`."""
        return Script(self, source)

    async def ping(self) -> None:
        """Return when the server answers; StoreAway when it does not."""
        await self.run("PING")

    async def run(self, *command: object) -> object:
        """Run one command and return its answer; StoreAway when there is none."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        if began < self._away_until:
            raise StoreAway("the shared store is away")
        try:
            async with self._turns:
                answer = await cast("Any", self.client).execute_command(*command)
        except NoScriptError:
            raise
        except ResponseError as error:
            _log.error("shared store refuses", extra={"error": type(error).__name__})
            raise StoreAway(str(error)) from None
        except (RedisError, OSError) as error:
            self._found_away(loop.time(), began)
            _log.warning("shared store away", extra={"error": type(error).__name__})
            raise StoreAway(type(error).__name__) from None
        self._away_s = 0.0
        return answer

    def _found_away(self, now: float, began: float) -> None:
        """Let calls fail at once for a while; one that began at `began` has failed `now`."""
        if now < self._away_until:
            return  # another call found the same
        refused = now - began < REFUSED_WITHIN_S
        self._away_s = min(AWAY_S, 2 * self._away_s or REFUSED_S) if refused else AWAY_S
        self._away_until = now + self._away_s

    async def listen(self, channel: str) -> AsyncIterator[bytes]:
        """Yield the messages of `channel`; StoreAway when the connection ends."""
        subscription = cast("Any", self._listeners).pubsub(ignore_subscribe_messages=True)
        try:
            await subscription.subscribe(channel)
            while True:
                message = await subscription.get_message(timeout=LISTEN_POLL_S)
                if message is not None:
                    yield message["data"]
        except (RedisError, OSError) as error:
            raise StoreAway(type(error).__name__) from None
        finally:
            await subscription.aclose()

    async def close(self) -> None:
        """Close all connections."""
        await self.client.aclose(close_connection_pool=True)
        await self._listeners.aclose(close_connection_pool=True)


class Script:
    """A Lua script, sent by its digest and loaded where the server does not know it."""

    def __init__(self, valkey: Valkey, source: str) -> None:
        """Run `source` on `valkey`."""
        self._valkey = valkey
        self._source = source
        self._digest = sha1(source.encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, keys: Sequence[object], arguments: Sequence[object]) -> object:
        """Run it and return its answer; StoreAway when the server is away or refuses it."""
        try:
            return await self._valkey.run("EVALSHA", self._digest, len(keys), *keys, *arguments)
        except NoScriptError:
            return await self._valkey.run("EVAL", self._source, len(keys), *keys, *arguments)
