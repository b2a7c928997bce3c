"""HMRC, United Kingdom: check a VAT number, version 2, with OAuth2 client credentials.

Contract: https://developer.service.hmrc.gov.uk/api-documentation/docs/api/service/vat-registered-companies-api/2.0
Limit: 3 requests a second per application, published there; the token call is not counted.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from sandbox import invented
from sandbox.limits import Limit, Window
from sandbox.message import Reply, Request, is_account
from sandbox.standin import Conclusion, Drift, MagicInput, StandIn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NAME = "hmrc"
REQUESTS_PER_S_MAX = 3
TOKEN_LIFETIME_S = 14_400.0
TOKENS_MAX = 10_000
LOOKUP = "/organisations/vat/check-vat-number/lookup/"
ACCEPT = "application/vnd.hmrc.2.0+json"
TARGET = re.compile(r"[0-9]{9}(?:[0-9]{3})?")
REFUTED_PER_MILLE_FROM = 880
NOT_FOUND = "targetVrn does not match a registered company"

ERRORS: Mapping[int, tuple[str, str]] = {
    400: ("INVALID_REQUEST", "Invalid targetVrn - Vrn parameters should be 9 or 12 digits"),
    401: ("INVALID_CREDENTIALS", "Invalid Authentication information provided"),
    403: ("RESOURCE_FORBIDDEN", "The application is not subscribed to the API"),
    404: ("NOT_FOUND", NOT_FOUND),
    406: ("ACCEPT_HEADER_INVALID", "The accept header is missing or invalid"),
    415: ("UNSUPPORTED_MEDIA_TYPE", "The content type header is missing or invalid"),
    429: ("MESSAGE_THROTTLED_OUT", "The rate limit for this API has been exceeded"),
    500: ("INTERNAL_SERVER_ERROR", "Internal server error"),
    502: ("SERVER_ERROR", "Bad gateway"),
    503: ("SERVER_ERROR", "Service unavailable"),
    504: ("GATEWAY_TIMEOUT", "Gateway timeout"),
}


def _input(value: str, answer: str, conclusion: Conclusion, meaning: str) -> MagicInput:
    return MagicInput(NAME, "vatNumber", value, answer, conclusion, meaning)


INPUTS = (
    _input("GB100000230", "200", "CONFIRMED", "registered, with name and address"),
    _input("GB100000328", "NOT_FOUND", "REFUTED", "not registered"),
    _input("GB100000426", "INVALID_REQUEST", "UNDECIDED", "the service does not understand it"),
    _input("GB100000524", "INTERNAL_SERVER_ERROR", "UNDECIDED", "the service fails with 500"),
    _input("GB100000622", "SERVER_ERROR", "UNDECIDED", "the service is down with 503"),
    _input("GB100000720", "GATEWAY_TIMEOUT", "UNDECIDED", "the register behind it is slow, 504"),
    _input("GB100000818", "MESSAGE_THROTTLED_OUT", "UNDECIDED", "too many requests, 429"),
    _input("GB100000916", "RESOURCE_FORBIDDEN", "UNDECIDED", "the application may not ask, 403"),
)
MAGIC = {magic.value.removeprefix("GB"): magic.answer for magic in INPUTS}
STATUS_OF = {"INVALID_REQUEST": 400, "RESOURCE_FORBIDDEN": 403, "NOT_FOUND": 404,
             "MESSAGE_THROTTLED_OUT": 429, "INTERNAL_SERVER_ERROR": 500, "SERVER_ERROR": 503,
             "GATEWAY_TIMEOUT": 504, "200": 200}  # fmt: skip


def error(status: int) -> Reply:
    """Return HMRC's code and message for a status."""
    code, message = ERRORS.get(status, ("SERVER_ERROR", "Server error"))
    return Reply(status, {"code": code, "message": message})


def values(request: Request) -> list[str]:
    """Return the target as received."""
    return request.segments[4:5] if request.path.startswith(LOOKUP) else []


def status_of(target: str) -> int:
    """Return the status with which a well-formed target is answered."""
    magic = MAGIC.get(target)
    if magic:
        return STATUS_OF[magic]
    return 200 if invented.digest(f"GB{target}") % 1000 < REFUTED_PER_MILLE_FROM else 404


def found(target: str, requester: str) -> Reply:
    """Return the answer for a registered number."""
    bits = invented.digest(f"GB{target}")
    payload: dict[str, Any] = {
        "target": {
            "name": invented.company_name(bits, "Ltd").upper(),
            "vatNumber": target,
            "address": {
                "line1": invented.street(bits),
                "line2": "Leeds",
                "postcode": f"LS{bits % 29 + 1} {bits % 9 + 1}AA",
                "countryCode": "GB",
            },
        },
        "processingDate": f"2026-11-02T{invented.clock(bits)}+00:00",
    }
    if requester:
        payload["requester"] = requester
        letters = f"{bits:016X}"
        payload["consultationNumber"] = f"{letters[:3]}-{letters[3:6]}-{letters[6:9]}"
    return Reply(payload=payload)


class Tokens:
    """The access tokens that were given out, each with its account and its end."""

    def __init__(self) -> None:
        self._serial = 0
        self.reset()

    def reset(self) -> None:
        """Forget every token, so that each one is refused."""
        self._valid: dict[str, tuple[str, float]] = {}
        self.lifetime_s = TOKEN_LIFETIME_S

    def give(self, account: str) -> tuple[str, float]:
        """Return a new token and its lifetime in seconds."""
        self._serial += 1
        token = f"{invented.digest(account + str(self._serial)):016x}"
        if len(self._valid) >= TOKENS_MAX:
            self._valid.clear()
        self._valid[token] = (account, time.monotonic() + self.lifetime_s)
        return token, self.lifetime_s

    def account(self, request: Request) -> str | None:
        """Return whose valid token a request carries."""
        scheme, _, token = request.header(b"authorization").partition(" ")
        account, end = self._valid.get(token, ("", 0.0))
        return account if scheme.lower() == "bearer" and time.monotonic() < end else None

    def change(self, change: Mapping[str, Any]) -> Mapping[str, float]:
        """Do what a control call says: {"revoke": true, "lifetime_s": 5}."""
        if change.get("revoke"):
            self._valid.clear()
        self.lifetime_s = float(change.get("lifetime_s", self.lifetime_s))
        return {"lifetime_s": self.lifetime_s}


def _token(request: Request, tokens: Tokens) -> Reply:
    form = {name: given[-1] for name, given in parse_qs(request.body.decode("latin-1")).items()}
    if form.get("grant_type") != "client_credentials":
        problem = {"error": "unsupported_grant_type", "error_description": "Invalid grant_type"}
        return Reply(400, problem)
    account, secret = form.get("client_id", ""), form.get("client_secret", "")
    if not is_account(account) or secret != account:
        problem = {"error": "invalid_client", "error_description": "invalid client id or secret"}
        return Reply(401, problem)
    if form.get("scope", "read:vat") != "read:vat":
        return Reply(400, {"error": "invalid_scope", "error_description": "unknown scope"})
    token, lifetime_s = tokens.give(account)
    lifetime = int(lifetime_s) if lifetime_s >= 1 else lifetime_s
    return Reply(payload={"access_token": token, "token_type": "bearer", "expires_in": lifetime})


def _lookup(request: Request, tokens: Tokens) -> Reply:
    if tokens.account(request) is None:
        return error(401)
    if ACCEPT not in request.header(b"accept"):
        return error(406)
    target, requester = (*request.segments[4:6], "")[:2]
    if not TARGET.fullmatch(target) or (requester and not TARGET.fullmatch(requester)):
        return error(400)
    status = status_of(target)
    return found(target, requester) if status == 200 else error(status)


def stand_in() -> StandIn:
    """Return HMRC with no token given out yet."""
    tokens = Tokens()

    def handle(request: Request) -> Reply:
        if request.method == "POST" and request.path == "/oauth/token":
            return _token(request, tokens)
        if request.method == "GET" and request.path.startswith(LOOKUP):
            return _lookup(request, tokens)
        return Reply(404, {"code": "MATCHING_RESOURCE_NOT_FOUND", "message": "No such resource"})

    def scope_missing(_: Request) -> Reply:
        message = "Cannot access the required resource. Ensure this token has all its scopes."
        return Reply(403, {"code": "INVALID_SCOPE", "message": message})

    faults: dict[str, Callable[[Request], Reply]] = {
        "INVALID_SCOPE": scope_missing,
        "token_refused": lambda _: Reply(401, {"error": "invalid_client"}),
        "unknown_status": lambda _: Reply(404, {"code": "MOVED_ABROAD", "message": "elsewhere"}),
    }
    return StandIn(
        name=NAME,
        mounts={"hmrc": Limit((Window(REQUESTS_PER_S_MAX, 1.0),))},
        paths=("/oauth/token", LOOKUP),
        handle=handle,
        error=error,
        drift=Drift(
            decides=("target",),
            unknown_word={},
            other_type="ACME LTD",
            echo=(("target", "vatNumber"),),
            foreign="100001031",
        ),
        values=values,
        account=tokens.account,
        faults=faults,
        commands={"tokens": tokens.change},
        reset=tokens.reset,
    )
