"""What was paid for while the shared store was away is kept once it is back."""

import asyncio
from pathlib import Path

import pytest

import questions.keeping
from gateway.private_valkey import PrivateValkey
from questions.desk import Desk
from questions.keeping import AGAIN_S
from tests.questions.house import TIMEOUT_S, TableProvider, desks, terms
from tests.waiting import eventually_async

VALUES = [f"user{at}@example.com" for at in range(30)]


@pytest.fixture
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let few outcomes wait and go together."""
    monkeypatch.setattr(questions.keeping, "WAITING_MAX", 10)
    monkeypatch.setattr(questions.keeping, "TRIP_MAX", 4)


async def answered_while_away(desk: Desk, provider: TableProvider, store: PrivateValkey) -> None:
    """Ask about all VALUES, and let the answers come when the store is gone."""
    provider.gate.clear()
    asking = asyncio.ensure_future(desk.ask(VALUES, terms(within_s=4 * TIMEOUT_S)))
    while not provider.calls:  # noqa: ASYNC110 - the provider of a test tells nobody
        await asyncio.sleep(0.01)
    await asyncio.to_thread(store.stop)
    provider.gate.set()
    assert len(await asking) == len(VALUES)
    await asyncio.sleep(2 * AGAIN_S)


async def known_to(desk: Desk, count: int) -> set[str]:
    """Return what `desk` finds in the store, once that is `count` values or more."""
    async with asyncio.timeout(2 * TIMEOUT_S):
        while True:
            try:
                found = await desk.known(VALUES, None)
            except OSError:
                found = set[str]()
            if len(found) >= count:
                return found
            await asyncio.sleep(0.02)


async def test_what_was_found_while_the_store_was_away_is_kept_when_it_is_back(
    tmp_path: Path,
) -> None:
    store = PrivateValkey(tmp_path)
    await asyncio.to_thread(store.start)
    try:
        async with desks(store.url) as new:
            provider = TableProvider()
            desk = new(provider)
            assert not desk.unsaved
            await answered_while_away(desk, provider, store)
            assert desk.unsaved
            await asyncio.to_thread(store.start)
            assert await known_to(new(TableProvider()), len(VALUES)) == set(VALUES)
            assert await eventually_async(lambda: not desk.unsaved)
            assert len(provider.asked) == len(VALUES)
    finally:
        await asyncio.to_thread(store.stop)


@pytest.mark.usefixtures("short_patience")
async def test_only_so_much_waits_for_the_store_and_the_newest_is_kept(tmp_path: Path) -> None:
    store = PrivateValkey(tmp_path)
    await asyncio.to_thread(store.start)
    try:
        async with desks(store.url) as new:
            provider = TableProvider(values_per_call=3)
            await answered_while_away(new(provider), provider, store)
            await asyncio.to_thread(store.start)
            assert await known_to(new(TableProvider()), 10) == set(VALUES[-12:])
    finally:
        await asyncio.to_thread(store.stop)


async def test_to_close_does_not_wait_for_a_store_that_is_away(tmp_path: Path) -> None:
    store = PrivateValkey(tmp_path)
    await asyncio.to_thread(store.start)
    async with desks(store.url) as new:
        provider = TableProvider()
        desk = new(provider)
        await answered_while_away(desk, provider, store)
        async with asyncio.timeout(TIMEOUT_S):
            await desk.close()
