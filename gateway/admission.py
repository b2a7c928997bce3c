"""From a request to who it is from: the credential in its headers, shown to the door."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from starlette.types import Scope

from access.allowance import Allowance, Allowances, OverLimit
from access.door import Door
from access.errors import BadCredential, CannotTell, NoCredential, NotAdmitted, WrongNetwork
from access.principal import Principal
from access.scope import Scope as May
from gateway.asked import Refusal

HEADER = b"authorization"
INIT_NAMES = ("Authorization", "authorization")
"""Where a client of graphql-transport-ws puts in `connection_init` what a header would hold."""
BEARER = "bearer "
CREDENTIAL_CHARS_MAX = 8_192
KEYS_WAIT_S = 5.0
"""Of a request that comes before the keys have been read."""
UNAUTHENTICATED, FORBIDDEN = "UNAUTHENTICATED", "FORBIDDEN"
RATE_LIMITED, QUOTA_EXHAUSTED = "RATE_LIMITED", "QUOTA_EXHAUSTED"
_CHALLENGE = 'Bearer realm="assay"'  # RFC 6750, section 3
_SHOW = "Send `Authorization: Bearer KEY`; `assay keys create` makes one."


class Guard(Protocol):
    """Who lets callers in, and knows how much each may ask (`gateway.doorkeeper`)."""

    @property
    def door(self) -> Door: ...
    @property
    def allowances(self) -> Allowances: ...


class Admission:
    """Shows credentials to the door of the guard that `guard` returns, and counts requests."""

    def __init__(self, guard: Callable[[], Guard]) -> None:
        self._guard = guard

    async def of(self, scope: Scope, init: Mapping[str, object] | None = None) -> Principal:
        """Return who a request is from; of a WebSocket `init` may hold the credential.

        Raises:
            Refusal: 401, 403, 429 or 503.
        """
        credential = _credential(scope["headers"], init)
        client, guard = scope.get("client"), self._guard()
        try:
            address = client[0] if client else None
            principal = await guard.door.admit(credential, address, KEYS_WAIT_S)
        except NotAdmitted as reason:
            raise _refusal(reason) from None
        allowance = guard.allowances.of(principal)
        if allowance is not None and not allowance.counts_request():
            try:
                await allowance.request()
            except OverLimit as over:
                raise _too_much(principal, allowance, over) from None
        return principal

    def allowance(self, principal: Principal) -> Allowance | None:
        """Return how much `principal` may still ask; None where nothing bounds it."""
        return self._guard().allowances.of(principal)

    async def with_scope(self, scope: Scope, may: May) -> Principal:
        """Return who a request is from, which needs the scope `may`.

        Raises:
            Refusal: as `of`, and 403 where the scope is missing.
        """
        principal = await self.of(scope)
        if may not in principal.scopes:
            raise Refusal(403, FORBIDDEN, f"This needs the scope {may.value}, which yours lacks.")
        return principal

    def stay(self, principal: Principal, ended: Callable[[], None]) -> Callable[[], None]:
        """Call `ended` when `principal` has to leave; call what this returns when it has left."""
        return self._guard().door.watch(principal, ended)


def _credential(
    headers: Iterable[tuple[bytes, bytes]], init: Mapping[str, object] | None
) -> str | None:
    """Return what a request shows, None where it shows nothing.

    Raises:
        Refusal: 401, it is not what a Bearer credential looks like.
    """
    given: list[object] = [value.decode("latin-1") for name, value in headers if name == HEADER]
    if not given and init is not None:
        given = [init[name] for name in INIT_NAMES if name in init]
    if not given:
        return None
    text = given[0]
    if (
        len(given) > 1
        or not isinstance(text, str)
        or len(text) > CREDENTIAL_CHARS_MAX
        or text[: len(BEARER)].lower() != BEARER
    ):
        raise _unauthenticated(_SHOW, "invalid_request")
    return text[len(BEARER) :].strip()


def _refusal(reason: NotAdmitted) -> Refusal:
    match reason:
        case NoCredential():
            return _unauthenticated(f"A key is needed here. {_SHOW}")
        case WrongNetwork():
            return Refusal(403, FORBIDDEN, "This key may not be used from this address.")
        case CannotTell():
            return Refusal(
                503,
                "UNAVAILABLE",
                "Which keys there are cannot be read now. Try again in a moment.",
                {"retry-after": "1"},
            )
        case BadCredential():
            said = "This key is none, or was revoked, or has expired."
            return _unauthenticated(said, "invalid_token")
        case _:
            return _unauthenticated(_SHOW)


def _too_much(principal: Principal, allowance: Allowance, over: OverLimit) -> Refusal:
    headers = {"retry-after": str(max(1, math.ceil(over.retry_after_s)))}
    headers |= {name.decode(): value.decode() for name, value in allowance.headers()}
    rate = principal.limits.requests_per_second
    return Refusal(429, RATE_LIMITED, f"This key may ask {rate:g} times a second.", headers)


def _unauthenticated(message: str, error: str | None = None) -> Refusal:
    challenge = _CHALLENGE if error is None else f'{_CHALLENGE}, error="{error}"'
    return Refusal(401, UNAUTHENTICATED, message, {"www-authenticate": challenge})
