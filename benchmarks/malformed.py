"""Requests and frames that are not what they should be, by a seed; each unlike the others."""

import json
import random
from collections.abc import Callable, Sequence

GOOD: bytes = json.dumps(
    {
        "query": "mutation ($r: [RecordInput!]!) { validate(records: $r) { results { index } } }",
        "variables": {"r": [{"email": "ada@example.com"}]},
        "operationName": None,
        "extensions": {},
    }
).encode()
HEADERS: Sequence[str] = (
    "content-type: application/json",
    "content-type: application/json; charset=utf-16",
    "content-type: text/plain",
    "content-type: multipart/form-data; boundary=x",
    "content-type: ",
    "content-encoding: gzip",
    "content-encoding: zstd",
    "accept: image/png",
    "accept: text/event-stream",
    "accept: multipart/mixed;subscriptionSpec=1.0",
    "accept: application/graphql-response+json;q=x",
    "origin: null",
    "authorization: Bearer",
    "authorization: Basic eDp5",
    "authorization: Bearer assay_0000000000_" + "0" * 38,
    "last-event-id: \x7f",
    "x-forwarded-for: 1.2.3.4, ::1, garbage",
)
_EMPTY: list[object] = []
_NOTHING: dict[str, object] = {}
WRONG: Sequence[object] = (
    None,
    True,
    0,
    -1,
    1e308,
    2**63,
    2**64,
    "",
    "\x00",
    "x" * 5_000,
    _EMPTY,
    _NOTHING,
    [_EMPTY],
    {"a": {"b": _EMPTY}},
    {"query": 1},
    ["{ kinds { name } }"],
    {"r": None},
    {"r": [None]},
    {"r": [_NOTHING]},
    {"r": {"email": 1}},
    {"r": [{"email": "\ud7ff"}]},
    {"r": [{"email": ["x"]}]},
    {"r": [{"no": "x"}]},
    "1" * 400,
)
DOCUMENTS: Sequence[str] = (
    "",
    " ",
    "{",
    "}",
    "{}",
    "{ a ",
    "query",
    "query {",
    "mutation { validate }",
    "{ kinds }",
    "{ kinds { name(x: 1) } }",
    "{ ...x }",
    "fragment x on Kind { name }",
    "query ($a: No) { a }",
    "subscription { kinds { name } }",
    "{ kinds { name } } { kinds { name } }",
    "\ufeff{ kinds { name } }",
    'mutation { validate(records: [{email: "\\uD800"}]) { results { index } } }',
    "mutation { validate(records: 1) { results { index } } }",
    "# only a comment",
    "\u0000",
    "{ __schema { types { name } } }",
    "{" * 300,
    "[" * 300,
    "$" * 50,
    '"' * 99,
    "{ kinds @skip { name } }",
    "query Q { kinds { name } } query R { kinds { name } }",
    "type A { b: C }",
    "schema { query: Q }",
)


def bodies(seed: int, count: int) -> list[tuple[bytes, list[str]]]:
    """Return `count` bodies, each with the headers that it goes with."""
    chance = random.Random(seed)
    makers: Sequence[Callable[[random.Random], bytes]] = (
        _cut,
        _changed,
        _noise,
        _nested,
        _wrong_member,
        _wrong_document,
        _doubled,
    )
    made: list[tuple[bytes, list[str]]] = []
    for _ in range(count):
        body = chance.choice(makers)(chance)
        headers = [HEADERS[0]]
        if chance.random() < 0.2:
            headers = chance.sample(HEADERS, chance.randint(0, 3))
        made.append((body, headers))
    return made


def frames(seed: int, count: int) -> list[str | bytes]:
    """Return `count` messages for a WebSocket of graphql-transport-ws, texts and bytes."""
    chance = random.Random(seed)
    types: Sequence[object] = (
        "connection_init",
        "subscribe",
        "complete",
        "ping",
        "pong",
        "next",
        "error",
        "",
        None,
        1,
        _EMPTY,
    )
    made: list[str | bytes] = []
    for _ in range(count):
        sort = chance.random()
        if sort < 0.1:
            made.append(chance.randbytes(chance.randint(0, 200)))
        elif sort < 0.2:
            made.append(_cut(chance).decode("utf-8", "ignore"))
        elif sort < 0.25:
            made.append("[" * chance.choice((10, 1_000, 60_000)))
        elif sort < 0.28:
            made.append("x" * chance.choice((65_536, 70_000)))
        else:
            message: dict[str, object] = {"type": chance.choice(types)}
            if chance.random() < 0.7:
                message["id"] = chance.choice(("1", "", None, 1, "x" * 200, {}, "\x00"))
            if chance.random() < 0.7:
                asked = {
                    "query": chance.choice(DOCUMENTS),
                    "variables": chance.choice(WRONG),
                }
                message["payload"] = asked if chance.random() < 0.6 else chance.choice(WRONG)
            made.append(_json(message).decode())
    return made


def _cut(chance: random.Random) -> bytes:
    return GOOD[: chance.randrange(len(GOOD))]


def _changed(chance: random.Random) -> bytes:
    body = bytearray(GOOD)
    for _ in range(chance.randint(1, 8)):
        body[chance.randrange(len(body))] = chance.randrange(256)
    return bytes(body)


def _noise(chance: random.Random) -> bytes:
    return chance.randbytes(chance.choice((0, 1, 7, 100, 3_000)))


def _nested(chance: random.Random) -> bytes:
    depth = chance.choice((100, 1_000, 5_000, 100_000))
    opening, closing = chance.choice(((b"[", b"]"), (b'{"a":', b"}")))
    whole = opening * depth + b"1" + closing * depth
    return b'{"query": "{ kinds { name } }", "variables": {"a": ' + whole + b"}}"


def _wrong_member(chance: random.Random) -> bytes:
    members = json.loads(GOOD)
    for name in chance.sample(sorted(members), chance.randint(1, 3)):
        members[name] = chance.choice(WRONG)
    return _json(members)


def _wrong_document(chance: random.Random) -> bytes:
    variables = chance.choice(WRONG)
    return _json({"query": chance.choice(DOCUMENTS), "variables": variables})


def _doubled(chance: random.Random) -> bytes:
    return (
        b'{"query": "{ kinds { name } }", "query": '
        + _json(chance.choice(WRONG))
        + chance.choice((b"}", b"", b"}}", b"} x"))
    )


def _json(found: object) -> bytes:
    """Return JSON, whatever numbers and surrogates are in it."""
    return json.dumps(found).encode()
