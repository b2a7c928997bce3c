"""Where the questions of one check are asked: known, being asked, claimed, or sent out.

One desk a (kind, check) and process. Requests hand in sets of values; a set waits for all of its
values at once, and a value that two sets want is asked once. What arrives together travels
together: for a check whose provider has a bulk call, the desk waits `window_s` for company.

Nothing here is bound to a request: the deadline of a set ends its waiting, never the asking.
"""

import asyncio
import logging
import traceback
from collections.abc import Callable, Coroutine, Iterable, Mapping
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from cache.claims import DONE_FOR_S, Claims, Taken
from cache.freshness import Freshness
from cache.keys import Keys
from cache.outcomes import Outcomes, Write
from cache.recent import Recent, is_recent
from providers.panel import Panel
from providers.provider import Bill
from questions.usage import Usage
from verdicts.outcome import MILLION, Conclusion, Found, Outcome
from verdicts.reason import ReasonCode, because

WINDOW_S = 0.002
"""How long a question waits for company, where one call may carry several."""
CARRY_ON_S = 30.0
"""How long asking goes on, whatever became of its askers."""
OPEN_MAX = 200_000
VALUES_PER_TRIP_MAX = 1000
GRACE_S = 5.0
"""For what is under way when the desk closes."""
SETTLED_AGAIN_S = 0.02
"""Between two looks for an outcome whose claim was settled a moment ago."""

_SURE = Found(Conclusion.CONFIRMED)

_log = logging.getLogger(__name__)


class Terms(Struct, frozen=True):
    """What an asker wants: until when (loop clock), how old an outcome may be, who counts."""

    deadline: float
    max_age_s: float | None
    usage: Usage


class _Waiting:
    """One set of values that somebody waits for."""

    __slots__ = ("done", "found", "left", "usage")

    def __init__(self, left: int, usage: Usage, done: "asyncio.Future[None]") -> None:
        self.left = left
        self.usage = usage
        self.done = done
        self.found: dict[str, Outcome] = {}

    def settle(self, value: str, outcome: Outcome) -> None:
        self.found[value] = outcome
        self.left -= 1
        if self.left == 0 and not self.done.done():
            self.done.set_result(None)


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
    ) -> None:
        """Put the parts together; nothing is opened here."""
        self.check = check
        self.panel = panel
        self._recent = recent
        self._outcomes = outcomes
        self._claims = claims
        self._keys = keys
        self._freshness = freshness
        self._window_s = window_s if panel.bulk > 1 else 0.0
        self._carry_on_s = carry_on_s
        self._late = ReasonCode.NOT_CONFIGURED if panel.vacant else ReasonCode.DEADLINE
        self._open: dict[str, list[_Waiting]] = {}
        self._gathered: dict[str, datetime | None] = {}
        self._timer: asyncio.TimerHandle | asyncio.Handle | None = None
        self._looking_up = False
        self._concluded: list[tuple[Mapping[str, bytes], Mapping[str, Outcome]]] = []
        self._concluding: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, values: Iterable[str], terms: Terms) -> dict[str, Outcome]:
        """Return an outcome for each of `values`; UNDECIDED for what is not known in time."""
        now = datetime.now(UTC)
        not_before = None if terms.max_age_s is None else now - timedelta(seconds=terms.max_age_s)
        known, missing = self._recent.recall(values, now, not_before)
        terms.usage.saved_by_cache += len(known)
        if missing:
            known.update(await self._asked(missing, not_before, terms))
            stale = [value for value in missing if _too_old(known[value], not_before)]
            if stale:  # joined a question whose first asker was content with an older outcome
                known.update(await self._asked(stale, not_before, terms))
        return known

    async def close(self) -> None:
        """Let what is under way finish for `GRACE_S`, then end it."""
        loop = asyncio.get_running_loop()
        until = loop.time() + GRACE_S
        self._flush()
        while self._tasks and loop.time() < until:
            await asyncio.wait(self._tasks, timeout=until - loop.time())
            await asyncio.sleep(0)  # what a finished one leaves to do is begun
        late = [task for task in self._tasks if task is not self._concluding]
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        if self._concluding is not None:  # what they had found is kept, and their claims given back
            await asyncio.wait((self._concluding,))

    async def _asked(
        self, values: list[str], not_before: datetime | None, terms: Terms
    ) -> dict[str, Outcome]:
        loop = asyncio.get_running_loop()
        waiting = _Waiting(len(values), terms.usage, loop.create_future())
        opened = self._open
        for value in values:
            others = opened.get(value)
            if others is not None:
                others.append(waiting)
                terms.usage.saved_by_dedupe += 1
                if value in self._gathered:
                    self._gathered[value] = _later(self._gathered[value], not_before)
            elif len(opened) >= OPEN_MAX:
                waiting.settle(value, self._undecided(ReasonCode.RATE_LIMITED))
            else:
                opened[value] = [waiting]
                self._gathered[value] = not_before
        self._schedule(loop)
        if waiting.left:
            await asyncio.wait((waiting.done,), timeout=max(0.0, terms.deadline - loop.time()))
        found = waiting.found
        if waiting.left:
            late = self._undecided(self._late)
            return {value: found.get(value, late) for value in values}
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
            self._looking_up = True
            self._own(self._find(gathered))

    def _own(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _find(self, gathered: dict[str, datetime | None]) -> None:
        """Find out about all of `gathered`; whatever happens, everybody who waits is told."""
        left = dict(gathered)
        digests = {value: self._keys.digest(value) for value in left}
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._carry_on_s
        first = True
        too_old: set[str] = set()
        try:
            async with asyncio.TaskGroup() as group:
                while left and loop.time() < deadline:
                    stored = await self._outcomes.fetch(digests, datetime.now(UTC))
                    too_old.update(self._recall(left, stored))
                    ours, others = await self._claim(left, digests, too_old)
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

    def _recall(self, left: dict[str, datetime | None], stored: Mapping[str, Outcome]) -> list[str]:
        """Take off `left` what is `stored` and young enough; return what is too old."""
        too_old: list[str] = []
        for value, outcome in stored.items():
            if not is_recent(outcome, left[value]):
                too_old.append(value)
            else:
                del left[value]
                self._recent.remember(value, outcome)
                waiting = self._open.get(value)
                if waiting:
                    waiting[0].usage.saved_by_cache += 1
                self._settle(value, outcome)
        return too_old

    async def _claim(
        self, left: dict[str, datetime | None], digests: Mapping[str, bytes], too_old: set[str]
    ) -> tuple[dict[str, bytes], list[bytes]]:
        """Take off `left` what we may ask and return it; return also what others are asking.

        What was settled just now may have come into the store after our look: only who has seen
        an outcome there, and `too_old`, asks anew. Others look again.
        """
        if not left:
            return {}, []
        wanted = [(value, digests[value]) for value in left]
        try:
            taken = await self._claims.take(
                [digest for _, digest in wanted],
                [value in too_old for value in left],
            )
        except OSError:
            taken = [Taken.OURS] * len(wanted)  # nobody can claim: each process asks for itself
        ours: dict[str, bytes] = {}
        others: list[bytes] = []
        for (value, digest), one in zip(wanted, taken, strict=True):
            if one is Taken.OURS:
                ours[value] = digest
                del left[value]
            elif one is Taken.HELD:
                others.append(digest)
        return ours, others

    async def _send_out(self, ours: Mapping[str, bytes], deadline: float) -> None:
        """Ask the providers about `ours`; what they say is kept and the claims are given back."""
        kept: dict[str, Outcome] = {}
        left = dict(ours)
        try:
            await self.panel.ask(list(ours), deadline, self._delivery(left, kept))
        finally:
            self._give_up(left)  # no others: those may have been asked anew in the meantime
            self._concluded.append((ours, kept))
            if self._concluding is None:
                self._concluding = self._own(self._conclude())

    async def _conclude(self) -> None:
        """Keep outcomes and give claims back: all that is there in one trip, then the next."""
        try:
            while self._concluded:
                concluded, self._concluded = self._concluded, []
                digests: list[bytes] = []
                flags: list[bool] = []
                writes: list[Write] = []
                now = datetime.now(UTC)
                lasting = now + timedelta(seconds=DONE_FOR_S)
                for ours, kept in concluded:
                    digests += ours.values()
                    flags += [_outlasts(kept.get(value), lasting) for value in ours]
                    writes += self._outcomes.writes(kept, ours, now)
                await self._claims.settle(digests, flags, await self._outcomes.write(writes))
        finally:
            self._concluding = None

    def _give_up(self, values: Iterable[str]) -> None:
        """Tell those who still wait for one of `values` that nothing was found."""
        rest = self._undecided(ReasonCode.PROVIDER_UNAVAILABLE)
        for value in values:
            self._settle(value, rest)

    def _delivery(
        self, left: dict[str, bytes], kept: dict[str, Outcome]
    ) -> Callable[[Mapping[str, Found], Bill], None]:
        """Return what takes what providers found: off `left`, into `kept` if it is to be kept."""

        def deliver(found: Mapping[str, Found], bill: Bill) -> None:
            found_at = datetime.now(UTC)
            sure_until = self._freshness.expiry(_SURE, found_at)  # the usual one, found once
            cost = bill.cost / len(found) if bill.cost and found else bill.cost
            millionths = round(cost * MILLION) if cost else 0
            payer: Usage | None = None
            for value, one in found.items():
                del left[value]
                if one.conclusion is Conclusion.CONFIRMED and one.fresh_for_s is None:
                    expires_at = sure_until
                else:
                    expires_at = self._freshness.expiry(one, found_at)
                outcome = Outcome(
                    self.check,
                    one.conclusion,
                    found_at,
                    expires_at,
                    one.reasons,
                    one.evidence,
                    bill.provider or None,
                    millionths,
                )
                waiting = self._open.get(value)
                if waiting:
                    usage = waiting[0].usage
                    if bill.calls:
                        usage.values_asked += 1
                        usage.cost += cost
                        if payer is None:
                            payer = usage
                            usage.calls_made += bill.calls
                if expires_at is not None:
                    kept[value] = outcome
                    self._recent.remember(value, outcome)
                self._settle(value, outcome)

        return deliver

    def _settle(self, value: str, outcome: Outcome) -> None:
        for waiting in self._open.pop(value, ()):
            waiting.settle(value, outcome)

    def _undecided(self, code: ReasonCode) -> Outcome:
        reasons = (because(code, self.check, retryable=code is not ReasonCode.NOT_CONFIGURED),)
        return Outcome(self.check, Conclusion.UNDECIDED, reasons=reasons)


def _outlasts(outcome: Outcome | None, moment: datetime) -> bool:
    """Return whether a settled claim may point to `outcome` until `moment`."""
    return outcome is not None and outcome.expires_at is not None and outcome.expires_at > moment


def _too_old(outcome: Outcome, not_before: datetime | None) -> bool:
    return outcome.found_at is not None and not is_recent(outcome, not_before)


def _later(left: datetime | None, right: datetime | None) -> datetime | None:
    if left is None or right is None:
        return left or right
    return max(left, right)
