"""How the records of one chunk are asked about: a window of them at a time, in rounds."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol

from msgspec import Struct

from batches.batch import Batch
from batches.chunk import Granted
from batches.counts import NO_COST, Spent
from batches.undecided import Sorted, is_under_way, sorted_out
from providers.priority import Priority
from questions.judging import Needs
from questions.terms import Terms
from questions.usage import Usage
from verdicts.outcome import MILLION
from verdicts.record import Record
from verdicts.verdict import RecordResult

ROUND_S = 2.0
"""Deadline of one round of asking; whoever wants the work to stop waits so long at most."""
WINDOW_FIRST = 100
"""Records that a chunk asks about at once, to begin with."""
WINDOW_MIN = 25
WINDOW_MAX = 1000
UNSAVED_MAX = 25
"""As many at once while the shared store is away: what a crash of this process then repeats."""


class Judging(Protocol):
    """Who turns records into results: see `questions.judging.Judge`."""

    async def judge(
        self, records: Sequence[Record], needs: Needs, terms: Terms
    ) -> list[RecordResult]:
        """Return a result for each of `records`, in their order, within `terms.deadline`."""
        ...


class Foreseeing(Protocol):
    """Who knows what costs nothing: see `questions.foresight.Foresight`."""

    async def free(self, records: Sequence[Record], max_age_s: float | None, /) -> AbstractSet[int]:
        """Return the places of those of `records` about which nobody would be asked.

        Raises:
            OSError: nobody can say.
        """
        ...


SetAside = Callable[[int, Sequence[int]], Awaitable[Granted]]
"""Sets prices aside, in millionths, on top of what is, as far as a cap has room; StoreError."""


class Court(Struct, frozen=True):
    """Who judges a batch, and what is to be asked of each field.

    `clerk` judges without asking anybody: what is open becomes UNKNOWN, with a reason. `prices`
    are the most that asking about a field may cost, in millionths; `foresight` knows about whom
    nothing need be asked. `unsaved` tells whether anything that was found lies in this process
    alone.
    """

    judge: Judging
    clerk: Judging
    needs: Needs
    prices: Mapping[str, int]
    foresight: Foreseeing
    unsaved: Callable[[], bool]


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


class Rounds:
    """Asks about the records of one chunk, and keeps account of what that takes."""

    def __init__(
        self,
        batch: Batch,
        records: Sequence[Record],
        court: Court,
        window: Window,
        set_aside: SetAside,
    ) -> None:
        """Let `court` judge `records`, as far as the cap of `batch` allows it."""
        self.window = window
        self._batch = batch
        self._records = records
        self._court = court
        self._set_aside = set_aside
        self.waits = False
        """Whether what a cap had no room for may find some yet."""
        self._asked: set[int] = set()
        self._under_way: set[int] = set()
        self._aside: dict[int, int] = {}
        self._first, self._again = Usage(), Usage()

    @property
    def unsaved(self) -> bool:
        """Whether anything that was found lies in this process alone, and not in the store."""
        return self._court.unsaved()

    async def next_of(self, left: Sequence[int]) -> Sequence[int]:
        """Return those of `left` to ask about now: none when the batch's cap does not allow it.

        Raises StoreError.
        """
        size = self.window.size
        wanted = left[: min(size, UNSAVED_MAX) if self.unsaved else size]
        if self._batch.cost_cap_millionths is None:
            return wanted
        fresh = [place for place in wanted if place not in self._aside]
        prices = {place: self._price(self._records[place]) for place in fresh}
        self._aside.update((place, 0) for place, price in prices.items() if not price)
        priced = [place for place in fresh if prices[place]]
        if priced:
            granted = await self._set_aside(
                sum(self._aside.values()), [prices[place] for place in priced]
            )
            self.waits = granted.may_grow
            self._aside.update((place, prices[place]) for place in priced[: granted.prices])
        asked = [place for place in wanted if place in self._aside]
        return asked or await self._free(wanted)

    async def _free(self, places: Sequence[int]) -> Sequence[int]:
        """Return those of `places` that cost nothing, for which a cap needs no room."""
        records = [self._records[place] for place in places]
        try:
            free = await self._court.foresight.free(records, self._batch.max_age_s)
        except OSError:
            self.waits = True  # nobody can say now
            return ()
        return [place for at, place in enumerate(places) if at in free]

    def under_way(self, left: Sequence[int]) -> list[int]:
        """Return those of `left` of which an answer may still come though nobody waits for it."""
        return [place for place in left if place in self._under_way]

    async def ask(self, asked: Sequence[int], within_s: float | None = None) -> Sorted:
        """Ask about the records at the places `asked`, once; see `undecided.sorted_out`.

        `within_s`: for how long, ROUND_S if left out.
        """
        deadline = asyncio.get_running_loop().time() + (ROUND_S if within_s is None else within_s)
        fresh = [place for place in asked if place not in self._asked] if self._asked else asked
        if len(fresh) in {0, len(asked)}:
            usage = self._first if fresh else self._again
            results = await self._judged(self._court.judge, asked, deadline, usage)
        else:
            again = [place for place in asked if place in self._asked]
            parts = await asyncio.gather(
                self._judged(self._court.judge, fresh, deadline, self._first),
                self._judged(self._court.judge, again, deadline, self._again),
            )
            by_place = dict(zip((*fresh, *again), (*parts[0], *parts[1]), strict=True))
            results = [by_place[place] for place in asked]
        found = sorted_out(results)
        if len(found.decided) < len(results):
            self._asked.update(asked)
        if found.soon or self._under_way:
            self._under_way.difference_update(asked)
            self._under_way.update(asked[at] for at in found.soon if is_under_way(results[at]))
        return found

    async def give_up(self, places: Sequence[int]) -> Sequence[RecordResult]:
        """Return results for the records at `places` without asking anybody."""
        now = asyncio.get_running_loop().time()
        return await self._judged(self._court.clerk, places, now, Usage())

    def aside_without(self, places: Sequence[int]) -> int:
        """Return what is set aside, in millionths, for others than `places`."""
        if not self._aside:
            return 0
        return sum(self._aside.values()) - sum(self._aside.get(place, 0) for place in places)

    def settle(self, places: Sequence[int]) -> None:
        """Take note that what `places` took was told to the store, so that they need no more."""
        for place in places if self._aside else ():
            self._aside.pop(place, None)

    def spent(self, said: Spent = NO_COST) -> Spent:
        """Return what all of it has taken so far, without what was `said` before.

        What is asked about again saves nothing: the question is the same.
        """
        first, again = self._first, self._again
        return Spent(
            first.calls_made + again.calls_made - said.calls_made,
            first.values_asked + again.values_asked - said.values_asked,
            first.saved_by_local_checks - said.saved_by_local_checks,
            first.saved_by_dedupe - said.saved_by_dedupe,
            first.saved_by_cache - said.saved_by_cache,
            round((first.cost + again.cost) * MILLION) - said.cost_millionths,
        )

    async def _judged(
        self, judge: Judging, places: Sequence[int], deadline: float, usage: Usage
    ) -> list[RecordResult]:
        records, batch = self._records, self._batch
        if len(places) != len(records):
            records = [records[place] for place in places]
        terms = Terms(deadline, batch.max_age_s, usage, Priority.BATCH, batch.tenant)
        return await judge.judge(records, self._court.needs, terms)

    def _price(self, record: Record) -> int:
        """Return the most that asking about `record` may cost, in millionths."""
        prices = self._court.prices.items()
        return sum(price for field, price in prices if getattr(record, field) is not None)
