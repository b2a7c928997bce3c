"""ZeroBounce 2: does a mailbox exist, one or up to 200 at a time (on another host).

Contract: https://www.zerobounce.net/docs/ (validate, validatebatch, getcredits, sandbox mode).
Limits published there: 80,000 single requests in 10 seconds, then a minute's block; 5 bulk
requests a minute; 100 bad requests in a minute block the account for an hour.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any

from sandbox import invented
from sandbox.limits import Limit, Window
from sandbox.message import Reply, Request, elements, is_account, members
from sandbox.standin import Conclusion, Drift, MagicInput, StandIn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NAME = "zerobounce"
SINGLE_MAX, SINGLE_WINDOW_S, SINGLE_BLOCK_S = 80_000, 10.0, 60.0
BULK_PER_MINUTE_MAX = 5
BULK_VALUES_MAX = 200
BAD_REQUESTS_MAX, BAD_WINDOW_S, BAD_BLOCK_S = 100, 60.0, 3_600.0
BLOCKED_ACCOUNTS_MAX = 1_000
CREDITS_AT_START = 100_000_000
NO_CREDIT = "Invalid API key or your account ran out of credits"
NO_CREDIT_BULK = "Invalid API Key or your account ran out of credits"

CONCLUSIONS: Mapping[str, Conclusion] = {
    "valid": "CONFIRMED",
    "invalid": "REFUTED",
    "catch-all": "DOUBTFUL",
    "spamtrap": "DOUBTFUL",
    "abuse": "DOUBTFUL",
    "do_not_mail": "DOUBTFUL",
    "unknown": "UNDECIDED",
}
SUB_STATUSES: Mapping[str, Sequence[str]] = {
    "valid": ("alias_address", "leading_period_removed", "alternate", "gold",
              "role_based_accept_all", "accept_all", "ai_agent_mailbox"),
    "invalid": ("does_not_accept_mail", "failed_syntax_check", "possible_typo",
                "mailbox_not_found", "no_dns_entries", "mailbox_quota_exceeded",
                "unroutable_ip_address"),
    "do_not_mail": ("role_based", "disposable", "role_based_catch_all", "mx_forward",
                    "global_suppression", "possible_trap", "toxic"),
    "unknown": ("antispam_system", "exception_occurred", "failed_smtp_connection",
                "forcible_disconnect", "greylisted", "mail_server_did_not_respond",
                "mail_server_temporary_error", "timeout_exceeded"),
}  # fmt: skip
PLAIN = {"valid": ("valid", ""), "invalid": ("invalid", "mailbox_not_found"),
         "catch_all": ("catch-all", ""), "unknown": ("unknown", "mail_server_temporary_error"),
         "spamtrap": ("spamtrap", ""), "abuse": ("abuse", ""),
         "donotmail": ("do_not_mail", "role_based")}  # fmt: skip
STRANGE = {"strange_status": ("perhaps", ""), "strange_sub_status": ("valid", "on_the_moon")}
NAMED: Mapping[str, tuple[str, str]] = {
    **PLAIN,
    **{sub: (status, sub) for status, subs in SUB_STATUSES.items() for sub in subs},
    **STRANGE,
}
"""The local parts below example.com that have an answer of their own; they cost no credit."""

DOMAIN = "@example.com"
INPUTS = tuple(
    MagicInput(
        NAME, "email", f"{local}{DOMAIN}", f"{status}:{sub}" if sub else status,
        "UNDECIDED" if local in STRANGE else CONCLUSIONS[status],
        f"status {status}" + (f", sub-status {sub}" if sub else "")
        + (", which the contract lacks" if local in STRANGE else ""),
    )
    for local, (status, sub) in NAMED.items()
)  # fmt: skip
DOUBTFUL = (("catch-all", ""), ("do_not_mail", "role_based"), ("do_not_mail", "disposable"))
REFUTED = (("invalid", "mailbox_not_found"), ("invalid", "mailbox_quota_exceeded"),
           ("invalid", "no_dns_entries"), ("invalid", "does_not_accept_mail"))  # fmt: skip
UNDECIDED = (("unknown", "greylisted"), ("unknown", "timeout_exceeded"))


def status_of(email: str) -> tuple[str, str]:
    """Return status and sub-status of an address in lower case."""
    local, at, domain = email.rpartition("@")
    if not at or not local or not domain or email.split() != [email]:
        return "invalid", "failed_syntax_check"
    if domain == "example.com" and local in NAMED:
        return NAMED[local]
    bits = invented.digest(email)
    match invented.share(bits):
        case "confirmed":
            return "valid", ""
        case "refuted":
            return invented.pick(REFUTED, bits, 1)
        case "doubtful":
            return invented.pick(DOUBTFUL, bits, 1)
        case "undecided":
            return invented.pick(UNDECIDED, bits, 1)


def found(email: str) -> dict[str, Any]:
    """Return the answer for one address; it comes back in lower case."""
    address = email.lower()
    status, sub = status_of(address)
    account, _, domain = address.rpartition("@")
    bits = invented.digest(address)
    has_mail = sub not in {"no_dns_entries", "failed_syntax_check"}
    person = status == "valid"
    return {
        "address": address,
        "status": status,
        "sub_status": sub,
        "free_email": bits % 5 == 0,
        "did_you_mean": f"{account}@example.org" if sub == "possible_typo" else None,
        "account": account,
        "domain": domain,
        "domain_age_days": str(bits % 9_000 + 30) if has_mail else "",
        "smtp_provider": "example" if has_mail else "",
        "mx_found": "true" if has_mail else "false",
        "mx_record": f"mx.{domain}" if has_mail else "",
        "firstname": invented.pick(invented.GIVEN_NAMES, bits, 1) if person else None,
        "lastname": invented.pick(invented.FAMILY_NAMES, bits, 2) if person else None,
        "gender": None,
        "country": None,
        "region": None,
        "city": None,
        "zipcode": None,
        "processed_at": f"2026-11-02 {invented.clock(bits)}.{bits % 1000:03}",
    }


def error(status: int) -> Reply:
    """Return what comes with a status; 403 and the 52x are pages of the shield before it."""
    if status in {403, 520, 522, 524}:
        page = f"<!DOCTYPE html><html><body><h1>Error {status}</h1></body></html>"
        return Reply(status, body=page.encode(), content_type="text/html; charset=UTF-8")
    words = {400: "Bad request", 404: "Not found", 429: "Too many requests"}
    return Reply(status, {"error": words.get(status, "Internal server error")})


def _key(request: Request) -> str:
    if request.method == "POST":
        key = members(request.json).get("api_key")
        return key if isinstance(key, str) else ""
    return request.parameters.get("api_key", "")


def account(request: Request) -> str | None:
    """Return the key, when it is known."""
    key = _key(request)
    return key if is_account(key) else None


def _bulk_of(request: Request) -> list[str] | None:
    batch = elements(members(request.json).get("email_batch"))
    if batch is None:
        return None
    asked = [members(item).get("email_address") for item in batch]
    emails = [email for email in asked if isinstance(email, str)]
    return emails if len(emails) == len(asked) else None


def values(request: Request) -> Sequence[str]:
    """Return the addresses as received."""
    if request.method == "POST":
        return _bulk_of(request) or ()
    email = request.parameters.get("email")
    return (email,) if email is not None else ()


def refused_key(request: Request) -> Reply:
    """Return what a bad key or an empty account gets: status 200 with an error inside."""
    if request.path == "/v2/getcredits":
        return Reply(payload={"Credits": "-1"})
    if request.method == "POST":
        problem = {"error": NO_CREDIT_BULK, "email_address": "all"}
        return Reply(payload={"email_batch": [], "errors": [problem]}, items="email_batch")
    return Reply(payload={"error": NO_CREDIT})


class Accounts:
    """What the service knows about its customers: credits, bad requests and blocks."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Give everybody the credits of the start and lift every block."""
        self.credits = CREDITS_AT_START
        self._bad: dict[str, deque[float]] = {}
        self._blocked_until: dict[str, float] = {}

    def charge(self, answers: Sequence[Mapping[str, Any]]) -> bool:
        """Take one credit for each decided answer; False when there are too few left."""
        price = sum(
            answer["status"] != "unknown"
            and not (answer["domain"] == "example.com" and answer["account"] in NAMED)
            for answer in answers
        )
        if price > self.credits:
            return False
        self.credits -= price
        return True

    def blocked(self, key: str) -> bool:
        """Return whether bad requests have blocked a key."""
        return time.monotonic() < self._blocked_until.get(key, 0.0)

    def bad(self, key: str) -> Reply:
        """Count a bad request and return its answer."""
        if len(self._bad) >= BLOCKED_ACCOUNTS_MAX:
            self._bad.clear()
        now = time.monotonic()
        times = self._bad.setdefault(key, deque(maxlen=BAD_REQUESTS_MAX))
        times.append(now)
        if len(times) == BAD_REQUESTS_MAX and now - times[0] < BAD_WINDOW_S:
            self._blocked_until[key] = now + BAD_BLOCK_S
        return error(400)

    def change(self, change: Mapping[str, Any]) -> Mapping[str, int]:
        """Do what a control call says, {"credits": 5000}, and return what is left."""
        self.credits = int(change.get("credits", self.credits))
        return {"credits": self.credits}


def _single(request: Request, accounts: Accounts) -> Reply:
    email = request.parameters.get("email", "")
    if not email:
        return accounts.bad(_key(request))
    answer = found(email)
    return Reply(payload=answer) if accounts.charge([answer]) else refused_key(request)


def _bulk(request: Request, accounts: Accounts) -> Reply:
    asked = _bulk_of(request)
    if not asked or len(asked) > BULK_VALUES_MAX:
        return accounts.bad(_key(request))
    answers = [found(email) for email in asked]
    if not accounts.charge(answers):
        return refused_key(request)
    return Reply(payload={"email_batch": answers, "errors": []}, items="email_batch")


def stand_in() -> StandIn:
    """Return ZeroBounce: two mounts, for it has two hosts, and one account behind them."""
    accounts = Accounts()

    def handle(request: Request) -> Reply:
        key = _key(request)
        if accounts.blocked(key):
            return error(429)
        known = is_account(key)
        match request.mount, request.method, request.path:
            case "zerobounce", "GET", "/v2/validate":
                return _single(request, accounts) if known else refused_key(request)
            case "zerobounce", "GET", "/v2/getcredits":
                return Reply(payload={"Credits": str(accounts.credits if known else -1)})
            case "zerobounce-bulk", "POST", "/v2/validatebatch":
                if request.json is None:
                    return accounts.bad(key)
                return _bulk(request, accounts) if known else refused_key(request)
            case _:
                return error(404)

    return StandIn(
        name=NAME,
        mounts={
            "zerobounce": Limit((Window(SINGLE_MAX, SINGLE_WINDOW_S),), block_s=SINGLE_BLOCK_S),
            "zerobounce-bulk": Limit((Window(BULK_PER_MINUTE_MAX, 60.0),)),
        },
        paths=("/v2/validatebatch", "/v2/validate", "/v2/getcredits"),
        handle=handle,
        error=error,
        drift=Drift(
            decides=("status",),
            unknown_word="perhaps",
            other_type=True,
            echo=(("address",),),
            foreign="nobody@example.org",
        ),
        values=values,
        account=account,
        faults={"no_credit": refused_key},
        commands={"credits": accounts.change},
        reset=accounts.reset,
    )
