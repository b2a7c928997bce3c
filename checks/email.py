"""E-mail addresses: form, throw-away domains, role accounts; the rest is asked of others.

Form: RFC 5321 section 4.1.2 (with the lengths of 4.5.3.1), RFC 6531 for letters beyond ASCII,
RFC 5890 for their domains. Most addresses are plain, and one pattern settles them; what it
cannot settle goes to the `email-validator` and `idna` libraries.

Mailbox names are case-sensitive by the standard (RFC 5321 section 2.4) and case-insensitive at
practically every host, so the canonical address is in lower case: one mailbox, one question.
Dots and `+tags` mean different things to different hosts and stay.

>>> examine("Ada.Lovelace+news@Example.COM").canonical
'ada.lovelace+news@example.com'
>>> examine("info@bücher.example").canonical
'info@xn--bcher-kva.example'
>>> [reason.code.value for reason in examine("ada@example").outcomes[0].reasons]
['MALFORMED']
"""

import json
import re
import unicodedata
from functools import cache, lru_cache
from pathlib import Path

import idna
from disposable_email_domains import blocklist
from email_validator import EmailSyntaxError, validate_email
from msgspec import Struct

from checks.compose import doubting, head_of, refuting
from checks.text import TextRule, tidy
from verdicts.evidence import MailboxState, MailHosts
from verdicts.examined import Decided, Examined
from verdicts.kind import Check, Kind
from verdicts.outcome import CONFIRMED, REFUTED, Conclusion, Outcome
from verdicts.reason import ReasonCode
from verdicts.verdict import EmailDomain, EmailMailbox, EmailVerdict


def domain_of(canonical: str) -> str:
    """Return the domain of a canonical address: what the DNS is asked about.

    >>> domain_of("ada@example.com")
    'example.com'
    """
    return canonical.rpartition("@")[2]


KIND = Kind(
    name="email",
    field="email",
    description="An e-mail address, such as `ada@example.com`.",
    meaning="The address is well formed, its domain takes mail and the mailbox exists.",
    checks=(
        Check("syntax", "Form and lengths, as RFC 5321 and RFC 6531 have them.", local=True),
        Check("disposable", "Does the domain hand out throw-away addresses?", local=True),
        Check("role", "Does the address name a function (info, sales) and no person?", local=True),
        Check("domain", "Does the domain take mail, by the DNS?", subject=domain_of),
        Check("mailbox", "Does the mailbox exist, by a mailbox service?"),
    ),
    needs={
        "domain.mx": "domain",
        "domain.accepts_mail": "domain",
        "mailbox.deliverable": "mailbox",
        "mailbox.catch_all": "mailbox",
        "mailbox.free_provider": "mailbox",
        "mailbox.suggestion": "mailbox",
    },
)

RULE = TextRule(length_max=254)  # RFC 5321 section 4.5.3.1.3: a path of 256 with its brackets
LOCAL_OCTETS_MAX = 64  # RFC 5321 section 4.5.3.1.1
DOMAIN_LENGTH_MAX = 253
DOMAINS_KEPT_MAX = 50_000
ROLES_FILE = Path(__file__).with_name("data") / "role_accounts.json"

# Whole addresses up to this length cannot break the bounds of local part (64) and label (63).
_PLAIN_LENGTH_MAX = 64
_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]++"
_PLAIN_LOCAL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*+")
_PLAIN = re.compile(rf"({_PLAIN_LOCAL.pattern})@((?:[a-z0-9]++(?:-[a-z0-9]++)*+\.)++[a-z]{{2,}}+)")
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?=[a-z])[a-z0-9-]{0,62}[a-z0-9]")
# The library judges whole addresses; beside this domain only the local part is in question.
_NEUTRAL_DOMAIN = "example.com"

_SYNTAX = Outcome("syntax", Conclusion.CONFIRMED)
_LASTING = Outcome("disposable", Conclusion.CONFIRMED)
_PERSON = Outcome("role", Conclusion.CONFIRMED)
_DISPOSABLE = doubting(ReasonCode.DISPOSABLE_DOMAIN, "disposable")
_ROLE = doubting(ReasonCode.ROLE_ACCOUNT, "role")
# By "is disposable", then by "is a role".
_OUTCOMES = (
    ((_SYNTAX, _LASTING, _PERSON), (_SYNTAX, _LASTING, _ROLE)),
    ((_SYNTAX, _DISPOSABLE, _PERSON), (_SYNTAX, _DISPOSABLE, _ROLE)),
)


class EmailFacts(Struct, frozen=True, gc=False):
    """What an address tells by itself, with the lists of throw-away domains and role accounts."""

    domain: EmailDomain
    mailbox: EmailMailbox


@cache
def role_accounts() -> frozenset[str]:
    """Return the local parts that name a function, in lower case; read once from ROLES_FILE.

    The npm package `role-based-email-addresses` keeps the list. Raise FileNotFoundError when set-up
    did not fetch it.
    """
    try:
        return frozenset(json.loads(ROLES_FILE.read_bytes())["accounts"])
    except FileNotFoundError as error:
        message = f"{ROLES_FILE} is missing: run `make setup`, which fetches the list"
        raise FileNotFoundError(message) from error


def is_role(local: str) -> bool:
    """Return whether the local part, without its `+tag`, is the name of a function.

    >>> is_role("sales"), is_role("sales+emea"), is_role("ada")
    (True, True, False)
    """
    return (local.partition("+")[0] if "+" in local else local) in role_accounts()


def is_disposable(domain: str) -> bool:
    """Return whether `domain` or a domain above it is on the list of throw-away domains.

    >>> is_disposable("mailinator.com"), is_disposable("x.mailinator.com"), is_disposable("x.com")
    (True, True, False)
    """
    while "." in domain:
        if domain in blocklist:
            return True
        domain = domain.partition(".")[2]
    return False


def examine(value: str) -> Examined[EmailFacts]:
    """Return the canonical address, lower case and its domain in ASCII, or why there is none."""
    text = value.lower()
    plain = _PLAIN.fullmatch(text) if len(text) <= _PLAIN_LENGTH_MAX else None
    if plain is not None:
        local, domain = plain.groups()
    else:
        parts = _parts(value)
        if isinstance(parts, ReasonCode):
            return Examined(value, None, refuting(parts))
        local, domain = parts
        text = f"{local}@{domain}"
    outcomes, facts = _facts_of(domain)[is_role(local)]
    return Examined(value, text, outcomes, facts)


@lru_cache(DOMAINS_KEPT_MAX)
def _facts_of(domain: str) -> tuple[tuple[tuple[Outcome, ...], EmailFacts], ...]:
    """Return what local checks say of an address at `domain`: of a person's, of a role's."""
    disposable = is_disposable(domain)
    shown = EmailDomain(domain, disposable)
    return tuple(
        (_OUTCOMES[disposable][role], EmailFacts(shown, EmailMailbox(role)))
        for role in (False, True)
    )


def verdict(examined: Examined[EmailFacts], decided: Decided) -> EmailVerdict:
    """Return the verdict that `decided` and the evidence in its outcomes make."""
    facts = examined.facts
    if facts is None:
        return EmailVerdict(*head_of(KIND.name, examined, decided))
    domain, mailbox = facts.domain, facts.mailbox
    for outcome in decided.outcomes[len(examined.outcomes) :]:  # those that others found
        found = outcome.evidence
        if outcome.check == "domain":
            mx = found.mx if isinstance(found, MailHosts) else None
            accepts = _accepts(outcome.conclusion)
            domain = EmailDomain(domain.name, domain.disposable, mx, accepts)
        elif isinstance(found, MailboxState):
            mailbox = EmailMailbox(
                mailbox.role,
                found.deliverable,
                found.catch_all,
                found.free_provider,
                found.suggestion,
            )
    return EmailVerdict(  # head_of, written out: this runs for every address
        KIND.name,
        examined.input,
        examined.canonical,
        decided.status,
        decided.reasons,
        decided.outcomes,
        decided.decided_at,
        decided.expires_at,
        decided.source,
        domain,
        mailbox,
    )


def _accepts(conclusion: Conclusion) -> bool | None:
    """Return whether a domain takes mail, by what the check of it concluded."""
    if conclusion is CONFIRMED:
        return True
    return False if conclusion is REFUTED else None


def _parts(value: str) -> tuple[str, str] | ReasonCode:
    """Return local part and domain of an address that is not plain, or what is wrong with it."""
    tidied = tidy(value, RULE)
    if isinstance(tidied, ReasonCode):
        return tidied
    # In lower case first, so that what is judged is what becomes canonical.
    local, at, domain = unicodedata.normalize("NFC", tidied.lower()).rpartition("@")
    if not at or not local or not domain:
        return ReasonCode.MALFORMED
    if len(local.encode()) > LOCAL_OCTETS_MAX:
        return ReasonCode.TOO_LONG
    host = _ascii_domain(domain)
    name = _local_part(local) if host else None
    if host is None or name is None:
        return ReasonCode.MALFORMED
    if len(name) + 1 + len(host) > RULE.length_max:
        return ReasonCode.TOO_LONG
    return name, host


def _ascii_domain(domain: str) -> str | None:
    """Return `domain` as its A-labels (RFC 5890), None when it is not a domain name."""
    if not domain.isascii() or "xn--" in domain:
        try:
            domain = idna.encode(domain, uts46=True).decode("ascii")
        except UnicodeError:  # idna.IDNAError is one
            return None
    if len(domain) > DOMAIN_LENGTH_MAX or not _DOMAIN.fullmatch(domain):
        return None
    return domain


def _local_part(local: str) -> str | None:
    """Return `local` without quotes that it does not need, None when it is malformed."""
    if _PLAIN_LOCAL.fullmatch(local):
        return local
    try:
        judged = validate_email(
            f"{local}@{_NEUTRAL_DOMAIN}",
            allow_smtputf8=True,
            allow_quoted_local=True,
            check_deliverability=False,
        )
    except EmailSyntaxError:
        return None
    return judged.local_part
