"""What NDJSON says of a record is what the API says of it, name by name."""

from typing import Any, cast

import orjson

from batches.chunk import ChunkState
from batches.decided import Decided
from batches.ndjson_out import NdjsonWriter
from batches.shapes import Own
from checks.kinds import KINDS
from gateway.cli.documents import FIELDS, validate_document
from schema.records import (
    AddressInput,
    CompanyInput,
    PhoneInput,
    PostcodeInput,
    RecordInput,
)
from tests.assay_process import Sections, living
from tests.questions.house import terms

RECORDS = [
    {
        "ref": "all",
        "email": "valid@example.com",
        "phone": {"number": "+46701740611"},
        "vatNumber": "FR88100000009",
        "iban": "GB33BUKB20201555555555",
        "lei": "SBOX00ISSUED00000047",
        "company": {"name": "Bluebell Optics", "number": "SC000101", "jurisdiction": "GB"},
        "address": {
            "lines": ["1 High Street"],
            "locality": "London",
            "postalCode": "SW1A 2AA",
            "country": "GB",
        },
        "postcode": {"code": "SW1A 2AA", "country": "GB"},
    },
    {"email": "mailbox_not_found@example.com", "lei": "SBOX00LAPSED00000088"},
    {"email": "nobody", "phone": {"number": "12"}, "company": {"name": "Only Named"}},
]
INPUTS = [
    RecordInput(
        ref="all",
        email="valid@example.com",
        phone=PhoneInput(number="+46701740611"),
        vat_number="FR88100000009",
        iban="GB33BUKB20201555555555",
        lei="SBOX00ISSUED00000047",
        company=CompanyInput(name="Bluebell Optics", number="SC000101", jurisdiction="GB"),
        address=AddressInput(
            lines=["1 High Street"], locality="London", postal_code="SW1A 2AA", country="GB"
        ),
        postcode=PostcodeInput(code="SW1A 2AA", country="GB"),
    ),
    RecordInput(email="mailbox_not_found@example.com", lei="SBOX00LAPSED00000088"),
    RecordInput(
        email="nobody", phone=PhoneInput(number="12"), company=CompanyInput(name="Only Named")
    ),
]


def comparable(said: object) -> object:
    """Leave out when a verdict was made, if nobody was asked, and what the document leaves out."""
    if isinstance(said, list):
        return [comparable(one) for one in cast("list[object]", said)]
    if not isinstance(said, dict):
        return said
    members = cast("dict[str, object]", said)
    local = members.get("source") == "LOCAL"
    left_out = {"voices", "decidedAt"} if local else {"voices"}
    return {name: comparable(one) for name, one in members.items() if name not in left_out}


async def test_ndjson_says_what_the_api_says(usual: Sections) -> None:
    async with living(usual) as running:
        document = validate_document(FIELDS, full=True)
        answer: Any = None
        for _ in range(2):  # the second time from the cache, as all that follows
            answer = await running.ask(document, {"records": RECORDS, "options": None})
        judge = running.assembly.context.judge
        needs = {module.KIND.field: judge.policies[module.KIND.name] for module in KINDS}
        results = await judge.judge(INPUTS, needs, terms())
    chunk = Decided(seq=0, first_index=0, state=ChunkState.DONE, given=None, results=results)
    written = NdjsonWriter(Own(), FIELDS).rows(chunk, range(len(results)))
    lines = [orjson.loads(line)["result"] for line in written.splitlines()]
    expected: Any = answer["data"]["validate"]["results"]
    assert comparable(lines) == comparable(expected)
    assert {name for name, verdict in expected[0].items() if verdict} >= {*FIELDS, "consistency"}
