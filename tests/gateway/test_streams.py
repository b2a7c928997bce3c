"""Subscriptions over HTTP, byte by byte: server-sent events, and Apollo's multipart responses."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.feeds import Told
from gateway.stopping import Stopping
from gateway.streams import EVENTS, PARTS, Events, Parts, format_of, resumed, stream
from tests.gateway.http_client import served
from tests.gateway.subscribed import CHANGES, DONE, LATEST, House, house
from tests.schema.toy import BOOK, FILM, SHELF
from tests.waiting import eventually_async

EVENT_STREAM = "text/event-stream"
APOLLO = 'multipart/mixed;boundary="graphql";subscriptionSpec=1.0,application/json'
WAIT_S = 10.0
EMMA = b'{"data":{"latest":{"title":"Emma"}}}'
HEAT = b'{"data":{"latest":{"title":"Heat"}}}'


@asynccontextmanager
async def asked(
    here: House, query: str, accept: str, **headers: str
) -> AsyncGenerator[aiohttp.ClientResponse]:
    url = f"http://localhost:{here.client.port}/graphql"
    given = {"accept": accept, **{name.replace("_", "-"): value for name, value in headers.items()}}
    async with here.session.post(url, json={"query": query}, headers=given) as response:
        yield response


async def read(response: aiohttp.ClientResponse, until: bytes) -> bytes:
    return await asyncio.wait_for(response.content.readuntil(until), WAIT_S)


@pytest.mark.parametrize(
    "accept, format_",
    [
        (b"text/event-stream", EVENTS),
        (b"application/json, Text/Event-Stream;q=0.5", EVENTS),
        (b"text/event-stream;q=0, application/json", None),
        (b'multipart/mixed;boundary=graphql;subscriptionSpec="1.0", application/json', PARTS),
        (b"multipart/mixed; boundary=graphql; subscriptionSpec=1.0;q=0.9", PARTS),
        (b"multipart/mixed;deferSpec=20220824, application/json", None),
        (b"multipart/mixed;subscriptionSpec=2.0", None),
        (b"application/json, multipart/mixed", None),
        (b"*/*", None),
        (b"", None),
    ],
)
def test_what_a_client_accepts_decides(accept: bytes, format_: Events | Parts | None) -> None:
    assert format_of(accept) is format_


async def test_server_sent_events_come_as_they_happen_and_end_with_complete() -> None:
    async with house() as here, asked(here, LATEST, EVENT_STREAM) as response:
        assert response.status == 200
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert response.headers["x-accel-buffering"] == "no"
        assert await read(response, b"\n\n") == b":\n\n"
        assert await eventually_async(lambda: here.source.opened == 1)
        here.source.tell(BOOK)
        assert await read(response, b"\n\n") == b"event: next\ndata: %s\n\n" % EMMA
        here.source.tell(DONE)
        assert await read(response, b"\n\n") == b"event: complete\ndata:\n\n"
        assert await response.content.read() == b""


async def test_parts_come_as_they_happen_and_each_is_whole_at_once() -> None:
    async with house() as here, asked(here, LATEST, APOLLO) as response:
        assert response.status == 200
        assert response.headers["content-type"].startswith('multipart/mixed; boundary="graphql"')
        assert await read(response, b"--graphql") == b"--graphql"
        assert await eventually_async(lambda: here.source.opened == 1)
        for event, payload in ((BOOK, EMMA), (FILM, HEAT)):
            here.source.tell(event)
            part = await read(response, b"--graphql")
            head, _, body = part.removesuffix(b"\r\n--graphql").partition(b"\r\n\r\n")
            assert head == b"\r\ncontent-type: application/json; charset=utf-8"
            assert body == b'{"payload":%s}' % payload
        here.source.tell(DONE)
        assert await response.content.read() == b"--\r\n"


@pytest.mark.parametrize("query", ["{ shelf { ref } }", "mutation { put(record: {}) { ref } }"])
async def test_queries_and_mutations_may_be_asked_for_as_events(query: str) -> None:
    name = "shelf" if "shelf" in query else "put"
    async with house() as here:
        async with asked(here, query, EVENT_STREAM) as response:
            text = await response.text()
        data = orjson.dumps({"data": {name: {"ref": "7"}}}).decode()
        assert text == f":\n\nevent: next\ndata: {data}\n\nevent: complete\ndata:\n\n"
        async with asked(here, query, APOLLO) as response:
            assert response.headers["content-type"] == "application/json; charset=utf-8"
            assert await response.json() == orjson.loads(data)


async def test_what_is_wrong_is_told_in_the_stream() -> None:
    for query in ("subscription { no }", "{ no }"):
        async with house() as here, asked(here, query, EVENT_STREAM) as response:
            lines = (await response.text()).split("\n")
            assert lines[2] == "event: next"
            errors = orjson.loads(lines[3].removeprefix("data: "))["errors"]
            assert errors[0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
            assert lines[5] == "event: complete"
    async with house() as here, asked(here, "subscription { no }", APOLLO) as response:
        parts = (await response.text()).split("\r\n\r\n")
        told = orjson.loads(parts[1].partition("\r\n")[0])
        assert told["payload"] is None
        assert told["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


@pytest.mark.parametrize(
    "accept, told",
    [
        (EVENT_STREAM, "application/json"),
        (APOLLO, "application/json"),
        (f"{APOLLO},application/graphql-response+json", "application/graphql-response+json"),
    ],
)
async def test_a_refusal_comes_in_the_type_that_its_client_reads(accept: str, told: str) -> None:
    async with house() as here, asked(here, LATEST, accept, content_type="text/csv") as response:
        assert (response.status, response.content_type) == (415, told)
        (error,) = orjson.loads(await response.read())["errors"]
        assert error["extensions"]["code"] == "UNSUPPORTED_MEDIA_TYPE"


async def test_a_browser_may_subscribe_by_get_and_mutate_by_post_only() -> None:
    async with house() as here:
        url = f"http://localhost:{here.client.port}/graphql"
        for query, status in ((CHANGES, 200), ("mutation { put(record: {}) { ref } }", 405)):
            here.world.answer = lambda _: [SHELF]
            given: dict[str, Any] = {
                "params": {"query": query},
                "headers": {"accept": EVENT_STREAM},
            }
            async with here.session.get(url, **given) as response:
                assert response.status == status


def test_the_id_of_the_last_event_goes_to_the_resolver() -> None:
    headers = {b"last-event-id": b"7:0:3"}
    assert resumed({"a": 1}, headers) == {"a": 1, "lastEventId": "7:0:3"}
    assert resumed(None, {}) is None


async def test_a_client_that_goes_ends_the_source() -> None:
    async with house() as here:
        async with asked(here, LATEST, EVENT_STREAM) as response:
            assert await eventually_async(lambda: here.source.opened == 1)
            response.close()
        assert await eventually_async(lambda: here.source.closed == 1)
        assert len(here.feeds) == 0


async def test_a_server_that_stops_ends_the_stream_without_saying_that_it_is_complete() -> None:
    stopping: list[Stopping] = []

    def before(app: ASGIApp) -> ASGIApp:
        stopping.append(Stopping(app))
        return stopping[0]

    async with house(before=before) as here, asked(here, LATEST, EVENT_STREAM) as response:
        assert await eventually_async(lambda: here.source.opened == 1)
        stopping[0].begin()
        assert await asyncio.wait_for(response.text(), WAIT_S) == ":\n\n"


class Quiet:
    """Follows what never says anything."""

    async def next(self) -> Told | None:
        await asyncio.Event().wait()
        return None

    async def close(self) -> None:
        pass


@pytest.mark.parametrize("format_", [Events(ping_s=0.02), Parts(ping_s=0.02)])
async def test_a_quiet_stream_says_that_it_is_alive(format_: Events | Parts) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await stream(format_, Quiet(), scope, receive, send, asyncio.Event())

    async with served(app) as client, aiohttp.ClientSession() as session:
        async with session.get(f"http://localhost:{client.port}/") as response:
            opening = await response.content.readexactly(len(format_.opening))
            pings = await response.content.readexactly(3 * len(format_.ping))
        assert (opening, pings) == (format_.opening, format_.ping * 3)
