"""The endpoint over real sockets: what GraphQL over HTTP asks for, and what bad input gets."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from urllib.parse import urlencode

import orjson
import pytest
import pytest_asyncio
from starlette.responses import HTMLResponse
from starlette.types import Receive, Scope, Send

from gateway.endpoint import JSON, QUERY_STRING_BYTES_MAX, RESPONSE_JSON, Endpoint, Refusal
from tests.gateway.http_client import Client, served
from tests.logged import logged
from tests.schema.toy import SHELF, World, toy_schema

pytestmark = pytest.mark.asyncio(loop_scope="module")
BODY_BYTES_MAX = 100_000
NEW = RESPONSE_JSON.decode()
SHELF_QUERY = "query Q($r: RecordInput) { shelf(record: $r) { ref } }"
PUT = "mutation { put(record: {}) { ref } }"


class Gate:
    """Makes contexts, or refuses to."""

    def __init__(self) -> None:
        self.world = World(lambda _: SHELF)
        self.refusal: Exception | None = None

    async def context(self, _scope: Scope) -> World:
        if self.refusal is not None:
            raise self.refusal
        return self.world


GATES: list[Gate] = []


@pytest.fixture
def gate() -> Generator[Gate]:
    """Put a new gate before the server, which serves all tests of this file."""
    GATES.append(Gate())
    yield GATES[-1]
    GATES.clear()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncGenerator[Client]:
    async def context(scope: Scope) -> World:
        return await GATES[-1].context(scope)

    async def page(scope: Scope, receive: Receive, send: Send) -> None:
        await HTMLResponse("<title>page</title>")(scope, receive, send)

    endpoint = Endpoint(toy_schema(), context, page, body_bytes_max=BODY_BYTES_MAX, body_wait_s=0.3)
    async with served(endpoint) as client:
        yield client


@pytest.fixture
def client(server: Client, gate: Gate) -> Client:
    assert gate is GATES[-1]
    return server


async def test_a_query_by_post(client: Client) -> None:
    answer = await client.post({"query": SHELF_QUERY, "variables": {"r": {"name": "Zoë"}}})
    assert (answer.status, answer.json) == (200, {"data": {"shelf": {"ref": "7"}}})
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"


async def test_a_query_by_get(client: Client, gate: Gate) -> None:
    members = {
        "query": SHELF_QUERY,
        "variables": '{"r": {"name": "a+b@x.y & ü"}}',
        "operationName": "Q",
        "extensions": "{}",
    }
    answer = await client.send("GET", f"/?{urlencode(members)}")
    assert (answer.status, answer.json) == (200, {"data": {"shelf": {"ref": "7"}}})
    assert "a+b@x.y & ü" in str(gate.world.calls)


@pytest.mark.parametrize(
    "accept, media_type",
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("application/json", JSON),
        ("application/json; charset=utf-8", JSON),
        ("APPLICATION/GraphQL-Response+JSON", RESPONSE_JSON),
        ("application/graphql-response+json, application/json;q=0.9", RESPONSE_JSON),
        ("application/json, application/graphql-response+json;q=0.5", JSON),
        ("application/graphql-response+json;q=0, */*;q=0.1", JSON),
        ("text/html, application/json;q=x, application/graphql-response+json", RESPONSE_JSON),
    ],
)
async def test_the_media_type_is_the_one_that_the_client_prefers(
    client: Client, accept: str | None, media_type: bytes
) -> None:
    given = {} if accept is None else {"accept": accept}
    answer = await client.post({"query": "{ __typename }"}, **given)
    assert answer.status == 200
    assert answer.headers["content-type"] == f"{media_type.decode()}; charset=utf-8"


async def test_a_client_that_takes_no_json_is_told_so(client: Client) -> None:
    answer = await client.post({"query": "{ __typename }"}, accept="image/png")
    assert (answer.status, answer.code) == (406, "NOT_ACCEPTABLE")


@pytest.mark.parametrize("members", [{"query": "{"}, {"query": "{ no }"}, {"query": SHELF_QUERY}])
async def test_a_refused_request_has_no_data_and_400_for_the_new_media_type(
    client: Client, members: dict[str, object]
) -> None:
    members = {**members, "variables": {"r": 5}}
    for accept, status in ((NEW, 400), ("application/json", 200)):
        answer = await client.post(members, accept=accept)
        assert (answer.status, "data" in answer.json) == (status, False)


async def test_a_failed_field_is_still_an_answer(client: Client, gate: Gate) -> None:
    gate.world.answer = lambda _: ValueError("alice@example.com")
    for _ in range(3):
        answer = await client.post({"query": PUT}, accept=NEW)
        assert (answer.status, answer.json["data"], answer.code) == (200, None, "INTERNAL")
        assert b"alice" not in answer.body


async def test_mutations_are_taken_by_post_only(client: Client, gate: Gate) -> None:
    for _ in range(3):
        answer = await client.send("GET", f"/?{urlencode({'query': PUT})}")
        assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert gate.world.calls == []
    assert (await client.post({"query": PUT})).status == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH"])
async def test_other_methods_are_not_allowed(client: Client, method: str) -> None:
    answer = await client.send(method, "/", b"{}", content_type="application/json")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, POST")


@pytest.mark.parametrize(
    "body, says",
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"query": "{ __typename }"} x', "not JSON"),
        (b'{"query": NaN}', "not JSON"),
        (b'{"query": "\xff"}', "not JSON"),
        (b'{"query": "\\ud800"}', "not JSON"),
        (b"\x1f\x8b\x08", "not JSON"),
        (b"[" * 50_000, "not JSON"),
        (b'{"variables":' + b"[" * 1_500 + b"]" * 1_500 + b"}", "not JSON"),
        (b"null", "JSON object"),
        (b"5", "JSON object"),
        (b'"x"', "JSON object"),
        (b'[{"query": "{ __typename }"}]', "one operation"),
        (b"{}", "`query`"),
        (b'{"query": ""}', "`query`"),
        (b'{"query": 1}', "`query`"),
        (b'{"query": "{a}", "operationName": 1}', "`operationName`"),
        (b'{"query": "{a}", "variables": []}', "`variables`"),
        (b'{"query": "{a}", "variables": "{}"}', "`variables`"),
        (b'{"query": "{a}", "extensions": 1}', "`extensions`"),
    ],
)
async def test_a_malformed_body_gets_400_and_says_what_is_wrong(
    client: Client, body: bytes, says: str
) -> None:
    answer = await client.send("POST", "/", body, content_type="application/json")
    assert answer.status == 400
    assert says in answer.json["errors"][0]["message"]


@pytest.mark.parametrize(
    "query_string",
    ["", "query=", "query=%ff", "query={a}&variables={", "query={a}&variables=[]", "%ff=%00"],
)
async def test_a_malformed_query_string_gets_400(client: Client, query_string: str) -> None:
    answer = await client.send("GET", f"/?{query_string}", accept="application/json")
    assert answer.status == 400


async def test_a_query_string_that_is_too_long_is_refused(client: Client) -> None:
    answer = await client.send("GET", f"/?query={'x' * QUERY_STRING_BYTES_MAX}")
    assert (answer.status, answer.code) == (414, "URI_TOO_LONG")


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1"],
)
async def test_other_content_types_get_415(client: Client, content_type: str) -> None:
    answer = await client.send(
        "POST", "/", b'{"query": "{ __typename }"}', content_type=content_type
    )
    assert (answer.status, answer.code) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize(
    "content_type", ["application/json;charset=UTF-8", 'Application/JSON; charset="utf-8"']
)
async def test_content_types_may_be_written_in_any_way(client: Client, content_type: str) -> None:
    answer = await client.post({"query": "{ __typename }"}, content_type=content_type)
    assert answer.status == 200


async def test_a_compressed_body_is_refused(client: Client) -> None:
    answer = await client.post({"query": "{ __typename }"}, content_encoding="gzip")
    assert answer.status == 415


async def test_a_body_that_says_it_is_too_large_is_refused_unread(client: Client) -> None:
    head = f"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {BODY_BYTES_MAX + 1}\r\n"
    answer = await client.raw(f"{head}content-type: application/json\r\n\r\n".encode())
    assert (answer.status, answer.code) == (413, "PAYLOAD_TOO_LARGE")
    assert answer.headers["connection"] == "close"


async def test_a_chunked_body_is_read_to_its_limit_and_no_further(client: Client) -> None:
    head = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n"
    head += b"content-type: application/json\r\nconnection: close\r\n\r\n"
    operation = orjson.dumps({"query": "{ __typename }"})
    halves = [operation[:9], operation[9:]]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(half), half) for half in halves)
    assert (await client.raw(head + chunks + b"0\r\n\r\n")).status == 200
    large = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    assert (await client.raw(head + large * 3)).status == 413


async def test_a_body_that_never_ends_is_given_up(client: Client) -> None:
    head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n"
    answer = await client.raw(head + b"content-type: application/json\r\n\r\n{")
    assert (answer.status, answer.code) == (408, "REQUEST_TIMEOUT")


async def test_a_browser_that_asks_nothing_gets_the_page(client: Client) -> None:
    browser = "text/html,application/xhtml+xml,*/*;q=0.8"
    page = await client.send("GET", "/", accept=browser)
    assert page.body == b"<title>page</title>"
    answer = await client.send("GET", "/?query={__typename}", accept=browser)
    assert answer.json == {"data": {"__typename": "Query"}}


async def test_the_context_may_refuse_before_the_body_is_read(client: Client, gate: Gate) -> None:
    gate.refusal = Refusal(401, "UNAUTHENTICATED", "Send a key.", {"www-authenticate": "Bearer"})
    head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    answer = await client.raw(head + b"content-length: 50000\r\n\r\n")
    assert (answer.status, answer.code) == (401, "UNAUTHENTICATED")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_fault_of_ours_is_masked_and_logged_without_values(
    client: Client, gate: Gate
) -> None:
    gate.refusal = KeyError("alice@example.com")
    with logged("gateway.endpoint") as logs:
        answer = await client.post({"query": "{ __typename }"})
    error = answer.json["errors"][0]
    assert (answer.status, error["extensions"]["code"]) == (500, "INTERNAL")
    assert error["extensions"]["id"] == logs[0]["id"]
    assert "alice" not in str(logs) + answer.body.decode()


async def test_subscriptions_are_pointed_elsewhere(client: Client) -> None:
    answer = await client.post({"query": "subscription { x }"}, accept=NEW)
    assert answer.status == 400
    assert "WebSocket" in answer.json["errors"][0]["message"]


async def test_a_client_that_goes_away_cancels_nothing(client: Client, gate: Gate) -> None:
    entered, leave, left = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow() -> object:
        entered.set()
        await leave.wait()
        left.set()
        return SHELF

    gate.world.answer = lambda _: slow()
    body = orjson.dumps({"query": "query Q { shelf { ref } }"})
    _, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        b"content-length: %d\r\n\r\n%s" % (len(body), body)
    )
    await asyncio.wait_for(entered.wait(), 5)
    writer.close()
    await writer.wait_closed()
    await client.post({"query": "{ __typename }"})
    leave.set()
    await asyncio.wait_for(left.wait(), 5)
