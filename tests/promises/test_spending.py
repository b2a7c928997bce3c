"""Selection drives spending: what nobody asked to see is never asked, and never paid for.

Every selection is sent twice, with other values: the first time the stock executor runs it, the
second time the compiled lane. The sandbox counts who was asked.
"""

import pytest

from tests.assay_process import Living, Record, Sections, document, living
from tests.sandbox_process import RunningSandbox

EMAIL = frozenset({"dns", "zerobounce"})
VAT = frozenset({"vies", "hmrc"})
PHONE, LEI = frozenset({"twilio"}), frozenset({"gleif"})
COMPANY, POSTCODE = frozenset({"companies-house"}), frozenset({"postcodes-io"})
PLACE = frozenset({"google-address"})
DNS, MAILBOX = frozenset({"dns"}), frozenset({"zerobounce"})
NOBODY: frozenset[str] = frozenset()
ALL = EMAIL | VAT | PHONE | LEI | COMPANY | POSTCODE | PLACE

ADDRESS = {
    "lines": ["10 Downing Street"],
    "locality": "London",
    "postalCode": "SW1A 2AA",
    "country": "GB",
}
FIRST: list[Record] = [
    {
        "email": "ada@one.example.org",
        "phone": {"number": "+46701740611"},
        "vatNumber": "FR88100000009",
        "iban": "DE89370400440532013000",
        "lei": "SBOX00ISSUED00000047",
        "company": {"number": "00000101", "jurisdiction": "GB"},
        "address": ADDRESS,
        "postcode": {"code": "SW1A 2AA", "country": "GB"},
    },
    {"vatNumber": "GB100000230"},
]
SECOND: list[Record] = [
    {
        "email": "bob@two.example.org",
        "phone": {"number": "+46701740612"},
        "vatNumber": "IT10000100106",
        "iban": "GB33BUKB20201555555555",
        "lei": "SBOX00LAPSED00000088",
        "company": {"number": "SC000101", "jurisdiction": "GB"},
        "address": {**ADDRESS, "lines": ["11 Downing Street"]},
        "postcode": {"code": "M32 0JG", "country": "GB"},
    },
    {"vatNumber": "GB100000328"},
]
SHARED = "kind input normalized decidedAt expiresAt source __typename"

SELECTIONS = [
    # nothing of a record, or only what it says of itself
    ("usage { records callsMade valuesAsked savedByCache cost }", NOBODY),
    ("__typename results { ref index __typename }", NOBODY),
    (f"results {{ verdicts {{ {SHARED} }} }}", NOBODY),
    (f"results {{ email {{ {SHARED} domain {{ name disposable }} mailbox {{ role }} }} }}", NOBODY),
    (f"results {{ phone {{ {SHARED} e164 region nationalFormat }} }}", NOBODY),
    (f"results {{ vatNumber {{ {SHARED} country }} lei {{ {SHARED} }} }}", NOBODY),
    (f"results {{ company {{ {SHARED} jurisdiction number }} }}", NOBODY),
    (f"results {{ postcode {{ {SHARED} country }} }}", NOBODY),
    ("results { iban { status reasons { code } outcomes { check } bankCode } }", NOBODY),
    (f"results {{ address {{ {SHARED} country postalCode missing }} }}", NOBODY),
    # one fact, one source
    ("results { email { domain { mx } } }", DNS),
    ("results { email { domain { acceptsMail } } }", DNS),
    ("results { email { mailbox { deliverable } } }", MAILBOX),
    ("results { email { mailbox { catchAll } } }", MAILBOX),
    ("results { email { mailbox { freeProvider } } }", MAILBOX),
    ("results { email { mailbox { suggestion } } }", MAILBOX),
    ("results { email { domain { mx } mailbox { suggestion } } }", EMAIL),
    ("results { phone { lineType { carrier } } }", PHONE),
    ("results { vatNumber { registry { registeredName } } }", VAT),
    ("results { lei { registry { legalName } } }", LEI),
    ("results { company { registry { type } } }", COMPANY),
    ("results { postcode { registry { region } } }", POSTCODE),
    ("results { address { deliverability { granularity } } }", PLACE),
    # the policy of one kind, of all
    ("results { email { status } }", EMAIL),
    ("results { email { reasons { code } } }", EMAIL),
    ("results { email { outcomes { check } } }", EMAIL),
    ("results { phone { status } }", PHONE),
    ("results { vatNumber { status } }", VAT),
    ("results { lei { reasons { message } } }", LEI),
    ("results { company { outcomes { cost } } }", COMPANY),
    ("results { postcode { status } }", POSTCODE),
    ("results { address { status reasons { code } outcomes { check } missing } }", PLACE),
    ("results { status }", ALL),
    ("results { verdicts { status } }", ALL),
    ("results { verdicts { reasons { code } } }", ALL),
    # through the interface
    ("results { verdicts { ... on LeiVerdict { status } } }", LEI),
    ("results { verdicts { kind ... on EmailVerdict { domain { mx } } } }", DNS),
    ("results { verdicts { ... on PhoneVerdict { e164 } ... on IbanVerdict { status } } }", NOBODY),
    ("results { verdicts { ... on Verdict { ... on PostcodeVerdict { status } } } }", POSTCODE),
    # by other names, in pieces, switched off
    ("results { status: ref email { status: source } }", NOBODY),
    ("results { email { mail: domain { hosts: mx } } }", DNS),
    (("results { email { ...Mail } } fragment Mail on EmailVerdict { domain { ...Hosts } }"
     " fragment Hosts on EmailDomain { mx }"), DNS),
    (("...P fragment P on ValidatePayload { results { ...R } }"
     " fragment R on RecordResult { company { ... { status } } }"), COMPANY),
    ("results { status @include(if: false) email { status @skip(if: true) source } }", NOBODY),
    ("results { lei { source ... @include(if: false) { status } } }", NOBODY),
    ("results { lei { source ... @include(if: true) { registry { legalName } } } }", LEI),
]  # fmt: skip


def whole(selection: str) -> str:
    """Return the document of a selection with the fragments that stand behind it."""
    selection, *fragments = selection.split(" fragment ")
    return " fragment ".join([document(selection), *fragments])


async def spent(sandbox: RunningSandbox) -> frozenset[str]:
    """Return who was asked since the last look, and forget it."""
    counts = await sandbox.statistics()
    await sandbox.reset()
    return frozenset(name for name, one in counts.items() if one["calls"])


async def ask(assay: Living, query: str, records: list[Record]) -> None:
    answer = await assay.ask(query, {"records": records})
    assert "errors" not in answer, answer


@pytest.mark.parametrize("selection, asked", SELECTIONS, ids=[one for one, _ in SELECTIONS])
async def test_only_who_is_needed_is_asked(
    selection: str, asked: frozenset[str], sandbox: RunningSandbox, usual: Sections
) -> None:
    query = whole(selection)
    async with living(usual) as assay:
        await ask(assay, query, FIRST)
        assert (await spent(sandbox), assay.schema.statistics.fast) == (asked, 0)
        await ask(assay, query, SECOND)
        assert (await spent(sandbox), assay.schema.statistics.fast) == (asked, 1)


async def test_a_variable_decides_what_is_spent(sandbox: RunningSandbox, usual: Sections) -> None:
    query = (
        "mutation ($records: [RecordInput!]!, $deep: Boolean!) { validate(records: $records)"
        " { results { email { source domain @include(if: $deep) { mx } } } } }"
    )
    async with living(usual) as assay:
        for deep, asked in ((False, NOBODY), (True, DNS), (False, NOBODY)):
            for _ in range(2):
                await assay.ask(query, {"records": FIRST, "deep": deep})
            assert await spent(sandbox) == asked


async def test_what_is_malformed_never_leaves_the_house(
    sandbox: RunningSandbox, usual: Sections
) -> None:
    record: Record = {
        "email": "ada@@example.org",
        "phone": {"number": "+46 12"},
        "vatNumber": "DE123456789",
        "iban": "DE89370400440532013001",
        "lei": "SBOX00ISSUED00000048",
        "company": {"number": "ÅÅÅ", "jurisdiction": "GB"},
        "address": {**ADDRESS, "postalCode": "SW1A 2AAA"},
        "postcode": {"code": "SW1A 2AAA", "country": "GB"},
    }
    selection = (
        "results { verdicts { kind status reasons { code } normalized } }"
        " usage { savedByLocalChecks }"
    )
    async with living(usual) as assay:
        payload = await assay.validate(selection, [record])
    verdicts = payload["results"][0]["verdicts"]
    assert {one["kind"]: one["status"] for one in verdicts} == {
        one["kind"]: "INVALID" for one in verdicts
    }
    assert len(verdicts) == len(record)
    assert all(one["reasons"] and one["normalized"] is None for one in verdicts)
    assert await spent(sandbox) == NOBODY
    assert payload["usage"]["savedByLocalChecks"] == 8  # an e-mail would have cost two questions


async def test_the_policy_stops_at_the_first_check_that_refutes(
    sandbox: RunningSandbox, usual: Sections
) -> None:
    """No mailbox is asked at a domain that does not exist."""
    async with living(usual) as assay:
        payload = await assay.validate(
            "results { status email { status reasons { code } mailbox { deliverable } } }",
            [{"email": "ada@nxdomain.example.net"}],
        )
    (result,) = payload["results"]
    assert result["status"] == result["email"]["status"] == "INVALID"
    assert result["email"]["reasons"] == [{"code": "DOMAIN_NOT_FOUND"}]
    assert await spent(sandbox) == DNS


async def test_usage_tells_what_the_services_counted(
    sandbox: RunningSandbox, usual: Sections
) -> None:
    """The second time everything is known, and is told as saved."""
    selection = "results { status } usage { callsMade valuesAsked savedByCache savedByDedupe }"
    async with living(usual) as assay:
        first = (await assay.validate(selection, FIRST))["usage"]
        counts = await sandbox.statistics()
        again = (await assay.validate(selection, FIRST))["usage"]
    assert first["callsMade"] == sum(one["calls"] for one in counts.values())
    assert first["valuesAsked"] == 9
    assert (first["savedByCache"], first["savedByDedupe"]) == (0, 0)
    assert again == {"callsMade": 0, "valuesAsked": 0, "savedByCache": 9, "savedByDedupe": 0}


async def test_a_check_outside_the_policy_is_asked_for_its_fact_alone(
    sandbox: RunningSandbox, usual: Sections
) -> None:
    settings = {**usual, "kinds": {"email": {"checks": ["domain"]}}}
    async with living(settings) as assay:
        await assay.validate("results { status email { status } }", [{"email": "a@x.example.org"}])
        assert await spent(sandbox) == DNS
        await assay.validate(
            "results { email { mailbox { deliverable } } }", [{"email": "a@x.example.org"}]
        )
        assert await spent(sandbox) == MAILBOX


async def test_a_check_outside_the_policy_is_asked_beside_the_status_and_decides_nothing(
    sandbox: RunningSandbox, usual: Sections
) -> None:
    """Whatever else is selected, a status is that of its policy."""
    settings = {**usual, "kinds": {"email": {"checks": ["domain"]}}}
    records: list[Record] = [{"email": "invalid@example.com"}, {"email": "m@nxdomain.example.net"}]
    status = "status email { status reasons { code }"
    more = "outcomes { check conclusion } mailbox { deliverable }"
    async with living(settings) as assay:
        alone = await assay.validate(f"results {{ {status} }} }}", records)
        assert await spent(sandbox) == DNS
        beside = await assay.validate(f"results {{ {status} {more} }} }}", records)
        assert await spent(sandbox) == MAILBOX
        whole = await assay.validate(f"results {{ {status} domain {{ mx }} {more} }} }}", records)
        assert await spent(sandbox) == NOBODY
    for told in (beside, whole):
        assert [(one["status"], one["email"]["status"]) for one in told["results"]] == [
            ("VALID", "VALID"),
            ("INVALID", "INVALID"),
        ]
    assert [one["email"]["reasons"] for one in beside["results"]] == [
        one["email"]["reasons"] for one in alone["results"]
    ]
    first, second = (one["email"] for one in beside["results"])
    assert first["mailbox"] == {"deliverable": False}
    assert first["outcomes"][-1] == {"check": "mailbox", "conclusion": "REFUTED"}
    assert second["mailbox"] == {"deliverable": None}, "the policy refuted it before"


@pytest.mark.parametrize("name", ["dns_over_https", "resolver"])
async def test_who_is_named_for_a_check_is_asked_in_place_of_the_dns(
    name: str, sandbox: RunningSandbox, usual: Sections
) -> None:
    """Unnamed it is not even there; named, under its own name or another, it alone is asked."""
    query = "{ providers { name check } kinds { sandboxInputs { service } } }"
    email = [{"email": "ada@one.example.org"}]
    async with living(usual) as assay:
        told = (await assay.ask(query))["data"]
        await assay.validate("results { email { domain { mx } } }", email)
    assert await spent(sandbox) == DNS
    assert "dns_over_https" not in {one["name"] for one in told["providers"]}
    own = {**usual["providers"]["dns_over_https"], "service": "dns_over_https"}
    settings = {
        **usual,
        "providers": {**usual["providers"], name: own},
        "checks": {"email": {"domain": {"providers": [name]}}},
        "cache": {"hash_key": "another key, so that nothing is known"},
    }
    async with living(settings) as assay:
        told = (await assay.ask(query))["data"]
        payload = await assay.validate("results { email { domain { mx acceptsMail } } }", email)
    assert await spent(sandbox) == frozenset({"dns-over-https"})
    assert {one["name"] for one in told["providers"] if one["check"] == "domain"} == {name}
    services = {one["service"] for kind in told["kinds"] for one in kind["sandboxInputs"]}
    assert "dns_over_https" in services
    assert payload["results"][0]["email"]["domain"] == {
        "mx": ["mx.one.example.org"],
        "acceptsMail": True,
    }
