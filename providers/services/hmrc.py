"""HMRC: VAT numbers of the United Kingdom in their register.

"Check a UK VAT number" 2.0, https://developer.service.hmrc.gov.uk. OAuth2 client credentials
(RFC 6749 section 4.4), 3 calls a second per application. The token is kept with the account and
changed once when the register refuses it; refused again, the credentials themselves are.
"""

from collections.abc import Generator, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus

from msgspec import Struct, field
from msgspec.json import Decoder

from providers.errors import UNKNOWN, Fault, Faulted, ProtocolBroken
from providers.exchange import Account, Answer, Call, Defaults, Exchange, encoded
from verdicts.evidence import VatRegistration
from verdicts.outcome import Conclusion, Found
from verdicts.reason import ReasonCode, because

NAME = "hmrc"
KIND = "vatNumber"
CHECK = "registry"
SECRETS = ("client_id", "client_secret")
DEFAULTS = Defaults(
    base_url="https://api.service.hmrc.gov.uk",
    sandbox_path="/hmrc",
    rates=("3/s",),
    concurrency=4,
)
COUNTRY = "GB"
ADDRESS_LINES = ("line1", "line2", "line3", "line4", "line5", "postcode")
NOT_FOUND = "NOT_FOUND"

_DOWN = Fault(ReasonCode.PROVIDER_UNAVAILABLE, again=True)
_REFUSED = Fault(ReasonCode.PROVIDER_REFUSED, opens=True)
_THROTTLED = Fault(ReasonCode.RATE_LIMITED, again=True)
FAULTS: Mapping[str, Fault] = {
    "INVALID_REQUEST": Fault(ReasonCode.REJECTED_BY_PROVIDER, retryable=False),
    "RESOURCE_FORBIDDEN": _REFUSED,
    "INVALID_SCOPE": _REFUSED,
    "MESSAGE_THROTTLED_OUT": _THROTTLED,
    "SERVER_ERROR": _DOWN,
    "invalid_client": _REFUSED,  # these of RFC 6749 section 5.2, by the token call
    "invalid_scope": _REFUSED,
    "unauthorized_client": _REFUSED,
}
STATUSES: Mapping[int, Fault] = {
    **dict.fromkeys((401, 403), _REFUSED),
    429: _THROTTLED,
    **dict.fromkeys((500, 502, 503, 504), _DOWN),
}


class _Token(Struct):
    access_token: str


class _Problem(Struct):
    code: str | None = None
    error: str | None = None


class _Target(Struct, rename="camel"):
    vat_number: str
    name: str | None = None
    address: dict[str, str | None] = field(default_factory=dict[str, str | None])


class _Reply(Struct, rename="camel"):
    target: _Target
    consultation_number: str | None = None
    processing_date: datetime | None = None


_TOKEN, _PROBLEM, _REPLY = Decoder(_Token), Decoder(_Problem), Decoder(_Reply)


def serves(value: str) -> bool:
    """Return whether the number is one of the United Kingdom's register."""
    return value[:2] == COUNTRY


def ask(values: Sequence[str], account: Account) -> Exchange:
    """Ask for the one number in `values`, with a token that is fetched when there is none."""
    (value,) = values
    token = account.token or (yield from _token(account))
    answer = yield _lookup(value, account, token)
    if answer.status == HTTPStatus.UNAUTHORIZED:
        if account.token == token:  # nobody has changed it meanwhile
            account.token = None
        answer = yield _lookup(value, account, account.token or (yield from _token(account)))
    if answer.status == HTTPStatus.UNAUTHORIZED:
        raise Faulted(_REFUSED, answer.status)
    if answer.status == HTTPStatus.NOT_FOUND:
        if answer.read(_PROBLEM).code != NOT_FOUND:
            raise ProtocolBroken("the 404 is not that of a number that is not registered")
        return {value: Found(Conclusion.REFUTED, (because(ReasonCode.NOT_REGISTERED, CHECK),))}
    answer.only(1, "target", "vatNumber")
    return {value: _found(value, answer.read(_REPLY))}


def fault_of(answer: Answer) -> Fault | None:
    """Return what is wrong with `answer`; the exchange itself reads 401 and 404."""
    if answer.status in {HTTPStatus.OK, HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND}:
        return None
    try:
        problem = answer.read(_PROBLEM)
    except ProtocolBroken:  # a proxy's page
        return STATUSES.get(answer.status, UNKNOWN)
    code = problem.code or problem.error or ""
    return FAULTS.get(code) or STATUSES.get(answer.status, UNKNOWN)


def _token(account: Account) -> Generator[Call, Answer, str]:
    secrets = ((name, account.secret(name)) for name in SECRETS)
    form = (("grant_type", "client_credentials"), *secrets, ("scope", "read:vat"))
    answer = yield Call("POST", "/oauth/token", form=form, shared=True)
    if answer.status != HTTPStatus.OK:
        raise Faulted(STATUSES.get(answer.status, UNKNOWN), answer.status)
    account.token = answer.read(_TOKEN).access_token
    return account.token


def _lookup(value: str, account: Account, token: str) -> Call:
    path = f"/organisations/vat/check-vat-number/lookup/{encoded(value[2:])}"
    if account.requester is not None and serves(account.requester):
        path += f"/{encoded(account.requester[2:])}"
    accept = ("Accept", "application/vnd.hmrc.2.0+json")
    return Call("GET", path, headers=(("Authorization", f"Bearer {token}"), accept))


def _found(value: str, reply: _Reply) -> Found:
    if reply.target.vat_number != value[2:]:
        raise ProtocolBroken("the answer is about another number than the one asked")
    lines = (reply.target.address.get(line) for line in ADDRESS_LINES)
    return Found(
        Conclusion.CONFIRMED,
        evidence=VatRegistration(
            registered_name=reply.target.name,
            registered_address="\n".join(line for line in lines if line) or None,
            consultation_number=reply.consultation_number,
            confirmed_at=reply.processing_date,
        ),
    )
