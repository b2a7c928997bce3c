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

from gateway.asked import Asked, Executor, encoded, masked
from schema.lane.errors import origin
from schema.lane.response import Response

_log = logging.getLogger(__name__)

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

    def __len__(self) -> int:
        """Return the number of executions that are shared at present."""
        return len(self._shared)

    def follow(self, asked: Asked, context: object) -> Follower:
        """Follow a subscription from now on; `close` what this returns."""
        key = self._key(asked, context)
        if key is None:
            return _Alone(self._told(asked, context))
        feed = self._shared.get(key)
        if feed is None or feed.ended:
            feed = _Feed(self._told(asked, context))
            self._shared[key] = feed
        return _Sharing(self, key, feed)

    def _key(self, asked: Asked, context: object) -> Key | None:
        """Return what equal subscriptions have in common; None for one that shares with nobody."""
        if not self._schema.newest_only(asked.query, asked.operation_name):
            return None
        try:
            said = orjson.dumps([asked.variables, asked.extensions], option=orjson.OPT_SORT_KEYS)
        except orjson.JSONEncodeError:  # read, but nested too deeply to be written
            return None
        return (asked.query, asked.operation_name, said, self._tenant_of(context))

    def forget(self, key: Key, feed: "_Feed") -> None:
        """Drop a feed that nobody follows any more."""
        if self._shared.get(key) is feed:
            del self._shared[key]

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

    def __init__(self, events: AsyncGenerator[Told]) -> None:
        self.newest: Told | None = None
        self.number = 0
        self.ended = False
        self.followers = 0
        self._waiting: set[asyncio.Future[None]] = set()
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
        waiting, self._waiting = self._waiting, set()
        for one in waiting:
            if not one.done():
                one.set_result(None)

    async def changed(self) -> None:
        """Return when there is a newer event, or there will be none any more."""
        told = asyncio.get_running_loop().create_future()
        self._waiting.add(told)
        try:
            await told
        finally:
            self._waiting.discard(told)

    async def end(self) -> None:
        """End the execution."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


class _Sharing:
    """A follower of a feed."""

    __slots__ = ("_feed", "_feeds", "_key", "_seen")

    def __init__(self, feeds: Feeds, key: Key, feed: _Feed) -> None:
        self._feeds, self._key, self._feed = feeds, key, feed
        self._seen = 0
        feed.followers += 1

    async def next(self) -> Told | None:
        feed = self._feed
        while self._seen == feed.number:
            if feed.ended:
                return None
            await feed.changed()
        self._seen = feed.number
        return feed.newest

    async def close(self) -> None:
        self._feed.followers -= 1
        if self._feed.followers == 0:
            self._feeds.forget(self._key, self._feed)
            await self._feed.end()


class _Alone:
    """The only follower of an execution, which goes on as it reads."""

    __slots__ = ("_events",)

    def __init__(self, events: AsyncGenerator[Told]) -> None:
        self._events = events

    async def next(self) -> Told | None:
        return await anext(self._events, None)

    async def close(self) -> None:
        await self._events.aclose()
