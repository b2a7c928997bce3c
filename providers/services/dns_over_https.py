"""DNS over HTTPS, in JSON: whether a domain takes mail, where the DNS itself can't be asked.

The form of https://developers.google.com/speed/public-dns/docs/doh/json, which Cloudflare speaks
too; `base_url` is the whole address of one of them. As in `providers/dns.py`: MX first; without
any the domain's own address takes the mail (RFC 5321, section 5.1), unless a null MX says that it
takes none (RFC 7505); and who denies a domain must know a name that everybody knows.
"""

import re
from collections.abc import Generator, Mapping, Sequence
from http import HTTPStatus

from msgspec import Struct, field
from msgspec.json import Decoder

from providers.errors import UNKNOWN, Fault, Faulted, ProtocolBroken
from providers.exchange import Account, Answer, Call, Defaults, Exchange
from verdicts.evidence import MailHosts
from verdicts.outcome import Conclusion, Found
from verdicts.reason import ReasonCode, because

NAME = "dns_over_https"
KIND = "email"
CHECK = "domain"
SECRETS: tuple[str, ...] = ()
DEFAULTS = Defaults(
    base_url="https://dns.google/resolve",
    sandbox_path="/dns-over-https/resolve",
    concurrency=32,
    timeout_s=5.0,
    asked_unnamed=False,
)
FRESH_MIN_S, FRESH_MAX_S, NEGATIVE_FRESH_MAX_S = 30.0, 86_400.0, 300.0
NOERROR, NXDOMAIN = 0, 3  # RFC 1035, section 4.1.1
TYPES = {"A": 1, "NS": 2, "MX": 15, "AAAA": 28}
WITNESS = "com"
_ACCEPT = (("Accept", "application/dns-json"),)
_MX = re.compile(r"([0-9]{1,5}) (\S{1,255})")

_AWAY = Fault(ReasonCode.SOURCE_UNAVAILABLE, again=True)
_DOWN = Fault(ReasonCode.PROVIDER_UNAVAILABLE, again=True)
FAULTS: Mapping[int, Fault] = {
    2: _AWAY,  # SERVFAIL: the domain's own nameservers fail
    5: Fault(ReasonCode.SOURCE_UNAVAILABLE),  # REFUSED
}
STATUSES: Mapping[int, Fault] = {
    400: Fault(ReasonCode.REJECTED_BY_PROVIDER, retryable=False),
    429: Fault(ReasonCode.RATE_LIMITED, again=True),
    **dict.fromkeys((500, 502, 503, 504), _DOWN),
}


class _Question(Struct):
    name: str
    type: int


class _Record(Struct):
    type: int
    data: str
    ttl: int = field(name="TTL")


class _Reply(Struct, rename="pascal"):
    status: int
    question: list[_Question]
    answer: list[_Record] = field(default_factory=list[_Record])
    authority: list[_Record] = field(default_factory=list[_Record])
    cut: bool = field(name="TC", default=False)

    def data(self, qtype: str) -> list[str]:
        """Return what the records of this type hold; of aliases on the way there are others."""
        return [record.data for record in self.answer if record.type == TYPES[qtype]]

    def fresh_for_s(self, max_s: float = FRESH_MAX_S) -> float:
        """Return the shortest time to live, within our bounds; `max_s` when there is none."""
        times = (float(record.ttl) for record in self.answer or self.authority)
        return min(max_s, max(FRESH_MIN_S, min(times, default=max_s)))


_REPLY = Decoder(_Reply)


def serves(_value: str) -> bool:
    """Return that the DNS knows every domain, or knows that there is none."""
    return True


def ask(values: Sequence[str], _account: Account) -> Exchange:
    """Ask for the one domain in `values`: up to three queries, and one for the witness."""
    (domain,) = values
    reply = yield from _reply(domain, "MX")
    if mail := reply.data("MX"):
        return {domain: _hosted(mail, reply)}
    for qtype in ("A", "AAAA"):
        if reply.status == NXDOMAIN:
            break
        reply = yield from _reply(domain, qtype)
        if reply.data(qtype):
            fresh_for_s = reply.fresh_for_s(NEGATIVE_FRESH_MAX_S)  # an MX may come
            return {domain: Found(Conclusion.CONFIRMED, (), MailHosts(implicit=True), fresh_for_s)}
    if reply.status != NXDOMAIN:
        return {domain: _refuted(ReasonCode.NO_MAIL_HOST, MailHosts(), reply)}
    if (yield from _reply(WITNESS, "NS")).status == NXDOMAIN:
        raise Faulted(_AWAY, HTTPStatus.OK)  # it has no way to the outside, and denies every name
    return {domain: _refuted(ReasonCode.DOMAIN_NOT_FOUND, None, reply)}


def fault_of(answer: Answer) -> Fault | None:
    """Return what is wrong with `answer`: HTTP's status, or that of the DNS."""
    if answer.status != HTTPStatus.OK:
        return STATUSES.get(answer.status, UNKNOWN)
    status = answer.read(_REPLY).status
    return None if status in {NOERROR, NXDOMAIN} else FAULTS.get(status, UNKNOWN)


def _reply(name: str, qtype: str) -> Generator[Call, Answer, _Reply]:
    answer = yield Call("GET", "", (("name", name), ("type", qtype)), headers=_ACCEPT)
    answer.only(1, "Status", "Question", "Answer", "TC")
    reply = answer.read(_REPLY)
    asked = [(one.name.rstrip(".").lower(), one.type) for one in reply.question]
    if asked != [(name.lower(), TYPES[qtype])]:
        raise ProtocolBroken("the answer is about another question than the one asked")
    if reply.cut or (reply.status == NXDOMAIN and reply.data(qtype)):
        raise ProtocolBroken("the answer is cut, or contradicts itself")
    return reply


def _hosted(mail: Sequence[str], reply: _Reply) -> Found:
    found = [_MX.fullmatch(data) for data in mail]
    hosts = [(int(one[1]), one[2].rstrip(".").lower()) for one in found if one is not None]
    if len(hosts) != len(mail):
        raise ProtocolBroken("an MX that is no number and a host")
    mx = tuple(host for _, host in sorted(hosts) if host)
    if not mx:  # the host "." alone: RFC 7505, section 3
        return _refuted(ReasonCode.NO_MAIL_HOST, MailHosts(), reply)
    return Found(Conclusion.CONFIRMED, (), MailHosts(mx), reply.fresh_for_s())


def _refuted(code: ReasonCode, evidence: MailHosts | None, reply: _Reply) -> Found:
    fresh_for_s = reply.fresh_for_s(NEGATIVE_FRESH_MAX_S)
    return Found(Conclusion.REFUTED, (because(code, CHECK),), evidence, fresh_for_s)
