"""Where the questions of one check are asked: known, being asked, claimed, or sent out.

One desk a (kind, check) and process. Requests hand in sets of values; a set waits for all of its
values at once, and a value that two sets want is asked once. What arrives together travels
together: for a check whose provider has a bulk call, the desk waits `window_s` for company.

Nothing here is bound to a request: the deadline of a set ends its waiting, never the asking.
"""

import asyncio
import logging
import traceback
from collections.abc import Coroutine, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial

from cache.claims import Claims, Taken
from cache.freshness import Freshness
from cache.keys import Keys
from cache.outcomes import Outcomes
from cache.recent import Recent, is_recent
from providers.errand import Bill
from providers.panel import Panel
from questions.askers import Askers
from questions.dating import Dating
from questions.keeping import Keeping
from questions.open import OpenQuestions, Waiting
from questions.terms import Terms
from questions.turnstile import Turnstile
from questions.usage import Usage
from verdicts.outcome import MILLION, UNDECIDED, Found, Outcome
from verdicts.reason import ReasonCode, because

WINDOW_S = 0.002
"""How long a question waits for company, where one call may carry several."""
CARRY_ON_S = 30.0
"""How long asking goes on, whatever became of its askers."""
OPEN_MAX = 200_000
VALUES_PER_TRIP_MAX = 1000
GRACE_S = 5.0
"""For what is under way when the desk closes, and may be asked again for nothing."""
STOP_S = 75.0
"""For what may have been charged: longer than any service is given for one call."""
HEARD_AGAIN_S = 0.1
"""Between two looks whether something is still to be heard out."""
SETTLED_AGAIN_S = 0.02
"""Between two looks for an outcome whose claim was settled a moment ago."""

_HELD, _OURS = Taken.HELD, Taken.OURS

_log = logging.getLogger(__name__)


class Desk:
    """Asks the questions of one (kind, check) for everybody in this process."""

    def __init__(  # noqa: PLR0913 - the composition root hands in each part by name
        self,
        *,
        check: str,
        panel: Panel,
        recent: Recent,
        outcomes: Outcomes,
        claims: Claims,
        keys: Keys,
        freshness: Freshness,
        window_s: float = WINDOW_S,
        carry_on_s: float = CARRY_ON_S,
        stop_s: float = STOP_S,
    ) -> None:
        """Put the parts together; nothing is opened here. `stop_s` bounds `close`."""
        self.check = check
        self.panel = panel
        self._recent = recent
        self._outcomes = outcomes
        self._claims = claims
        self._keys = keys
        self._dating = Dating(check, freshness)
        self._window_s = window_s if panel.bulk > 1 else 0.0
        self._carry_on_s = carry_on_s
        self._stop_s = stop_s
        self._late = ReasonCode.NOT_CONFIGURED if panel.vacant else ReasonCode.DEADLINE
        self._open = OpenQuestions()
        self._gathered: dict[str, datetime | None] = {}
        self._askers = Askers()
        self._timer: asyncio.TimerHandle | asyncio.Handle | None = None
        self._looking_up = False
        self._turnstile = Turnstile()
        self._keeping = Keeping(outcomes, claims)
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, values: Iterable[str], terms: Terms) -> dict[str, Outcome]:
        """Return an outcome for each of `values`; UNDECIDED for what is not known in time."""
        now = datetime.now(UTC)
        not_before = None if terms.max_age_s is None else now - timedelta(seconds=terms.max_age_s)
        known, missing = self._recent.recall(dict.fromkeys(values), now, not_before)
        terms.usage.saved_by_cache += len(known)
        if missing:
            found = await self._asked(missing, not_before, terms)
            if not_before is not None:
                stale = [value for value in missing if _too_old(found[value], not_before)]
                if stale:  # joined a question whose first asker was content with an older outcome
                    found.update(await self._asked(stale, not_before, terms))
            return known | found if known else found
        return known

    async def known(self, values: Iterable[str], max_age_s: float | None) -> set[str]:
        """Return those of `values` that would not be asked about now, being known.

        Raises:
            OSError: the shared store is away.
        """
        now = datetime.now(UTC)
        not_before = None if max_age_s is None else now - timedelta(seconds=max_age_s)
        near, missing = self._recent.recall(dict.fromkeys(values), now, not_before)
        known = set(near)
        for at in range(0, len(missing), VALUES_PER_TRIP_MAX):
            some = missing[at : at + VALUES_PER_TRIP_MAX]
            found = await self._outcomes.peek(self._keys.digests(some), now)
            known.update(
                value
                for value, one in zip(some, found, strict=True)
                if one is not None and is_recent(one, not_before)
            )
        return known

    def names(self, value: str) -> bytes:
        """Return under which digest the outcome about a canonical `value` is kept."""
        return self._keys.digest(value)

    @property
    def unsaved(self) -> bool:
        """Whether what was found lies in this process alone, the shared store being away."""
        return self._keeping.behind

    def drop(self) -> None:
        """Remember nothing of what is known."""
        self._recent.clear()

    async def close(self) -> None:
        """Have nothing new sent, let what is under way finish, then end it.

        It has `GRACE_S`, and while a call that may be charged is under way the whole of `stop_s`.
        To be cancelled ends the waiting at once; what was found by then is kept all the same.
        """
        self.panel.stop()
        self._flush()
        try:
            await self._hear_out(asyncio.get_running_loop().time())
        finally:
            late = list(self._tasks)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
            await self._keeping.close()  # what they had found is kept, claims are given back

    async def _hear_out(self, began: float) -> None:
        loop = asyncio.get_running_loop()
        grace_ends, ends = began + min(GRACE_S, self._stop_s), began + self._stop_s
        if calls := self.panel.hearing_out:
            told = {"check": self.check, "calls": calls, "stop_s": self._stop_s}
            _log.info("stopping, calls that may be charged are heard out", extra=told)
        while self._tasks and (left_s := ends - loop.time()) > 0:
            if loop.time() >= grace_ends and not self.panel.hearing_out:
                return
            await asyncio.wait(self._tasks, timeout=min(left_s, HEARD_AGAIN_S))
            await asyncio.sleep(0)  # what a finished one leaves to do is begun

    async def _asked(
        self, values: list[str], not_before: datetime | None, terms: Terms
    ) -> dict[str, Outcome]:
        loop = asyncio.get_running_loop()
        waiting = Waiting(len(values), terms.usage, loop.create_future())
        fresh, joined = self._open.parted(values)
        room = max(0, OPEN_MAX - len(self._open))
        if len(fresh) > room:
            refused = self._undecided(ReasonCode.RATE_LIMITED)
            waiting.take(dict.fromkeys(fresh[room:], refused))
            del fresh[room:]
        self._open.open(waiting, fresh)
        self._askers.open(fresh, terms)
        self._gathered.update(dict.fromkeys(fresh, not_before))
        if joined:
            self._open.join(waiting, joined)
            self._askers.join(joined, terms)
            terms.usage.saved_by_dedupe += len(joined)
            for value in self._gathered.keys() & set(joined):
                self._gathered[value] = _later(self._gathered[value], not_before)
        self._schedule(loop)
        if not waiting.done.done():
            await waiting.until(terms.deadline)
            await self._turnstile.passed()
        found = waiting.found
        if len(found) < len(values):
            unknown = self._undecided(self._late)
            return {value: found.get(value, unknown) for value in values}
        return found

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look up what is gathered: soon, or in `window_s` if company may still come.

        One look-up is under way at a time: what comes meanwhile goes with the next, so that the
        trips grow larger and not more as the load grows.
        """
        if not self._gathered or self._looking_up:
            return
        if self.panel.bulk > len(self._gathered) and self.panel.bulk > 1:
            if self._timer is None:
                self._timer = loop.call_later(self._window_s, self._flush)
        elif self._timer is None or isinstance(self._timer, asyncio.TimerHandle):
            if self._timer is not None:
                self._timer.cancel()
            self._timer = loop.call_soon(self._flush)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._gathered and not self._looking_up:
            gathered = self._gathered
            if len(gathered) > VALUES_PER_TRIP_MAX:
                items = list(gathered.items())
                gathered = dict(items[:VALUES_PER_TRIP_MAX])
                self._gathered = dict(items[VALUES_PER_TRIP_MAX:])
            else:
                self._gathered = {}
            self._askers.gathered()
            self._looking_up = True
            self._own(self._find(gathered))

    def _own(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _find(self, gathered: dict[str, datetime | None]) -> None:
        """Find out about all of `gathered`; whatever happens, everybody who waits is told."""
        left = gathered
        digests = dict(zip(left, self._keys.digests(left), strict=True))
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._carry_on_s
        first = True
        try:
            async with asyncio.TaskGroup() as group:
                while left and loop.time() < deadline:
                    ours, others = await self._look(left, digests)
                    if first:
                        first = self._looking_up = False
                        self._schedule(loop)
                    if ours and not left:
                        await self._send_out(ours, deadline)
                    elif ours:
                        group.create_task(self._send_out(ours, deadline))
                    if others:
                        await self._claims.wait(others, deadline - loop.time())
                    elif left:
                        await asyncio.sleep(SETTLED_AGAIN_S)  # settled just now: look again
                    digests = {value: digests[value] for value in left}
        except Exception as error:  # noqa: BLE001 - a fault of ours must not hang those who wait
            frame = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{frame.filename.rpartition('/')[2]}:{frame.lineno}"
            kind = type(error).__name__
            _log.error("question failed", extra={"check": self.check, "error": kind, "at": where})
        finally:  # after a cancellation too: who is not told would wait until its deadline
            self._give_up(left)
            if first:
                self._looking_up = False
                self._schedule(loop)

    async def _look(
        self, left: dict[str, datetime | None], digests: Mapping[str, bytes]
    ) -> tuple[dict[str, bytes], list[bytes]]:
        """Take off `left` what is known and young enough, and what is ours to ask.

        Return what is ours, and what others are asking.
        """
        answers = await self._outcomes.look(list(digests.values()), datetime.now(UTC))
        known: dict[str, Outcome] = {}
        ours: dict[str, bytes] = {}
        others: list[bytes] = []
        too_old: dict[str, bytes] = {}
        for (value, digest), answer in zip(digests.items(), answers, strict=True):
            if isinstance(answer, Outcome):
                not_before = left[value]
                if not_before is None or is_recent(answer, not_before):
                    known[value] = answer
                else:
                    too_old[value] = digest
            elif answer is _OURS:
                ours[value] = digest
            elif answer is _HELD:
                others.append(digest)
        if too_old:
            mine, theirs = await self._claimed_anew(too_old)
            ours |= mine
            others += theirs
        for value in (*known, *ours):
            del left[value]
        self._recent.remember(known)
        for usage, count in self._settle(known):
            usage.saved_by_cache += count
        return ours, others

    async def _claimed_anew(
        self, too_old: Mapping[str, bytes]
    ) -> tuple[dict[str, bytes], list[bytes]]:
        """Claim what is known and `too_old`; return what is ours, and what others are asking.

        What was settled just now may be young enough: whoever settled it had seen an outcome that
        was not, so it is asked anew all the same.
        """
        try:
            taken = await self._claims.take(list(too_old.values()), anew=True)
        except OSError:
            return dict(too_old), []  # nobody can claim: each process asks for itself
        ours = {
            value: digest
            for (value, digest), one in zip(too_old.items(), taken, strict=True)
            if one is _OURS
        }
        return ours, [digest for value, digest in too_old.items() if value not in ours]

    async def _send_out(self, ours: Mapping[str, bytes], deadline: float) -> None:
        """Ask the providers about `ours`; what they say is kept and the claims are given back."""
        left = dict(ours)
        try:
            deliver = partial(self._deliver, left)
            shares = list(self._askers.shares(ours))
            if len(shares) == 1:
                ((asker, values),) = shares
                await self.panel.ask(values, deadline, deliver, asker)
            else:
                async with asyncio.TaskGroup() as group:
                    for asker, values in shares:
                        group.create_task(self.panel.ask(values, deadline, deliver, asker))
        finally:
            self._give_up(left)  # no others: those may have been asked anew in the meantime
            if left:
                self._keeping.soon(left.values(), {})

    def _give_up(self, values: Iterable[str]) -> None:
        """Tell those who still wait for one of `values` that nothing was found."""
        rest = self._undecided(ReasonCode.PROVIDER_UNAVAILABLE)
        self._settle(dict.fromkeys(values, rest))

    def _deliver(
        self,
        left: dict[str, bytes],
        found: Mapping[str, Found],
        bill: Bill,
    ) -> None:
        """Take what providers `found` off `left` and to who waits; keep it if it is to be kept."""
        cost = bill.cost / len(found) if bill.cost and found else bill.cost
        millionths = round(cost * MILLION) if cost else 0
        outcomes = self._dating.outcomes(found, bill.provider or None, millionths)
        lasting: dict[str, Outcome] = {}
        kept: dict[bytes, Outcome] = {}
        settled: list[bytes] = []
        for value, outcome in outcomes.items():
            digest = left.pop(value)
            settled.append(digest)
            if outcome.expires_at is not None:
                kept[digest] = lasting[value] = outcome
        self._recent.remember(lasting)
        self._keeping.soon(settled, kept)
        openers = self._settle(outcomes)
        if bill.calls:
            for usage, count in openers:
                usage.values_asked += count
                if cost:
                    usage.charge(cost * count)
            for usage, _ in openers[:1]:
                usage.calls_made += bill.calls

    def _settle(self, outcomes: Mapping[str, Outcome]) -> list[tuple[Usage, int]]:
        """Give `outcomes` to who waits for them; return who opened how many of the questions."""
        self._askers.close(outcomes)
        return self._open.settle(outcomes)

    def _undecided(self, code: ReasonCode) -> Outcome:
        reasons = (because(code, self.check, retryable=code is not ReasonCode.NOT_CONFIGURED),)
        return Outcome(self.check, UNDECIDED, reasons=reasons)


def _too_old(outcome: Outcome, not_before: datetime | None) -> bool:
    return outcome.found_at is not None and not is_recent(outcome, not_before)


def _later(left: datetime | None, right: datetime | None) -> datetime | None:
    if left is None or right is None:
        return left or right
    return max(left, right)
