"""What a batch will take, told before it starts: calls, cost, time at the present limits.

Of a small batch every record is looked at, of a large one chunks from all over it; whatever they
hold then stands for as much more of its kind. That is the most there can be: duplicates between
records that were not looked at are not known.
"""

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from batches.batch import Batch
from batches.chunk import ChunkResults
from batches.given import Records, unpacked_layout
from providers.panel import Panel, Strategy
from providers.provider import Provider, ServiceProvider
from providers.quorum import VOICES_WANTED
from providers.rates import rate_of
from providers.sending import State
from providers.standing import Standing
from questions.foresight import Foreseen, Foresight
from verdicts.record import Record

if TYPE_CHECKING:
    from batches.store import Store

CHUNKS_MAX = 40
"""Chunks that are looked at: 20,000 records."""
ESTIMATES_MAX = 2
"""Estimates that a process makes at once; each holds its records. The others wait."""
SHARE_MIN = 0.01
"""Of its rate an account is taken to use, however far it was cut."""
USUAL_LATENCY_S = 0.5
"""Of a call to a provider that was not asked yet, where no limit says how long it all takes."""


class ProviderEstimate(Struct, frozen=True):
    """What one provider will be asked.

    `seconds` is what that takes at its present limits; None where it can't be asked.
    """

    provider: str
    check: str
    questions: int
    calls: int
    cost: Decimal
    seconds: float | None


class Estimate(Struct, frozen=True):
    """What a batch will take at most.

    `looked_at` records were looked at; the rest is reckoned from them. `decided_locally`,
    `duplicates` and `known` are questions that no call is needed for. `cost` is in the gateway's
    currency, `seconds` of the slowest provider, None when one of them can't be asked.
    """

    records: int
    looked_at: int
    decided_locally: int
    duplicates: int
    known: int
    providers: tuple[ProviderEstimate, ...]
    cost: Decimal
    seconds: float | None

    @property
    def calls(self) -> int:
        """Calls to all providers."""
        return sum(one.calls for one in self.providers)


class Sight(Protocol):
    """With whose eyes a batch is looked at."""

    @property
    def foresight(self) -> Foresight:
        """Looks at records."""
        ...

    @property
    def panels(self) -> Mapping[tuple[str, str], Panel]:
        """Who answers each (kind, check)."""
        ...


class Estimator:
    """Estimates batches."""

    def __init__(self, store: "Store", sight: Callable[[Batch], Sight]) -> None:
        """Read `store`; `sight` says who would be asked about a batch."""
        self._store = store
        self._sight = sight
        self._places = asyncio.Semaphore(ESTIMATES_MAX)

    async def of(self, batch: Batch) -> Estimate:
        """Return what the records of `batch` will take that are not decided yet.

        Raises:
            NoSuchBatch: it was deleted meanwhile.
            StoreError: the store can't be read.
            OSError: the shared store is away.
        """
        async with self._places:
            return await self._of(batch)

    async def _of(self, batch: Batch) -> Estimate:
        sight = self._sight(batch)
        records = await self._records(batch)
        left = batch.records - batch.counts.records
        scale = left / len(records) if records else 0.0
        examined = await asyncio.to_thread(sight.foresight.examined, records)
        foreseen = await sight.foresight.of(examined, batch.max_age_s)
        estimates: list[ProviderEstimate] = []
        repeated = known = 0.0
        refuted: dict[str, float] = {}
        for one in foreseen:
            different = scale * len(one.times)
            total = scale * sum(one.times.values())
            share = len(one.known) / len(one.times) if one.times else 0.0
            refuted[one.kind] = scale * one.refuted
            repeated += total - different
            known += different * share
            estimates += await _asked(one, sight.panels[one.kind, one.check], different)
        seconds = [one.seconds for one in estimates]
        return Estimate(
            records=left,
            looked_at=len(records),
            decided_locally=round(sum(refuted.values())),
            duplicates=round(repeated),
            known=round(known),
            providers=tuple(estimates),
            cost=sum((one.cost for one in estimates), Decimal(0)),
            seconds=None
            if None in seconds
            else max((one for one in seconds if one is not None), default=0.0),
        )

    async def _records(self, batch: Batch) -> list[Record]:
        """Return the records to look at: all open ones, or those of chunks from all over."""
        number = min(batch.chunks, CHUNKS_MAX)
        reading = Records(unpacked_layout(batch.layout))
        found: list[Record] = []
        largest = 0
        for at in range(number):
            seq = at * batch.chunks // number
            chunks = await self._store.chunk_results(batch.tenant, batch.id, seq - 1, 1)
            largest = max(largest, *(chunk.records for chunk in chunks), 0)
            found += await _open_ones(reading, chunks)
        after = -1
        while not found and batch.counts.records < batch.records:
            chunks = await self._store.chunk_results(
                batch.tenant, batch.id, after, CHUNKS_MAX, lambda one: one.records < largest
            )
            if not chunks:
                break
            found += await _open_ones(reading, chunks)
            after = chunks[-1].seq
        return found


async def _open_ones(reading: Records, chunks: Sequence[ChunkResults]) -> list[Record]:
    """Return the records of those `chunks` that are not done, and of which they are kept."""
    found: list[Record] = []
    for chunk in chunks:
        if chunk.given is not None and chunk.counts.records < chunk.records:
            found += await asyncio.to_thread(_read, reading, chunk.given)
    return found


def _read(reading: Records, blob: bytes) -> Sequence[Record]:
    return reading.records(reading.given(blob))


async def _asked(one: Foreseen, panel: Panel, different: float) -> list[ProviderEstimate]:
    """Return what each provider will be asked of `one`, by who would be asked first."""
    if not one.times:
        return []
    by_provider: dict[int, int] = {}
    for value in one.times:
        if value in one.known:
            continue
        for chosen in _asked_first(panel, value):
            by_provider[chosen] = by_provider.get(chosen, 0) + 1
    return [
        await _of_provider(
            panel.providers[at], one.check, round(different * number / len(one.times))
        )
        for at, number in by_provider.items()
    ]


def _asked_first(panel: Panel, value: str) -> Sequence[int]:
    """Return the places of those that are asked about `value` while nobody fails."""
    serving = panel.asked_about(value)
    if panel.strategy is not Strategy.QUORUM:
        return serving[:1]
    chosen: list[int] = []
    paid = False
    for at in serving:
        price = panel.providers[at].price
        if not (price and paid):  # a second that costs something is for a failure of the first
            chosen.append(at)
        paid = paid or bool(price)
    return chosen[:VOICES_WANTED]


async def _of_provider(provider: Provider, check: str, questions: int) -> ProviderEstimate:
    calls = math.ceil(questions / provider.values_per_call)
    if provider.state is State.NOT_CONFIGURED:
        return ProviderEstimate(provider.name, check, questions, 0, Decimal(0), None)
    cost = provider.price * questions
    return ProviderEstimate(
        provider.name, check, questions, calls, cost, await _seconds(provider, calls)
    )


async def _seconds(provider: Provider, calls: int) -> float:
    """Return how long `calls` take: as long as the tightest of its limits makes them."""
    latency_ms = provider.statistics.snapshot().latency_p50_ms
    latency_s = USUAL_LATENCY_S if latency_ms is None else latency_ms / 1000
    in_turn = calls * latency_s / provider.concurrency
    if not isinstance(provider, ServiceProvider):
        return in_turn
    single, bulk = await provider.standing()
    standing = bulk if bulk is not None and provider.values_per_call > 1 else single
    return standing.paused_s + max(in_turn, *(_windows(standing, calls)), 0.0)


def _windows(standing: Standing, calls: int) -> list[float]:
    """Return how long each window of an account makes so many calls wait."""
    share = max(standing.share, SHARE_MIN)
    return [
        max(0, calls - one.left) / one.limit * rate_of(one.rate).period_s / share
        for one in standing.windows
        if one.limit
    ]
