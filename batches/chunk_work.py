"""Work on one chunk that was claimed: asked in rounds, flushed in parts, finished or given back."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from batches.batch import Batch
from batches.chunk import Claimed, Standing
from batches.counts import NO_COST, Counts
from batches.errors import StoreUnavailable
from batches.rounds import Rounds
from batches.store import Store
from batches.undecided import AGAIN_MAX, Blocked, Sorted, again_in_s
from verdicts.record import Record
from verdicts.verdict import RecordResult

ROUND_LEAST_S = 0.5
"""A round in which nothing came takes so long at least."""
FLUSH_S = 2.0
"""What is decided is flushed so often, unless nobody else could know of it: then each round."""
ROOM_WAIT_S = 0.2
"""Until one looks again for what others of this batch have set aside under its cap; doubles."""
ROOM_WAIT_MAX_S = 5.0
COME_BACK_S = 10.0
"""For what is under way when a batch is paused, capped or cancelled: it is let come back."""
STORE_REST_S, STORE_REST_MAX_S = 0.2, 5.0
"""Between two tries to tell a store that is away."""

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Packing(Protocol):
    """How results become bytes, and what was given becomes records."""

    def records(self, batch: Batch, given: bytes) -> tuple[Sequence[Record], Sequence[int]]:
        """Return the records of a chunk of `batch`, and the places of those that were erased."""
        ...

    def blank(self, place: int) -> RecordResult:
        """Return what is said of a record that was erased before it was decided."""
        ...

    def packed(
        self, places: Sequence[int], results: Sequence[RecordResult]
    ) -> tuple[bytes, Counts]:
        """Return `results` of the records at `places` of a chunk as bytes, and their counts."""
        ...

    def unpacked(self, blob: bytes) -> tuple[Sequence[int], Sequence[RecordResult]]:
        """Return places and results that `packed` made these bytes of."""
        ...


Halt = Callable[["ChunkWork"], Awaitable[None]]
"""Sees to it that the batch of a chunk is not worked on any further."""


class ChunkWork:
    """One chunk, from its claim to its end.

    `blocked` says why its batch can't go on, `capped` that its cap allows no more. `lost`: it is
    somebody else's now.
    """

    def __init__(self, store: Store, packing: Packing, claimed: Claimed, halt: Halt) -> None:
        """Work on `claimed`; `halt` is called before it is given back when its batch is to stop."""
        self.claim = claimed.claim
        self.batch = claimed.batch
        self.blocked: Blocked | None = None
        self.capped = False
        self.lost = False
        self._store = store
        self._packing = packing
        self._claimed = claimed
        self._halt = halt
        self._places: list[int] = []
        self._results: list[RecordResult] = []
        self._flushed = 0
        self._part = len(claimed.parts)
        self._said = NO_COST
        self._failures: dict[int, int] = {}
        self._stop = asyncio.Event()
        self._leave = asyncio.Event()
        self.resting = False
        """Whether it only waits for records to be asked about again."""
        self._tell_resting: Callable[[], None] | None = None

    @property
    def stopping(self) -> bool:
        """Whether it is to end before its time."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Let what is under way come back, flush, and give the chunk back."""
        self._stop.set()

    def leave(self) -> None:
        """Stop as `stop` does, but wait for nothing beyond the present round."""
        self._stop.set()
        self._leave.set()

    def when_resting(self, tell: Callable[[], None]) -> None:
        """Call `tell` when it begins to rest: it then needs no slot."""
        self._tell_resting = tell

    def lose(self) -> None:
        """Take note that the chunk is somebody else's; nothing more is said of it."""
        self.lost = True
        self.leave()

    async def run(self, rounds: Rounds, count: int, erased: Sequence[int] = ()) -> None:
        """Work on its `count` records in `rounds` until all is decided, or until stopped.

        Of those that were `erased` there is nothing to ask.

        Raises:
            StoreError: the store refuses what it is told.
        """
        left = self._left(count)
        if erased:
            blank = [place for place in left if place in set(erased)]
            self._take(blank, list(map(self._packing.blank, blank)))
            left = [place for place in left if place not in set(blank)]
        if self._claimed.given_up:
            left = await self._give_up(rounds, left)
        else:
            left = await self._ask(rounds, left)
        if self.lost:
            return
        if left and (self.blocked is not None or self.capped):
            await self._told(lambda: self._halt(self))
        left = await self._let_come_back(rounds, left)
        if left:
            await self._release(rounds)
        elif not self.lost:
            await self._finish(rounds)

    def _left(self, count: int) -> list[int]:
        """Take what is decided already; return the places of what is not."""
        claimed = self._claimed
        older = 0 if claimed.results is None else 1
        blobs = [*claimed.parts] if claimed.results is None else [claimed.results, *claimed.parts]
        for at, blob in enumerate(blobs):
            reopened = claimed.reopened if at < older + claimed.reopened_parts else ()
            places, results = self._packing.unpacked(blob)
            for place, result in zip(places, results, strict=True):
                if result.status not in reopened:
                    self._take((place,), (result,))
        self._flushed = len(self._places)
        if not self._places:
            return list(range(count))
        decided = set(self._places)
        return [place for place in range(count) if place not in decided]

    async def _ask(self, rounds: Rounds, left: list[int]) -> list[int]:
        """Ask about the records at `left`; return those that are still open at the end."""
        loop = asyncio.get_running_loop()
        flushed_at = loop.time()
        resting: dict[int, float] = {}
        room_wait_s = ROOM_WAIT_S
        while (left or resting) and not self.stopping:
            began = loop.time()
            rested = [place for place, at in resting.items() if at <= began]
            for place in rested:
                del resting[place]
            left = rested + left  # in front: what they may cost is set aside already
            asked: Sequence[int] | None = ()
            if left:
                asked = await self._told(lambda left=left: rounds.next_of(left))
            if not asked and resting:
                await self._flush(rounds)
                await self._rest_until(min(resting.values()))
                continue
            if not asked:
                if not rounds.waits:
                    self.capped = asked is not None
                    break
                await self._pause(room_wait_s)
                room_wait_s = min(2 * room_wait_s, ROOM_WAIT_MAX_S)
                continue
            room_wait_s = ROOM_WAIT_S
            found = await rounds.ask(asked)
            self._take([asked[at] for at in found.places], found.decided)
            gone = set(asked)
            soon = [asked[at] for at in found.soon]
            left = soon + [place for place in left if place not in gone]
            self._rest(asked, found, resting)
            rounds.window.learn(len(asked), len(asked) - len(soon))
            if found.blocked is not None:
                self.blocked = found.blocked
                break
            at_once = rounds.unsaved or self.batch.cost_cap_millionths is not None
            if (left or resting) and (at_once or loop.time() - flushed_at >= FLUSH_S):
                await self._flush(rounds)
                flushed_at = loop.time()
            if soon and not found.decided:
                await self._pause(began + ROUND_LEAST_S - loop.time())
        return [*left, *resting]

    def _take(self, places: Sequence[int], results: Sequence[RecordResult]) -> None:
        self._places += places
        self._results += results

    def _rest(self, asked: Sequence[int], found: Sorted, resting: dict[int, float]) -> None:
        """Let what failed rest until it is asked again; what failed too often is final."""
        now = asyncio.get_running_loop().time()
        for at, result in zip(found.later, found.failed, strict=True):
            place = asked[at]
            times = self._failures[place] = self._failures.get(place, 0) + 1
            if times >= AGAIN_MAX:
                self._take((place,), (result,))
            else:
                resting[place] = now + again_in_s(times)

    async def _rest_until(self, moment: float) -> None:
        self.resting = True
        if self._tell_resting is not None:
            self._tell_resting()
        try:
            await self._pause(moment - asyncio.get_running_loop().time())
        finally:
            self.resting = False

    async def _give_up(self, rounds: Rounds, left: Sequence[int]) -> list[int]:
        """Decide what is open without asking anybody: it failed its workers too often."""
        if left:
            self._take(left, await rounds.give_up(left))
            said = {"batch": self.batch.id, "chunk": self.claim.seq, "records": len(left)}
            _log.error("chunk given up", extra=said)
        return []

    async def _let_come_back(self, rounds: Rounds, left: list[int]) -> list[int]:
        """Take what still comes of what was asked, though its batch goes no further.

        Returns what of `left` is open then.
        """
        places = rounds.under_way(left)
        if not places or self._leave.is_set():
            return left
        asking = asyncio.ensure_future(rounds.ask(places, COME_BACK_S))
        leaving = asyncio.ensure_future(self._leave.wait())
        try:
            await asyncio.wait((asking, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not asking.done():
                asking.cancel()
            leaving.cancel()
            await asyncio.gather(asking, leaving, return_exceptions=True)
        if asking.cancelled():
            return left
        found = asking.result()
        decided = [places[at] for at in found.places]
        self._take(decided, found.decided)
        gone = set(decided)
        return [place for place in left if place not in gone]

    async def _flush(self, rounds: Rounds) -> None:
        """Tell the store what was decided since the last time."""
        places, results = self._places[self._flushed :], self._results[self._flushed :]
        if not results:
            return
        part, counts = self._packing.packed(places, results)
        spent, aside = rounds.spent(self._said), rounds.aside_without(places)
        standing = await self._told(
            lambda: self._store.flush(self.claim, self._part, part, counts, spent, aside)
        )
        if standing is Standing.LOST:
            self.lose()
        elif standing is not None:
            self._part += 1
            self._flushed += len(results)
            self._said = self._said.plus(spent)
            rounds.settle(places)
            if standing is Standing.STOPPING:
                self.stop()

    async def _finish(self, rounds: Rounds) -> None:
        """Tell the store that all is decided."""
        blob, counts = self._packing.packed(self._places, self._results)
        spent = rounds.spent(self._said)
        standing = await self._told(lambda: self._store.finish(self.claim, blob, counts, spent))
        self.lost = standing is Standing.LOST

    async def _release(self, rounds: Rounds) -> None:
        """Flush, and give the chunk back for another to go on."""
        await self._flush(rounds)
        if not self.lost:
            spent = rounds.spent(self._said)
            await self._told(lambda: self._store.release(self.claim, spent))

    async def _told(self, tell: Callable[[], Awaitable[T]]) -> T | None:
        """Return what the store answers; while it is away try again, but once when stopping."""
        rest_s = STORE_REST_S
        while True:
            try:
                return await tell()
            except StoreUnavailable as error:
                if self.stopping:
                    said = {"batch": self.batch.id, "chunk": self.claim.seq}
                    _log.warning("chunk let go", extra=said | {"error": type(error).__name__})
                    return None
            await self._pause(rest_s)
            rest_s = min(2 * rest_s, STORE_REST_MAX_S)

    async def _pause(self, seconds: float) -> None:
        """Wait so long, or until stopped."""
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._stop.wait()
        except TimeoutError:
            pass
