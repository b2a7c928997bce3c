"""ZeroBounce: does a mailbox exist, and should mail be sent to it.

API 2, https://www.zerobounce.net/docs. A repeat costs another credit; refusals come with 200.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from http import HTTPStatus

from msgspec import Struct
from msgspec.json import Decoder

from providers.errors import UNKNOWN, Fault, ProtocolBroken
from providers.exchange import Account, Answer, Call, Defaults, Exchange
from providers.matching import matched
from verdicts.evidence import MailboxState
from verdicts.outcome import Conclusion, Found
from verdicts.reason import ReasonCode, because

NAME = "zerobounce"
KIND = "email"
CHECK = "mailbox"
SECRETS = ("api_key",)
DEFAULTS = Defaults(
    base_url="https://api.zerobounce.net/v2",
    sandbox_path="/zerobounce/v2",
    rates=("80000/10s",),
    concurrency=32,
    timeout_s=70.0,
    bulk=100,
    bulk_from=20,
    bulk_base_url="https://bulkapi.zerobounce.net/v2",
    bulk_sandbox_path="/zerobounce-bulk/v2",
    bulk_rates=("5/m",),
)

_COUNTED = Fault(ReasonCode.PROVIDER_UNAVAILABLE, again=True, charged=True)
NO_CREDIT = "invalid api key or your account ran out of credits"  # the spelling's case varies
FAULTS: Mapping[str, Fault] = {NO_CREDIT: Fault(ReasonCode.OUT_OF_CREDIT, opens=True)}
STATUSES: Mapping[int, Fault] = {
    400: Fault(ReasonCode.REJECTED_BY_PROVIDER, retryable=False),
    403: Fault(ReasonCode.PROVIDER_REFUSED, pause_s=300.0),  # the shield, not the key
    429: Fault(ReasonCode.RATE_LIMITED, again=True, pause_s=60.0),
    **dict.fromkeys((500, 502, 504, 520, 524), _COUNTED),
    **dict.fromkeys((404, 503), Fault(ReasonCode.PROVIDER_UNAVAILABLE)),
}

CONCLUSIONS: Mapping[str, Conclusion] = {
    "valid": Conclusion.CONFIRMED,
    "invalid": Conclusion.REFUTED,
    **dict.fromkeys(("catch-all", "spamtrap", "abuse", "do_not_mail"), Conclusion.DOUBTFUL),
    "unknown": Conclusion.UNDECIDED,
}
_DELIVERABLE = {Conclusion.CONFIRMED: True, Conclusion.REFUTED: False}
_PROVEN = ("", "alias_address", "leading_period_removed", "alternate", "gold", "accept_all")
_LATER = ("", "antispam_system", "exception_occurred", "failed_smtp_connection", "greylisted")
_SILENT = ("forcible_disconnect", "mail_server_did_not_respond", "mail_server_temporary_error")
REASONS: Mapping[str, Mapping[str, ReasonCode | None]] = {  # by status, then sub-status
    "valid": dict.fromkeys((*_PROVEN, "role_based_accept_all", "ai_agent_mailbox")),
    "invalid": {
        **dict.fromkeys(("", "mailbox_not_found"), ReasonCode.MAILBOX_NOT_FOUND),
        **dict.fromkeys(("does_not_accept_mail", "unroutable_ip_address"), ReasonCode.NO_MAIL_HOST),
        "failed_syntax_check": ReasonCode.MALFORMED,
        "possible_typo": ReasonCode.POSSIBLE_TYPO,
        "no_dns_entries": ReasonCode.DOMAIN_NOT_FOUND,
        "mailbox_quota_exceeded": ReasonCode.MAILBOX_FULL,
    },
    "catch-all": {"": ReasonCode.CATCH_ALL},
    "spamtrap": {"": ReasonCode.SPAM_TRAP},
    "abuse": {"": ReasonCode.ABUSE_RISK},
    "do_not_mail": {
        **dict.fromkeys(("", "mx_forward", "global_suppression", "toxic"), ReasonCode.DO_NOT_MAIL),
        **dict.fromkeys(("role_based", "role_based_catch_all"), ReasonCode.ROLE_ACCOUNT),
        "disposable": ReasonCode.DISPOSABLE_DOMAIN,
        "possible_trap": ReasonCode.SPAM_TRAP,
    },
    "unknown": dict.fromkeys(
        (*_LATER, *_SILENT, "timeout_exceeded"), ReasonCode.MAILBOX_UNREACHABLE
    ),
}


class _Mailbox(Struct, gc=False):
    address: str
    status: str
    sub_status: str
    free_email: bool | None = None
    did_you_mean: str | None = None


class _Bulk(Struct):
    email_batch: list[_Mailbox]


class _Refusal(Struct):
    error: str | None = None
    errors: tuple[dict[str, str], ...] = ()


_MAILBOX, _BULK, _REFUSAL = Decoder(_Mailbox), Decoder(_Bulk), Decoder(_Refusal)


def serves(_value: str) -> bool:
    """Return that mailboxes of all domains can be asked about."""
    return True


def ask(values: Sequence[str], account: Account) -> Exchange:
    """Ask for one mailbox, or for several in a bulk call; each costs a credit."""
    asked = {value.lower(): value for value in values}  # the service answers in lower case
    if len(values) == 1:
        query = (("api_key", account.secret("api_key")), ("email", values[0]), ("ip_address", ""))
        answer = yield Call("GET", "/validate", query=query, safe=False)
        mailboxes = [answer.read(_MAILBOX)]
    else:
        wanted = [{"email_address": value, "ip_address": None} for value in asked.values()]
        body = {"api_key": account.secret("api_key"), "email_batch": wanted}
        answer = yield Call("POST", "/validatebatch", json=body, safe=False, bulk=True)
        mailboxes = answer.read(_BULK).email_batch
    answer.only(len(mailboxes), "address", "status")
    found = matched(asked, ((box.address.lower(), box) for box in mailboxes), _found, CHECK)
    return {asked[address]: says for address, says in found.items()}


def fault_of(answer: Answer) -> Fault | None:
    """Return what is wrong with `answer`: a status, or a message about the account."""
    if answer.status != HTTPStatus.OK:
        return STATUSES.get(answer.status, UNKNOWN)
    refusal = answer.read(_REFUSAL)
    said = (item.get("error") for item in refusal.errors if item.get("email_address") == "all")
    message = refusal.error or next(said, None)
    return None if message is None else FAULTS.get(message.lower(), UNKNOWN)


@cache  # bounded by the words of the contract; a suggestion is never kept
def _reading(status: str, sub: str, free: bool | None, guess: str | None) -> Found:  # noqa: FBT001 - a fact
    if status not in CONCLUSIONS or sub not in REASONS[status]:
        raise ProtocolBroken("a status that the contract does not list")
    conclusion, why = CONCLUSIONS[status], REASONS[status][sub]
    catch_all = status == "catch-all" or sub.endswith(("accept_all", "catch_all")) or None
    role, throwaway = sub.startswith("role_based") or None, sub == "disposable" or None
    state = MailboxState(_DELIVERABLE.get(conclusion), catch_all, role, throwaway, free, guess)
    reasons = () if why is None else (because(why, CHECK, retryable=status == "unknown"),)
    return Found(conclusion, reasons, state)


def _found(box: _Mailbox) -> Found:
    read = _reading.__wrapped__ if box.did_you_mean else _reading
    return read(box.status, box.sub_status, box.free_email, box.did_you_mean or None)
