"""The yardstick's upstream as a service: the one that the benchmarks let Assay ask.

One value by GET, many by a bulk POST. Its verdict is a pure function of the value, so that every
answer of a run can be checked. "unknown" counts as doubtful here: an undecided outcome is kept for
seconds only, and a warm run would ask again.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from msgspec import Struct
from msgspec.json import Decoder

from providers.errors import Fault
from providers.exchange import Account, Answer, Call, Defaults, Exchange
from providers.matching import matched
from verdicts.evidence import MailboxState
from verdicts.outcome import Conclusion, Found
from verdicts.reason import ReasonCode, because

NAME = "stand_in"
KIND = "email"
CHECK = "mailbox"
SECRETS: tuple[str, ...] = ()
DEFAULTS = Defaults(
    base_url="http://127.0.0.1:17001",
    sandbox_path="",
    concurrency=64,
    bulk=100,
    bulk_from=2,
)

WORDS = ("valid", "invalid", "risky", "unknown")
STATUS = {"valid": "VALID", "invalid": "INVALID", "risky": "RISKY", "unknown": "RISKY"}
"""What Assay's verdict is to be, by what the upstream says."""

_FNV_OFFSET, _FNV_PRIME, _WORD_64 = 1_469_598_103_934_665_603, 1_099_511_628_211, (1 << 64) - 1
_VALID_BELOW, _INVALID_BELOW, _RISKY_BELOW = 80, 92, 98


class _Mailbox(Struct, gc=False):
    value: str
    status: str
    free: bool


class _Bulk(Struct):
    results: list[_Mailbox]


_MAILBOX, _BULK = Decoder(_Mailbox), Decoder(_Bulk)
_CONCLUSIONS: Mapping[str, tuple[Conclusion, bool | None, tuple[ReasonCode, ...]]] = {
    "valid": (Conclusion.CONFIRMED, True, ()),
    "invalid": (Conclusion.REFUTED, False, (ReasonCode.MAILBOX_NOT_FOUND,)),
    "risky": (Conclusion.DOUBTFUL, None, (ReasonCode.CATCH_ALL,)),
    "unknown": (Conclusion.DOUBTFUL, None, (ReasonCode.ABUSE_RISK,)),
}
_FOUND: Mapping[tuple[str, bool], Found] = {
    (word, free): Found(
        conclusion,
        tuple(because(code, CHECK) for code in codes),
        MailboxState(deliverable, free_provider=free),
    )
    for word, (conclusion, deliverable, codes) in _CONCLUSIONS.items()
    for free in (False, True)
}


def serves(_value: str) -> bool:
    """Return that every mailbox can be asked about."""
    return True


def ask(values: Sequence[str], _account: Account) -> Exchange:
    """Ask for one mailbox, or for several in a bulk call."""
    if len(values) == 1:
        answer = yield Call("GET", "/v1/validate", query=(("value", values[0]),))
        mailboxes = [answer.read(_MAILBOX)]
    else:
        answer = yield Call("POST", "/v1/bulk", json={"items": list(values)}, bulk=True)
        mailboxes = answer.read(_BULK).results
    items = ((mailbox.value, mailbox) for mailbox in mailboxes)
    return matched(frozenset(values), items, _found, CHECK)


def fault_of(answer: Answer) -> Fault | None:
    """Return what is wrong with `answer`: it is throttled, or down."""
    if answer.status == HTTPStatus.OK:
        return None
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return Fault(ReasonCode.RATE_LIMITED, again=True)
    return Fault(ReasonCode.PROVIDER_UNAVAILABLE, again=True)


def expected(value: str) -> str:
    """Return the status that Assay must give `value`: the upstream's FNV-1a, told again."""
    digest = _FNV_OFFSET
    for byte in value.encode():
        digest = (digest ^ byte) * _FNV_PRIME & _WORD_64
    share = (digest >> 33) % 100
    at = (share >= _VALID_BELOW) + (share >= _INVALID_BELOW) + (share >= _RISKY_BELOW)
    return STATUS[WORDS[at]]


def _found(mailbox: _Mailbox) -> Found:
    return _FOUND[mailbox.status, mailbox.free]
