"""Twilio Lookup: what a phone number is, and which sort of line it is connected to.

Lookup 2, https://www.twilio.com/docs/lookup/v2-api, with the package Line Type Intelligence. HTTP
basic: an API key and its secret. Each answered request costs, so a call that may have been
answered is not sent again. A package can fail alone: the number is valid all the same.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from msgspec import Struct
from msgspec.json import Decoder

from providers.errors import UNKNOWN, Fault, ProtocolBroken
from providers.exchange import Account, Answer, Call, Defaults, Exchange, encoded
from verdicts.evidence import PhoneLine
from verdicts.outcome import Conclusion, Found
from verdicts.reason import ReasonCode, because

NAME = "twilio_lookup"
KIND = "phone"
CHECK = "line"
SECRETS = ("api_key", "api_secret")
DEFAULTS = Defaults(
    base_url="https://lookups.twilio.com/v2",
    sandbox_path="/twilio/v2",
)
PACKAGE = "line_type_intelligence"
NOT_PARSED = 20404
FINAL = 60620
WITNESS = "+14159929960"  # the example of its documentation

_DOWN = Fault(ReasonCode.PROVIDER_UNAVAILABLE, again=True, charged=True)
_REFUSED = Fault(ReasonCode.PROVIDER_REFUSED, opens=True)
_REJECTED = Fault(ReasonCode.REJECTED_BY_PROVIDER, retryable=False)
_THROTTLED = Fault(ReasonCode.RATE_LIMITED, again=True)
FAULTS: Mapping[int, Fault] = {
    20003: _REFUSED,
    20429: _THROTTLED,
    60600: _REJECTED,
    FINAL: Fault(ReasonCode.REJECTED_BY_PROVIDER, retryable=False, charged=True),
}
STATUSES: Mapping[int, Fault] = {
    400: _REJECTED,
    401: _REFUSED,
    429: _THROTTLED,
    503: Fault(ReasonCode.PROVIDER_UNAVAILABLE, again=True),  # it did no work
    **dict.fromkeys((500, 502, 504), _DOWN),
}

INVALID: Mapping[str, ReasonCode] = {
    "TOO_SHORT": ReasonCode.WRONG_LENGTH,
    "TOO_LONG": ReasonCode.WRONG_LENGTH,
    "INVALID_LENGTH": ReasonCode.WRONG_LENGTH,
    "INVALID_BUT_POSSIBLE": ReasonCode.UNASSIGNED_NUMBER,
    "INVALID_COUNTRY_CODE": ReasonCode.UNKNOWN_COUNTRY,
    "NOT_A_NUMBER": ReasonCode.MALFORMED,
}
TYPES = frozenset({
    "landline", "mobile", "fixedVoip", "nonFixedVoip", "personal", "tollFree",
    "premium", "sharedCost", "uan", "voicemail", "pager", "unknown",
})  # fmt: skip


class _Line(Struct):
    type: str | None = None
    carrier_name: str | None = None
    mobile_country_code: str | None = None
    mobile_network_code: str | None = None
    error_code: int | None = None


class _Reply(Struct):
    phone_number: str
    valid: bool
    validation_errors: tuple[str, ...] = ()
    line_type_intelligence: _Line | None = None


class _Problem(Struct):
    code: int | None = None


_REPLY, _PROBLEM = Decoder(_Reply), Decoder(_Problem)


def serves(_value: str) -> bool:
    """Return that Twilio knows the numbering plans of all countries."""
    return True


def ask(values: Sequence[str], account: Account) -> Exchange:
    """Ask for the one number in `values`; there is no bulk call."""
    (value,) = values
    headers, path = (account.basic("api_key", "api_secret"),), f"/PhoneNumbers/{encoded(value)}"
    answer = yield Call("GET", path, (("Fields", PACKAGE),), headers=headers, safe=False)
    if answer.status == HTTPStatus.NOT_FOUND:
        if answer.read(_PROBLEM).code != NOT_PARSED:
            raise ProtocolBroken("the 404 is not that of a number that cannot be parsed")
        if not account.proven:  # a wrong address says 20404 to every number
            path = f"/PhoneNumbers/{encoded(WITNESS)}"  # free without a package
            _reply(WITNESS, (yield Call("GET", path, headers=headers)), account)
        return {value: Found(Conclusion.REFUTED, (because(ReasonCode.MALFORMED, CHECK),))}
    reply = _reply(value, answer, account)
    if reply.valid and not reply.validation_errors:
        return {value: _valid(reply.line_type_intelligence)}
    return {value: _invalid(reply)}


def fault_of(answer: Answer) -> Fault | None:
    """Return what is wrong with `answer`; 404 is an answer, once it is Twilio's own."""
    if answer.status in {HTTPStatus.OK, HTTPStatus.NOT_FOUND}:
        return None
    try:
        code = answer.read(_PROBLEM).code or 0
    except ProtocolBroken:  # a proxy's page
        code = 0
    return FAULTS.get(code) or STATUSES.get(answer.status, UNKNOWN)


def _reply(number: str, answer: Answer, account: Account) -> _Reply:
    answer.only(1, "phone_number", "valid", "validation_errors")
    reply = answer.read(_REPLY)
    if reply.phone_number != number:
        raise ProtocolBroken("the answer is about another number than the one asked")
    account.proven = True
    return reply


def _invalid(reply: _Reply) -> Found:
    if reply.valid or not reply.validation_errors:
        raise ProtocolBroken("the answer contradicts itself about the number")
    if not INVALID.keys() >= set(reply.validation_errors):
        raise ProtocolBroken("a validation error that the contract does not list")
    codes = dict.fromkeys(INVALID[error] for error in reply.validation_errors)
    return Found(Conclusion.REFUTED, tuple(because(code, CHECK) for code in codes))


def _valid(line: _Line | None) -> Found:
    if line is None or (line.type is None and line.error_code is None):
        raise ProtocolBroken("the answer has not the package that was asked for")
    if line.error_code is None and line.type in TYPES:
        evidence = PhoneLine(
            line.type, line.carrier_name, line.mobile_country_code, line.mobile_network_code
        )
        return Found(Conclusion.CONFIRMED, evidence=evidence)
    missing = because(ReasonCode.LINE_TYPE_MISSING, CHECK, retryable=line.error_code != FINAL)
    return Found(Conclusion.CONFIRMED, (missing,))
