"""Twilio Lookup 2: what a phone number is, and which sort of line.

Contract: https://www.twilio.com/docs/lookup/v2-api. Limit: by account; 100 a second here,
refused with code 20429. Numbers of the magic inputs are of ranges kept for fiction (Ofcom, PTS,
North America's 555-01XX) or unassigned.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sandbox import invented
from sandbox.limits import Limit, Window
from sandbox.message import KEY, Reply, Request, is_account
from sandbox.standin import Conclusion, Drift, MagicInput, StandIn

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "twilio_lookup"
REQUESTS_PER_S_MAX = 100
PREFIX = "/v2/PhoneNumbers/"
E164 = re.compile(r"\+[1-9][0-9]{1,19}")
LENGTH_MIN, LENGTH_MAX = 8, 16
CALLING_CODES = {"1": "US", "31": "NL", "32": "BE", "33": "FR", "34": "ES", "351": "PT",
                 "353": "IE", "39": "IT", "40": "RO", "41": "CH", "420": "CZ", "43": "AT",
                 "44": "GB", "45": "DK", "46": "SE", "47": "NO", "48": "PL", "49": "DE",
                 "61": "AU", "81": "JP", "91": "IN"}  # fmt: skip
TYPES = ("mobile", "mobile", "mobile", "landline", "landline", "fixedVoip", "nonFixedVoip")
CARRIERS = ("Northern Mobile", "Isle Telecom", "Blue Line", "Tern Wireless")
PACKAGE_FAILED, PACKAGE_FAILED_AND_BILLED = 60600, 60620
NOT_PARSED = "20404"


def _input(value: str, answer: str, conclusion: Conclusion, meaning: str) -> MagicInput:
    return MagicInput(NAME, "phone", value, answer, conclusion, meaning)


INPUTS = (
    _input("+442079460001", "landline", "CONFIRMED", "landline"),
    _input("+46701740611", "mobile", "CONFIRMED", "mobile"),
    _input("+46701740612", "fixedVoip", "CONFIRMED", "internet telephony at a fixed place"),
    _input("+46701740613", "nonFixedVoip", "CONFIRMED", "internet telephony anywhere"),
    _input("+46701740614", "personal", "CONFIRMED", "personal number"),
    _input("+448081570001", "tollFree", "CONFIRMED", "free of charge for the caller"),
    _input("+449098790001", "premium", "CONFIRMED", "premium rate"),
    _input("+46701740615", "sharedCost", "CONFIRMED", "shared cost"),
    _input("+443069990001", "uan", "CONFIRMED", "universal access number"),
    _input("+46701740616", "voicemail", "CONFIRMED", "voicemail only"),
    _input("+46701740617", "pager", "CONFIRMED", "pager"),
    _input("+46701740618", "unknown", "CONFIRMED", "valid, but its sort is not known"),
    _input("+12025550101", "mobile", "CONFIRMED", "mobile in the United States"),
    _input("+46701740621", "TOO_SHORT", "REFUTED", "said to be too short"),
    _input("+46701740622", "TOO_LONG", "REFUTED", "said to be too long"),
    _input("+46701740623", "INVALID_BUT_POSSIBLE", "REFUTED", "possible length, not assigned"),
    _input("+46701740624", "INVALID_COUNTRY_CODE", "REFUTED", "said to have no such country"),
    _input("+46701740625", "INVALID_LENGTH", "REFUTED", "said to have a wrong length"),
    _input("+46701740626", "NOT_A_NUMBER", "REFUTED", "said to be no number"),
    _input("+46701740627", NOT_PARSED, "REFUTED", "404: the number cannot be parsed"),
    _input("+46701740631", "60600", "CONFIRMED", "valid; the line package failed, ask later"),
    _input("+46701740632", "60620", "CONFIRMED", "valid; the line package failed, was billed"),
    _input("+46701740633", "quantumVoip", "CONFIRMED", "valid; a line type the contract lacks"),
    _input("+46701740641", "20429", "UNDECIDED", "429: too many requests"),
    _input("+46701740642", "20500", "UNDECIDED", "500: the service fails"),
    _input("+46701740643", "20503", "UNDECIDED", "503: the service is down"),
)
MAGIC = {magic.value: magic.answer for magic in INPUTS}
INVALID = ("TOO_SHORT", "TOO_LONG", "INVALID_BUT_POSSIBLE", "INVALID_COUNTRY_CODE",
           "INVALID_LENGTH", "NOT_A_NUMBER")  # fmt: skip
CODES = {400: (60600, "Invalid parameter"), 401: (20003, "Authenticate"),
         404: (20404, "The requested resource was not found"),
         429: (20429, "Too many requests"), 500: (20500, "Internal Server Error"),
         503: (20503, "Service unavailable")}  # fmt: skip


def answer_of(number: str) -> str:
    """Return a line type, a validation error, or an error code."""
    magic = MAGIC.get(number)
    if magic:
        return magic
    if not E164.fullmatch(number):
        return NOT_PARSED
    if not LENGTH_MIN <= len(number) <= LENGTH_MAX:
        return "TOO_SHORT" if len(number) < LENGTH_MIN else "TOO_LONG"
    bits = invented.digest(number)
    match invented.share(bits):
        case "refuted":
            return "INVALID_BUT_POSSIBLE"
        case "undecided":
            return str(PACKAGE_FAILED)
        case _:
            return invented.pick(TYPES, bits, 1)


def error(status: int) -> Reply:
    """Return Twilio's code for a status."""
    code, message = CODES.get(status, (20000 + status, "Error"))
    more = f"https://www.twilio.com/docs/errors/{code}"
    return Reply(status, {"code": code, "message": message, "more_info": more, "status": status})


def _line(number: str, answer: str) -> dict[str, Any]:
    bits = invented.digest(number)
    failed = answer.isdigit()
    mobile = answer == "mobile"
    return {
        "mobile_country_code": f"{200 + bits % 500}" if mobile else None,
        "mobile_network_code": f"{bits % 90 + 10}" if mobile else None,
        "carrier_name": None if failed else invented.pick(CARRIERS, bits, 2),
        "type": None if failed else answer,
        "error_code": int(answer) if failed else None,
    }


def found(request: Request, number: str, answer: str) -> Reply:
    """Return the answer for a number that could be parsed."""
    digits = number[1:]
    code = next((digits[:n] for n in (1, 2, 3) if digits[:n] in CALLING_CODES), None)
    valid = answer not in INVALID
    wants_line = "line_type_intelligence" in request.parameters.get("Fields", "").split(",")
    return Reply(
        payload={
            "calling_country_code": code,
            "country_code": CALLING_CODES[code] if code else None,
            "phone_number": number,
            "national_format": digits[len(code or "") :] if code == "1" else f"0{digits[2:]}",
            "valid": valid,
            "validation_errors": [] if valid else [answer],
            "caller_name": None,
            "sim_swap": None,
            "call_forwarding": None,
            "line_status": None,
            "line_type_intelligence": _line(number, answer) if valid and wants_line else None,
            "identity_match": None,
            "reassigned_number": None,
            "sms_pumping_risk": None,
            "phone_number_quality_score": None,
            "pre_fill": None,
            "url": f"https://lookups.twilio.com/v2/PhoneNumbers/{number}",
        }
    )


def account(request: Request) -> str | None:
    """Return the account, when key and secret are known."""
    user, secret = request.basic_auth()
    return user if is_account(user) and secret in {user, KEY} else None


def values(request: Request) -> list[str]:
    """Return the number as received."""
    return request.segments[2:3] if request.path.startswith(PREFIX) else []


def handle(request: Request) -> Reply:
    """Answer GET /v2/PhoneNumbers/{E164}."""
    if account(request) is None:
        return error(401)
    asked = values(request)
    if request.method != "GET" or len(asked) != 1:
        return error(404)
    answer = answer_of(asked[0])
    for status, (code, _) in CODES.items():
        if answer == str(code) and status != 400:
            return error(status)
    return found(request, asked[0], answer)


def _package_failed(code: int) -> Callable[[Request], Reply]:
    return lambda request: found(request, values(request)[0], str(code))


def stand_in() -> StandIn:
    """Return Twilio Lookup."""
    return StandIn(
        name=NAME,
        mounts={"twilio": Limit((Window(REQUESTS_PER_S_MAX, 1.0),))},
        paths=(PREFIX,),
        handle=handle,
        error=error,
        drift=Drift(
            decides=("valid",),
            unknown_word="quantumVoip",
            other_type="true",
            echo=(("phone_number",),),
            foreign="+46701740699",
            word_at=("line_type_intelligence", "type"),
        ),
        values=values,
        account=account,
        faults={
            "package_60600": _package_failed(PACKAGE_FAILED),
            "package_60620": _package_failed(PACKAGE_FAILED_AND_BILLED),
        },
    )
