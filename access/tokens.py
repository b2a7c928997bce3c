"""Tokens of another issuer: JSON Web Tokens (RFC 7519), signed with one of its public keys.

The issuer's keys (JWKS, RFC 7517) are fetched when a token names one that is not known, and anew
after `KEYS_KEPT_S`; a token with a made-up key can have them fetched once in `FETCH_REST_S` only.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, cast

import jwt
from msgspec import Struct

from access.errors import BadCredential, CannotTell
from access.key import TENANT_CHARS_MAX
from access.principal import Principal
from access.scope import NoSuchScope, Scope, Scopes, scopes_of

KEYS_KEPT_S = 600.0
FETCH_REST_S = 30.0
LEEWAY_S = 30
"""Between two clocks."""
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
"""Signatures with a public key: a shared secret, or none, is no signature of the issuer's."""
SUBJECT_CHARS_MAX = 200
_KNOWN = {scope.value for scope in Scope}

_log = logging.getLogger(__name__)

Fetch = Callable[[], Awaitable[bytes]]
"""Returns the issuer's keys as JSON; raises OSError when they cannot be had."""


class Issuer(Struct, frozen=True):
    """Whose tokens are taken, for whom they must be, and which claims say what."""

    name: str
    audience: str
    tenant_claim: str
    scope_claim: str


class Tokens:
    """Verifies the tokens of one issuer."""

    def __init__(self, issuer: Issuer, fetch: Fetch) -> None:
        """Take tokens of `issuer`, whose keys `fetch` returns."""
        self._issuer = issuer
        self._fetch = fetch
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._fetched_at = -KEYS_KEPT_S
        self._fetching = asyncio.Lock()

    async def principal(self, text: str) -> Principal:
        """Return who calls with the token `text`.

        Raises:
            BadCredential: it is none of this issuer's, is out of date, or says too little.
            CannotTell: the issuer's keys cannot be had now.
        """
        try:
            head = jwt.get_unverified_header(text)
            key = await self._key(head.get("kid"))
            claims = jwt.decode(
                text,
                key,
                algorithms=ALGORITHMS,
                audience=self._issuer.audience,
                issuer=self._issuer.name,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.PyJWTError:
            raise BadCredential from None
        return self._said(claims)

    def _said(self, claims: Mapping[str, Any]) -> Principal:
        tenant, subject = claims.get(self._issuer.tenant_claim), claims["sub"]
        if not isinstance(tenant, str) or not 0 < len(tenant) <= TENANT_CHARS_MAX:
            raise BadCredential
        if not isinstance(subject, str) or len(subject) > SUBJECT_CHARS_MAX:
            raise BadCredential
        try:  # an issuer may write milliseconds, or a text
            ends_at = datetime.fromtimestamp(int(claims["exp"]) + LEEWAY_S, UTC)
        except (OverflowError, ValueError):
            raise BadCredential from None
        return Principal(tenant, f"token:{subject}", self._scopes(claims), ends_at=ends_at)

    def _scopes(self, claims: Mapping[str, Any]) -> Scopes:
        said: object = claims.get(self._issuer.scope_claim)
        if isinstance(said, str):
            names = said.split()
        elif isinstance(said, list):
            names = [name for name in cast("list[object]", said) if isinstance(name, str)]
        else:
            names = []
        try:
            return scopes_of(name for name in names if name in _KNOWN)  # others are for others
        except NoSuchScope:  # pragma: no cover - only known ones are asked about
            raise BadCredential from None

    async def _key(self, id_: object) -> jwt.PyJWK:
        loop = asyncio.get_running_loop()
        if not isinstance(id_, str):
            raise BadCredential
        known = self._keys.get(id_)
        if known is not None and loop.time() - self._fetched_at < KEYS_KEPT_S:
            return known
        async with self._fetching:
            if loop.time() - self._fetched_at >= FETCH_REST_S:
                await self._fetch_keys(loop.time())
        known = self._keys.get(id_)
        if known is None:
            raise BadCredential
        return known

    async def _fetch_keys(self, now: float) -> None:
        """Fetch the issuer's keys; what was known before is good until others are there."""
        before, self._fetched_at = self._fetched_at, now
        try:
            found = jwt.PyJWKSet.from_json((await self._fetch()).decode())
        except (OSError, ValueError, AttributeError, jwt.PyJWTError) as error:  # it trusts the JSON
            _log.warning("issuer's keys not fetched", extra={"error": type(error).__name__})
            if not self._keys:
                self._fetched_at = before
                raise CannotTell from None
            return
        self._keys = {key.key_id: key for key in found.keys if key.key_id}
