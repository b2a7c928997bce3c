"""postcodes.io: postcodes of the United Kingdom, in use or ended.

https://postcodes.io/docs. No key, free, fair use; 100 postcodes in a bulk call. Asked alone, a
404 tells by itself when a dead postcode ended; in bulk a dead one is `null` like any other.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from msgspec import Struct
from msgspec.json import Decoder

from providers.errors import UNKNOWN, Fault, ProtocolBroken
from providers.exchange import Account, Answer, Call, Defaults, Exchange, encoded
from providers.matching import matched
from verdicts.evidence import PostcodeArea
from verdicts.outcome import Conclusion, Found
from verdicts.reason import ReasonCode, because

NAME = "postcodes_io"
KIND = "postcode"
CHECK = "registry"
SECRETS: tuple[str, ...] = ()
DEFAULTS = Defaults(
    base_url="https://api.postcodes.io",
    sandbox_path="/postcodes-io",
    concurrency=8,
    bulk=100,
)
PREFIX = "GB/"
NOT_FOUND = "Postcode not found"

_DOWN = Fault(ReasonCode.PROVIDER_UNAVAILABLE, again=True)
FAULTS: Mapping[str, Fault] = {
    "Invalid postcode": Fault(ReasonCode.REJECTED_BY_PROVIDER, retryable=False),
}
STATUSES: Mapping[int, Fault] = {
    400: Fault(ReasonCode.REJECTED_BY_PROVIDER, retryable=False),
    429: Fault(ReasonCode.RATE_LIMITED, again=True),
    **dict.fromkeys((500, 502, 503, 504), _DOWN),
}
_MISSING = Found(Conclusion.REFUTED, (because(ReasonCode.NOT_REGISTERED, CHECK),))


class _Place(Struct, gc=False):
    postcode: str
    country: str
    region: str | None = None
    admin_district: str | None = None
    latitude: float | None = None
    longitude: float | None = None


class _Terminated(Struct):
    postcode: str
    year_terminated: int
    month_terminated: int


class _Single(Struct):
    status: int
    result: _Place | None = None
    error: str | None = None
    terminated: _Terminated | None = None


class _Item(Struct, gc=False):
    query: str
    result: _Place | None


class _Bulk(Struct):
    status: int
    result: list[_Item]


_SINGLE, _BULK = Decoder(_Single), Decoder(_Bulk)


def serves(value: str) -> bool:
    """Return whether the postcode is one of the United Kingdom."""
    return value.startswith(PREFIX)


def ask(values: Sequence[str], _account: Account) -> Exchange:
    """Ask for one postcode, or for up to 100 in a bulk call."""
    asked = {value.removeprefix(PREFIX): value for value in values}
    if len(asked) == 1:
        ((postcode, value),) = asked.items()
        answer = yield Call("GET", f"/postcodes/{encoded(postcode)}")
        return {value: _single(postcode, answer)}
    answer = yield Call("POST", "/postcodes", json={"postcodes": list(asked)}, bulk=True)
    bulk = answer.read(_BULK)
    _agree(bulk.status, HTTPStatus.OK)
    answer.only(len(bulk.result), "query", "postcode")
    found = matched(asked, ((item.query, item) for item in bulk.result), _found, CHECK)
    return {asked[postcode]: says for postcode, says in found.items()}


def fault_of(answer: Answer) -> Fault | None:
    """Return what is wrong with `answer`; 404 is an answer, unless it is about the form."""
    if answer.status == HTTPStatus.NOT_FOUND:
        return FAULTS.get(answer.read(_SINGLE).error or "")
    return None if answer.status == HTTPStatus.OK else STATUSES.get(answer.status, UNKNOWN)


def _single(postcode: str, answer: Answer) -> Found:
    answer.only(1, "status", "result", "error")
    single = answer.read(_SINGLE)
    _agree(single.status, answer.status)
    if single.result is not None and answer.status == HTTPStatus.OK:
        return _found(_Item(postcode, single.result))
    if single.error != NOT_FOUND or answer.status != HTTPStatus.NOT_FOUND:
        raise ProtocolBroken("the answer is neither the postcode nor that it is not found")
    if single.terminated is None:
        return _MISSING
    if single.terminated.postcode != postcode:
        raise ProtocolBroken("the answer is about another postcode than the one asked")
    evidence = PostcodeArea(
        terminated_year=single.terminated.year_terminated,
        terminated_month=single.terminated.month_terminated,
    )
    return Found(Conclusion.REFUTED, (because(ReasonCode.TERMINATED, CHECK),), evidence)


def _agree(told: int, status: int) -> None:
    if told != status:
        raise ProtocolBroken("the answer's own status is not that of HTTP")


def _found(item: _Item) -> Found:
    place = item.result
    if place is None:
        return _MISSING
    if place.postcode != item.query:
        raise ProtocolBroken("the answer is about another postcode than the one asked")
    return Found(
        Conclusion.CONFIRMED,
        evidence=PostcodeArea(
            country=place.country,
            region=place.region,
            district=place.admin_district,
            latitude=place.latitude,
            longitude=place.longitude,
        ),
    )
