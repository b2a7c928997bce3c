"""Subscriptions as they are followed: equal ones are executed once, and their bytes go to all.

A subscription whose events each say all there is (`schema.lane.subscribing.NEWEST`) is a feed: one
execution for all that ask the same of the same tenant. It keeps its newest event only, so whoever
reads slowly misses some and never makes a queue grow. Any other subscription is executed for each
follower, who gets every event in order: the next one is made when the last one is taken.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from typing import Any, Protocol

import orjson
from msgspec import Struct

from gateway.asked import Asked, Executor, Refusal, encoded, masked
from schema.lane.errors import origin
from schema.lane.response import Response

_log = logging.getLogger(__name__)

FOLLOWERS_MAX = 4_000
"""Subscriptions of one process, over all transports."""
IN_A_ROW_MAX = 16
"""Events that one follower gets before the loop looks after others."""

Key = tuple[str, str | None, bytes, str]


class Told(Struct):
    """What followers are told of an event: `text` is JSON, `cursor` where to go on after it.

    `stopped` says that nothing ran: the text has the reasons, and nothing comes after it.
    """

    text: str
    cursor: str | None
    stopped: bool


class Follower(Protocol):
    """One subscription of one client."""

    async def next(self) -> Told | None:
        """Return what comes next, once it is there; None when that was all."""
        ...

    async def close(self) -> None:
        """Follow no longer; what nobody follows any more is ended before this returns."""
        ...


class Feeds:
    """The subscriptions of this process. `tenant_of` tells whom a context belongs to."""

    def __init__(self, schema: Executor, tenant_of: Callable[[Any], str]) -> None:
        self._schema = schema
        self._tenant_of = tenant_of
        self._shared: dict[Key, _Feed] = {}
        self.followers = 0

    def __len__(self) -> int:
        """Return the number of executions that are shared at present."""
        return len(self._shared)

    def follow(self, asked: Asked, context: object) -> Follower:
        """Follow a subscription from now on; `close` what this returns.

        Raises:
            Refusal: 503, there are `FOLLOWERS_MAX` followers.
        """
        if self.followers >= FOLLOWERS_MAX:
            said = f"This process has {FOLLOWERS_MAX} subscriptions. Try again."
            raise Refusal(503, "BUSY", said, {"retry-after": "5"})
        self.followers += 1
        key = self._key(asked, context)
        if key is None:
            return _Alone(self, self._told(asked, context))
        feed = self._shared.get(key)
        if feed is None or feed.ended:
            feed = _Feed(key, self._told(asked, context))
            self._shared[key] = feed
        return _Sharing(self, feed)

    def _key(self, asked: Asked, context: object) -> Key | None:
        """Return what equal subscriptions have in common; None for one that shares with nobody."""
        if not self._schema.newest_only(asked.query, asked.operation_name):
            return None
        try:
            said = orjson.dumps([asked.variables, asked.extensions], option=orjson.OPT_SORT_KEYS)
        except orjson.JSONEncodeError:  # read, but nested too deeply to be written
            return None
        return (asked.query, asked.operation_name, said, self._tenant_of(context))

    def forget(self, feed: "_Feed") -> None:
        """Drop a feed that nobody follows any more."""
        if self._shared.get(feed.key) is feed:
            del self._shared[feed.key]

    async def _told(self, asked: Asked, context: object) -> AsyncGenerator[Told]:
        answers = self._schema.answers(
            asked.query,
            asked.variables,
            asked.operation_name,
            context,
            extensions=asked.extensions,
        )
        try:
            async for answer in answers:
                yield _told(answer)
        except Exception as error:  # noqa: BLE001 - nothing of ours may reach a client unmasked
            told = masked()
            _log.error(
                "subscription failed", extra={"id": told["extensions"]["id"]} | origin(error)
            )
            yield _told(Response(None, [told], "failed"))
        finally:
            await answers.aclose()


def _told(answer: Response) -> Told:
    return Told(encoded(answer).decode(), answer.cursor, answer.stopped is not None)


class _Feed:
    """One execution that many follow; `newest` is event number `number`, from 1."""

    def __init__(self, key: Key, events: AsyncGenerator[Told]) -> None:
        self.key = key
        self.newest: Told | None = None
        self.number = 0
        self.ended = False
        self.followers = 0
        self.waiting: set[asyncio.Future[None]] = set()
        self._task = asyncio.create_task(self._run(events), name="feed")

    async def _run(self, events: AsyncGenerator[Told]) -> None:
        try:
            async for told in events:
                self.newest = told
                self.number += 1
                self._wake()
        finally:
            self.ended = True
            self._wake()
            await events.aclose()

    def _wake(self) -> None:
        waiting, self.waiting = self.waiting, set()
        for one in waiting:
            if not one.done():
                one.set_result(None)

    async def end(self) -> None:
        """End the execution."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


class _Sharing:
    """A follower of a feed. There are many, so each holds little while it waits."""

    __slots__ = ("_feed", "_feeds", "_seen")

    def __init__(self, feeds: Feeds, feed: _Feed) -> None:
        self._feeds, self._feed = feeds, feed
        self._seen = 0
        feed.followers += 1

    async def next(self) -> Told | None:
        feed = self._feed
        while self._seen == feed.number:
            if feed.ended:
                return None
            newer = asyncio.get_running_loop().create_future()
            feed.waiting.add(newer)
            try:
                await newer
            finally:
                feed.waiting.discard(newer)
        self._seen = feed.number
        return feed.newest

    async def close(self) -> None:
        self._feeds.followers -= 1
        self._feed.followers -= 1
        if self._feed.followers == 0:
            self._feeds.forget(self._feed)
            await self._feed.end()


class _Alone:
    """The only follower of an execution, which goes on as it reads.

    Events that are there already, for a client that reads them as fast, would keep the loop from
    everybody else: so it lets others go first now and then.
    """

    __slots__ = ("_events", "_feeds", "_in_a_row")

    def __init__(self, feeds: Feeds, events: AsyncGenerator[Told]) -> None:
        self._feeds, self._events = feeds, events
        self._in_a_row = 0

    async def next(self) -> Told | None:
        self._in_a_row += 1
        if self._in_a_row > IN_A_ROW_MAX:
            self._in_a_row = 0
            await asyncio.sleep(0)
        return await anext(self._events, None)

    async def close(self) -> None:
        self._feeds.followers -= 1
        await self._events.aclose()
