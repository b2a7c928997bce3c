"""Work on one chunk that was claimed: asked in rounds, flushed in parts, finished or given back."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from msgspec import Struct

from batches.batch import Batch
from batches.chunk import Claimed, Standing
from batches.counts import Counts, Spent, counted
from batches.errors import StoreUnavailable
from batches.store import Store
from batches.undecided import AGAIN_MAX, Blocked, Sorted, again_in_s, sorted_out
from providers.priority import Priority
from questions.judging import Judge, Needs
from questions.terms import Terms
from questions.usage import Usage
from verdicts.outcome import MILLION
from verdicts.record import Record
from verdicts.verdict import RecordResult

ROUND_S = 2.0
"""Deadline of one round of asking; whoever wants the work to stop waits so long at most."""
ROUND_LEAST_S = 0.5
"""A round in which nothing came takes so long at least."""
FLUSH_S = 2.0
"""What is decided is flushed so often, and so much of the work a crash costs."""
WINDOW_FIRST, WINDOW_MIN, WINDOW_MAX = 100, 25, 1000
"""Records that a chunk asks about at once: at first, when it is slow, and when it is fast."""
STORE_REST_S, STORE_REST_MAX_S = 0.2, 5.0
"""Between two tries to tell a store that is away."""

_log = logging.getLogger(__name__)


class Packing(Protocol):
    """How results become bytes, and what was given becomes records."""

    def records(self, batch: Batch, given: bytes) -> Sequence[Record]:
        """Return the records of a chunk of `batch`."""
        ...

    def packed(self, places: Sequence[int], results: Sequence[RecordResult]) -> bytes:
        """Return `results` of the records at `places` of a chunk as bytes."""
        ...

    def unpacked(self, blob: bytes) -> tuple[Sequence[int], Sequence[RecordResult]]:
        """Return places and results that `packed` made these bytes of."""
        ...


class Court(Struct, frozen=True):
    """Who judges a batch, and what is to be asked of each field.

    `clerk` judges without asking anybody: what is open becomes UNKNOWN, with a reason. `prices`
    are the most that asking about a field may cost, in millionths.
    """

    judge: Judge
    clerk: Judge
    needs: Needs
    prices: dict[str, int]


class Window:
    """How many records of a batch a chunk of this process asks about at once.

    What is open in a desk goes on being asked when its asker has gone away; so no more is opened
    than is likely to be answered while somebody still waits.
    """

    def __init__(self) -> None:
        """Begin carefully."""
        self.size = WINDOW_FIRST

    def learn(self, asked: int, answered: int) -> None:
        """Take note that of `asked` records so many were answered within a round."""
        if answered < asked:
            self.size = min(self.size, max(WINDOW_MIN, 2 * answered))
        elif asked >= self.size:
            self.size = min(WINDOW_MAX, 2 * self.size)


class Purse(Protocol):
    """What a batch may still spend."""

    async def take(self, batch: Batch, price_millionths: int) -> bool:
        """Set so much aside; False when the cap of `batch` does not allow it."""
        ...

    def give_back(self, batch: Batch, price_millionths: int) -> None:
        """Put back what was set aside: by now it is spent and said, or was not needed."""
        ...


class ChunkWork:
    """One chunk, from its claim to its end; `blocked` says why its batch can't go on, if so."""

    def __init__(
        self, store: Store, packing: Packing, court: Court, claimed: Claimed, window: Window
    ) -> None:
        """Work on `claimed`."""
        self.claim = claimed.claim
        self.batch = claimed.batch
        self.blocked: Blocked | None = None
        self.lost = False
        self._store = store
        self._packing = packing
        self._court = court
        self._claimed = claimed
        self._window = window
        self._records: Sequence[Record] = ()
        self._places: list[int] = []
        self._results: list[RecordResult] = []
        self._flushed = 0
        self._part = len(claimed.parts)
        self._usage, self._again = Usage(), Usage()
        self._said = Spent()
        self._tries: dict[int, int] = {}
        self._stop = asyncio.Event()

    @property
    def stopping(self) -> bool:
        """Whether it is to end before its time."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Let the round under way end, flush, and give the chunk back."""
        self._stop.set()

    def lose(self) -> None:
        """Take note that the chunk is somebody else's; nothing more is said of it."""
        self.lost = True
        self._stop.set()

    async def run(self) -> None:
        """Work until all is decided, or until stopped; then the store has it.

        Raises:
            StoreError: the store refuses what it is told.
        """
        self._records = self._packing.records(self.batch, self._claimed.given)
        left = self._left()
        if self._claimed.given_up:
            await self._give_up(left)
            left = []
        else:
            left = await self._ask(left)
        if self.lost:
            return
        if left:
            await self._release()
        else:
            await self._finish()

    def _left(self) -> list[int]:
        """Take what is decided already; return the places of what is not."""
        claimed = self._claimed
        blobs = [claimed.results] if claimed.results is not None else []
        for at, blob in enumerate([*blobs, *claimed.parts]):
            found = zip(*self._packing.unpacked(blob), strict=True)
            for place, result in found:
                if at < len(blobs) and result.status in claimed.reopened:
                    continue
                self._places.append(place)
                self._results.append(result)
        self._flushed = len(self._places)
        if not self._places:
            return list(range(len(self._records)))
        decided = set(self._places)
        return [place for place in range(len(self._records)) if place not in decided]

    async def _ask(self, left: list[int]) -> list[int]:
        """Ask about the records at `left` in rounds; return those that are still open at the end."""
        loop = asyncio.get_running_loop()
        flushed_at = loop.time()
        resting: dict[int, float] = {}
        while (left or resting) and not self.stopping:
            now = loop.time()
            if resting:
                due = [place for place, at in resting.items() if at <= now]
                for place in due:
                    del resting[place]
                left += due
            if not left:
                await self._pause(min(resting.values()) - now)
                continue
            asked = left[: self._window.size]
            found = await self._round(asked)
            took_s = loop.time() - now
            soon = [asked[at] for at in found.soon]
            left = soon + left[len(asked) :]
            self._rest(asked, found, resting)
            self._window.learn(len(asked), len(asked) - len(soon))
            if found.blocked is not None:
                self.blocked = found.blocked
                break
            if soon and not found.decided and took_s < ROUND_LEAST_S:
                await self._pause(ROUND_LEAST_S - took_s)
            if (left or resting) and loop.time() - flushed_at >= FLUSH_S:
                await self._flush()
                flushed_at = loop.time()
        return [*left, *resting]

    async def _round(self, asked: Sequence[int]) -> Sorted:
        """Ask about the records at `asked` once; what is decided is taken."""
        court = self._court
        deadline = asyncio.get_running_loop().time() + ROUND_S
        fresh = [place for place in asked if place not in self._tries] if self._tries else asked
        results: list[RecordResult]
        if len(fresh) in {0, len(asked)}:
            usage = self._usage if fresh else self._again
            results = await self._judged(court.judge, asked, self._terms(deadline, usage))
        else:
            again = [place for place in asked if place in self._tries]
            parts = await asyncio.gather(
                self._judged(court.judge, fresh, self._terms(deadline, self._usage)),
                self._judged(court.judge, again, self._terms(deadline, self._again)),
            )
            by_place = dict(zip((*fresh, *again), (*parts[0], *parts[1]), strict=True))
            results = [by_place[place] for place in asked]
        found = sorted_out(results)
        self._take([asked[at] for at in found.places], found.decided)
        for at in found.soon:
            self._tries.setdefault(asked[at], 0)
        return found

    async def _judged(
        self, judge: Judge, places: Sequence[int], terms: Terms
    ) -> list[RecordResult]:
        records = self._records
        if len(places) != len(records):
            records = [records[place] for place in places]
        return await judge.judge(records, self._court.needs, terms)

    def _terms(self, deadline: float, usage: Usage) -> Terms:
        batch = self.batch
        return Terms(deadline, batch.max_age_s, usage, Priority.BATCH, batch.tenant)

    def _take(self, places: Sequence[int], results: Sequence[RecordResult]) -> None:
        self._places += places
        self._results += results

    def _rest(self, asked: Sequence[int], found: Sorted, resting: dict[int, float]) -> None:
        """Let what failed rest until it is asked again; what failed too often is final."""
        now = asyncio.get_running_loop().time()
        for at, result in zip(found.later, found.failed, strict=True):
            place = asked[at]
            times = self._tries[place] = self._tries.get(place, 0) + 1
            if times >= AGAIN_MAX:
                self._take((place,), (result,))
            else:
                resting[place] = now + again_in_s(times)

    async def _give_up(self, left: Sequence[int]) -> None:
        """Decide what is open without asking anybody: it failed its workers too often."""
        if left:
            terms = self._terms(asyncio.get_running_loop().time(), Usage())
            self._take(left, await self._judged(self._court.clerk, left, terms))
            said = {"batch": self.batch.id, "chunk": self.claim.seq, "records": len(left)}
            _log.error("chunk given up", extra=said)

    async def _flush(self) -> None:
        """Tell the store what was decided since the last time."""
        results = self._results[self._flushed :]
        if not results and not self.lost:
            return
        part = self._packing.packed(self._places[self._flushed :], results)
        spent = self._spent()
        counts = counted(results)
        number = self._part
        standing = await self._told(
            lambda: self._store.flush(self.claim, number, part, counts, spent)
        )
        if standing is None or standing is Standing.LOST:
            self.lost = self.lost or standing is Standing.LOST
            return
        self._part += 1
        self._flushed += len(results)
        self._said = self._said.plus(spent)
        if standing is Standing.STOPPING:
            self.stop()

    async def _finish(self) -> None:
        """Tell the store that all is decided."""
        blob = self._packing.packed(self._places, self._results)
        counts: Counts = counted(self._results)
        spent = self._spent()
        standing = await self._told(lambda: self._store.finish(self.claim, blob, counts, spent))
        self.lost = standing is Standing.LOST

    async def _release(self) -> None:
        """Flush, and give the chunk back for another to go on."""
        await self._flush()
        if not self.lost:
            spent = self._spent()
            await self._told(lambda: self._store.release(self.claim, spent))

    async def _told(self, tell: Callable[[], Awaitable[Standing | None]]) -> Standing | None:
        """Return what the store answers; while it is away try again, but once when stopping."""
        rest_s = STORE_REST_S
        while True:
            try:
                return await tell()
            except StoreUnavailable as error:
                if self.stopping:
                    _log.warning("chunk let go", extra={"error": type(error).__name__})
                    return None
            await self._pause(rest_s)
            rest_s = min(2 * rest_s, STORE_REST_MAX_S)

    def _spent(self) -> Spent:
        """Return what it took since that was last said.

        What is asked about again saves nothing: the question is the same.
        """
        first, again, said = self._usage, self._again, self._said
        cost = round((first.cost + again.cost) * MILLION)
        return Spent(
            first.calls_made + again.calls_made - said.calls_made,
            first.values_asked + again.values_asked - said.values_asked,
            first.saved_by_local_checks - said.saved_by_local_checks,
            first.saved_by_dedupe - said.saved_by_dedupe,
            first.saved_by_cache - said.saved_by_cache,
            cost - said.cost_millionths,
        )

    async def _pause(self, seconds: float) -> None:
        """Wait so long, or until stopped."""
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._stop.wait()
        except TimeoutError:
            pass
