"""Who is let in, and who has to leave."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

import access.door
from access.door import Door
from access.errors import (
    BadCredential,
    CannotTell,
    NoCredential,
    NotAdmitted,
    WrongNetwork,
)
from access.key import Key
from access.keys import Keys
from access.principal import ANYBODY, Principal
from access.scope import scopes_of
from access.secret import new_id, new_text
from batches.errors import StoreUnavailable
from tests.access.made import new
from tests.batches.conftest import Clock
from tests.gateway.doors import PEPPER
from tests.waiting import WAIT_S

WHO = "local:test"
HERE = "127.0.0.1"


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the door look more often."""
    monkeypatch.setattr(access.door, "LOOK_S", 0.05)
    monkeypatch.setattr(access.door, "TOLD_WITHIN_S", 0.02)


class Away:
    """A store of keys that may be away."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self.away = False

    async def listed(self, tenant: str | None = None) -> list[Key]:
        if self.away:
            raise StoreUnavailable("away")
        return await self._keys.listed(tenant)

    async def version(self) -> int:
        if self.away:
            raise StoreUnavailable("away")
        return await self._keys.version()


@asynccontextmanager
async def door(
    kept: Away | Keys, *, open_: bool = False, local: bool = False
) -> AsyncGenerator[Door]:
    found = Door(PEPPER, open_=open_, local=local)
    await found.begin(kept)
    try:
        yield found
    finally:
        await found.close()


async def refused(at: Door, text: str | None, address: str | None = HERE) -> type[NotAdmitted]:
    with pytest.raises(NotAdmitted) as told:
        await at.admit(text, address, 0.01)
    return told.type


async def admitted(at: Door, text: str) -> bool:
    try:
        await at.admit(text, HERE, 0.01)
    except NotAdmitted:
        return False
    return True


async def until(at: Door, text: str, *, lets_in: bool) -> None:
    async with asyncio.timeout(WAIT_S):
        while await admitted(at, text) is not lets_in:  # noqa: ASYNC110 - the door tells nobody
            await asyncio.sleep(0.01)


async def test_a_key_lets_in_for_its_tenant_with_its_scopes(keys: Keys) -> None:
    key, text = await keys.create(new(scopes=scopes_of(["batch:read"])), WHO)
    async with door(keys) as at:
        found = await at.admit(text, HERE, 0.01)
        assert (found.tenant, found.credential, found.scopes) == (key.tenant, key.id, key.scopes)


async def test_nothing_else_lets_in(keys: Keys) -> None:
    key, text = await keys.create(new(), WHO)
    async with door(keys) as at:
        for wrong in (
            new_text(key.id),
            new_text(new_id()),
            text[:-1],
            f"{text}x",
            "assay_",
            "",
            "x",
        ):
            assert await refused(at, wrong) is BadCredential, wrong
        assert await refused(at, None) is NoCredential


async def test_a_revoked_or_expired_key_lets_nobody_in(keys: Keys) -> None:
    gone, text = await keys.create(new(), WHO)
    _, other = await keys.create(new(expires_at=datetime.now(UTC) - timedelta(seconds=1)), WHO)
    async with door(keys) as at:
        assert await admitted(at, text)
        assert not await admitted(at, other)
        await keys.revoke(gone.id, WHO)
        await until(at, text, lets_in=False)


async def test_both_secrets_of_a_rotated_key_let_in_while_they_overlap(
    keys: Keys, clock: Clock
) -> None:
    clock.now = datetime.now(UTC)
    key, text = await keys.create(new(), WHO)
    async with door(keys) as at:
        _, second = await keys.rotate(key.id, WHO, overlap=timedelta(days=9))
        await until(at, second, lets_in=True)
        assert await admitted(at, text)
        _, third = await keys.rotate(key.id, WHO)
        await until(at, third, lets_in=True)
        assert not await admitted(at, text)
        assert not await admitted(at, second)


@pytest.mark.parametrize(
    "network, address, lets_in",
    [
        ("203.0.113.0/24", "203.0.113.9", True),
        ("203.0.113.0/24", "203.0.114.9", False),
        ("203.0.113.0/24", "::ffff:203.0.113.9", True),
        ("203.0.113.0/24", None, False),
        ("203.0.113.0/24", "not an address", False),
        ("2001:db8::/32", "2001:db8::1", True),
        ("2001:db8::/32", "203.0.113.9", False),
    ],
)
async def test_a_key_may_be_bound_to_networks(
    keys: Keys, network: str, address: str | None, *, lets_in: bool
) -> None:
    _, text = await keys.create(new(networks=(network,)), WHO)
    async with door(keys) as at:
        if lets_in:
            assert (await at.admit(text, address, 0.01)).tenant == "acme"
        else:
            assert await refused(at, text, address) is WrongNetwork


async def test_without_keys_a_local_door_is_open_until_there_is_one(keys: Keys) -> None:
    async with door(keys, local=True) as at:
        assert await at.admit(None, HERE, 0.01) is ANYBODY
        sent_out = asyncio.Event()
        at.watch(ANYBODY, sent_out.set)
        _, text = await keys.create(new(), WHO)
        async with asyncio.timeout(WAIT_S):
            await sent_out.wait()
        assert await refused(at, None) is NoCredential
        assert await admitted(at, text)


async def test_where_tokens_are_taken_no_door_is_open(keys: Keys) -> None:
    class Nobody:
        async def principal(self, text: str) -> Principal:
            raise BadCredential(text)

    at = Door(PEPPER, open_=False, local=True, tokens=Nobody())
    await at.begin(keys)
    assert await refused(at, None) is NoCredential
    await at.close()


async def test_a_revoked_key_opens_no_door(keys: Keys) -> None:
    """Else the last key that is revoked would let everybody in."""
    key, text = await keys.create(new(), WHO)
    async with door(keys, local=True) as at:
        await keys.revoke(key.id, WHO)
        await until(at, text, lets_in=False)
        assert await refused(at, None) is NoCredential
        assert not at.has_keys


async def test_an_open_door_lets_in_without_a_key_and_not_with_a_wrong_one(keys: Keys) -> None:
    await keys.create(new(), WHO)
    async with door(keys, open_=True) as at:
        assert await at.admit(None, HERE, 0.01) is ANYBODY
        assert await refused(at, "x") is BadCredential


async def test_before_keys_are_read_nobody_is_let_in() -> None:
    at = Door(PEPPER, open_=False, local=True)
    assert await refused(at, None) is CannotTell
    assert await refused(at, new_text(new_id())) is CannotTell
    assert await Door(PEPPER, open_=True, local=False).admit(None, HERE, 0.01) is ANYBODY


async def test_while_the_store_is_away_what_was_known_holds(keys: Keys) -> None:
    away = Away(keys)
    key, text = await keys.create(new(), WHO)
    async with door(away) as at:
        away.away = True
        await keys.revoke(key.id, WHO)
        await asyncio.sleep(0.2)
        assert await admitted(at, text)
        away.away = False
        await until(at, text, lets_in=False)


async def test_who_stays_is_told_when_the_key_is_revoked_or_expires(keys: Keys) -> None:
    key, text = await keys.create(new(), WHO)
    _, short = await keys.create(new(expires_at=datetime.now(UTC) + timedelta(seconds=0.5)), WHO)
    async with door(keys) as at:
        told: list[str] = []
        first, second = [await at.admit(given, HERE, 0.01) for given in (text, short)]
        at.watch(first, lambda: told.append("revoked"))
        at.watch(second, lambda: told.append("expired"))
        left = at.watch(await at.admit(text, HERE, 0.01), lambda: told.append("left before"))
        left()
        left()
        async with asyncio.timeout(WAIT_S):
            while told != ["expired"]:  # noqa: ASYNC110 - only the door knows when
                await asyncio.sleep(0.01)
            await keys.revoke(key.id, WHO)
            while told != ["expired", "revoked"]:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
