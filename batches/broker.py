"""The broker: carries hints that a chunk is to be worked on from who decides to who has room.

taskiq's, on Redis Streams in the Valkey that all processes share. A hint is no more than that: the
store says what is true, and a hint that is lost, late or doubled costs a look at the store.

What ours does otherwise than taskiq-redis: it looks at every poll for what a dead consumer left
behind, and not only after a new message; what is acknowledged is deleted; it takes no more than
there are free slots; and a server that is away is waited for.
"""

import asyncio
import importlib
import logging
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from typing import Any, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError
from taskiq import AckableMessage, AsyncBroker
from taskiq.message import BrokerMessage
from taskiq_redis import RedisStreamBroker

from batches.errors import BrokerError

STREAM = "batches:hints"
GROUP = "workers"
HINTS_MAX = 10_000
"""Hints that the stream holds; the oldest go, and the store gives them out again."""
POLL_S = 1.0
"""For which one read waits; so often it looks for what others left behind."""
PATIENCE_S = 2.0
"""With one command, beyond what a read waits."""
CONNECTIONS_MAX = 8
AWAY_FIRST_S, AWAY_MAX_S = 0.2, 2.0
"""Between two tries at a server that is away: the first, and what it doubles to."""
FORGOTTEN_AFTER_S = 600.0
"""A consumer that has not read for so long, and owes nothing, is no more."""

_Entry = tuple[bytes, dict[bytes, bytes] | None]

_log = logging.getLogger(__name__)


class HintBroker(RedisStreamBroker):
    """taskiq's broker on a Redis stream, for hints of which none may wait for ever."""

    def __init__(self, url: str, slots: int, lease_s: float) -> None:
        """Use the server at `url`; deliver at most `slots` hints that are not acknowledged yet.

        What another consumer was given and has not acknowledged for `lease_s` goes to us.
        """
        super().__init__(
            url,
            queue_name=STREAM,
            max_connection_pool_size=CONNECTIONS_MAX,
            consumer_group_name=GROUP,
            consumer_name=secrets.token_hex(8),
            consumer_id="0",
            xread_block=round(POLL_S * 1000),
            maxlen=HINTS_MAX,
            idle_timeout=round(lease_s * 1000),
            xread_count=slots,
            socket_timeout=POLL_S + PATIENCE_S,
            socket_connect_timeout=PATIENCE_S,
            retry=None,
            client_name="assay",
        )
        self.slots = slots
        self.closed = False
        self._client = Redis(connection_pool=self.connection_pool)
        self._held: set[bytes] = set()
        self._away = False
        self._look_at = 0.0

    async def startup(self) -> None:
        """Make stream and group where they are missing; a server that is away gets them later."""
        await super(RedisStreamBroker, self).startup()
        try:
            await self._prepare()
        except (RedisError, OSError) as error:
            self._note(error)

    async def shutdown(self) -> None:
        """Leave the group, if nothing is owed, and close the connections."""
        self.closed = True
        try:
            if not self._held:
                await self._run("XGROUP", "DELCONSUMER", STREAM, GROUP, self.consumer_name)
        except (RedisError, OSError):
            pass  # whoever comes after us forgets it
        await super().shutdown()

    async def kick(self, message: BrokerMessage) -> None:
        """Put a hint into the stream; RedisError or OSError when the server is away."""
        data = {b"data": message.message}
        await self._client.xadd(STREAM, cast("Any", data), maxlen=HINTS_MAX, approximate=True)

    async def listen(self) -> AsyncGenerator[AckableMessage, None]:
        """Yield hints, as long as there are free slots for them, until `closed`."""
        rest_s = AWAY_FIRST_S
        while not (self.closed or _is_cancelled()):  # redis-py may lose a cancellation
            try:
                entries = await self._next()
            except (RedisError, OSError) as error:
                self._note(error)
                await asyncio.sleep(rest_s)
                rest_s = min(2 * rest_s, AWAY_MAX_S)
                await self._prepare_again(error)
                continue
            rest_s = AWAY_FIRST_S
            self._note(None)
            for name, _ in entries:
                self._held.add(name)
            for name, fields in entries:
                yield AckableMessage(data=(fields or {}).get(b"data", b""), ack=self._ack_of(name))

    async def waiting(self) -> int:
        """Return how many hints are in the stream: not delivered, or not acknowledged yet."""
        return cast("int", await self._run("XLEN", STREAM))

    async def _next(self) -> Sequence[_Entry]:
        """Return what a dead consumer left behind, or else what is new; nothing after `POLL_S`."""
        free = max(1, self.slots - len(self._held))
        now = asyncio.get_running_loop().time()
        if now >= self._look_at:
            self._look_at = now + POLL_S
            idle_ms = str(self.idle_timeout)
            claim = ("XAUTOCLAIM", STREAM, GROUP, self.consumer_name, idle_ms, "0", "COUNT", free)
            _, left, *_ = cast("tuple[Any, list[_Entry]]", await self._run(*claim))
            ours = [(name, fields) for name, fields in left if name not in self._held]
            if ours:
                return ours
        read = ("XREADGROUP", "GROUP", GROUP, self.consumer_name, "COUNT", free)
        found = await self._run(*read, "BLOCK", self.block, "STREAMS", STREAM, ">")
        return _entries(found)

    async def _run(self, *command: str | int) -> object:
        return await cast("Any", self._client).execute_command(*command)

    def _ack_of(self, name: bytes) -> Callable[[], Awaitable[None]]:
        async def ack() -> None:
            self._held.discard(name)
            try:
                async with self._client.pipeline(transaction=True) as both:
                    both.xack(STREAM, GROUP, name)
                    both.xdel(STREAM, name)
                    await both.execute()
            except (RedisError, OSError) as error:
                self._note(error)  # it comes again, and finds its chunk done

        return ack

    async def _prepare(self) -> None:
        """Make stream and group, and forget consumers that are no more."""
        try:
            await self._run("XGROUP", "CREATE", STREAM, GROUP, "0", "MKSTREAM")
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
        for one in await self._client.xinfo_consumers(STREAM, GROUP):
            if not one["pending"] and one["idle"] > FORGOTTEN_AFTER_S * 1000:
                await self._run("XGROUP", "DELCONSUMER", STREAM, GROUP, one["name"])

    async def _prepare_again(self, error: Exception) -> None:
        """Make stream and group anew after the server has lost them."""
        if isinstance(error, ResponseError) and "NOGROUP" in str(error):
            try:
                await self._prepare()
            except (RedisError, OSError) as again:
                self._note(again)

    def _note(self, error: Exception | None) -> None:
        """Say once that the server is away, and once that it is back."""
        if error is not None and not self._away:
            _log.warning("broker away", extra={"error": type(error).__name__})
        elif error is None and self._away:
            _log.warning("broker back")
        self._away = error is not None


def _is_cancelled() -> bool:
    """Return whether the task that runs was told to end, whoever took that for something else."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _entries(found: object) -> list[_Entry]:
    """Return the entries of the one stream that was read, in whichever form redis-py has them."""
    if not found:
        return []
    if isinstance(found, Mapping):
        (chunks,) = cast("Mapping[bytes, list[Any]]", found).values()
        return cast("list[_Entry]", chunks[0] if chunks and isinstance(chunks[0], list) else chunks)
    ((_, entries),) = cast("list[tuple[bytes, list[_Entry]]]", found)
    return entries


def broker_named(name: str, options: Mapping[str, object]) -> AsyncBroker:
    """Return the taskiq broker that `name` (`module:attribute`) makes of `options`.

    The attribute is a class, or any callable, that takes the options by keyword.

    Raises:
        BrokerError: there is no such module or attribute, it refuses the options, or what it
            makes is no taskiq broker.
    """
    where, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(where), attribute)
    except ImportError as error:
        raise BrokerError(
            f"batches.broker: can't import {where!r} ({error}); install its package beside Assay"
        ) from None
    except AttributeError:
        raise BrokerError(f"batches.broker: module {where!r} has no {attribute!r}") from None
    try:
        broker = found(**options)
    except (TypeError, ValueError) as error:
        raise BrokerError(f"batches.broker_options: {name} refuses them: {error}") from None
    if not isinstance(broker, AsyncBroker):
        raise BrokerError(
            f"batches.broker: {name} makes a {type(broker).__name__}, and no taskiq broker"
        )
    return broker
