"""GLEIF: legal entity identifiers in the Global LEI Index.

GLEIF API 1, https://www.gleif.org/en/lei-data/gleif-api (JSON:API). Free, 60 calls a minute.
In bulk the identifiers are a filter: those that do not exist are left out of a sorted page.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from http import HTTPStatus

from msgspec import Struct
from msgspec.json import Decoder

from providers.errors import UNKNOWN, Fault, ProtocolBroken
from providers.exchange import Account, Answer, Call, Defaults, Exchange, encoded
from providers.matching import matched
from verdicts.evidence import LeiRegistration
from verdicts.outcome import Conclusion, Found
from verdicts.reason import ReasonCode, because

NAME = "gleif"
KIND = "lei"
CHECK = "registry"
SECRETS: tuple[str, ...] = ()
DEFAULTS = Defaults(
    base_url="https://api.gleif.org/api/v1",
    sandbox_path="/gleif",
    rates=("60/m",),
    bulk=200,
)
_HEADERS = (("Accept", "application/vnd.api+json"),)
_FIRST_PAGE = (("page[size]", str(DEFAULTS.bulk)), ("page[number]", "1"))

STATUSES: Mapping[int, Fault] = {
    400: Fault(ReasonCode.REJECTED_BY_PROVIDER, retryable=False),
    429: Fault(ReasonCode.RATE_LIMITED, again=True),
    **dict.fromkeys((500, 502, 503, 504), Fault(ReasonCode.PROVIDER_UNAVAILABLE, again=True)),
}
_MISSING = Found(Conclusion.REFUTED, (because(ReasonCode.NOT_REGISTERED, CHECK),))

ENTITIES: Mapping[str, ReasonCode | None] = {"ACTIVE": None, "INACTIVE": ReasonCode.ENTITY_INACTIVE}
_PENDING = (Conclusion.DOUBTFUL, ReasonCode.REGISTRATION_PENDING)
_ENDED = (Conclusion.REFUTED, ReasonCode.REGISTRATION_ENDED)
REGISTRATIONS: Mapping[str, tuple[Conclusion, ReasonCode | None]] = {
    "ISSUED": (Conclusion.CONFIRMED, None),
    "LAPSED": (Conclusion.DOUBTFUL, ReasonCode.REGISTRATION_LAPSED),
    **dict.fromkeys(("PENDING_TRANSFER", "PENDING_ARCHIVAL"), _PENDING),
    **dict.fromkeys(("RETIRED", "MERGED", "ANNULLED", "DUPLICATE", "CANCELLED"), _ENDED),
}


class _Entity(Struct, rename="camel"):
    status: str
    legal_name: dict[str, str | None]
    legal_address: dict[str, object]
    jurisdiction: str | None = None
    registered_as: str | None = None


class _Registration(Struct, rename="camel"):
    status: str
    next_renewal_date: datetime | None = None


class _Attributes(Struct):
    entity: _Entity
    registration: _Registration


class _Entry(Struct):
    id: str
    attributes: _Attributes


class _Meta(Struct):
    pagination: dict[str, int | None]


class _Page(Struct):
    meta: _Meta
    data: list[_Entry]


class _Single(Struct):
    data: _Entry | None = None
    errors: tuple[dict[str, str], ...] = ()


_PAGE, _SINGLE = Decoder(_Page), Decoder(_Single)


def serves(_value: str) -> bool:
    """Return that every LEI is GLEIF's."""
    return True


def ask(values: Sequence[str], account: Account) -> Exchange:
    """Ask for the entry of one LEI, or for a page with the entries of several."""
    if len(values) == 1:
        answer = yield Call("GET", f"/lei-records/{encoded(values[0])}", headers=_HEADERS)
        single = _single(values[0], answer)
        account.proven = account.proven or single is not _MISSING
        if account.proven:  # else it may be the 404 of a wrong address: only a page can tell
            return {values[0]: single}
    query = (("filter[lei]", ",".join(values)), *_FIRST_PAGE)
    answer = yield Call("GET", "/lei-records", query, headers=_HEADERS, bulk=True)
    page = answer.read(_PAGE)
    found = matched(set(values), ((entry.id, entry) for entry in page.data), _found, CHECK)
    if len(found) != page.meta.pagination.get("total"):
        raise ProtocolBroken("the answer has not as many entries as it says")
    account.proven = True
    return {value: found.get(value, _MISSING) for value in values}


def fault_of(answer: Answer) -> Fault | None:
    """Return what is wrong with `answer`; 404 is an answer, once it is GLEIF's own."""
    read = answer.status in {HTTPStatus.OK, HTTPStatus.NOT_FOUND}
    return None if read else STATUSES.get(answer.status, UNKNOWN)


def _single(value: str, answer: Answer) -> Found:
    answer.only(1, "data", "entity", "registration")
    single = answer.read(_SINGLE)
    if answer.status == HTTPStatus.NOT_FOUND and single.data is None:
        if [error.get("status") for error in single.errors] == ["404"]:
            return _MISSING
    elif single.data is not None and single.data.id == value:
        return _found(single.data)
    raise ProtocolBroken("the answer is neither the entry asked nor that it is missing")


def _found(entry: _Entry) -> Found:
    entity, registration = entry.attributes.entity, entry.attributes.registration
    if entity.status not in ENTITIES or registration.status not in REGISTRATIONS:
        raise ProtocolBroken("a status that the contract does not list")
    conclusion, why = REGISTRATIONS[registration.status]
    ceased = ENTITIES[entity.status]
    country = entity.legal_address.get("country")
    return Found(
        Conclusion.REFUTED if ceased else conclusion,
        tuple(because(code, CHECK) for code in (ceased, why) if code is not None),
        LeiRegistration(
            *(entity.legal_name.get("name"), entity.status, registration.status),
            *(registration.next_renewal_date, entity.jurisdiction),
            *(country if isinstance(country, str) else None, entity.registered_as),
        ),
    )
