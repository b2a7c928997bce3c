"""Google Address Validation, version 1: is there such a place, and how closely was it found.

Contract: https://developers.google.com/maps/documentation/address-validation. Limit: 6,000
requests a minute for a project, published there. What an answer says is decided by the first line
of the address; in the regions of `UNCOVERED` nothing can be asked. As all of Google's newer
services it leaves out of an answer what is false or empty.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from sandbox import invented
from sandbox.limits import Limit, Window
from sandbox.message import Reply, Request, elements, is_account, members
from sandbox.standin import Conclusion, Drift, MagicInput, StandIn

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "google_address"
REQUESTS_MAX, WINDOW_S = 6_000, 60.0
PATH = "/v1:validateAddress"
UNCOVERED = ("AQ", "KP")
STATUSES = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED",
            404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE",
            504: "DEADLINE_EXCEEDED"}  # fmt: skip


class Place(NamedTuple):
    """What is found at an address.

    `part` is the sort of component that is not plainly confirmed: its confirmation level is
    `level`, or it is "inferred", "replaced" or "missing".
    """

    granularity: str
    action: str
    part: str = ""
    level: str = "CONFIRMED"


PLAUSIBLE, SUSPICIOUS = "UNCONFIRMED_BUT_PLAUSIBLE", "UNCONFIRMED_AND_SUSPICIOUS"
PLACES: Mapping[str, tuple[Place, Conclusion, str]] = {
    "1 Premise Street": (Place("PREMISE", "ACCEPT"), "CONFIRMED", "found to the house"),
    "2 Flat Street": (Place("SUB_PREMISE", "ACCEPT"), "CONFIRMED", "found to the flat"),
    "3 Flatless Street": (
        Place("PREMISE", "CONFIRM_ADD_SUBPREMISES", "subpremise", "missing"),
        *("DOUBTFUL", "the number of a flat is missing"),
    ),
    "4 Plausible Street": (
        Place("PREMISE", "CONFIRM", "street_number", PLAUSIBLE),
        *("DOUBTFUL", "the house number is only plausible"),
    ),
    "5 Replaced Street": (
        Place("PREMISE", "CONFIRM", "locality", "replaced"),
        *("DOUBTFUL", "the town is another one"),
    ),
    "6 Inferred Street": (
        Place("PREMISE", "ACCEPT", "postal_code", "inferred"),
        *("DOUBTFUL", "the postcode had to be put in"),
    ),
    "7 Vague Street": (
        Place("ROUTE", "FIX", "street_number", PLAUSIBLE),
        *("DOUBTFUL", "found to the street alone"),
    ),
    "8 Nearby Street": (Place("PREMISE_PROXIMITY", "CONFIRM"), "DOUBTFUL", "found to a neighbour"),
    "9 Murky Street": (
        Place("OTHER", "FIX", "route", PLAUSIBLE),
        *("DOUBTFUL", "not found, though nothing looks wrong"),
    ),
    "10 Nowhere Street": (
        Place("OTHER", "FIX", "route", SUSPICIOUS),
        *("REFUTED", "not found, and the street looks wrong"),
    ),
    "11 Suspect Street": (
        Place("ROUTE", "FIX", "street_number", SUSPICIOUS),
        *("REFUTED", "the street has no such number"),
    ),
    "12 Odd Street": (Place("PREMISE", "PONDER"), "UNDECIDED", "an action the contract lacks"),
}
FAILING: Mapping[str, tuple[int, str]] = {
    "13 Uncovered Street": (400, "as in a country that is not covered"),
    "14 Broken Street": (500, "the service fails with 500"),
    "15 Closed Street": (503, "the service is down with 503"),
}
BY_SHARE = {
    "confirmed": ("1 Premise Street", "2 Flat Street"),
    "refuted": ("10 Nowhere Street", "11 Suspect Street"),
    "doubtful": ("3 Flatless Street", "5 Replaced Street", "7 Vague Street"),
    "undecided": ("9 Murky Street",),
}


def _input(value: str, answer: str, conclusion: Conclusion, meaning: str) -> MagicInput:
    return MagicInput(NAME, "address", value, answer, conclusion, f"first line: {meaning}")


INPUTS = (
    *(
        _input(line, f"{place.granularity}:{place.action}", conclusion, meaning)
        for line, (place, conclusion, meaning) in PLACES.items()
    ),
    *(
        _input(line, STATUSES[status], "UNDECIDED", meaning)
        for line, (status, meaning) in FAILING.items()
    ),
)
LINES = {line.upper(): line for line in (*PLACES, *FAILING)}


def asked(request: Request) -> dict[str, Any]:
    """Return the address in a request, empty when there is none."""
    return members(members(request.json).get("address"))


def lines_of(address: dict[str, Any]) -> list[str]:
    """Return the lines of an address."""
    return [line for line in elements(address.get("addressLines")) or () if isinstance(line, str)]


def case_of(address: dict[str, Any]) -> str:
    """Return the magic first line as which an address is answered."""
    lines = [line.upper() for line in lines_of(address)]
    if lines[0] in LINES:
        return LINES[lines[0]]
    bits = invented.digest("\n".join(lines))
    return invented.pick(BY_SHARE[invented.share(bits)], bits, 1)


def _components(address: dict[str, Any], place: Place) -> list[dict[str, Any]]:
    number, _, street = lines_of(address)[0].partition(" ")
    texts = {
        "street_number": number,
        "route": street or number,
        "locality": address.get("locality"),
        "administrative_area_level_1": address.get("administrativeArea"),
        "postal_code": address.get("postalCode"),
        "country": address.get("regionCode"),
    }
    found: list[dict[str, Any]] = []
    for name, text in texts.items():
        flag = place.level if name == place.part else ""
        if text or flag == "inferred":
            part: dict[str, Any] = {
                "componentName": {"text": text or "00000"},
                "componentType": name,
                "confirmationLevel": flag if flag.isupper() else "CONFIRMED",
            }
            if flag.islower():
                part[flag] = True
            found.append(part)
    return found


def result(address: dict[str, Any], place: Place) -> dict[str, Any]:
    """Return what is known of an address."""
    unconfirmed = [place.part] if place.level in {PLAUSIBLE, SUSPICIOUS} else []
    missing = [place.part] if place.level == "missing" else []
    verdict: dict[str, Any] = {
        "inputGranularity": "PREMISE",
        "validationGranularity": place.granularity,
        "geocodeGranularity": place.granularity,
        "addressComplete": not missing and place.granularity != "OTHER",
        "hasUnconfirmedComponents": bool(unconfirmed),
        "hasInferredComponents": place.level == "inferred",
        "hasReplacedComponents": place.level == "replaced",
        "possibleNextAction": place.action,
    }
    parts = [*lines_of(address), *(address.get(name) for name in ("locality", "postalCode"))]
    bits = invented.digest("\n".join(lines_of(address)))
    whole: dict[str, Any] = {
        "formattedAddress": ", ".join(str(part) for part in parts if part),
        "postalAddress": address,
        "addressComponents": _components(address, place),
        "missingComponentTypes": missing,
        "unconfirmedComponentTypes": unconfirmed,
    }
    return {
        "verdict": {name: value for name, value in verdict.items() if value},
        "address": {name: value for name, value in whole.items() if value},
        "geocode": {
            "location": {"latitude": bits % 180 - 90 + 0.5, "longitude": bits % 360 - 180 + 0.25},
            "placeId": f"{bits:016x}",
        },
        "metadata": {"business": True} if bits % 2 else {"residential": True},
    }


def error(status: int, word: str = "", reason: str = "") -> Reply:
    """Return Google's form of an error; `reason` is its detail (google.rpc.ErrorInfo)."""
    told: dict[str, Any] = {
        "code": status,
        "message": "Request contains an invalid argument." if status == 400 else "Not now.",
        "status": word or STATUSES.get(status, "UNKNOWN"),
    }
    if reason:
        info = "type.googleapis.com/google.rpc.ErrorInfo"
        told["details"] = [{"@type": info, "reason": reason, "domain": "googleapis.com"}]
    return Reply(status, {"error": told})


def handle(request: Request) -> Reply:
    """Answer POST /v1:validateAddress."""
    if request.method != "POST" or request.path != PATH:
        return error(404)
    key = request.parameters.get("key", "")
    if not key:
        return error(403)
    if not is_account(key):
        return error(400, reason="API_KEY_INVALID")
    address = asked(request)
    if not lines_of(address) or address.get("regionCode") in UNCOVERED:
        return error(400)
    case = case_of(address)
    if case in FAILING:
        return error(FAILING[case][0])
    place, _, _ = PLACES[case]
    told = {"result": result(address, place), "responseId": f"{invented.digest(case):016x}"}
    return Reply(payload=told)


def account(request: Request) -> str | None:
    """Return the key, when it is known."""
    key = request.parameters.get("key", "")
    return key if is_account(key) else None


def values(request: Request) -> list[str]:
    """Return the lines of the address as received, as one text."""
    return ["\n".join(lines_of(asked(request)))]


def _always(reply: Reply, _request: Request) -> Reply:
    return reply


def stand_in() -> StandIn:
    """Return Google Address Validation."""
    words = {word: partial(_always, error(status)) for status, word in STATUSES.items()}
    return StandIn(
        name=NAME,
        mounts={"google-address": Limit((Window(REQUESTS_MAX, WINDOW_S, "fixed"),))},
        paths=(PATH,),
        handle=handle,
        error=error,
        drift=Drift(
            decides=("result", "verdict", "validationGranularity"),
            unknown_word="GALAXY",
            other_type=["PREMISE"],
            echo=(("result", "address", "postalAddress", "regionCode"),),
            foreign="ZZ",
        ),
        values=values,
        account=account,
        faults={**words, "API_KEY_INVALID": partial(_always, error(400, reason="API_KEY_INVALID"))},
    )
