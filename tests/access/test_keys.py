"""Keys in a store: on both databases."""

import asyncio
from datetime import timedelta

import pytest

from access.audit import Audit
from access.audit_entry import Act
from access.errors import KeyIsRevoked, KeyMadeBefore, NoSuchKey
from access.key import Limits
from access.keys import Keys, any_live
from access.scope import Scope, scopes_of
from access.secret import id_in
from batches.store import Store
from tests.access.made import new
from tests.batches.conftest import Clock
from tests.gateway.doors import PEPPER

WHO = "local:test"


async def test_a_key_is_kept_as_it_was_wished(keys: Keys, clock: Clock) -> None:
    wish = new(
        scopes=scopes_of(["validate", "batch:write"]),
        expires_at=clock.now + timedelta(days=1),
        networks=("203.0.113.0/24", "2001:db8::1"),
        limits=Limits(2.5, 1_000, 12_500_000),
    )
    key, text = await keys.create(wish, WHO)
    assert await keys.listed() == [key]
    assert (id_in(text), key.digest) == (key.id, PEPPER.digest(text))
    assert (key.tenant, key.name, key.scopes) == (wish.tenant, wish.name, wish.scopes)
    assert Scope.BATCH_READ in key.scopes
    assert (key.expires_at, key.networks, key.limits) == (
        wish.expires_at,
        wish.networks,
        wish.limits,
    )
    assert key.created_at == clock.now


async def test_of_a_secret_the_store_keeps_a_digest_alone(store: Store, keys: Keys) -> None:
    _, text = await keys.create(new(), WHO)
    secret = text.rpartition("_")[2]
    kept = repr(await keys.listed()) + repr(await Audit(store.database).entries(None, 10))
    assert secret not in kept
    assert secret[:16] not in kept


async def test_many_with_one_idempotency_key_make_one_key(keys: Keys) -> None:
    wish = new(idempotency_key="once")
    made = await asyncio.gather(
        *(keys.create(wish, WHO) for _ in range(20)), return_exceptions=True
    )
    (key,) = await keys.listed()
    first = [one for one in made if isinstance(one, tuple)]
    assert [one[0] for one in first] == [key]
    assert {one.id for one in made if isinstance(one, KeyMadeBefore)} == {key.id}
    other, _ = await keys.create(new("another tenant", idempotency_key="once"), WHO)
    assert other.id != key.id


async def test_a_rotated_key_has_two_secrets_for_a_while(keys: Keys, clock: Clock) -> None:
    key, text = await keys.create(new(), WHO)
    changed, other = await keys.rotate(key.id, WHO, overlap=timedelta(hours=1))
    assert (changed.digest, changed.digest_before) == (PEPPER.digest(other), PEPPER.digest(text))
    assert changed.before_until == clock.now + timedelta(hours=1)
    at_once, _ = await keys.rotate(key.id, WHO)
    assert (at_once.digest_before, at_once.before_until) == (None, None)


async def test_a_revoked_key_stays_so(store: Store, keys: Keys, clock: Clock) -> None:
    key, _ = await keys.create(new(), WHO)
    assert await any_live(store.database)
    revoked = await keys.revoke(key.id, WHO)
    assert revoked.revoked_at == clock.now
    assert not await any_live(store.database)
    clock.pass_s(5)
    assert await keys.revoke(key.id, WHO) == revoked
    with pytest.raises(KeyIsRevoked):
        await keys.rotate(key.id, WHO)


async def test_anothers_key_is_as_one_that_is_not_there(keys: Keys) -> None:
    key, _ = await keys.create(new("acme"), WHO)
    for id_ in (key.id, "nobodys000"):
        with pytest.raises(NoSuchKey, match=f"there is no key '{id_}'"):
            await keys.revoke(id_, WHO, tenant="other")
        with pytest.raises(NoSuchKey, match=f"there is no key '{id_}'"):
            await keys.rotate(id_, WHO, tenant="other")
    assert await keys.listed("other") == []
    assert (await keys.revoke(key.id, WHO, tenant="acme")).revoked_at is not None


async def test_each_change_is_in_the_log_and_another_version(store: Store, keys: Keys) -> None:
    audit = Audit(store.database)
    versions = [await keys.version()]
    key, _ = await keys.create(new(), WHO)
    versions.append(await keys.version())
    await keys.rotate(key.id, "assay-id")
    versions.append(await keys.version())
    await keys.revoke(key.id, WHO)
    versions.append(await keys.version())
    assert len(set(versions)) == 4
    entries = await audit.entries("acme", 10)
    assert [(one.act, one.actor, one.target) for one in entries] == [
        (Act.KEY_REVOKED, WHO, key.id),
        (Act.KEY_ROTATED, "assay-id", key.id),
        (Act.KEY_CREATED, WHO, key.id),
    ]
    assert await audit.entries("other", 10) == []
    assert await audit.entries(None, 10, before=entries[1].number) == entries[2:]


async def test_what_is_old_goes_from_the_log(store: Store, keys: Keys, clock: Clock) -> None:
    audit = Audit(store.database)
    await keys.create(new(), WHO)
    clock.pass_s(3600)
    await audit.noted("acme", WHO, Act.VALUE_FORGOTTEN, "email", {"outcomes": "1"})
    assert await audit.prune(timedelta(hours=2)) == 0
    assert await audit.prune(timedelta(minutes=30)) == 1
    (left,) = await audit.entries(None, 10)
    assert (left.act, left.details) == (Act.VALUE_FORGOTTEN, {"outcomes": "1"})
