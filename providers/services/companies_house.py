"""Companies House: companies of the United Kingdom in their register.

Public data API, https://developer-specs.company-information.service.gov.uk. The key is the user of
HTTP basic, its password is empty. 600 calls in any 5 minutes; beyond, the whole window is refused
and abuse is banned, so a 429 pauses the account until the moment that its headers name.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from msgspec import Struct, field
from msgspec.json import Decoder
from msgspec.structs import replace

from providers.errors import UNKNOWN, Fault, ProtocolBroken
from providers.exchange import Account, Answer, Call, Defaults, Exchange, encoded
from verdicts.evidence import CompanyRegistration
from verdicts.outcome import Conclusion, Found
from verdicts.reason import ReasonCode, because

NAME = "companies_house"
KIND = "company"
CHECK = "registry"
SECRETS = ("api_key",)
DEFAULTS = Defaults(
    base_url="https://api.company-information.service.gov.uk",
    sandbox_path="/companies-house",
    rates=("600/5m",),
    concurrency=8,
)
PREFIX = "GB/"
WINDOW_S = 300.0
ADDRESS_LINES = ("address_line_1", "address_line_2", "locality", "region", "postal_code", "country")
NOT_FOUND = "company-profile-not-found"

_DOWN = Fault(ReasonCode.PROVIDER_UNAVAILABLE, again=True)
STATUSES: Mapping[int, Fault] = {
    401: Fault(ReasonCode.PROVIDER_REFUSED, opens=True),
    429: Fault(ReasonCode.RATE_LIMITED, again=True),
    **dict.fromkeys((500, 502, 503, 504), _DOWN),
}

STRIKE_OFF = "active-proposal-to-strike-off"
_INSOLVENT = (Conclusion.DOUBTFUL, ReasonCode.IN_INSOLVENCY)
_GONE = (Conclusion.REFUTED, ReasonCode.DISSOLVED)
COMPANIES: Mapping[str, tuple[Conclusion, ReasonCode | None]] = {
    "active": (Conclusion.CONFIRMED, None),
    STRIKE_OFF: (Conclusion.DOUBTFUL, ReasonCode.STRIKE_OFF_PROPOSED),
    "liquidation": _INSOLVENT,
    "administration": _INSOLVENT,
    "receivership": _INSOLVENT,
    "voluntary-arrangement": _INSOLVENT,
    "insolvency-proceedings": _INSOLVENT,
    "dissolved": _GONE,
    "converted-closed": _GONE,
    "removed": _GONE,
    "closed": _GONE,
}


class _Profile(Struct):
    company_number: str
    company_status: str
    company_name: str | None = None
    company_status_detail: str | None = None
    type: str | None = None
    jurisdiction: str | None = None
    date_of_creation: date | None = None
    date_of_cessation: date | None = None
    registered_office_address: dict[str, str | None] = field(default_factory=dict[str, str | None])


class _Errors(Struct):
    errors: list[dict[str, str]]


_PROFILE, _ERRORS = Decoder(_Profile), Decoder(_Errors)


def serves(value: str) -> bool:
    """Return whether the company is registered in the United Kingdom."""
    return value.startswith(PREFIX)


def ask(values: Sequence[str], account: Account) -> Exchange:
    """Ask for the profile of the one company in `values`; there is no bulk call."""
    (value,) = values
    number = value.removeprefix(PREFIX)
    answer = yield Call("GET", f"/company/{encoded(number)}", headers=(account.basic("api_key"),))
    if answer.status == HTTPStatus.NOT_FOUND:
        if [error.get("error") for error in answer.read(_ERRORS).errors] != [NOT_FOUND]:
            raise ProtocolBroken("the 404 is not that of a missing company")
        return {value: Found(Conclusion.REFUTED, (because(ReasonCode.NOT_REGISTERED, CHECK),))}
    answer.only(1, "company_number", "company_status")
    profile = answer.read(_PROFILE)
    if profile.company_number != number:
        raise ProtocolBroken("the answer is about another company than the one asked")
    return {value: _found(profile)}


def fault_of(answer: Answer) -> Fault | None:
    """Return what is wrong with `answer`; 404 is an answer, once it is the register's own."""
    if answer.status in {HTTPStatus.OK, HTTPStatus.NOT_FOUND}:
        return None
    fault = STATUSES.get(answer.status, UNKNOWN)
    if fault.code is ReasonCode.RATE_LIMITED:
        return replace(fault, pause_s=_window_left_s(answer.headers))
    return fault


def _window_left_s(headers: Mapping[str, str]) -> float | None:
    """Return the seconds until the window is new, by the service's own clock."""
    try:
        now = parsedate_to_datetime(headers["date"]).timestamp()
        left_s = float(headers["x-ratelimit-reset"]) - now
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return left_s if 0 < left_s <= WINDOW_S else None


def _found(profile: _Profile) -> Found:
    # the word stands in either place; beside another status the detail only explains it
    planned = profile.company_status == "active" and profile.company_status_detail == STRIKE_OFF
    status = STRIKE_OFF if planned else profile.company_status
    if status not in COMPANIES:
        raise ProtocolBroken("a status that the contract does not list")
    conclusion, why = COMPANIES[status]
    address = (profile.registered_office_address.get(line) for line in ADDRESS_LINES)
    return Found(
        conclusion,
        () if why is None else (because(why, CHECK),),
        CompanyRegistration(
            registered_name=profile.company_name,
            status=status,
            type=profile.type,
            incorporated_on=profile.date_of_creation,
            dissolved_on=profile.date_of_cessation,
            registered_address=", ".join(line for line in address if line) or None,
            jurisdiction=profile.jurisdiction,
        ),
    )
