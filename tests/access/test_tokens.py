"""Tokens of another issuer, with real keys."""

import asyncio
import time
from typing import Any, cast

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

import access.tokens
from access.errors import BadCredential, CannotTell
from access.scope import Scope
from access.tokens import Issuer, Tokens

ISSUER = Issuer("https://id.example", "assay", "org", "scope")
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def shown(**keys: Any) -> bytes:  # noqa: ANN401 - keys of cryptography
    """Return public keys as an issuer shows them, by their ids."""
    found: list[dict[str, Any]] = []
    for id_, key in keys.items():
        to_jwk: Any = (
            RSAAlgorithm.to_jwk if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm.to_jwk
        )
        found.append({**orjson.loads(to_jwk(key.public_key())), "kid": id_, "use": "sig"})
    return orjson.dumps({"keys": found})


class Shown:
    """The issuer's keys as they are fetched, and how often they were."""

    def __init__(self, body: bytes | None) -> None:
        self.body = body
        self.fetched = 0

    async def __call__(self) -> bytes:
        self.fetched += 1
        await asyncio.sleep(0)
        if self.body is None:
            raise OSError("away")
        return self.body


def token(key: Any = RSA_KEY, kid: str = "one", algorithm: str = "RS256", **claims: object) -> str:  # noqa: ANN401 - as above
    said: dict[str, object] = {
        "iss": "https://id.example",
        "aud": "assay",
        "sub": "ada",
        "exp": int(time.time()) + 600,
        "org": "acme",
        "scope": "validate batch:read openid",
        **claims,
    }
    given = {name: value for name, value in said.items() if value is not None}
    return jwt.encode(given, key, algorithm=algorithm, headers={"kid": kid})


async def test_a_token_says_tenant_subject_and_scopes() -> None:
    tokens = Tokens(ISSUER, Shown(shown(one=RSA_KEY, two=EC_KEY)))
    found = await tokens.principal(token())
    assert (found.tenant, found.credential) == ("acme", "token:ada")
    assert found.scopes == {Scope.VALIDATE, Scope.BATCH_READ}
    assert found.ends_at is not None
    assert not found.of_key
    listed = token(EC_KEY, "two", "ES256", scope=["admin", 7, "other"])
    assert (await tokens.principal(listed)).scopes == {Scope.ADMIN}
    assert (await tokens.principal(token(scope=None))).scopes == frozenset()
    late = str(int(time.time()) + 600)
    assert (await tokens.principal(token(exp=late))).ends_at is not None


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"iss": "https://evil.example"}, id="of another issuer"),
        pytest.param({"aud": "another"}, id="for another audience"),
        pytest.param({"exp": int(time.time()) - 600}, id="expired"),
        pytest.param({"nbf": int(time.time()) + 600}, id="not yet"),
        pytest.param({"exp": None}, id="for ever"),
        pytest.param({"exp": int(time.time() + 600) * 1000}, id="in milliseconds"),
        pytest.param({"exp": 10**400}, id="for longer than there are years"),
        pytest.param({"sub": None}, id="of nobody"),
        pytest.param({"org": None}, id="for no tenant"),
        pytest.param({"org": ["acme"]}, id="for a list of tenants"),
        pytest.param({"org": "x" * 101}, id="for a tenant with too long a name"),
    ],
)
async def test_a_token_that_says_too_little_lets_nobody_in(wrong: dict[str, object]) -> None:
    with pytest.raises(BadCredential):
        await Tokens(ISSUER, Shown(shown(one=RSA_KEY))).principal(
            token(**cast("dict[str, Any]", wrong))
        )


async def test_a_signature_that_is_none_lets_nobody_in() -> None:
    """Neither `none`, nor the public key as a shared secret, nor somebody else's key."""
    tokens = Tokens(ISSUER, Shown(shown(one=RSA_KEY)))
    claims = jwt.decode(token(), options={"verify_signature": False})
    another = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    secret = str(RSA_KEY.public_key().public_numbers().n)  # which everybody knows
    for forged in (
        jwt.encode(claims, "", algorithm="none", headers={"kid": "one"}),
        jwt.encode(claims, secret, algorithm="HS256", headers={"kid": "one"}),
        token(another),
        token(kid="other"),
        token()[:-4],
        "a.b.c",
        "",
    ):
        with pytest.raises(BadCredential):
            await tokens.principal(forged)


async def test_keys_are_fetched_when_one_is_new_and_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    shows = Shown(shown(one=RSA_KEY))
    tokens = Tokens(ISSUER, shows)
    await asyncio.gather(*(tokens.principal(token()) for _ in range(20)))
    for _ in range(20):
        with pytest.raises(BadCredential):
            await tokens.principal(token(kid="made up"))
    assert shows.fetched == 1
    monkeypatch.setattr(access.tokens, "FETCH_REST_S", 0.0)
    shows.body = shown(two=RSA_KEY)
    assert (await tokens.principal(token(kid="two"))).tenant == "acme"
    assert shows.fetched == 2
    with pytest.raises(BadCredential):
        await tokens.principal(token(kid="one"))


@pytest.mark.parametrize("body", [None, b"", b"<html>", b"[]", b'{"keys": []}'])
async def test_while_the_issuer_is_away_nobody_can_tell(body: bytes | None) -> None:
    with pytest.raises(CannotTell):
        await Tokens(ISSUER, Shown(body)).principal(token())


async def test_an_issuer_that_goes_away_takes_its_keys_not_along(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(access.tokens, "KEYS_KEPT_S", 0.0)
    monkeypatch.setattr(access.tokens, "FETCH_REST_S", 0.0)
    shows = Shown(shown(one=RSA_KEY))
    tokens = Tokens(ISSUER, shows)
    await tokens.principal(token())
    shows.body = None
    assert (await tokens.principal(token())).tenant == "acme"
    assert shows.fetched == 2
