"""ZeroBounce: does a mailbox exist, and should mail be sent to it.

API 2, https://www.zerobounce.net/docs. Bulk calls have an address and far lower limits of their
own. A validation costs a credit and so does a repeat. Refusals come with status 200.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from msgspec import Struct
from msgspec.json import Decoder

from providers.errors import Fault, ProtocolBroken
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

_DOWN = Fault(ReasonCode.PROVIDER_UNAVAILABLE, again=True, charged=True)
FAULTS: Mapping[str, Fault] = {  # by the message in lower case: its spelling varies
    "invalid api key or your account ran out of credits": Fault(ReasonCode.OUT_OF_CREDIT),
}
STATUSES: Mapping[int, Fault] = {
    400: Fault(ReasonCode.REJECTED_BY_PROVIDER, retryable=False),
    403: Fault(ReasonCode.PROVIDER_REFUSED, pause_s=300.0),  # the shield, not the key
    429: Fault(ReasonCode.RATE_LIMITED, again=True, pause_s=60.0),
    **dict.fromkeys((500, 502, 504, 520, 524), _DOWN),
    **dict.fromkeys((404, 503), Fault(ReasonCode.PROVIDER_UNAVAILABLE)),
}
_UNKNOWN = Fault(ReasonCode.PROVIDER_PROTOCOL)

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
        **dict.fromkeys(("", "mx_forward", "global_suppression"), ReasonCode.DO_NOT_MAIL),
        **dict.fromkeys(("role_based", "role_based_catch_all"), ReasonCode.ROLE_ACCOUNT),
        "disposable": ReasonCode.DISPOSABLE_DOMAIN,
        "possible_trap": ReasonCode.SPAM_TRAP,
        "toxic": ReasonCode.ABUSE_RISK,
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
    api_key = account.secret("api_key")
    asked = {value.lower(): value for value in values}  # the service answers in lower case
    if len(values) == 1:
        query = (("api_key", api_key), ("email", values[0]), ("ip_address", ""))
        answer = yield Call("GET", "/validate", query=query, safe=False)
        mailboxes = [answer.read(_MAILBOX)]
    else:
        batch = [{"email_address": value, "ip_address": None} for value in asked.values()]
        body = {"api_key": api_key, "email_batch": batch}
        answer = yield Call("POST", "/validatebatch", json=body, safe=False, bulk=True)
        mailboxes = answer.read(_BULK).email_batch
    answer.only(len(mailboxes), "address", "status", "sub_status")
    items = ((mailbox.address.lower(), mailbox) for mailbox in mailboxes)
    return {asked[key]: says for key, says in matched(asked, items, _found, CHECK).items()}


def fault_of(answer: Answer) -> Fault | None:
    """Return what is wrong with `answer`: a status, or a message about the account."""
    if answer.status != HTTPStatus.OK:
        return STATUSES.get(answer.status, _UNKNOWN)
    refusal = answer.read(_REFUSAL)
    about_all = (item.get("error") for item in refusal.errors if item.get("email_address") == "all")
    message = refusal.error or next(about_all, None)
    return None if message is None else FAULTS.get(message.lower(), _UNKNOWN)


def _found(mailbox: _Mailbox) -> Found:
    status, sub = mailbox.status, mailbox.sub_status
    if status not in CONCLUSIONS or sub not in REASONS[status]:
        raise ProtocolBroken("a status that the contract does not list")
    conclusion, why = CONCLUSIONS[status], REASONS[status][sub]
    catch_all = status == "catch-all" or sub.endswith(("accept_all", "catch_all")) or None
    role, disposable = sub.startswith("role_based") or None, sub == "disposable" or None
    guess, deliverable = mailbox.did_you_mean or None, _DELIVERABLE.get(conclusion)
    state = MailboxState(deliverable, catch_all, role, disposable, mailbox.free_email, guess)
    reasons = () if why is None else (because(why, CHECK, retryable=status == "unknown"),)
    return Found(conclusion, reasons, state)
