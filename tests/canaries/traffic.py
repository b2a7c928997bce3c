"""What partners and strangers send over HTTP and WebSocket, marked values all over it."""

import gzip
import socket
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, cast
from urllib.parse import quote

import aiohttp
import orjson
from aiohttp.abc import AbstractResolver, ResolveResult
from msgspec import Struct
from yarl import URL

from gateway.sockets import PROTOCOL
from tests.canaries.house import Deployed
from tests.canaries.marks import Sort
from tests.deploy.nginx_process import SERVER_NAME

ANSWER_S_MAX = 30.0
JSON = {"Content-Type": "application/json"}
VALIDATE = """mutation V($records: [RecordInput!]!, $options: ValidateOptions) {
  validate(records: $records, options: $options) {
    results { ref index status verdicts { input normalized status reasons { code } } }
  }
}"""
CREATE = """mutation C($input: CreateBatchInput!) {
  createBatch(input: $input) { batch { id } errors { code message } }
}"""
NEW_KEY = """mutation K($input: CreateKeyInput!) {
  createKey(input: $input) { key { id } errors { code message } }
}"""
FOLLOW = 'subscription { batchResults(id: "%s") { ref status email { input } } }'


class Here(AbstractResolver):
    """Finds nginx under the name that it serves."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return this machine."""
        return [
            ResolveResult(
                hostname=host, host="127.0.0.1", port=port, family=family, proto=0, flags=0
            )
        ]

    async def close(self) -> None:
        """Do nothing."""


class Partner(Struct):
    """Sends, and keeps every answer that refuses something: no value may be in it."""

    house: Deployed
    session: aiohttp.ClientSession

    @property
    def base(self) -> str:
        """Where nginx listens."""
        return f"https://{SERVER_NAME}:{self.house.nginx.https_port}"

    def bearer(self, key: str | None) -> dict[str, str]:
        """Return the header that shows a key of the house."""
        return {} if key is None else {"Authorization": f"Bearer {self.house.keys[key]}"}

    async def send(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        *,
        key: str | None = "valid",
        **headers: str,
    ) -> bytes:
        """Send one request; a header called `content_type` is sent as content-type."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(
            method,
            URL(self.base + target, encoded=True),
            data=body,
            headers=self.bearer(key) | given,
            allow_redirects=False,
        ) as answer:
            content = await answer.read()
            what = f"the answer {answer.status} to {method} {target.partition('?')[0]}"
            heads = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
            if answer.status >= 400:
                self.house.note(what, heads.encode() + b"\n" + content)
            elif b'"errors":[{' in content:
                self.refused(what, content)
        self.house.look()
        return content

    def refused(self, what: str, content: bytes) -> None:
        """Keep the errors of an answer, whose data is its owner's."""
        with suppress(orjson.JSONDecodeError):
            found: dict[str, Any] = orjson.loads(content)
            for error in found.get("errors", ()):
                self.house.note(f"an error in {what}", orjson.dumps(error))

    async def ask(
        self,
        query: str,
        variables: Mapping[str, object] | None = None,
        *,
        key: str | None = "valid",
        **headers: str,
    ) -> Any:  # noqa: ANN401 - JSON
        """Ask by POST; return the answer."""
        body = orjson.dumps({"query": query, "variables": variables or {}})
        answer = await self.send(
            "POST", "/graphql", body, key=key, content_type="application/json", **headers
        )
        return orjson.loads(answer)

    def word(self, what: str, sort: Sort = Sort.RECORD) -> str:
        """Return a word that nobody says."""
        return self.house.marks.word(what, sort)


def partner_of(house: Deployed) -> Partner:
    """Return somebody who comes through nginx; its session is to be closed."""
    connector = aiohttp.TCPConnector(resolver=Here(), ssl=house.nginx.tls)
    timeout = aiohttp.ClientTimeout(ANSWER_S_MAX)
    return Partner(house, aiohttp.ClientSession(connector=connector, timeout=timeout))


async def validated(one: Partner, key: str, deadline_ms: int = 8_000) -> None:
    """Validate records of every kind."""
    records = one.house.marks.records()
    options = {"deadlineMs": deadline_ms}
    found = await one.ask(VALIDATE, {"records": records, "options": options}, key=key)
    assert len(found["data"]["validate"]["results"]) == len(records), found


async def got(one: Partner) -> None:
    """Ask by GET, where values stand in the address."""
    said = one.word("query by GET")
    for query in (
        f'{{ batch(id: "{said}") {{ id }} }}',
        f'{{ kinds(name: "{said}") {{ name }} }}',
        f'mutation {{ validate(records: [{{email: "{said}"}}]) {{ usage {{ cost }} }} }}',
        f'{{ "{said}',
    ):
        await one.send("GET", f"/graphql?query={quote(query)}")
    variables = quote(orjson.dumps({"id": one.word("variable by GET")}))
    document = quote("query Q($id: ID!) { batch(id: $id) { id } }")
    await one.send("GET", f"/graphql?query={document}&variables={variables}")
    await one.send("GET", f"/graphql?query={document}&variables={variables}", key=None)
    await one.send("GET", f"/graphql?variables={one.word('JSON by GET')}&query={document}")
    await one.send("GET", f"/graphql?api_key={one.house.keys['wrong']}", key=None)
    for path in ("/healthz", "/readyz", "/metrics", "/nowhere"):
        await one.send("GET", f"{path}?email={one.word('query string')}")


async def mistaken(one: Partner) -> None:
    """Send what is no request, in many ways."""
    wrong: Sequence[object] = (
        {"email": {"a": one.word("object for a text")}},
        {"email": [one.word("list for a text")]},
        {"ref": 5, "iban": one.word("beside a mistake")},
        {one.word("name of a field", Sort.LABEL): "x"},
        {"phone": one.word("text for an object")},
        {"phone": {"number": one.word("a number"), one.word("name of a field", Sort.LABEL): 1}},
        one.word("text for a record"),
    )
    for record in wrong:
        await one.ask(VALIDATE, {"records": [record]})
    await one.ask(VALIDATE, {"records": one.word("text for a list")})
    await one.ask(VALIDATE, {"records": [], "options": {"maxAge": one.word("duration")}})
    await one.ask(VALIDATE, {one.word("name of a variable", Sort.LABEL): 1})
    said = one.word("literal")
    for document in (
        f'mutation {{ validate(records: [{{email: "{said}" nothing: 1}}]) {{ usage {{ cost }} }}}}',
        f'mutation {{ validate(records: [{{lei: {{a: "{said}"}}}}]) {{ usage {{ cost }} }} }}',
        f'mutation {{ validate(records: "{said}") {{ usage {{ cost }} }} }}',
        f'{{ kinds(name: "a" "{said}") {{ name }} }}',
        f'{{ kinds {{ name }} }} "{said}',
        f'{{ kinds {{ name }} }} "{said}"',
        f"{{ kinds {{ name }} }} # {said}\n }}",
        f'subscription {{ batchStatus(id: "{said}") {{ id }} }}',
    ):
        await one.ask(document)
    noise, name = one.word("body"), one.word("name of an operation", Sort.LABEL)
    for body in (
        f'{{"query": "{noise}',
        f'{{"variables": {{"records": "{noise}"}}, "query": 1}}',
        f'[{{"query": "{noise}"}}]',
        f'"{noise}"',
        f'{{"query": "{{ kinds {{ name }} }}", "extensions": "{noise}"}}',
        f'{{"query": "{{ kinds {{ name }} }}", "operationName": "{name}"}}',
        f'{{"query": "{{ kinds {{ name }} }}", "documentId": "sha256:{noise}"}}',
        f'{{"extensions": {{"persistedQuery": {{"version": 1, "sha256Hash": "{noise}"}}}}}}',
        f'{{"query": "\\ud800{noise}"}}',
    ):
        await one.send("POST", "/graphql", body.encode(), **_json())
    await one.send("POST", "/graphql", b"\xff" + noise.encode(), **_json())
    await one.send("POST", "/graphql", noise.encode(), content_type="text/plain")
    await one.send("POST", "/graphql", gzip.compress(noise.encode()), content_encoding="gzip")


def _json() -> dict[str, str]:
    return {"content_type": "application/json"}


async def strangers(one: Partner) -> None:
    """Come with keys that are none, to every door; and with headers full of values."""
    records = one.house.marks.records()
    for key in ("revoked", "wrong", "forged", "nothing"):
        await one.ask(VALIDATE, {"records": records}, key=key)
        await one.send("GET", "/batches/0123456789abcdef/results.csv", key=key)
        row = f"email\n{one.word('file of a stranger')}@x.example\n".encode()
        await one.send("POST", "/batches", row, key=key, content_type="text/csv")
    said = one.word("password", Sort.SECRET)
    await one.ask("{ kinds { name } }", key=None, Authorization=f"Basic {said}")
    headers = {
        name: one.word(f"header {name}")
        for name in ("Cookie", "Referer", "User_Agent", "X_Request_ID", "traceparent", "baggage")
    }
    await one.ask("{ kinds { name } }", None, **headers)
    await one.ask("{ kinds { name } }", Origin=f"https://{one.word('origin')}.example")
    new = {"name": "x", "scopes": ["VALIDATE"], "networks": [one.word("network of a key")]}
    await one.ask(NEW_KEY, {"input": new})


async def framed(one: Partner) -> None:
    """Speak over WebSockets: as one should, and not."""
    document = {"query": VALIDATE, "variables": {"records": one.house.marks.records()}}
    said, name = one.word("frame"), one.word("name in a document", Sort.LABEL)
    frames: Sequence[str | bytes] = (
        orjson.dumps({"id": said, "type": "subscribe", "payload": document}).decode(),
        orjson.dumps({"type": "ping", "payload": {"a": said}}).decode(),
        orjson.dumps({"id": "2", "type": "subscribe", "payload": {"query": name}}).decode(),
        orjson.dumps({"id": "3", "type": "subscribe", "payload": said}).decode(),
        orjson.dumps({"id": "4", "type": said}).decode(),
        orjson.dumps({"id": {"a": said}, "type": "subscribe"}).decode(),
        f'{{"type": "{said}',
        f'["{said}"]',
        said.encode(),
        b"\xff" + said.encode(),
    )
    for frame in frames:
        await spoken(one, "valid", frame)
    for key in ("revoked", "wrong", "forged", "nothing", "token"):
        await spoken(one, key, frames[0])
    for path in ("/graphql", "/batches", "/nowhere", "/"):
        target = f"{path}?email={one.word('address of a socket')}&key={one.house.keys['wrong']}"
        with suppress(aiohttp.ClientError):
            async with one.session.ws_connect(
                URL(one.base + target, encoded=True), protocols=[PROTOCOL]
            ) as socket_:
                await socket_.send_str(one.word("frame before the beginning"))
                await socket_.receive(timeout=ANSWER_S_MAX)


async def spoken(one: Partner, key: str, frame: str | bytes) -> None:
    """Open a WebSocket, say one thing, and keep how it is refused."""
    async with one.session.ws_connect(f"{one.base}/graphql", protocols=[PROTOCOL]) as socket_:
        await socket_.send_json({"type": "connection_init", "payload": one.bearer(key)})
        with suppress(ConnectionError):
            if isinstance(frame, str):
                await socket_.send_str(frame)
            elif frame.startswith(b"\xff"):
                await socket_.send_frame(frame, aiohttp.WSMsgType.TEXT)
            else:
                await socket_.send_bytes(frame)
        while True:
            message = await socket_.receive(timeout=ANSWER_S_MAX)
            if message.type is not aiohttp.WSMsgType.TEXT:
                one.house.note("the end of a socket", f"{message.data} {message.extra}".encode())
                return
            text = cast("str", message.data)
            if '"type":"error"' in text:
                told = orjson.loads(text)
                one.house.note("an error of a socket", orjson.dumps(told["payload"]))
            if '"type":"connection_ack"' not in text:
                return


def raw(one: Partner, request: bytes) -> None:
    """Send nginx bytes that are no request."""
    with (
        suppress(OSError),
        socket.create_connection(("127.0.0.1", one.house.nginx.https_port), 5) as plain,
        one.house.nginx.tls.wrap_socket(plain, server_hostname=SERVER_NAME) as secure,
        suppress(ssl.SSLError),
    ):
        secure.sendall(request)
        answer = b""
        while more := secure.recv(65_536):
            answer += more
            if answer.endswith(b"}"):
                break
        one.house.note("what nginx answers to no request", answer)
