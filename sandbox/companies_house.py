"""Companies House, United Kingdom: the public data API's company profile.

Contract: https://developer-specs.company-information.service.gov.uk/. Limit: 600 requests in
5 minutes per key, published there; the window is refused as a whole once it is used up.
"""

from __future__ import annotations

import math
import re
import time
from typing import TYPE_CHECKING, Any

from sandbox import invented
from sandbox.limits import Left, Limit, Window
from sandbox.message import Reply, Request, is_account
from sandbox.standin import Conclusion, Drift, MagicInput, StandIn

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "companies_house"
REQUESTS_PER_WINDOW_MAX = 600
WINDOW_S = 300.0
NUMBER = re.compile(r"(?:[0-9]{8}|[A-Z]{2}[0-9]{6})")
MISSING = "company-profile-not-found"
ENDED = ("dissolved", "converted-closed", "removed", "closed")
DOUBTFUL = ("active-proposal-to-strike-off", "liquidation", "administration", "receivership",
            "voluntary-arrangement", "insolvency-proceedings")  # fmt: skip
JURISDICTIONS = {"SC": "scotland", "NI": "northern-ireland"}


def _input(value: str, answer: str, conclusion: Conclusion, meaning: str) -> MagicInput:
    return MagicInput(NAME, "company", value, answer, conclusion, meaning)


INPUTS = (
    _input("00000101", "active", "CONFIRMED", "active company of England and Wales"),
    _input("SC000101", "active", "CONFIRMED", "active company of Scotland"),
    _input("00000202", "active-proposal-to-strike-off", "DOUBTFUL", "about to be struck off"),
    _input("00000203", "liquidation", "DOUBTFUL", "in liquidation"),
    _input("00000204", "administration", "DOUBTFUL", "in administration"),
    _input("00000205", "receivership", "DOUBTFUL", "in receivership"),
    _input("00000206", "voluntary-arrangement", "DOUBTFUL", "in a voluntary arrangement"),
    _input("00000207", "insolvency-proceedings", "DOUBTFUL", "in insolvency proceedings"),
    _input("00000301", "dissolved", "REFUTED", "dissolved, with the date"),
    _input("00000302", "converted-closed", "REFUTED", "converted into something else"),
    _input("00000303", "removed", "REFUTED", "removed from the register"),
    _input("00000304", "closed", "REFUTED", "closed, an overseas company"),
    _input("00000404", MISSING, "REFUTED", "no such company"),
    _input("00000500", "500", "UNDECIDED", "the service fails with 500"),
    _input("00000502", "502", "UNDECIDED", "the service fails with 502"),
    _input("00000503", "503", "UNDECIDED", "maintenance page in HTML with 503"),
    _input("00000599", "hibernating", "UNDECIDED", "a status the contract lacks"),
)
MAGIC = {magic.value: magic.answer for magic in INPUTS}
NOWHERE = b"<!DOCTYPE html><html><body><h1>Not Found</h1></body></html>"
PAGE = b"<!DOCTYPE html><html><body><h1>The service is unavailable</h1></body></html>"


def state_of(number: str) -> str:
    """Return a company's status, MISSING, or the HTTP status of a magic fault."""
    magic = MAGIC.get(number)
    if magic:
        return magic
    bits = invented.digest(number)
    match invented.share(bits):
        case "refuted":
            return invented.pick((MISSING, "dissolved"), bits, 1)
        case "doubtful":
            return invented.pick(DOUBTFUL, bits, 1)
        case _:
            return "active"


def profile(number: str, state: str) -> dict[str, Any]:
    """Return the profile of a company that is in the register."""
    bits = invented.digest(number)
    company: dict[str, Any] = {
        "company_name": invented.company_name(bits, "Limited").upper(),
        "company_number": number,
        "company_status": "active" if state == "active-proposal-to-strike-off" else state,
        "type": "ltd",
        "jurisdiction": JURISDICTIONS.get(number[:2], "england-wales"),
        "date_of_creation": invented.day(bits, 1985, 35),
        "registered_office_address": {
            "address_line_1": invented.street(bits),
            "locality": "Leeds",
            "postal_code": f"LS{bits % 29 + 1} {bits % 9 + 1}AA",
        },
        "sic_codes": [f"{62_000 + bits % 99:05}"],
        "accounts": {"overdue": bits % 9 == 0},
        "has_insolvency_history": state in DOUBTFUL[1:],
        "etag": f"{bits:016x}",
    }
    if state == "active-proposal-to-strike-off":
        company["company_status_detail"] = state
    if state in ENDED:
        company["date_of_cessation"] = invented.day(bits, 2021, 5)
    return company


def error(status: int) -> Reply:
    """Return the body that the service has for a status; 429 has none."""
    match status:
        case 401:
            return Reply(401, {"error": "Invalid Authorization", "type": "ch:service"})
        case 404:
            return Reply(404, {"errors": [{"error": MISSING, "type": "ch:service"}]})
        case 429:
            return Reply(429, body=b"")
        case 503:
            return Reply(503, body=PAGE, content_type="text/html")
        case _:
            return Reply(status, {"errors": [{"error": "service-error", "type": "ch:service"}]})


def account(request: Request) -> str | None:
    """Return the key, when it is known; the password stays empty."""
    user, _ = request.basic_auth()
    return user if is_account(user) else None


def quota_headers(left: Left) -> tuple[tuple[str, str], ...]:
    """Return the headers that every answer to a known key carries; Reset is epoch seconds."""
    minutes = left.window_s / 60
    window = f"{minutes:.0f}m" if minutes >= 1 else f"{left.window_s:g}s"
    return (
        ("X-Ratelimit-Limit", str(left.requests)),
        ("X-Ratelimit-Remain", str(max(0, left.remain))),
        ("X-Ratelimit-Reset", str(math.ceil(time.time() + left.reset_s))),
        ("X-Ratelimit-Window", window),
    )


def handle(request: Request) -> Reply:
    """Answer GET /company/{number}."""
    if account(request) is None:
        return error(401)
    parts = request.segments
    if request.method != "GET" or len(parts) != 2 or parts[0] != "company":
        return Reply(404, body=NOWHERE, content_type="text/html")
    number = parts[1]
    state = state_of(number) if NUMBER.fullmatch(number) else MISSING
    if state == MISSING:
        return error(404)
    return error(int(state)) if state.isdigit() else Reply(payload=profile(number, state))


def values(request: Request) -> list[str]:
    """Return the number as received."""
    return request.segments[1:2]


def stand_in() -> StandIn:
    """Return Companies House."""
    limit = Limit((Window(REQUESTS_PER_WINDOW_MAX, WINDOW_S, "fixed"),))
    mounts: Mapping[str, Limit] = {"companies-house": limit}
    return StandIn(
        name=NAME,
        mounts=mounts,
        paths=("/company/",),
        handle=handle,
        error=error,
        drift=Drift(
            decides=("company_status",),
            unknown_word="hibernating",
            other_type=["active"],
            echo=(("company_number",),),
            foreign="00000999",
        ),
        values=values,
        account=account,
        quota_headers=quota_headers,
    )
