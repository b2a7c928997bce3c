"""Bad input gets an answer that a person can act on, and costs nothing else in the request."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from gateway.app import app_of
from tests.assay_process import Record, Sections, document, living
from tests.gateway.http_client import Answer, Client, served
from tests.sandbox_process import RunningSandbox

STATUS = "results { status verdicts { status normalized reasons { code } } } usage { callsMade }"
QUERY = document(STATUS)
GOOD: Record = {"iban": "DE89370400440532013000"}
IBAN = '{iban: "DE89370400440532013000"}'
SHORT_S_MAX = 5.0


@asynccontextmanager
async def serving(usual: Sections) -> AsyncGenerator[Client]:
    """Serve the whole application over a real socket."""
    async with living(usual) as assay:
        app = await asyncio.to_thread(app_of, assay.assembly)  # it reads its files
        async with served(app) as client:
            yield client


async def post(client: Client, body: bytes) -> Answer:
    return await client.send("POST", "/graphql", body, content_type="application/json")


def asking(records: object, **options: object) -> bytes:
    return orjson.dumps({"query": QUERY, "variables": {"records": records, "options": options}})


MISTAKES: list[tuple[object, dict[str, object], str, str]] = [
    ([GOOD] * 1001, {}, "TOO_MANY_RECORDS", "1001 records in one call; send at most 1000"),
    ([GOOD, {}], {}, "EMPTY_RECORD", "records[1] has no field to validate"),
    ([GOOD, {"ref": "no field"}], {}, "EMPTY_RECORD", "records[1]"),
    ([GOOD, {"email": None}], {}, "EMPTY_RECORD", "records[1]"),
    ([{"emial": "a@x.example"}], {}, "BAD_USER_INPUT", "emial"),
    ([{"email": 7}], {}, "BAD_USER_INPUT", "String"),
    ([{"email": ["a@x.example"]}], {}, "BAD_USER_INPUT", "String"),
    ([{"phone": "+46701740611"}], {}, "BAD_USER_INPUT", "PhoneInput"),
    ([{"postcode": {"country": "GB"}}], {}, "BAD_USER_INPUT", "code"),
    ([None], {}, "BAD_USER_INPUT", "RecordInput!"),
    ("a@x.example", {}, "BAD_USER_INPUT", "RecordInput"),
    ([GOOD], {"deadlineMs": 0}, "BAD_OPTION", "deadlineMs is 0; give 1 to 120000 milliseconds"),
    ([GOOD], {"deadlineMs": -1}, "BAD_OPTION", "deadlineMs is -1"),
    ([GOOD], {"deadlineMs": 2**31}, "BAD_USER_INPUT", "Int"),
    ([GOOD], {"deadlineMs": 1.5}, "BAD_USER_INPUT", "Int"),
    ([GOOD], {"maxAge": "1 hour"}, "BAD_USER_INPUT", "ISO 8601"),
    ([GOOD], {"maxAge": "-PT1H"}, "BAD_USER_INPUT", "ISO 8601"),
    ([GOOD], {"maxAge": 60}, "BAD_USER_INPUT", "ISO 8601"),
    ([GOOD], {"nothing": 1}, "BAD_USER_INPUT", "nothing"),
]  # fmt: skip


async def test_a_mistake_is_named_and_nothing_is_asked(
    sandbox: RunningSandbox, usual: Sections
) -> None:
    async with serving(usual) as client:
        for records, options, code, words in MISTAKES:
            for _ in range(2):  # on the stock path, then where the lane refuses
                body = (await post(client, asking(records, **options))).json
                (error,) = body["errors"]
                assert error["extensions"]["code"] == code, (words, error)
                assert words in error["message"], error
                assert not body.get("data"), body
    assert not any(one["calls"] for one in (await sandbox.statistics()).values())


async def test_an_unknown_word_is_named(usual: Sections) -> None:
    """Of an argument, of a field: in the document itself. Of a value only the place is told."""
    async with serving(usual) as client:
        for query, words in (
            ("{ kinds { name nothing } }", "nothing"),
            (
                f"mutation {{ validate(records: [{IBAN}], all: true) {{ usage {{ cost }} }} }}",
                "all",
            ),
            (f"mutation {{ validate(records: [{IBAN}]) }}", "validate"),
            ("mutation { validate(records: [{iban: DE}]) { usage { cost } } }", "non string"),
            ("query Q { kinds { name } } query Q { kinds { name } }", "Q"),
            ("{ kinds { ...No } }", "No"),
            ("{ kinds { name }", "Expected Name"),
        ):
            answer = await post(client, orjson.dumps({"query": query}))
            (error, *_) = answer.json["errors"]
            assert words in error["message"], error
            assert error["locations"]


BODIES: list[tuple[bytes, int, str]] = [
    (b"", 400, "BAD_JSON"),
    (b"{", 400, "BAD_JSON"),
    (b"\x00", 400, "BAD_JSON"),
    (b'{"query": "\xff"}', 400, "BAD_JSON"),
    (b'{"query": "{ kinds { name } }", "variables": {"a": "\xed\xa0\x80"}}', 400, "BAD_JSON"),
    (b"[]", 400, "BAD_REQUEST"),
    (b'{"query": ""}', 400, "BAD_REQUEST"),
    (b'{"query": 7}', 400, "BAD_REQUEST"),
    (b'{"query": "{ kinds { name } }", "variables": []}', 400, "BAD_REQUEST"),
]


async def test_a_body_that_is_none_is_told_so(usual: Sections) -> None:
    async with serving(usual) as client:
        for body, status, code in BODIES:
            answer = await post(client, body)
            assert (answer.status, answer.code) == (status, code), body
        too_large = await client.raw(
            b"POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            b"content-length: 9000000\r\n\r\n"
        )
        assert (too_large.status, too_large.code) == (413, "PAYLOAD_TOO_LARGE")
        assert "send fewer records" in too_large.json["errors"][0]["message"]


TWO_MB = "a" * 2_000_000
ODD: list[tuple[Record, str]] = [
    ({"email": TWO_MB}, "TOO_LONG"),
    ({"email": f"{TWO_MB}@x.example"}, "TOO_LONG"),
    ({"phone": {"number": TWO_MB}}, "TOO_LONG"),
    ({"vatNumber": TWO_MB}, "TOO_LONG"),
    ({"company": {"number": TWO_MB, "jurisdiction": "GB"}}, "TOO_LONG"),
    ({"email": "a\x00@x.example"}, "FORBIDDEN_CHARACTER"),
    ({"lei": "\x00"}, "FORBIDDEN_CHARACTER"),
    ({"email": ""}, "EMPTY"),
    ({"email": " \t\u200b"}, "EMPTY"),
    ({"email": "a" * 65 + "@x.example"}, "TOO_LONG"),
]


async def test_an_odd_value_is_invalid_and_its_neighbours_are_judged(usual: Sections) -> None:
    good: Record = {"vatNumber": "FR88100000009"}
    loop = asyncio.get_running_loop()
    async with serving(usual) as client:
        for record, code in ODD:
            started = loop.time()
            answer: Any = (await post(client, asking([good, record, GOOD]))).json
            assert loop.time() - started < SHORT_S_MAX
            before, odd, after = answer["data"]["validate"]["results"]
            assert (before["status"], after["status"]) == ("VALID", "VALID")
            assert odd["status"] == "INVALID"
            (verdict,) = odd["verdicts"]
            assert [one["code"] for one in verdict["reasons"]] == [code]
            assert verdict["normalized"] is None


async def test_half_a_character_is_refused_as_json(usual: Sections) -> None:
    """A lone surrogate is no character: UTF-8 could not carry it to anybody."""
    body = asking([{"email": "MARK@x.example"}]).replace(b"MARK", b"\\ud800")
    async with serving(usual) as client:
        answer = await post(client, body)
    if answer.status == 200:
        (result,) = answer.json["data"]["validate"]["results"]
        assert result["status"] == "INVALID"
    else:
        assert (answer.status, answer.code) == (400, "BAD_JSON")


@pytest.mark.parametrize("count", [0, 1000])
async def test_the_bounds_themselves_are_taken(count: int, usual: Sections) -> None:
    async with living(usual) as assay:
        payload = await assay.validate("results { index status }", [GOOD] * count)
    assert [one["index"] for one in payload["results"]] == list(range(count))
