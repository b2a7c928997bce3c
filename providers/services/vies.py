"""VIES: VAT numbers of the European Union and Northern Ireland in their registers.

European Commission, https://ec.europa.eu/taxation_customs/vies/ (REST API). No key, free. Only
VALID and INVALID are answers about the number; with any other `userError` `valid` means nothing.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from http import HTTPStatus

from msgspec import Struct, field
from msgspec.json import Decoder

from providers.errors import UNKNOWN, Fault, ProtocolBroken
from providers.exchange import Account, Answer, Call, Defaults, Exchange
from verdicts.evidence import VatRegistration
from verdicts.outcome import Conclusion, Found
from verdicts.reason import ReasonCode, because

NAME = "vies"
KIND = "vatNumber"
CHECK = "registry"
SECRETS: tuple[str, ...] = ()
DEFAULTS = Defaults(
    base_url="https://ec.europa.eu/taxation_customs/vies/rest-api",
    sandbox_path="/vies",
    concurrency=8,
)
COUNTRIES = frozenset({
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "EL", "ES", "FI", "FR", "HR", "HU",
    "IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK", "XI",
})  # fmt: skip
UNDISCLOSED = "---"

_DOWN = Fault(ReasonCode.PROVIDER_UNAVAILABLE, again=True)
_FULL = Fault(ReasonCode.PROVIDER_UNAVAILABLE, again=True, crowded=True)
_SOURCE_DOWN = Fault(ReasonCode.SOURCE_UNAVAILABLE, again=True)
_SOURCE_FULL = Fault(ReasonCode.SOURCE_UNAVAILABLE, again=True, crowded=True)
_BLOCKED = Fault(ReasonCode.PROVIDER_REFUSED, pause_s=300.0, opens=True)
FAULTS: Mapping[str, Fault] = {
    "INVALID_INPUT": Fault(ReasonCode.REJECTED_BY_PROVIDER, retryable=False),
    "INVALID_REQUESTER_INFO": Fault(ReasonCode.REJECTED_BY_PROVIDER, retryable=False),
    "SERVICE_UNAVAILABLE": _DOWN,
    "MS_UNAVAILABLE": _SOURCE_DOWN,
    "TIMEOUT": _SOURCE_DOWN,
    "GLOBAL_MAX_CONCURRENT_REQ": _FULL,
    "GLOBAL_MAX_CONCURRENT_REQ_TIME": _FULL,
    "MS_MAX_CONCURRENT_REQ": _SOURCE_FULL,
    "MS_MAX_CONCURRENT_REQ_TIME": _SOURCE_FULL,
    "VAT_BLOCKED": _BLOCKED,
    "IP_BLOCKED": _BLOCKED,
}
STATUSES: Mapping[int, Fault] = {
    429: Fault(ReasonCode.RATE_LIMITED, again=True),
    **dict.fromkeys((500, 502, 503, 504), _DOWN),
}


class _Wrapper(Struct):
    error: str


class _Reply(Struct, rename="camel"):
    valid: bool | None = None
    is_valid: bool | None = None
    user_error: str | None = None
    error_wrappers: list[_Wrapper] = field(default_factory=list[_Wrapper])
    country_code: str | None = None
    vat_number: str | None = None
    request_date: datetime | None = None
    request_identifier: str | None = None
    name: str | None = None
    address: str | None = None


_REPLY = Decoder(_Reply)


def serves(value: str) -> bool:
    """Return whether VIES asks the register of the value's country."""
    return value[:2] in COUNTRIES


def partition_of(value: str) -> str:
    """Return the member state, whose register fails, and is overloaded, by itself."""
    return value[:2]


def ask(values: Sequence[str], account: Account) -> Exchange:
    """Ask for the one number in `values`; VIES has no bulk call."""
    (value,) = values
    country, number = value[:2], value[2:]
    body = {"countryCode": country, "vatNumber": number}
    if account.requester is not None:
        body["requesterMemberStateCode"] = account.requester[:2]
        body["requesterNumber"] = account.requester[2:]
    answer = yield Call("POST", "/check-vat-number", json=body)
    answer.only(1, "valid", "countryCode", "vatNumber")
    reply = answer.read(_REPLY)
    if (reply.country_code, reply.vat_number) != (country, number):
        raise ProtocolBroken("the answer is about another number than the one asked")
    if reply.valid is None:
        raise ProtocolBroken("the answer does not say whether the number is valid")
    return {value: _found(reply, valid=reply.valid)}


def fault_of(answer: Answer) -> Fault | None:
    """Return what is wrong with `answer`: a status, or an error code inside."""
    if answer.status in STATUSES and b"errorWrappers" not in answer.body:
        return STATUSES[answer.status]
    reply = answer.read(_REPLY)
    code = reply.error_wrappers[0].error if reply.error_wrappers else reply.user_error
    if code in {None, "VALID", "INVALID"}:
        return None if answer.status == HTTPStatus.OK else UNKNOWN
    return FAULTS.get(code or "", UNKNOWN)


def _found(reply: _Reply, *, valid: bool) -> Found:
    if not valid:
        return Found(Conclusion.REFUTED, (because(ReasonCode.NOT_REGISTERED, CHECK),))
    return Found(
        Conclusion.CONFIRMED,
        evidence=VatRegistration(
            registered_name=_disclosed(reply.name),
            registered_address=_disclosed(reply.address),
            consultation_number=reply.request_identifier or None,
            confirmed_at=reply.request_date,
        ),
    )


def _disclosed(text: str | None) -> str | None:
    return None if text is None or text.strip() in {"", UNDISCLOSED} else text.strip()
