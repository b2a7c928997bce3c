"""Equal subscriptions are executed once, and nobody's slowness costs anybody else anything."""

import asyncio
from dataclasses import fields
from typing import Any

import aiohttp
import orjson
import pytest
from starlette.types import Scope

from gateway import feeds, sockets
from gateway.asked import Asked
from gateway.sockets import PROTOCOL
from tests.gateway.subscribed import CHANGES, LATEST, House, Socket, house
from tests.schema.toy import BOOK, FILM, SHELF, Book, Shelf, World
from tests.waiting import eventually_async

RED = {"c": ["RED"]}


async def subscribed(here: House, number: int, query: str, **variables: object) -> list[Socket]:
    """Return so many sockets with a subscription each."""
    made: list[Socket] = []
    for _ in range(number):
        url = f"ws://localhost:{here.client.port}/graphql"
        opened = await here.session.ws_connect(url, protocols=[PROTOCOL])
        here.sockets.push_async_callback(opened.close)
        socket = Socket(opened)
        await socket.send(type="connection_init")
        assert await socket.receive() == {"type": "connection_ack"}
        await socket.subscribe("s", query, **variables)
        made.append(socket)
    return made


def asked(query: str = LATEST, **variables: object) -> Asked:
    return Asked(query, variables, None, None)


async def test_equal_subscriptions_are_executed_once_and_all_get_the_same() -> None:
    async with house() as here:
        made = await subscribed(here, 20, LATEST)
        assert await eventually_async(lambda: here.source.opened == 1)
        here.source.tell(BOOK)
        told = [await socket.receive() for socket in made]
        assert told == [told[0]] * 20
        assert len(here.world.calls) == here.source.opened == 1


async def test_whoever_joins_gets_what_is_newest_at_once() -> None:
    async with house() as here:
        (first,) = await subscribed(here, 1, LATEST)
        assert await eventually_async(lambda: here.source.opened == 1)
        here.source.tell(BOOK)
        newest = await first.receive()
        (second,) = await subscribed(here, 1, LATEST)
        assert await second.receive() == newest


async def test_other_variables_documents_extensions_and_tenants_share_nothing() -> None:
    tenants = iter(["one", "one", "other"])

    async with house(tenant_of=lambda _: next(tenants, "one")) as here:
        given: list[tuple[Asked, object]] = [
            (asked(), None),
            (asked(), None),
            (asked(), None),
            (asked(c=["RED"]), None),
            (asked(LATEST.replace("title", "state")), None),
            (Asked(LATEST, {}, None, {"lastEventId": "1"}), None),
            (Asked(LATEST, {}, "L", None), None),
        ]
        followers = [here.feeds.follow(one, here.world) for one, _ in given]
        assert await eventually_async(lambda: here.source.opened == 6)
        assert len(here.feeds) == 6
        for follower in followers:
            await follower.close()
        assert (len(here.feeds), here.source.closed) == (0, 6)


async def test_the_order_of_variables_does_not_matter() -> None:
    async with house() as here:
        one = here.feeds.follow(asked(c=["RED"], other=1), here.world)
        two = here.feeds.follow(asked(other=1, c=["RED"]), here.world)
        assert len(here.feeds) == 1
        await one.close()
        await two.close()


async def test_a_slow_reader_gets_the_newest_and_holds_nobody_up() -> None:
    async with house() as here:
        slow, quick = await subscribed(here, 2, LATEST)
        assert await eventually_async(lambda: here.source.opened == 1)
        reader: Any = slow.opened
        reader._conn.protocol.pause_reading()  # noqa: SLF001 - a client that reads nothing
        for number in range(400):
            here.source.tell(Book("x" * 50_000 + f" {number}", *FILM_LIKE))
            message = await quick.receive()
            assert message["payload"]["data"]["latest"]["title"].endswith(f" {number}")
        reader._conn.protocol.resume_reading()  # noqa: SLF001
        received = 0
        while True:
            message = await slow.receive()
            received += 1
            if message["payload"]["data"]["latest"]["title"].endswith(" 399"):
                break
        assert received < 400


LONG = Shelf("x" * 50_000, *(getattr(SHELF, one.name) for one in fields(Shelf)[1:]))
FILM_LIKE = (FILM.state, (), None)


async def test_where_each_event_counts_the_source_waits_for_its_reader() -> None:
    made: list[int] = []

    class Endless(list[Any]):
        def __iter__(self) -> Any:  # noqa: ANN401
            while True:
                made.append(1)
                yield LONG

    async def context_for(_scope: Scope, _init: dict[str, Any]) -> World:
        return World(lambda _: Endless())

    async with house(context_for) as here:
        (socket,) = await subscribed(here, 1, CHANGES)
        reader: Any = socket.opened
        await socket.receive()
        reader._conn.protocol.pause_reading()  # noqa: SLF001 - a client that reads nothing
        before, settled = -1, 0
        while settled < 5:  # until it makes no more, though it could
            await asyncio.sleep(0.05)
            settled = settled + 1 if len(made) == before else 0
            before = len(made)
        reader._conn.protocol.resume_reading()  # noqa: SLF001
        for _ in range(before + 100):
            await socket.receive()
        assert len(made) >= before + 100


async def test_a_feed_that_has_ended_is_begun_anew() -> None:
    async with house() as here:
        here.world.answer = lambda _: [BOOK]
        for _ in range(2):
            follower = here.feeds.follow(asked(), here.world)
            told = await follower.next()
            assert told is not None
            assert orjson.loads(told.text) == {"data": {"latest": {"title": "Emma"}}}
            assert await follower.next() is None
            other = here.feeds.follow(asked(), here.world)  # the first is not closed yet
            assert await other.next() is not None
            await follower.close()
            await other.close()
        assert len(here.feeds) == 0
        assert len(here.world.calls) == 4


async def test_many_executions_of_their_own_for_what_is_not_shared() -> None:
    async with house() as here:
        here.world.answer = lambda _: [SHELF]
        followers = [here.feeds.follow(asked(CHANGES), here.world) for _ in range(3)]
        for follower in followers:
            assert await follower.next() is not None
            await follower.close()
        assert len(here.world.calls) == 3


async def test_who_subscribes_and_completes_at_once_leaves_nothing_behind() -> None:
    async with house() as here, here.socket() as socket:
        for round_ in range(30):
            await socket.subscribe(str(round_), LATEST)
            await socket.send(id=str(round_), type="complete")
            if round_ % 3 == 0:
                await socket.send(type="ping")
                assert await socket.receive() == {"type": "pong"}
        await socket.send(type="ping")
        assert await socket.receive() == {"type": "pong"}
        assert await eventually_async(lambda: (here.feeds.followers, len(here.feeds)) == (0, 0))


async def test_subscriptions_and_connections_of_a_process_are_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with house() as here:
        monkeypatch.setattr(feeds, "FOLLOWERS_MAX", 1)
        (first,) = await subscribed(here, 1, LATEST)
        assert await eventually_async(lambda: here.source.opened == 1)
        (second,) = await subscribed(here, 1, LATEST)
        refused = await second.receive()
        assert refused["type"] == "error"
        assert refused["payload"][0]["extensions"]["code"] == "BUSY"
        url = f"http://localhost:{here.client.port}/graphql"
        headers = {"accept": "text/event-stream"}
        async with here.session.post(url, json={"query": LATEST}, headers=headers) as response:
            assert (response.status, response.headers["retry-after"]) == (503, "5")
        monkeypatch.setattr(sockets, "CONNECTIONS_MAX", 2)
        with pytest.raises(aiohttp.WSServerHandshakeError) as busy:
            await subscribed(here, 1, LATEST)
        assert busy.value.status == 503
        await first.opened.close()
        assert await eventually_async(lambda: here.feeds.followers == 0)
        await subscribed(here, 1, LATEST)
