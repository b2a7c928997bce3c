"""The magic inputs are well-formed, so that they pass every local check on their way out."""

from __future__ import annotations

import collections

import phonenumbers
import pytest
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
        case other:
            raise AssertionError(other)


@pytest.mark.parametrize("magic", SANDBOX_INPUTS, ids=lambda magic: magic.value)
def test_a_magic_input_is_well_formed(magic: MagicInput) -> None:
    assert well_formed(magic)
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
    assert set(map(frozenset, found.values())) == {frozenset(CONCLUSIONS - {"DOUBTFUL"})}


async def answer_word(sandbox: RunningSandbox, magic: MagicInput, token: str) -> str:  # noqa: PLR0911, a service a line
    """Return the word of the service that the answer to a magic input holds."""
    match magic.service:
        case "vies":
            got = (await asking.vies(sandbox, magic.value)).json
            if "errorWrappers" in got:
                return got["errorWrappers"][0]["error"]
            return "VALID" if got["valid"] else "INVALID"
        case "hmrc":
            got = await asking.hmrc(sandbox, magic.value[2:], token)
            return "200" if got.status == 200 else got.json["code"]
        case "gleif":
            got = await asking.gleif(sandbox, magic.value)
            if got.status == 404:
                return "MISSING"
            attributes = got.json["data"]["attributes"]
            inactive = attributes["entity"]["status"] == "INACTIVE"
            state = attributes["registration"]["status"]
            return "INACTIVE" if inactive and state == "RETIRED" and "INA" in magic.value else state
        case "companies_house":
            got = await asking.company(sandbox, magic.value)
            if got.status != 200:
                return str(got.status) if got.status != 404 else got.json["errors"][0]["error"]
            return got.json.get("company_status_detail", got.json["company_status"])
        case "zerobounce":
            got = (await asking.mailbox(sandbox, magic.value)).json
            return f"{got['status']}:{got['sub_status']}".rstrip(":")
        case "twilio_lookup":
            got = (await asking.phone(sandbox, magic.value)).json
            if "code" in got:
                return str(got["code"])
            line = got["line_type_intelligence"]
            if line is None:
                return got["validation_errors"][0]
            return str(line["error_code"] or line["type"])
        case "postcodes_io":
            got = await asking.postcode(sandbox, magic.value)
            if "terminated" in got.json:
                return "terminated"
            return {200: "found", 404: "not found"}.get(got.status, str(got.status))
        case _:
            return magic.answer


async def test_magic_inputs_are_answered_as_they_say(sandbox: RunningSandbox) -> None:
    for mount in ("hmrc", "gleif", "twilio", "postcodes-io"):
        await sandbox.limit(mount)
    token = await asking.hmrc_token(sandbox)
    for magic in SANDBOX_INPUTS:
        assert await answer_word(sandbox, magic, token) == magic.answer, magic
