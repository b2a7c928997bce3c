"""Without credentials nothing is called, nothing is skipped in silence and nothing is kept."""

from typing import Any

import pytest

from tests.assay_process import HASH_KEY, Living, Record, Sections, living, sections
from tests.sandbox_process import RunningSandbox

STATUS = """
results { status verdicts { kind status reasons { code check retryable } expiresAt } }
usage { callsMade valuesAsked cost }
"""
PROVIDERS = "{ providers { name state calls } }"
NEED_A_KEY = {"zerobounce", "twilio_lookup", "hmrc", "companies_house", "google_address"}
RECORDS: list[Record] = [
    {"phone": {"number": "+46701740611"}},
    {"vatNumber": "GB100000230"},
    {"company": {"number": "00000101", "jurisdiction": "GB"}},
]
PHONE: list[Record] = RECORDS[:1]


async def states(assay: Living) -> dict[str, tuple[str, int]]:
    answer: Any = await assay.ask(PROVIDERS)
    return {one["name"]: (one["state"], one["calls"]) for one in answer["data"]["providers"]}


async def test_a_check_without_credentials_is_unknown_and_says_why(valkey_url: str) -> None:
    async with living(sections(None, valkey_url)) as assay:
        payload = await assay.validate(STATUS, RECORDS)
        told = await states(assay)
    for result in payload["results"]:
        (verdict,) = result["verdicts"]
        assert result["status"] == verdict["status"] == "UNKNOWN"
        (reason,) = verdict["reasons"]
        assert (reason["code"], reason["retryable"]) == ("NOT_CONFIGURED", False)
        assert verdict["expiresAt"] is None
    assert payload["usage"] == {"callsMade": 0, "valuesAsked": 0, "cost": "0"}
    assert {name for name, (state, _) in told.items() if state == "NOT_CONFIGURED"} == NEED_A_KEY
    assert {calls for _, calls in told.values()} == {0}


async def test_a_mailbox_without_a_service_leaves_the_domain_its_say(
    sandbox: RunningSandbox, valkey_url: str
) -> None:
    """Only what nobody could be asked about is missing: the DNS still refutes."""
    given = sections(None, valkey_url, gateway={"nameservers": [sandbox.dns]})
    records: list[Record] = [{"email": "a@one.example.org"}, {"email": "a@nxdomain.example.net"}]
    async with living(given) as assay:
        results = (await assay.validate(STATUS, records))["results"]
    assert [one["status"] for one in results] == ["UNKNOWN", "INVALID"]
    assert [one["code"] for one in results[0]["verdicts"][0]["reasons"]] == ["NOT_CONFIGURED"]


ADDRESS = {"lines": ["1 Road"], "locality": "Leeds", "postalCode": "LS1 1AA", "country": "GB"}
ADDRESSES: list[Record] = [
    {"address": ADDRESS},
    {"address": {**ADDRESS, "locality": None}},
    {"address": {**ADDRESS, "lines": None}},
    {"address": {**ADDRESS, "postalCode": "LS1"}},
]
OUTCOMES = (
    "results { address { status outcomes { check conclusion } reasons { check code parts }"
    " deliverability { granularity } } }"
)


async def test_an_address_keeps_the_verdict_of_its_parts_and_says_that_nobody_was_asked(
    valkey_url: str,
) -> None:
    async with living(sections(None, valkey_url)) as assay:
        results = (await assay.validate(OUTCOMES, ADDRESSES))["results"]
    told = [
        (
            one["address"]["status"],
            {reason["code"]: reason["parts"] for reason in one["address"]["reasons"]},
        )
        for one in results
    ]
    assert told == [
        ("VALID", {"NOT_CONFIGURED": []}),
        ("RISKY", {"MISSING_PART": ["locality"], "NOT_CONFIGURED": []}),
        ("RISKY", {"MISSING_PART": ["lines"]}),
        ("INVALID", {"MALFORMED": []}),
    ]
    assert results[0]["address"]["outcomes"][-1] == {
        "check": "deliverability",
        "conclusion": "UNDECIDED",
    }
    assert {one["address"]["deliverability"] for one in results} == {None}


async def test_a_short_deadline_makes_nobody_late_who_is_not_there(valkey_url: str) -> None:
    """Time would not help: an address keeps its verdict, a phone number says what is missing."""
    records: list[Record] = [
        {
            "address": {**ADDRESS, "lines": [f"{number} Road"]},
            "phone": {"number": f"+467017408{number:02}"},
        }
        for number in range(100)
    ]
    selection = (
        "results { address { status reasons { code } }"
        " phone { status reasons { code retryable } } }"
    )
    async with living(sections(None, valkey_url)) as assay:
        results = (await assay.validate(selection, records, deadlineMs=1))["results"]
    for one in results:
        assert one["address"] == {"status": "VALID", "reasons": [{"code": "NOT_CONFIGURED"}]}
        reasons = [{"code": "NOT_CONFIGURED", "retryable": False}]
        assert one["phone"] == {"status": "UNKNOWN", "reasons": reasons}


async def test_a_check_that_the_configuration_names_is_demanded(valkey_url: str) -> None:
    """A machine that lacks its secret must not quietly vouch for less than the others."""
    optional = "{ kinds { name checks { name inPolicy optional } } }"
    for checks, status, told in (
        (["deliverability"], "UNKNOWN", {"inPolicy": True, "optional": False}),
        ([], "VALID", {"inPolicy": False, "optional": False}),
        (None, "VALID", {"inPolicy": True, "optional": True}),
    ):
        given = sections(None, valkey_url, kinds={"address": {"checks": checks}})
        async with living(given) as assay:
            (result,) = (await assay.validate(OUTCOMES, ADDRESSES[:1]))["results"]
            kinds = (await assay.ask(optional))["data"]["kinds"]
        assert result["address"]["status"] == status
        (address,) = (one for one in kinds if one["name"] == "address")
        assert address["checks"][-1] == {"name": "deliverability"} | told


async def test_an_address_service_that_fails_makes_an_address_unknown(
    sandbox: RunningSandbox, usual: Sections
) -> None:
    await sandbox.fault("google-address", "UNAVAILABLE")
    async with living(usual) as assay:
        (result,) = (await assay.validate(OUTCOMES, ADDRESSES[:1]))["results"]
    assert result["address"]["status"] == "UNKNOWN"
    assert result["address"]["reasons"] == [
        {"check": "deliverability", "code": "PROVIDER_UNAVAILABLE", "parts": []}
    ]


async def test_credentials_show_at_once(sandbox: RunningSandbox, valkey_url: str) -> None:
    """NOT_CONFIGURED is kept nowhere: not in this process, not in the shared store."""
    given = sections(None, valkey_url)
    async with living(given) as assay:
        for _ in range(2):
            payload = await assay.validate(STATUS, PHONE)
            assert payload["results"][0]["status"] == "UNKNOWN"
    account = {
        "api_key": "sandbox",
        "api_secret": "sandbox",
        "base_url": f"{sandbox.url('twilio')}/v2",
    }
    twilio = {**given["providers"]["twilio_lookup"], **account}
    given = {**given, "providers": {**given["providers"], "twilio_lookup": twilio}}
    async with living(given) as assay:
        payload = await assay.validate(STATUS, PHONE)
        assert (await states(assay))["twilio_lookup"] == ("READY", 1)
    assert payload["results"][0]["status"] == "VALID"
    assert await sandbox.values_asked("twilio") == ["+46701740611"]


async def test_what_a_stand_in_made_up_is_never_taken_for_real(
    sandbox: RunningSandbox, usual: Sections, valkey_url: str
) -> None:
    async with living(usual) as assay:
        assert (await states(assay))["twilio_lookup"][0] == "SANDBOX"
        assert (await assay.validate(STATUS, PHONE))["results"][0]["status"] == "VALID"
    async with living(sections(None, valkey_url)) as assay:
        assert (await assay.validate(STATUS, PHONE))["results"][0]["status"] == "UNKNOWN"
    assert len(await sandbox.log("twilio")) == 1


@pytest.mark.parametrize("jurisdiction, code", [("DE", "NOT_COVERED"), ("GB", "NOT_CONFIGURED")])
async def test_a_value_that_no_provider_serves_is_not_covered(
    jurisdiction: str, code: str, valkey_url: str
) -> None:
    company = {"number": "00000101", "jurisdiction": jurisdiction}
    async with living(sections(None, valkey_url)) as assay:
        (result,) = (await assay.validate(STATUS, [{"company": company}]))["results"]
    assert [one["code"] for one in result["verdicts"][0]["reasons"]] == [code]


async def test_a_rehearsal_asks_the_stand_ins_alone(
    sandbox: RunningSandbox, usual: Sections, valkey_url: str
) -> None:
    """`sandbox: true` on a gateway with real credentials; without a sandbox it is refused."""
    closed = sections(None, valkey_url)["providers"]
    keys = {"api_key": "real", "api_secret": "real"}
    given = {**usual, "providers": {name: one | keys for name, one in closed.items()}}
    async with living(given) as assay:
        made_up = await assay.validate(STATUS, PHONE, sandbox=True)
        real = await assay.validate(STATUS, PHONE)
    assert made_up["results"][0]["status"] == "VALID"
    assert real["results"][0]["status"] == "UNKNOWN"
    async with living({**closed_gateway(valkey_url)}) as assay:
        answer = await assay.ask(
            'mutation { validate(records: [{iban: "DE"}], options: {sandbox: true})'
            " { usage { records } } }"
        )
    assert answer["errors"][0]["extensions"]["code"] == "SANDBOX_OFF"
    assert await sandbox.values_asked("twilio") == ["+46701740611"]


def closed_gateway(valkey_url: str) -> Sections:
    return sections(None, valkey_url, cache={"hash_key": HASH_KEY})
