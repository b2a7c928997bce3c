"""VIES, European Commission: is an EU VAT number registered.

Contract: https://ec.europa.eu/taxation_customs/vies/ (REST interface, technical information).
Countries and the codes of the test service as published there; limits are not published as
numbers, so the stand-in has numbers of its own.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from sandbox import invented
from sandbox.limits import Limit, Refusal
from sandbox.message import Reply, Request, members
from sandbox.standin import Conclusion, Drift, MagicInput, StandIn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NAME = "vies"
MEMBER_STATES = ("AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "EL", "ES", "FI", "FR", "HR",
                 "HU", "IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI",
                 "SK", "XI")  # fmt: skip
NEVER_DISCLOSE = ("DE", "ES")
UNDISCLOSED = "---"
NUMBER = re.compile(r"[0-9A-Za-z+*.]{2,12}")
CONCURRENCY_MAX = 50
CONCURRENCY_PER_MEMBER_STATE_MAX = 10
REFUTED_PER_MILLE_FROM = 870
"""VIES knows no doubt, so the whole rest of the usual mix is not registered."""

TEST_NUMBERS = {
    "201": "INVALID_INPUT",
    "202": "INVALID_REQUESTER_INFO",
    "300": "SERVICE_UNAVAILABLE",
    "301": "MS_UNAVAILABLE",
    "302": "TIMEOUT",
    "400": "VAT_BLOCKED",
    "401": "IP_BLOCKED",
    "500": "GLOBAL_MAX_CONCURRENT_REQ",
    "501": "GLOBAL_MAX_CONCURRENT_REQ_TIME",
    "600": "MS_MAX_CONCURRENT_REQ",
    "601": "MS_MAX_CONCURRENT_REQ_TIME",
}
CONCLUSIONS: Mapping[str, Conclusion] = {"VALID": "CONFIRMED", "INVALID": "REFUTED"}
CODES = tuple(TEST_NUMBERS.values())


def _input(value: str, answer: str, meaning: str) -> MagicInput:
    conclusion = CONCLUSIONS.get(answer, "UNDECIDED")
    return MagicInput(NAME, "vatNumber", value, answer, conclusion, meaning)


INPUTS = (
    _input("DE100001003", "VALID", "registered; Germany never discloses name and address"),
    _input("FR88100000009", "VALID", "registered, with name and address"),
    _input("IT10000100106", "VALID", "registered, with name and address"),
    _input("XI100000132", "VALID", "registered in Northern Ireland"),
    _input("EL100001000", "VALID", "registered in Greece, whose prefix is EL"),
    _input("DE100002006", "INVALID", "not registered"),
    _input("NL100001002B01", "INVALID", "not registered"),
    _input("DE100002014", "INVALID_INPUT", "the service does not understand the number"),
    _input("DE100002022", "INVALID_REQUESTER_INFO", "the requester is not accepted"),
    _input("DE100003009", "SERVICE_UNAVAILABLE", "VIES itself is down"),
    _input("DE100003017", "MS_UNAVAILABLE", "the member state's register is down"),
    _input("DE100003025", "TIMEOUT", "the member state did not answer in time"),
    _input("DE100004001", "VAT_BLOCKED", "the requester's VAT number is blocked"),
    _input("DE100004010", "IP_BLOCKED", "the caller's address is blocked"),
    _input("DE100005004", "GLOBAL_MAX_CONCURRENT_REQ", "too many calls at once, overall"),
    _input("DE100005012", "GLOBAL_MAX_CONCURRENT_REQ_TIME", "too many calls in a time, overall"),
    _input("DE100006007", "MS_MAX_CONCURRENT_REQ", "too many calls at once for Germany"),
    _input("DE100006015", "MS_MAX_CONCURRENT_REQ_TIME", "too many calls in a time for Germany"),
)
ANSWERS = {magic.value: magic.answer for magic in INPUTS}


def answer_of(country: str, number: str) -> str:
    """Return VALID, INVALID or an error code for a number."""
    if country not in MEMBER_STATES or not NUMBER.fullmatch(number):
        return "INVALID_INPUT"
    magic = ANSWERS.get(country + number)
    if magic:
        return magic
    bits = invented.digest(country + number)
    return "VALID" if bits % 1000 < REFUTED_PER_MILLE_FROM else "INVALID"


def holder(country: str, number: str, answer: str) -> tuple[str, str]:
    """Return name and address, both `---` where the member state says nothing."""
    if answer != "VALID" or country in NEVER_DISCLOSE:
        return UNDISCLOSED, UNDISCLOSED
    bits = invented.digest(country + number)
    address = f"{invented.street(bits)}\n{bits % 90_000 + 10_000} {country} SANDBOX"
    return invented.company_name(bits, "SA").upper(), address.upper()


def requested_at(bits: int) -> str:
    """Return a moment; invented too, so that the same question has the same answer."""
    return f"2026-11-02T{invented.clock(bits)}.{bits % 1000:03}Z"


def wrapped(code: str, status: int = 200) -> Reply:
    """Return an error in the form without any fields of an answer."""
    return Reply(status, {"actionSucceed": False, "errorWrappers": [{"error": code}]})


def user_error(code: str, request: Request) -> Reply:
    """Return an error in the form of an answer that says `false`."""
    asked = _asked(request)
    reply = found(asked[0], asked[1], "INVALID", consultation="")
    reply.payload["userError"] = code
    return reply


def _asked(request: Request) -> tuple[str, str]:
    if request.method == "GET":
        parts = request.segments
        return (parts[1], parts[3]) if len(parts) == 4 else ("", "")
    body = members(request.json)
    country, number = body.get("countryCode"), body.get("vatNumber")
    return (country, number) if isinstance(country, str) and isinstance(number, str) else ("", "")


def found(country: str, number: str, answer: str, *, consultation: str) -> Reply:
    """Return the answer of POST /check-vat-number."""
    name, address = holder(country, number, answer)
    return Reply(
        payload={
            "countryCode": country,
            "vatNumber": number,
            "requestDate": requested_at(invented.digest(country + number)),
            "valid": answer == "VALID",
            "requestIdentifier": consultation,
            "name": name,
            "address": address,
            "traderName": UNDISCLOSED,
            "traderStreet": UNDISCLOSED,
            "traderPostalCode": UNDISCLOSED,
            "traderCity": UNDISCLOSED,
            "traderCompanyType": UNDISCLOSED,
            "traderNameMatch": "NOT_PROCESSED",
            "traderStreetMatch": "NOT_PROCESSED",
            "traderPostalCodeMatch": "NOT_PROCESSED",
            "traderCityMatch": "NOT_PROCESSED",
            "traderCompanyTypeMatch": "NOT_PROCESSED",
        }
    )


def looked_up(country: str, number: str, answer: str) -> Reply:
    """Return the answer of GET /ms/{cc}/vat/{number}."""
    name, address = holder(country, number, answer)
    return Reply(
        payload={
            "isValid": answer == "VALID",
            "requestDate": requested_at(invented.digest(country + number)),
            "userError": answer,
            "name": name,
            "address": address,
            "requestIdentifier": "",
            "originalVatNumber": number,
            "vatNumber": number,
            "viesApproximate": {
                "name": UNDISCLOSED,
                "street": UNDISCLOSED,
                "postalCode": UNDISCLOSED,
                "city": UNDISCLOSED,
                "companyType": UNDISCLOSED,
                "matchName": 3,
                "matchStreet": 3,
                "matchPostalCode": 3,
                "matchCity": 3,
                "matchCompanyType": 3,
            },
        }
    )


def values(request: Request) -> list[str]:
    """Return country and number as received."""
    asked = "".join(_asked(request))
    return [asked] if asked else []


def error(status: int) -> Reply:
    """Return the body that VIES has for a status."""
    code = {400: "INVALID_INPUT", 403: "IP_BLOCKED", 429: "GLOBAL_MAX_CONCURRENT_REQ"}
    return wrapped(code.get(status, "SERVICE_UNAVAILABLE"), status)


def refuse(refusal: Refusal) -> Reply:
    """Return the code for the bound that was hit; VIES says it with status 200."""
    return wrapped(
        {
            "partition": "MS_MAX_CONCURRENT_REQ",
            "concurrency": "GLOBAL_MAX_CONCURRENT_REQ",
            "rate": "GLOBAL_MAX_CONCURRENT_REQ_TIME",
        }[refusal.bound]
    )


def _consultation(body: Mapping[str, Any], bits: int) -> str:
    named = body.get("requesterMemberStateCode") and body.get("requesterNumber")
    return f"WAPIAAAA{bits:016X}"[:16] if named else ""


def _check(request: Request, availability: Mapping[str, str]) -> Reply:
    country, number = _asked(request)
    if availability.get(country) == "Unavailable":
        return wrapped("MS_UNAVAILABLE")
    answer = answer_of(country, number)
    if answer not in {"VALID", "INVALID"}:
        return wrapped(answer)
    consultation = _consultation(members(request.json), invented.digest(country + number))
    return found(country, number, answer, consultation=consultation)


def _test_service(request: Request) -> Reply:
    country, number = _asked(request)
    if number in {"100", "200"} and country in MEMBER_STATES:
        return found(country, number, "VALID" if number == "100" else "INVALID", consultation="")
    return wrapped(TEST_NUMBERS.get(number, "INVALID_INPUT"))


def stand_in() -> StandIn:
    """Return VIES with every member state available."""
    availability: dict[str, str] = {}

    def handle(request: Request) -> Reply:
        match request.method, request.path:
            case "POST", "/check-vat-number":
                return _check(request, availability)
            case "POST", "/check-vat-test-service":
                return _test_service(request)
            case "GET", "/check-status":
                states = [
                    {"countryCode": state, "availability": availability.get(state, "Available")}
                    for state in MEMBER_STATES
                ]
                return Reply(payload={"vow": {"available": True}, "countries": states})
            case "GET", path if path.startswith("/ms/"):
                country, number = _asked(request)
                down = availability.get(country) == "Unavailable"
                answer = "MS_UNAVAILABLE" if down else answer_of(country, number)
                return looked_up(country, number, answer)
            case _:
                return wrapped("INVALID_INPUT", 404)

    def set_availability(change: Mapping[str, Any]) -> Mapping[str, str]:
        """Change member states: {"DE": "Unavailable"}; then they answer MS_UNAVAILABLE."""
        availability.update({str(state): str(word) for state, word in change.items()})
        return availability

    faults: dict[str, Callable[[Request], Reply]] = {}
    for code in CODES:
        faults[code] = lambda _, code=code: wrapped(code)
        faults[f"{code}/500"] = lambda _, code=code: wrapped(code, 500)
        faults[f"{code}/user_error"] = partial(user_error, code)
    return StandIn(
        name=NAME,
        mounts={
            "vies": Limit(
                concurrency=CONCURRENCY_MAX,
                partition_concurrency=CONCURRENCY_PER_MEMBER_STATE_MAX,
            )
        },
        paths=("/check-vat-number", "/check-vat-test-service", "/check-status", "/ms/"),
        handle=handle,
        error=error,
        drift=Drift(
            decides=("valid",),
            unknown_word="PERHAPS",
            other_type="true",
            echo=(("vatNumber",),),
            foreign="100000009",
        ),
        values=values,
        partition=lambda request: _asked(request)[0],
        refuse=refuse,
        faults=faults,
        commands={"availability": set_availability},
        reset=availability.clear,
    )
