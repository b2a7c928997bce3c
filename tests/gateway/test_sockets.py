"""The protocol graphql-transport-ws, message by message, over a real socket."""

import asyncio
from typing import Any

import aiohttp
import pytest
from starlette.types import Scope

from gateway.asked import Refusal
from gateway.sockets import (
    ALREADY_EXISTS,
    BAD_REQUEST,
    FORBIDDEN,
    ID_CHARS_MAX,
    INIT_TIMEOUT,
    MESSAGE_CHARS_MAX,
    MESSAGE_TOO_BIG,
    NO_SUCH_PROTOCOL,
    OPERATIONS_MAX,
    PROTOCOL,
    TOO_MANY_INITS,
    TRY_AGAIN_LATER,
    UNAUTHORIZED,
)
from tests.gateway.subscribed import CHANGES, DONE, LATEST, Socket, Source, house
from tests.logged import logged
from tests.schema.toy import BOOK, FILM, SHELF, World
from tests.waiting import eventually_async

RESTART = 1012
EMMA = {"data": {"latest": {"title": "Emma"}}}
HEAT = {"data": {"latest": {"title": "Heat"}}}


async def told(socket: Socket, id_: str, payload: object) -> None:
    assert await socket.receive() == {"id": id_, "type": "next", "payload": payload}


async def opened(source: Source, count: int = 1) -> None:
    assert await eventually_async(lambda: source.opened == count)


async def test_events_come_until_the_source_ends_and_the_id_is_free_again() -> None:
    async with house() as here, here.socket() as socket:
        for round_ in (1, 2):
            await socket.subscribe("a", LATEST)
            await opened(here.source, round_)
            here.source.tell(BOOK)
            await told(socket, "a", EMMA)
            here.source.tell(FILM)
            await told(socket, "a", HEAT)
            here.source.tell(DONE)
            assert await socket.receive() == {"id": "a", "type": "complete"}
        assert len(here.feeds) == 0


async def test_queries_and_mutations_are_answered_as_by_post() -> None:
    async with house() as here, here.socket() as socket:
        for sort in ("query { shelf { ref } }", "mutation { put(record: {}) { ref } }"):
            await socket.subscribe("q", sort)
            name = "shelf" if "shelf" in sort else "put"
            await told(socket, "q", {"data": {name: {"ref": "7"}}})
            assert await socket.receive() == {"id": "q", "type": "complete"}


async def test_every_event_in_order_where_each_counts() -> None:
    async with house() as here, here.socket() as socket:
        here.world.answer = lambda _: [SHELF] * 50
        await socket.subscribe("c", CHANGES)
        for _ in range(50):
            await told(socket, "c", {"data": {"changes": {"ref": "7"}}})
        assert await socket.receive() == {"id": "c", "type": "complete"}


@pytest.mark.parametrize("query", ["{", "{ no }", "subscription { no }", "subscription { latest }"])
async def test_what_is_wrong_with_an_operation_ends_that_operation_alone(query: str) -> None:
    async with house() as here, here.socket() as socket:
        await socket.subscribe("a", LATEST)
        await opened(here.source)
        await socket.subscribe("b", query)
        message = await socket.receive()
        assert (message["id"], message["type"]) == ("b", "error")
        assert message["payload"][0]["extensions"]["code"].startswith("GRAPHQL_")
        here.source.tell(BOOK)
        await told(socket, "a", EMMA)


async def test_what_a_source_raises_is_masked_and_ends_the_subscription() -> None:
    async with house() as here, here.socket() as socket:
        await socket.subscribe("a", LATEST)
        await opened(here.source)
        here.source.tell(ValueError("alice@example.com"))
        message = await socket.receive()
        assert message["payload"]["data"] is None
        assert message["payload"]["errors"][0]["extensions"]["code"] == "INTERNAL"
        assert "alice" not in str(message)
        assert await socket.receive() == {"id": "a", "type": "complete"}


async def test_a_ping_is_answered_with_its_payload_at_any_time() -> None:
    async with house() as here, here.socket(init=False) as socket:
        await socket.send(type="ping")
        assert await socket.receive() == {"type": "pong"}
        await socket.send(type="ping", payload={"n": 1})
        assert await socket.receive() == {"type": "pong", "payload": {"n": 1}}
        await socket.send(type="pong")


async def test_who_says_nothing_is_not_waited_for() -> None:
    async with house(init_wait_s=0.1) as here, here.socket(init=False) as socket:
        await socket.send(type="ping")
        assert await socket.closed() == INIT_TIMEOUT


async def test_no_operation_before_the_beginning_and_no_second_beginning() -> None:
    async with house() as here:
        async with here.socket(init=False) as socket:
            await socket.subscribe("a", LATEST)
            assert await socket.closed() == UNAUTHORIZED
        async with here.socket() as socket:
            await socket.send(type="connection_init")
            assert await socket.closed() == TOO_MANY_INITS
        assert here.source.opened == 0


async def test_an_id_in_use_closes_the_connection() -> None:
    async with house() as here, here.socket() as socket:
        await socket.subscribe("a", LATEST)
        await socket.subscribe("a", LATEST)
        assert await socket.closed() == ALREADY_EXISTS


async def test_another_protocol_is_not_spoken() -> None:
    async with house() as here:
        for protocols in ((), ("graphql-ws",), ("graphql-transport-ws2",)):
            async with here.socket(init=False, protocols=protocols) as socket:
                assert await socket.closed() == NO_SUCH_PROTOCOL


NO_MESSAGES = [
    "",
    "x",
    "null",
    "1",
    '"x"',
    "[]",
    "{}",
    '{"type": null}',
    '{"type": {}}',
    '{"type": "start"}',
    '{"type": "ping", "payload": 1}',
    '{"type": "pong", "payload": []}',
    '{"type": "complete"}',
    '{"type": "complete", "id": []}',
    '{"type": "subscribe", "payload": {"query": "{a}"}}',
    '{"type": "subscribe", "id": "", "payload": {"query": "{a}"}}',
    '{"type": "subscribe", "id": {}, "payload": {"query": "{a}"}}',
    f'{{"type": "subscribe", "id": "{"x" * (ID_CHARS_MAX + 1)}", "payload": {{}}}}',
    '{"type": "subscribe", "id": "a"}',
    '{"type": "subscribe", "id": "a", "payload": null}',
    '{"type": "subscribe", "id": "a", "payload": {"query": 1}}',
    '{"type": "subscribe", "id": "a", "payload": {"query": "{a}", "variables": []}}',
    '{"type": "subscribe", "id": "a", "payload": {"query": "\\ud800"}}',
    f'{{"type": "ping", "payload": {{"a": {"[" * 900}{"]" * 900}}}}}',
    '{"type": "ping", "payload": ' + '{"a":' * 5_000,
    f'{{"type": "ping", "payload": {{"a": {"9" * 5_000}}}}}',
]


async def test_what_is_no_message_closes_the_connection() -> None:
    async with house() as here:
        for text in NO_MESSAGES:
            with logged("gateway.sockets") as logs:
                async with here.socket() as socket:
                    await socket.opened.send_str(text)
                    assert await socket.closed() == BAD_REQUEST, text[:80]
            assert logs == []


async def test_binary_messages_and_long_ones_are_refused() -> None:
    async with house() as here:
        async with here.socket() as socket:
            await socket.opened.send_bytes(b"{}")
            assert await socket.closed() == BAD_REQUEST
        async with here.socket() as socket:
            await socket.opened.send_str(" " * (MESSAGE_CHARS_MAX + 1))
            assert await socket.closed() == MESSAGE_TOO_BIG


async def test_pages_of_our_own_may_connect_and_foreign_ones_may_not() -> None:
    async with house() as here:
        ours = (
            f"http://localhost:{here.client.port}",
            "http://localhost:3000",
            "https://known.example",
            "https://KNOWN.example:8443",
        )
        for origin in ours:
            async with here.socket(headers={"Origin": origin}):
                pass
        foreign = ("null", "", "http://evil.example", "http://192.0.2.1", "http://localhost@x.y")
        for origin in (*foreign, "localhost", "http://localhost.evil.example"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                async with here.socket(headers={"Origin": origin}):
                    pass
            assert refused.value.status == 403


async def test_whom_the_context_refuses_is_sent_away_for_good_or_for_now() -> None:
    async def context_for(_scope: Scope, init: dict[str, Any]) -> World | None:
        if init["key"] != "k":
            raise Refusal(init["key"], "UNAUTHENTICATED", "Send a key.")
        return None

    async with house(context_for) as here:
        for status in (401, 403, 429, 503):
            async with here.socket(init=False) as socket:
                await socket.send(type="connection_init", payload={"key": status})
                code = FORBIDDEN if status in {401, 403} else TRY_AGAIN_LATER
                assert await socket.closed() == code, status
        async with here.socket(init=False) as socket:
            await socket.send(type="connection_init", payload={"key": "k"})
            assert await socket.receive() == {"type": "connection_ack"}


async def test_a_fault_of_ours_is_masked_and_the_connection_lives_on() -> None:
    calls: list[int] = []

    async def context_for(_scope: Scope, _init: dict[str, Any]) -> World | None:
        calls.append(1)
        if len(calls) == 2:
            raise KeyError("alice@example.com")
        return None

    async with house(context_for) as here, here.socket() as socket:
        with logged("gateway.sockets") as logs:
            await socket.subscribe("a", LATEST)
            message = await socket.receive()
        error = message["payload"][0]
        assert (message["type"], error["extensions"]["code"]) == ("error", "INTERNAL")
        assert error["extensions"]["id"] == logs[0]["id"]
        assert "alice" not in str(logs) + str(message)
        await socket.subscribe("a", "{ shelf { ref } }")
        assert (await socket.receive())["type"] == "next"


async def test_operations_of_a_connection_are_bounded() -> None:
    async with house() as here, here.socket() as socket:
        for number in range(OPERATIONS_MAX):
            await socket.subscribe(str(number), LATEST)
        await socket.subscribe("more", LATEST)
        message = await socket.receive()
        assert (message["id"], message["type"]) == ("more", "error")
        assert message["payload"][0]["extensions"]["code"] == "TOO_MANY_OPERATIONS"
        await socket.send(id="0", type="complete")
        await socket.send(type="ping")
        assert await socket.receive() == {"type": "pong"}
        await socket.subscribe("more", "{ shelf { ref } }")
        await told(socket, "more", {"data": {"shelf": {"ref": "7"}}})


async def test_complete_ends_the_source_and_nothing_more_is_said_of_it() -> None:
    async with house() as here, here.socket() as socket:
        await socket.subscribe("a", LATEST)
        await opened(here.source)
        await socket.send(id="a", type="complete")
        assert await eventually_async(lambda: here.source.closed == 1)
        await socket.send(id="a", type="complete")  # late, or of nothing: no harm
        await socket.send(type="ping")
        assert await socket.receive() == {"type": "pong"}


async def test_a_client_that_goes_leaves_nothing_behind() -> None:
    async with house() as here:
        before = asyncio.all_tasks()
        async with here.socket() as socket:
            for id_ in "ab":
                await socket.subscribe(id_, LATEST)
            await socket.subscribe("c", LATEST, c=["RED"])
            await opened(here.source, 2)
            socket.opened._writer.transport.abort()  # type: ignore[union-attr] # noqa: SLF001
        assert await eventually_async(lambda: here.source.closed == 2)
        assert len(here.feeds) == 0
        async with asyncio.timeout(5):
            while not asyncio.all_tasks() <= before:  # noqa: ASYNC110 - tasks tell nobody
                await asyncio.sleep(0.01)


async def test_what_is_asked_goes_on_when_its_client_is_gone() -> None:
    entered, leave, left = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow() -> object:
        entered.set()
        await leave.wait()
        left.set()
        return SHELF

    async with house() as here:
        here.world.answer = lambda _: slow()
        async with here.socket() as socket:
            await socket.subscribe("m", "{ shelf { ref } }")
            await asyncio.wait_for(entered.wait(), 5)
        await asyncio.sleep(0)
        leave.set()
        await asyncio.wait_for(left.wait(), 5)


async def test_a_server_that_stops_says_so_and_ends_the_source() -> None:
    async with aiohttp.ClientSession() as session:
        async with house() as here:
            url = f"ws://localhost:{here.client.port}/graphql"
            socket = Socket(await session.ws_connect(url, protocols=[PROTOCOL]))
            await socket.send(type="connection_init")
            await socket.subscribe("a", LATEST)
            await opened(here.source)
        assert await socket.closed() == RESTART
        await socket.opened.close()
    assert here.source.closed == 1
