"""How each service's faults are read, and how values are written into its calls."""

from collections.abc import Mapping

import pytest

from providers.errors import Fault, ProtocolBroken
from providers.exchange import Service
from providers.services import (
    companies_house,
    dns_over_https,
    gleif,
    google_address,
    hmrc,
    postcodes_io,
    twilio_lookup,
    vies,
    zerobounce,
)
from tests.providers import conversation as told
from tests.providers.conversation import Json, account, answer, converse
from verdicts.reason import ReasonCode


@pytest.mark.parametrize(
    "service", [hmrc, gleif, companies_house, twilio_lookup, postcodes_io],
    ids=lambda service: service.NAME,
)  # fmt: skip
@pytest.mark.parametrize(
    "body", [b"<html>Not Found</html>", b"{}", b'{"error":"no such path"}', b"[]", b""]
)
def test_a_404_that_is_not_the_services_own_refutes_nothing(service: Service, body: bytes) -> None:
    """A wrong base URL, or a proxy's page, must not make every value invalid."""
    values = {"vatNumber": "GB123456789", "lei": told.LEI, "company": "GB/00012345",
              "phone": "+442071838750", "postcode": "GB/SW1A 2AA"}  # fmt: skip
    with pytest.raises(ProtocolBroken):
        converse(service, [values[service.KIND]], answer(body, 404))


BY_STATUS: list[tuple[Service, Mapping[int, Fault]]] = [
    (vies, vies.STATUSES),
    (hmrc, hmrc.STATUSES),
    (gleif, gleif.STATUSES),
    (companies_house, companies_house.STATUSES),
    (zerobounce, zerobounce.STATUSES),
    (twilio_lookup, twilio_lookup.STATUSES),
    (postcodes_io, postcodes_io.STATUSES),
    (google_address, google_address.STATUSES),
    (dns_over_https, dns_over_https.STATUSES),
]
SAID: list[tuple[Service, Fault, Json | bytes, int]] = [
    *(
        (vies, fault, {"userError": word, "valid": False}, 200)
        for word, fault in vies.FAULTS.items()
    ),
    *((hmrc, fault, {"code": word, "message": ""}, 400) for word, fault in hmrc.FAULTS.items()),
    *((twilio_lookup, fault, {"code": code}, 400) for code, fault in twilio_lookup.FAULTS.items()),
    *(
        (postcodes_io, fault, {"status": 404, "error": word}, 404)
        for word, fault in postcodes_io.FAULTS.items()
    ),
    *(
        (google_address, fault, {"error": {"code": 418, "message": "", "status": word}}, 418)
        for word, fault in google_address.FAULTS.items()
    ),
    *(
        (dns_over_https, fault, told.resolution(status=code), 200)
        for code, fault in dns_over_https.FAULTS.items()
    ),
    (dns_over_https, Fault(ReasonCode.PROVIDER_PROTOCOL), told.resolution(status=4), 200),
    (
        google_address,
        Fault(ReasonCode.PROVIDER_REFUSED),
        {
            "error": {
                "code": 400,
                "status": "INVALID_ARGUMENT",
                "details": [{"locale": "en"}, {"reason": "API_KEY_INVALID"}],
            }
        },
        400,
    ),
    *((zerobounce, fault, {"error": word}, 200) for word, fault in zerobounce.FAULTS.items()),
    *(
        (zerobounce, fault, told.mailboxes(errors=[{"error": word, "email_address": "all"}]), 200)
        for word, fault in zerobounce.FAULTS.items()
    ),
    (
        zerobounce,
        Fault(ReasonCode.OUT_OF_CREDIT, opens=True),
        told.mailboxes(errors=[{"error": told.NO_CREDIT, "email_address": "all"}]),
        200,
    ),
    (zerobounce, Fault(ReasonCode.PROVIDER_PROTOCOL), {"error": "We moved"}, 200),
    *(
        (service, fault, b"<html>", status)
        for service, faults in BY_STATUS
        for status, fault in faults.items()
        if (service.NAME, status) != ("hmrc", 401)  # the exchange reads it
    ),
    *(
        (service, Fault(ReasonCode.PROVIDER_PROTOCOL), b"{}", 418)
        for service, _ in BY_STATUS
        if service.NAME != "vies"  # asks for JSON there, and says so
    ),
]


@pytest.mark.parametrize("service, fault, body, status", SAID)
def test_every_fault_is_read_as_the_table_says(
    service: Service, fault: Fault, body: Json | bytes, status: int
) -> None:
    assert service.fault_of(answer(body, status)) == fault


AWKWARD = "p+1&=%/?#' \"\nñ日"
PERCENT = "p%2B1%26%3D%25%2F%3F%23%27%20%22%0A%C3%B1%E6%97%A5"


@pytest.mark.parametrize(
    "service, value, path",
    [
        (hmrc, f"GB{AWKWARD}", f"/organisations/vat/check-vat-number/lookup/{PERCENT}"),
        (gleif, AWKWARD, f"/lei-records/{PERCENT}"),
        (companies_house, f"GB/{AWKWARD}", f"/company/{PERCENT}"),
        (twilio_lookup, AWKWARD, f"/PhoneNumbers/{PERCENT}"),
        (postcodes_io, f"GB/{AWKWARD}", f"/postcodes/{PERCENT}"),
    ],
)
def test_a_value_in_a_path_is_encoded_exactly(service: Service, value: str, path: str) -> None:
    exchange = service.ask([value], account())
    assert next(exchange).path == path
    exchange.close()


LINE, ENTRY = "+442071838750", told.LEI


@pytest.mark.parametrize(
    "service, value, control, path",
    [
        (twilio_lookup, LINE, {**told.PHONE.body, "phone_number": twilio_lookup.WITNESS},
         "/PhoneNumbers/%2B14159929960"),
        (gleif, ENTRY, told.lei_page(), "/lei-records"),
    ],
    ids=["twilio_lookup", "gleif"],
)  # fmt: skip
def test_a_not_found_that_a_wrong_address_says_too_is_asked_about_once(
    service: Service, value: str, control: Json, path: str
) -> None:
    missing = {
        "twilio_lookup": answer(told.PHONE_MISSING.body, 404),
        "gleif": answer(told.GLEIF_MISSING.body, 404),
    }[service.NAME]
    by = account(proven=False)
    with pytest.raises(ProtocolBroken):
        converse(service, [value], missing, missing, by=by)
    assert not by.proven
    calls, found = converse(service, [value], missing, answer(control), by=by)
    assert calls[1].path == path
    assert calls[1].safe
    assert not calls[1].query or service is gleif  # a package would cost
    assert found[value].conclusion.value == "REFUTED"
    assert by.proven
    calls, again = converse(service, [value], missing, by=by)
    assert (len(calls), again) == (1, found)


@pytest.mark.parametrize("example", [told.PHONE, told.GLEIF], ids=lambda one: one.service.NAME)
def test_whoever_has_answered_needs_no_proof(example: told.Example) -> None:
    by = account(proven=False)
    converse(example.service, example.values, answer(example.body), by=by)
    assert by.proven
