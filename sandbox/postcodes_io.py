"""postcodes.io: postcodes of the United Kingdom, one or 100 at a time.

Contract: https://postcodes.io/docs. Limit: fair use, not published as a number; 300 requests
in 10 seconds here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sandbox import invented
from sandbox.limits import Limit, Window
from sandbox.message import Reply, Request, elements, members
from sandbox.standin import Conclusion, Drift, MagicInput, StandIn

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "postcodes_io"
REQUESTS_MAX, WINDOW_S = 300, 10.0
BULK_MAX = 100
POSTCODE = re.compile(r"([A-Z]{1,2}[0-9][A-Z0-9]?) ?([0-9][A-Z]{2})")
ERRORS = {400: "Invalid JSON submitted", 404: "Postcode not found",
          429: "Too many requests", 503: "Service unavailable"}  # fmt: skip
PLACES = (("England", "London", "Westminster", 530047, 179951, -0.127695, 51.50354),
          ("England", "Yorkshire and The Humber", "Leeds", 429915, 433592, -1.54785, 53.7975),
          ("England", "North West", "Trafford", 379988, 395476, -2.30283, 53.455654),
          ("Scotland", None, "City of Edinburgh", 325836, 673892, -3.18827, 55.9533))  # fmt: skip

LONDON = ("E", "EC", "N", "NW", "SE", "SW", "W", "WC")
AREAS = {"LS": 1, "M": 2, "EH": 3, **dict.fromkeys(LONDON, 0)}


def _input(value: str, answer: str, conclusion: Conclusion, meaning: str) -> MagicInput:
    return MagicInput(NAME, "postcode", value, answer, conclusion, meaning)


INPUTS = (
    _input("SW1A 2AA", "found", "CONFIRMED", "in use, with district and coordinates"),
    _input("M32 0JG", "found", "CONFIRMED", "in use"),
    _input("LS1 9ZZ", "not found", "REFUTED", "never was a postcode"),
    _input("E1W 1UU", "terminated", "REFUTED", "ended in February 2015"),
    _input("LS1 5XX", "500", "UNDECIDED", "the service fails with 500 (asked alone)"),
    _input("LS1 5YY", "503", "UNDECIDED", "the service is down with 503 (asked alone)"),
)
MAGIC = {magic.value: magic.answer for magic in INPUTS}


def written(postcode: str) -> tuple[str, str] | None:
    """Return the two halves of a postcode however it is written, None when it is none."""
    match = POSTCODE.fullmatch(postcode.strip().upper())
    return (match[1], match[2]) if match else None


def state_of(postcode: str) -> str:
    """Return found, not found, terminated, invalid, or the status of a magic fault."""
    halves = written(postcode)
    if halves is None:
        return "invalid"
    canonical = " ".join(halves)
    magic = MAGIC.get(canonical)
    if magic:
        return magic
    bits = invented.digest(canonical)
    if invented.share(bits) == "refuted":
        return invented.pick(("not found", "not found", "terminated"), bits, 1)
    return "found"


def _area(outcode: str, bits: int) -> tuple[str, str | None, str, int, int, float, float]:
    """Return a place that the letters of the outward code allow."""
    area = outcode[:2] if outcode[1:2].isalpha() else outcode[:1]
    return PLACES[AREAS[area]] if area in AREAS else invented.pick(PLACES, bits, 1)


def place(postcode: str) -> dict[str, Any]:
    """Return what is known of a postcode in use."""
    outcode, incode = written(postcode) or ("", "")
    bits = invented.digest(f"{outcode} {incode}")
    country, region, district, east, north, longitude, latitude = _area(outcode, bits)
    return {
        "postcode": f"{outcode} {incode}",
        "quality": 1,
        "eastings": east,
        "northings": north,
        "country": country,
        "nhs_ha": region,
        "longitude": longitude,
        "latitude": latitude,
        "region": region,
        "admin_district": district,
        "incode": incode,
        "outcode": outcode,
        "codes": {"admin_district": f"E{bits % 10_000_000:08}"},
    }


def ending(postcode: str) -> dict[str, Any]:
    """Return when a postcode ended."""
    canonical = " ".join(written(postcode) or ())
    bits = invented.digest(canonical)
    year, month = (2015, 2) if canonical == "E1W 1UU" else (2001 + bits % 22, bits % 12 + 1)
    *_, longitude, latitude = _area(canonical, bits)
    return {"postcode": canonical, "year_terminated": year, "month_terminated": month,
            "longitude": longitude, "latitude": latitude}  # fmt: skip


def error(status: int, message: str = "") -> Reply:
    """Return the service's form of an error."""
    return Reply(
        status, {"status": status, "error": message or ERRORS.get(status, "Internal server error")}
    )


def _asked_in_bulk(request: Request) -> list[Any] | None:
    return elements(members(request.json).get("postcodes"))


def values(request: Request) -> Sequence[str]:
    """Return the postcodes as received."""
    if request.method == "POST":
        return [str(value) for value in _asked_in_bulk(request) or ()]
    return request.segments[1:2]


def _bulk(request: Request) -> Reply:
    asked = _asked_in_bulk(request)
    if asked is None:
        return error(400, "Invalid JSON query submitted. You need to submit a JSON object with an "
                          "array of postcodes or geolocation objects")  # fmt: skip
    if len(asked) > BULK_MAX:
        return error(400, f"Too many postcodes submitted. Up to {BULK_MAX} postcodes can be "
                          "bulk requested at a time")  # fmt: skip
    found = [
        {"query": value,
         "result": place(value) if isinstance(value, str) and state_of(value) == "found" else None}
        for value in asked
    ]  # fmt: skip
    return Reply(payload={"status": 200, "result": found}, items="result")


def _single(postcode: str) -> Reply:
    match state_of(postcode):
        case "found":
            return Reply(payload={"status": 200, "result": place(postcode)})
        case "invalid":
            return error(404, "Invalid postcode")
        case "not found":
            return error(404)
        case "terminated":
            reply = error(404)
            reply.payload["terminated"] = ending(postcode)
            return reply
        case status:
            return error(int(status))


def handle(request: Request) -> Reply:
    """Answer both forms of /postcodes, and GET /terminated_postcodes/{postcode}."""
    match request.method, request.segments:
        case "POST", ["postcodes"]:
            return _bulk(request)
        case "GET", ["postcodes", postcode]:
            return _single(postcode)
        case "GET", ["terminated_postcodes", postcode]:
            if state_of(postcode) == "terminated":
                return Reply(payload={"status": 200, "result": ending(postcode)})
            return error(404, "Terminated postcode not found")
        case _:
            return error(404, "Resource not found")


def stand_in() -> StandIn:
    """Return postcodes.io."""
    return StandIn(
        name=NAME,
        mounts={"postcodes-io": Limit((Window(REQUESTS_MAX, WINDOW_S),))},
        paths=("/postcodes/", "/postcodes", "/terminated_postcodes/"),
        handle=handle,
        error=error,
        drift=Drift(
            decides=("result",),
            unknown_word="PERHAPS",
            other_type="SW1A 2AA",
            echo=(("query",), ("result", "postcode")),
            foreign="LS9 9XX",
        ),
        values=values,
    )
