"""How many estimates a process makes at once."""

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from batches.chunk import ChunkResults
from batches.counts import Counts
from batches.errors import StoreUnavailable
from batches.estimate import ESTIMATES_MAX, Estimator, Sight
from batches.store import Store
from tests.batches.given import draft


class HeldStore(Store):
    """A store whose chunks are read only when the test lets them, and then in vain."""

    def __init__(self, real: Store) -> None:
        self.real = real
        self.free = asyncio.Event()
        self.reading = 0

    async def chunk_results(
        self,
        tenant: str,
        batch_id: str,
        after_seq: int,
        limit: int,
        where: Callable[[Counts], bool] | None = None,
    ) -> list[ChunkResults]:
        self.reading += 1
        await self.free.wait()
        raise StoreUnavailable(f"{tenant} {batch_id} {after_seq} {limit} {where}")


async def test_estimates_wait_for_each_other(store: Store) -> None:
    held = HeldStore(store)
    batch = await draft(store, 3)
    estimator = Estimator(held, lambda _: cast("Sight", None))
    asked = [asyncio.create_task(estimator.of(batch)) for _ in range(5)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert held.reading == ESTIMATES_MAX
    held.free.set()
    for one in asked:
        with pytest.raises(StoreUnavailable):
            await one
    assert held.reading == len(asked)
