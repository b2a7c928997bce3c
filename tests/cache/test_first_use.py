"""When a key was used first is the same for all, and says nothing to who reads the store."""

from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from cache.first_use import KEPT_S, FirstUses, KeyUsedError
from gateway.valkey import StoreAway, Valkey

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_900, tzinfo=UTC)
SECRET = b"a key for tests, of 32 bytes...."


async def test_the_first_use_is_remembered(valkey: Valkey) -> None:
    one, other = FirstUses(valkey, SECRET), FirstUses(valkey, SECRET)
    later = NOW + timedelta(hours=1)
    assert await one.since("acme", "order 7", b"asked", NOW) == NOW
    first = await other.since("acme", "order 7", b"asked", later)
    assert abs(first - NOW) < timedelta(milliseconds=1)
    assert await one.since("other", "order 7", b"else", later) == later
    with pytest.raises(KeyUsedError):
        await other.since("acme", "order 7", b"else", later)


async def test_it_is_kept_for_a_day_under_a_name_that_tells_nothing(valkey: Valkey) -> None:
    await FirstUses(valkey, SECRET).since("acme", "order-7", b"asked", NOW)
    (name,) = cast("list[bytes]", await valkey.run("KEYS", "once:*"))
    assert b"order" not in name
    assert KEPT_S - 60 < cast("int", await valkey.run("TTL", name)) <= KEPT_S


async def test_a_store_that_is_away_is_told(away: Valkey) -> None:
    with pytest.raises(StoreAway):
        await FirstUses(away, SECRET).since("acme", "order-7", b"asked", NOW)
