"""Findings across a record: what they ask, and the same on the lane and beside it."""

from typing import Any

import strawberry

from tests.assay_process import EVERY_MOUNT, Living, Sections, document, living
from tests.sandbox_process import RunningSandbox

CONSISTENCY = "consistency { code score message sides { field says } }"
RECORDS = [
    {
        "vatNumber": "FR88100000009",
        "company": {
            "name": "Kestrel printing 766 Société Anonyme",
            "number": "SC000101",
            "jurisdiction": "GB",
        },
        "iban": "GB33BUKB20201555555555",
        "phone": {"number": "+46701740611"},
        "address": {"lines": ["1 High Street"], "locality": "London", "country": "GB"},
        "email": "valid@example.com",
    },
    {"company": {"name": "Only Named Ltd"}, "email": "ada@only-named.example"},
    {"email": "ada@gmail.com", "company": {"name": "Gmail"}},
    {"vatNumber": "nonsense", "company": {"name": "Acme"}},
]


async def stock(running: Living, query: str) -> Any:  # noqa: ANN401, JSON
    answer = await strawberry.Schema.execute(
        running.schema, query, {"records": RECORDS}, context_value=running.assembly.context
    )
    assert answer.errors is None
    return answer.data


async def test_findings_ask_the_registers_alone_and_are_the_same_on_the_lane(
    usual: Sections, sandbox: RunningSandbox
) -> None:
    query = document(f"results {{ {CONSISTENCY} }} usage {{ callsMade }}")
    async with living(usual) as running:
        first = await running.ask(query, {"records": RECORDS})
        lane = await running.ask(query, {"records": RECORDS})
        assert running.schema.statistics.fast == 1
        assert (await stock(running, query)) == lane["data"]
    assert first["data"]["validate"]["usage"]["callsMade"] == 2
    asked = {mount: await sandbox.values_asked(mount) for mount in EVERY_MOUNT}
    assert {mount for mount, values in asked.items() if values} == {"vies", "companies-house"}
    results = first["data"]["validate"]["results"]
    assert results == lane["data"]["validate"]["results"]
    codes = [[finding["code"] for finding in result["consistency"]] for result in results]
    assert codes == [
        ["VAT_NAME", "VAT_NAME", "COMPANY_NAME", "PHONE_COUNTRY", "IBAN_COUNTRY", "EMAIL_DOMAIN"],
        ["EMAIL_DOMAIN"],
        [],
        [],
    ]
    scores = {finding["code"]: finding["score"] for finding in results[0]["consistency"]}
    assert (scores["PHONE_COUNTRY"], scores["IBAN_COUNTRY"]) == (0, 1)
    assert scores["VAT_NAME"] == 1
    assert scores["COMPANY_NAME"] < 0.6
    assert results[1]["consistency"][0]["score"] == 1


async def test_who_does_not_select_findings_pays_for_none(
    usual: Sections, sandbox: RunningSandbox
) -> None:
    async with living(usual) as running:
        found = await running.validate("results { index } usage { callsMade }", RECORDS)
    assert found["usage"]["callsMade"] == 0
    assert [mount for mount in EVERY_MOUNT if await sandbox.values_asked(mount)] == []
