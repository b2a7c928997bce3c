"""Drives an exchange by hand, and the examples of the contracts to drive it with."""

import json
from collections.abc import Mapping, Sequence

from msgspec import Struct

from providers.errors import Faulted
from providers.exchange import Account, Answer, Call, Service
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
from verdicts.outcome import Found

Json = Mapping[str, object]


class Unfinished(AssertionError):
    """The exchange wants another answer."""


def account(
    token: str | None = "t0k", requester: str | None = None, *, proven: bool = True
) -> Account:
    secrets = {
        "api_key": "key",
        "api_secret": "secret",
        "client_id": "id",
        "client_secret": "hush",
    }
    made = Account("test", secrets, requester)
    made.token = token
    made.proven = proven
    return made


def answer(body: object, status: int = 200, **headers: str) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, {"content-type": "application/json", **named}, raw)


def converse(
    service: Service, values: Sequence[str], *answers: Answer, by: Account | None = None
) -> tuple[list[Call], Mapping[str, Found]]:
    """Return the calls of one exchange and what it found, as provider and carrier would."""
    exchange = service.ask(values, by or account())
    calls = [next(exchange)]
    for one in answers:
        fault = service.fault_of(one)
        if fault is not None:
            exchange.close()
            raise Faulted(fault, one.status)
        try:
            calls.append(exchange.send(one))
        except StopIteration as end:
            return calls, end.value
    raise Unfinished(f"the exchange wants another answer, to {calls[-1]}")


class Example(Struct, frozen=True):
    """An answer that a contract shows, and the values that it is about."""

    service: Service
    values: tuple[str, ...]
    body: Json
    status: int = 200


VIES = Example(
    vies,
    ("DE123456789",),
    {
        "countryCode": "DE",
        "vatNumber": "123456789",
        "requestDate": "2026-11-02T10:11:12.345Z",
        "valid": True,
        "requestIdentifier": "",
        "name": "ACME GMBH",
        "address": "Street 1\n10115 BERLIN",
        "traderName": "---",
        "traderNameMatch": "NOT_PROCESSED",
    },
)
HMRC = Example(
    hmrc,
    ("GB123456789",),
    {
        "target": {
            "name": "ACME LTD",
            "vatNumber": "123456789",
            "address": {
                "line1": "1 High Street",
                "line2": "Leeds",
                "postcode": "LS1 1AA",
                "countryCode": "GB",
            },
        },
        "requester": "987654321",
        "consultationNumber": "AB1-CD2-EF3",
        "processingDate": "2026-11-02T10:11:12+00:00",
    },
)
HMRC_MISSING = Example(
    hmrc,
    ("GB123456789",),
    {"code": "NOT_FOUND", "message": "targetVrn does not match a registered company"},
    404,
)


def lei_entry(lei: str, entity: str = "ACTIVE", registration: str = "ISSUED") -> Json:
    address = {
        "addressLines": ["Street 1"],
        "city": "Berlin",
        "country": "DE",
        "postalCode": "10115",
    }
    return {
        "type": "lei-records",
        "id": lei,
        "attributes": {
            "lei": lei,
            "entity": {
                "legalName": {"name": "ACME SE", "language": "de"},
                "legalAddress": address,
                "headquartersAddress": address,
                "jurisdiction": "DE",
                "status": entity,
                "registeredAs": "HRB 123",
                "expiration": {"date": None, "reason": None},
            },
            "registration": {
                "initialRegistrationDate": "2014-01-01T00:00:00Z",
                "lastUpdateDate": "2026-01-01T00:00:00Z",
                "status": registration,
                "nextRenewalDate": "2027-01-01T00:00:00Z",
                "managingLou": "LOU",
                "corroborationLevel": "FULLY_CORROBORATED",
            },
            "bic": None,
        },
        "relationships": {},
    }


def lei_page(*entries: Json, total: int | None = None) -> Json:
    count = len(entries) if total is None else total
    pagination = {"currentPage": 1, "perPage": 200, "total": count, "lastPage": 1}
    return {"meta": {"pagination": pagination}, "data": list(entries)}


LEI, OTHER_LEI, MISSING_LEI = "5299000J2N45DDNE4Y28", "529900T8BM49AURSDO55", "529900ODI3047E2LIV03"
GLEIF = Example(gleif, (LEI,), {"data": lei_entry(LEI)})
GLEIF_PAGE = Example(
    gleif,
    (LEI, OTHER_LEI, MISSING_LEI),
    lei_page(lei_entry(OTHER_LEI, registration="LAPSED"), lei_entry(LEI)),
)
GLEIF_MISSING = Example(gleif, (LEI,), {"errors": [{"status": "404", "title": "Not Found"}]}, 404)
COMPANY = Example(
    companies_house,
    ("GB/00012345",),
    {
        "company_name": "ACME LIMITED",
        "company_number": "00012345",
        "company_status": "active",
        "type": "ltd",
        "jurisdiction": "england-wales",
        "date_of_creation": "2001-02-03",
        "registered_office_address": {
            "address_line_1": "1 High Street",
            "locality": "Leeds",
            "postal_code": "LS1 1AA",
        },
        "sic_codes": ["62012"],
        "accounts": {"overdue": False},
        "has_insolvency_history": False,
        "etag": "e",
    },
)
COMPANY_MISSING = Example(
    companies_house,
    ("GB/00012345",),
    {"errors": [{"error": "company-profile-not-found", "type": "ch:service"}]},
    404,
)


def mailbox(address: str, status: str = "valid", sub_status: str = "") -> Json:
    return {
        "address": address,
        "status": status,
        "sub_status": sub_status,
        "free_email": False,
        "did_you_mean": None,
        "account": "a",
        "domain": "b.example",
        "domain_age_days": "9000",
        "smtp_provider": "example",
        "mx_found": "true",
        "mx_record": "mx.b.example",
        "firstname": None,
        "lastname": None,
        "gender": None,
        "country": None,
        "region": None,
        "city": None,
        "zipcode": None,
        "processed_at": "2026-11-02 10:11:12.345",
    }


def mailboxes(*items: Json, errors: Sequence[Json] = ()) -> Json:
    return {"email_batch": list(items), "errors": list(errors)}


NO_CREDIT = "Invalid API Key or your account ran out of credits"
MAILBOX = Example(zerobounce, ("a@b.example",), mailbox("a@b.example"))
MAILBOXES = Example(
    zerobounce,
    ("a@b.example", "c@b.example"),
    mailboxes(mailbox("c@b.example", "invalid", "mailbox_not_found"), mailbox("a@b.example")),
)
PHONE = Example(
    twilio_lookup,
    ("+442071838750",),
    {
        "calling_country_code": "44",
        "country_code": "GB",
        "phone_number": "+442071838750",
        "national_format": "020 7183 8750",
        "valid": True,
        "validation_errors": [],
        "caller_name": None,
        "line_type_intelligence": {
            "mobile_country_code": None,
            "mobile_network_code": None,
            "carrier_name": "BT",
            "type": "landline",
            "error_code": None,
        },
        "url": "https://lookups.twilio.com/v2/PhoneNumbers/+442071838750",
    },
)
PHONE_MISSING = Example(
    twilio_lookup,
    ("+442071838750",),
    {"code": 20404, "message": "…", "more_info": "https://www.twilio.com", "status": 404},
    404,
)


def place(postcode: str) -> Json:
    return {
        "postcode": postcode,
        "quality": 1,
        "eastings": 530047,
        "northings": 179951,
        "country": "England",
        "region": "London",
        "admin_district": "Westminster",
        "longitude": -0.127695,
        "latitude": 51.50354,
        "incode": "2AA",
        "outcode": "SW1A",
    }


POSTCODE = Example(postcodes_io, ("GB/SW1A 2AA",), {"status": 200, "result": place("SW1A 2AA")})
POSTCODE_MISSING = Example(
    postcodes_io, ("GB/SW1A 2AA",), {"status": 404, "error": "Postcode not found"}, 404
)
POSTCODE_ENDED = Example(
    postcodes_io,
    ("GB/E1W 1UU",),
    {
        "status": 404,
        "error": "Postcode not found",
        "terminated": {
            "postcode": "E1W 1UU",
            "year_terminated": 2015,
            "month_terminated": 2,
            "longitude": -0.1,
            "latitude": 51.5,
        },
    },
    404,
)
POSTCODES = Example(
    postcodes_io,
    ("GB/OX49 5NU", "GB/M32 0JG"),
    {
        "status": 200,
        "result": [
            {"query": "M32 0JG", "result": None},
            {"query": "OX49 5NU", "result": place("OX49 5NU")},
        ],
    },
)
ADDRESS_ASKED = "1600 AMPHITHEATRE PKWY\nMOUNTAIN VIEW\nCA\n94043\nUS"


def address_part(kind: str, level: str = "CONFIRMED", **flags: bool) -> Json:
    return {
        "componentName": {"text": kind.title()},
        "componentType": kind,
        "confirmationLevel": level,
        **flags,
    }


def address(*parts: Json, **verdict: object) -> Json:
    """Return Google's answer about an address; without arguments, that of a good one."""
    good = [address_part("street_number"), address_part("route"), address_part("country")]
    said = {
        "inputGranularity": "PREMISE",
        "validationGranularity": "PREMISE",
        "geocodeGranularity": "PREMISE",
        "addressComplete": True,
        "hasUnconfirmedComponents": False,
        "hasInferredComponents": True,
        "hasReplacedComponents": False,
        "possibleNextAction": "ACCEPT",
        **verdict,
    }
    return {
        "result": {
            "verdict": said,
            "address": {
                "formattedAddress": "1600 Amphitheatre Pkwy, Mountain View, CA 94043, USA",
                "postalAddress": {"regionCode": "US", "postalCode": "94043"},
                "addressComponents": parts or good,
                "missingComponentTypes": [],
                "unconfirmedComponentTypes": [],
            },
            "geocode": {"location": {"latitude": 37.4, "longitude": -122.1}, "placeId": "p"},
            "metadata": {"business": True, "residential": False},
        },
        "responseId": "r",
    }


ADDRESS = Example(google_address, (ADDRESS_ASKED,), address())
ADDRESS_MISSING = Example(
    google_address,
    (ADDRESS_ASKED,),
    address(
        address_part("route", "UNCONFIRMED_AND_SUSPICIOUS"),
        validationGranularity="OTHER",
        addressComplete=False,
        hasUnconfirmedComponents=True,
        possibleNextAction="FIX",
    ),
)
MX = {"name": "b.example.", "type": 15, "TTL": 300, "data": "10 mx.b.example."}


def resolution(
    *records: Json, name: str = "b.example.", qtype: int = 15, status: int = 0, **more: object
) -> Json:
    """Return a resolver's answer to one question, in Google's form."""
    return {
        "Status": status,
        "TC": False,
        "RD": True,
        "RA": True,
        "AD": False,
        "CD": False,
        "Question": [{"name": name, "type": qtype}],
        **({"Answer": list(records)} if records else {}),
        **more,
    }


DOMAIN = Example(dns_over_https, ("b.example",), resolution(MX))
EXAMPLES = (
    *(VIES, HMRC, HMRC_MISSING, GLEIF, GLEIF_PAGE, GLEIF_MISSING, COMPANY, COMPANY_MISSING),
    *(MAILBOX, MAILBOXES, PHONE, PHONE_MISSING, POSTCODE, POSTCODE_MISSING, POSTCODE_ENDED),
    *(POSTCODES, ADDRESS, ADDRESS_MISSING, DOMAIN),
)
