"""The magic inputs are well-formed, so that they pass every local check on their way out."""

from __future__ import annotations

import collections
from collections.abc import Awaitable, Callable

import phonenumbers
from email_validator import validate_email
from stdnum import lei
from stdnum.eu import vat as eu_vat
from stdnum.gb import vat as gb_vat

from sandbox.inputs import SANDBOX_INPUTS
from sandbox.postcodes_io import POSTCODE
from sandbox.standin import MagicInput
from tests.sandbox import asking
from tests.sandbox_process import RunningSandbox

CONCLUSIONS = {"CONFIRMED", "REFUTED", "DOUBTFUL", "UNDECIDED"}


def well_formed(magic: MagicInput) -> bool:
    match magic.kind:
        case "email":
            validate_email(magic.value, check_deliverability=False)
            return True
        case "phone":
            return phonenumbers.is_valid_number(phonenumbers.parse(magic.value))
        case "lei":
            return lei.is_valid(magic.value)
        case "vatNumber" if magic.value[:2] in {"GB", "XI"}:
            return gb_vat.is_valid(magic.value[2:])
        case "vatNumber":
            return eu_vat.is_valid(magic.value)
        case "postcode":
            return POSTCODE.fullmatch(magic.value) is not None
        case "company":
            return len(magic.value) == 8
        case "address":
            return magic.value == " ".join(magic.value.split())
        case other:
            raise AssertionError(other)


def test_magic_inputs_are_well_formed() -> None:
    for magic in SANDBOX_INPUTS:
        assert well_formed(magic), magic
        assert magic.conclusion in CONCLUSIONS
        assert magic.meaning


def test_no_magic_input_has_two_meanings() -> None:
    counts = collections.Counter((magic.service, magic.value) for magic in SANDBOX_INPUTS)
    assert max(counts.values()) == 1


def test_every_service_has_each_conclusion_that_it_can_give() -> None:
    found = collections.defaultdict[str, set[str]](set)
    for magic in SANDBOX_INPUTS:
        found[magic.service].add(magic.conclusion)
    assert found.pop("gleif") == CONCLUSIONS
    assert found.pop("companies_house") == CONCLUSIONS
    assert found.pop("zerobounce") == CONCLUSIONS
    assert found.pop("google_address") == CONCLUSIONS
    assert set(map(frozenset, found.values())) == {frozenset(CONCLUSIONS - {"DOUBTFUL"})}


async def vies_word(sandbox: RunningSandbox, value: str) -> str:
    got = (await asking.vies(sandbox, value)).json
    if "errorWrappers" in got:
        return got["errorWrappers"][0]["error"]
    return "VALID" if got["valid"] else "INVALID"


async def hmrc_word(sandbox: RunningSandbox, value: str) -> str:
    got = await asking.hmrc(sandbox, value[2:], await asking.hmrc_token(sandbox))
    return "200" if got.status == 200 else got.json["code"]


async def gleif_word(sandbox: RunningSandbox, value: str) -> str:
    got = await asking.gleif(sandbox, value)
    if got.status == 404:
        return "MISSING"
    attributes = got.json["data"]["attributes"]
    ceased = attributes["entity"]["status"] == "INACTIVE" and "INACTIVE" in value
    return "INACTIVE" if ceased else attributes["registration"]["status"]


async def companies_house_word(sandbox: RunningSandbox, value: str) -> str:
    got = await asking.company(sandbox, value)
    if got.status == 404:
        return got.json["errors"][0]["error"]
    if got.status != 200:
        return str(got.status)
    return got.json.get("company_status_detail", got.json["company_status"])


async def zerobounce_word(sandbox: RunningSandbox, value: str) -> str:
    got = (await asking.mailbox(sandbox, value)).json
    return f"{got['status']}:{got['sub_status']}".rstrip(":")


async def twilio_word(sandbox: RunningSandbox, value: str) -> str:
    got = (await asking.phone(sandbox, value)).json
    if "code" in got:
        return str(got["code"])
    line = got["line_type_intelligence"]
    return str(line["error_code"] or line["type"]) if line else got["validation_errors"][0]


async def postcodes_io_word(sandbox: RunningSandbox, value: str) -> str:
    got = await asking.postcode(sandbox, value)
    if "terminated" in got.json:
        return "terminated"
    return {200: "found", 404: "not found"}.get(got.status, str(got.status))


async def google_address_word(sandbox: RunningSandbox, value: str) -> str:
    got = (await asking.address(sandbox, value, locality="Leeds")).json
    if "error" in got:
        return got["error"]["status"]
    verdict = got["result"]["verdict"]
    return f"{verdict['validationGranularity']}:{verdict['possibleNextAction']}"


async def dns_over_https_word(sandbox: RunningSandbox, value: str) -> str:
    got = (await asking.domain(sandbox, value.partition("@")[2])).json
    return {0: "NOERROR", 2: "SERVFAIL", 3: "NXDOMAIN", 5: "REFUSED"}[got["Status"]]


WORD: dict[str, Callable[[RunningSandbox, str], Awaitable[str]]] = {
    "vies": vies_word,
    "hmrc": hmrc_word,
    "gleif": gleif_word,
    "companies_house": companies_house_word,
    "zerobounce": zerobounce_word,
    "twilio_lookup": twilio_word,
    "postcodes_io": postcodes_io_word,
    "google_address": google_address_word,
    "dns_over_https": dns_over_https_word,
}


async def test_magic_inputs_are_answered_as_they_say(sandbox: RunningSandbox) -> None:
    """Those of the nameserver have tests of their own."""
    for mount in ("hmrc", "gleif", "twilio", "postcodes-io"):
        await sandbox.limit(mount)
    for magic in SANDBOX_INPUTS:
        if magic.service != "dns":
            assert await WORD[magic.service](sandbox, magic.value) == magic.answer, magic
