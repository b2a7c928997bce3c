"""GLEIF API 1: legal entity identifiers, one or up to 200 a page.

Contract: https://www.gleif.org/en/lei-data/gleif-api (JSON:API). Limit: 60 requests a minute,
published there. Check digits: ISO 17442 by ISO 7064 MOD 97-10.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sandbox import invented
from sandbox.limits import Limit, Window
from sandbox.message import Reply, Request
from sandbox.standin import Conclusion, Drift, MagicInput, StandIn

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "gleif"
REQUESTS_PER_MINUTE_MAX = 60
PAGE_MAX = 200
CONTENT_TYPE = "application/vnd.api+json"
LEI = re.compile(r"[0-9A-Z]{18}[0-9]{2}")
MISSING = "MISSING"
CITIES = (("Berlin", "DE", "10115"), ("Leeds", "GB", "LS1 1AA"), ("Lyon", "FR", "69001"),
          ("Dublin", "IE", "D02 AF30"), ("Utrecht", "NL", "3511 AA"))  # fmt: skip


def _input(value: str, answer: str, conclusion: Conclusion, meaning: str) -> MagicInput:
    return MagicInput(NAME, "lei", value, answer, conclusion, meaning)


INPUTS = (
    _input("SBOX00ISSUED00000047", "ISSUED", "CONFIRMED", "active entity, issued and current"),
    _input("SBOX00LAPSED00000088", "LAPSED", "DOUBTFUL", "not renewed in time"),
    _input("SBOX00PTRANSFER00059", "PENDING_TRANSFER", "DOUBTFUL", "moving to another issuer"),
    _input("SBOX00PARCHIVAL00053", "PENDING_ARCHIVAL", "DOUBTFUL", "about to be archived"),
    _input("SBOX00INACTIVE000031", "INACTIVE", "REFUTED", "the entity has ceased"),
    _input("SBOX00RETIRED0000082", "RETIRED", "REFUTED", "ended with its entity"),
    _input("SBOX00MERGED00000051", "MERGED", "REFUTED", "the entity was merged into another"),
    _input("SBOX00ANNULLED000027", "ANNULLED", "REFUTED", "issued in error"),
    _input("SBOX00DUPLICATE00008", "DUPLICATE", "REFUTED", "the entity has another one"),
    _input("SBOX00CANCELLED00005", "CANCELLED", "REFUTED", "never came into force"),
    _input("SBOX00MISSING0000003", MISSING, "REFUTED", "not in the register"),
    _input("SBOX00NEWWORD0000057", "UNDER_REVIEW", "UNDECIDED", "a status the contract lacks"),
)
MAGIC = {magic.value: magic.answer for magic in INPUTS}
REFUTED_STATES = (MISSING, MISSING, "RETIRED", "MERGED", "INACTIVE", "DUPLICATE")


def checks_out(lei: str) -> bool:
    """Return whether form and check digits are right."""
    return bool(LEI.fullmatch(lei)) and int("".join(str(int(c, 36)) for c in lei)) % 97 == 1


def state_of(lei: str) -> str:
    """Return the registration's status, INACTIVE for a ceased entity, or MISSING."""
    magic = MAGIC.get(lei)
    if magic:
        return magic
    bits = invented.digest(lei)
    match invented.share(bits):
        case "refuted":
            return invented.pick(REFUTED_STATES, bits, 1)
        case "doubtful":
            return "LAPSED"
        case _:
            return "ISSUED"


def entry(lei: str, state: str) -> dict[str, Any]:
    """Return the resource object of an identifier that is in the register."""
    bits = invented.digest(lei)
    city, country, postcode = invented.pick(CITIES, bits, 1)
    address = {"language": "en", "addressLines": [invented.street(bits)], "city": city,
               "region": None, "country": country, "postalCode": postcode}  # fmt: skip
    ceased = state in {"INACTIVE", "RETIRED", "MERGED"}
    ended = f"{invented.day(bits, 2019, 6)}T00:00:00Z" if ceased else None
    return {
        "type": "lei-records",
        "id": lei,
        "attributes": {
            "lei": lei,
            "entity": {
                "legalName": {"name": invented.company_name(bits, "SE"), "language": "en"},
                "legalAddress": address,
                "headquartersAddress": address,
                "jurisdiction": country,
                "status": "INACTIVE" if ceased else "ACTIVE",
                "registeredAs": f"HRB {bits % 100_000}",
                "expiration": {"date": ended, "reason": "OTHER" if ended else None},
            },
            "registration": {
                "initialRegistrationDate": f"{invented.day(bits, 2013, 8)}T00:00:00Z",
                "lastUpdateDate": f"{invented.day(bits, 2025, 1)}T00:00:00Z",
                "status": "RETIRED" if state == "INACTIVE" else state,
                "nextRenewalDate": (
                    f"{invented.day(bits, 2024, 1)}T00:00:00Z"
                    if state == "LAPSED"
                    else f"{invented.day(bits, 2030, 3)}T00:00:00Z"
                ),
                "managingLou": "SBOX00ISSUED00000047",
                "corroborationLevel": "FULLY_CORROBORATED",
            },
            "bic": None,
        },
        "relationships": {},
    }


def error(status: int) -> Reply:
    """Return a JSON:API error."""
    titles = {400: "Bad Request", 404: "Not Found", 429: "Too Many Requests"}
    title = titles.get(status, "Server Error")
    payload = {"errors": [{"status": str(status), "title": title}]}
    return Reply(status, payload, content_type=CONTENT_TYPE)


def values(request: Request) -> Sequence[str]:
    """Return the identifiers as received."""
    parts = request.segments
    if len(parts) == 2:
        return parts[1:]
    return [lei for lei in request.parameters.get("filter[lei]", "").split(",") if lei]


def _number(request: Request, name: str, default: int) -> int:
    text = request.parameters.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and int(text) > 0 else default


def _listed(request: Request) -> Reply:
    asked = values(request)
    if not all(checks_out(lei) for lei in asked):
        return error(400)
    size = min(_number(request, "page[size]", 15), PAGE_MAX)
    number = _number(request, "page[number]", 1)
    known = [lei for lei in sorted(set(asked)) if state_of(lei) != MISSING]
    page = known[(number - 1) * size : number * size]
    first = (number - 1) * size + 1
    payload = {
        "meta": {
            "pagination": {
                "currentPage": number,
                "perPage": size,
                "from": first if page else None,
                "to": first + len(page) - 1 if page else None,
                "total": len(known),
                "lastPage": max(1, -(-len(known) // size)),
            }
        },
        "data": [entry(lei, state_of(lei)) for lei in page],
    }
    return Reply(payload=payload, content_type=CONTENT_TYPE, items="data")


def handle(request: Request) -> Reply:
    """Answer both forms of GET /lei-records."""
    parts = request.segments
    if request.method != "GET" or parts[0] != "lei-records" or len(parts) > 2:
        return error(404)
    if len(parts) == 1:
        return _listed(request)
    lei = parts[1]
    state = state_of(lei) if checks_out(lei) else MISSING
    if state == MISSING:
        return error(404)
    return Reply(payload={"data": entry(lei, state)}, content_type=CONTENT_TYPE)


def stand_in() -> StandIn:
    """Return GLEIF."""
    return StandIn(
        name=NAME,
        mounts={"gleif": Limit((Window(REQUESTS_PER_MINUTE_MAX, 60.0),))},
        paths=("/lei-records/", "/lei-records"),
        handle=handle,
        error=error,
        drift=Drift(
            decides=("attributes", "registration", "status"),
            unknown_word="UNDER_REVIEW",
            other_type=7,
            echo=(("id",), ("attributes", "lei")),
            foreign="SBOX00FOREIGN0000049",
            inside="data",
        ),
        values=values,
    )
