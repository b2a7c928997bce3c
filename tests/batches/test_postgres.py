"""What PostgreSQL alone has to be told."""

import time

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from batches import postgres
from batches.database import TURNS, Transaction
from batches.opening import open_store
from batches.settings import StoreSettings
from batches.tables import batches
from tests.batches.given import draft

IDLE_S = 0.3


async def test_a_transaction_that_stands_still_is_ended_and_made_again(
    monkeypatch: pytest.MonkeyPatch,
    postgres_store_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """A frozen process would hold a lock that everybody else waits for."""
    monkeypatch.setattr(postgres, "IDLE_S", IDLE_S)
    settings = StoreSettings(url=SecretStr(postgres_store_url))
    store = await open_store(settings, tmp_path_factory.mktemp("unused") / "unused.db")
    begun: list[float] = []

    def standing_still(transaction: Transaction) -> list[str]:
        transaction.dialect.hold(transaction.connection, TURNS)
        begun.append(time.monotonic())
        while len(begun) == 1 and time.monotonic() < begun[0] + 4 * IDLE_S:
            pass  # the loop stands still, and so does the connection
        return transaction.values(select(batches.c.id))

    try:
        batch = await draft(store, 1)
        assert await store.database.write(standing_still) == [batch.id]
        assert len(begun) == 2
    finally:
        await store.close()
