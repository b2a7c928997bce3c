"""Permits: the right to send at a time, reserved for an account over all processes and machines.

One atomic script on Valkey's clock answers for many permits at once with the delay after which
each may be used, over all windows, slots and tenants together; a caller sleeps once and sends. One
trip is under way at a time for an account in a process, and serves everybody who waits in it. The
next one tells when calls have ended: that is what a window counts, so that a slow way, a stalled
loop or a stopped process never brings two calls closer together than the service allows.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic

from providers.alone import Alone
from providers.fleet import Fleet
from providers.permit import Bounds, Permit
from providers.permit_keys import permit_keys
from providers.priority import Asker, Turn
from providers.slots import Slots
from providers.standing import Standing, View
from providers.store_clock import StoreClock
from providers.timing import timing_of
from providers.told import Told
from providers.trip import HEED, RESERVE, US, Answered, Asked, Shared, Windows, counted, reserve
from providers.untold import Untold
from providers.waiters import Waiter, Waiters, Waiting, wants
from verdicts.reason import ReasonCode

PERMITS_PER_TRIP_MAX = 500
KNOWN_FOR_S = 0.1
"""How long an account without limits sends on before it must have looked for a pause again."""
SLOT_WAIT_S = 0.02
TRIP_SPACING_S = 0.005
"""Between two trips, while waiters can't be served."""
RATE_UNKNOWN_PER_S = 20.0
"""What an account without rates is cut from at least, when it asked too much."""

ANYBODYS = Turn(Asker())
_TURNS = 1
"""Of the loop, until what is written with a permit is on its way: a task may write it."""


class Permits:
    """The permits of one account, or of those of its calls that are limited apart (`lane`)."""

    def __init__(
        self, shared: Shared, fleet: Fleet, account: str, bounds: Bounds, lane: str = ""
    ) -> None:
        """Reserve for `account` within all `bounds` together."""
        self.bounds = bounds
        rates = bounds.rates
        self.keys = permit_keys(account, lane, rates)
        self._fleet = fleet
        self._lane = f"{fleet.name}:{lane}"
        self._windows = Windows(rates)
        self._timing = timing = timing_of(bounds)
        self._logged = any(rate.counting == "log" for rate in rates)
        self._late_s = timing.late_s
        self._reserve, self._heed = shared.script(RESERVE), shared.script(HEED)
        self._clock = StoreClock()
        self._view = View(shared, self.keys, rates)
        self._slots = Slots(bounds.concurrency, bounds.timeout_s)
        self._waiters = Waiters()
        self._alone = Alone(fleet, rates, timing.arrival_s, self._slots, self._waiters)
        self._pump: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._free_until = self._heeded = self._next_trip = self._spaced_until = 0.0
        self._blocked: dict[tuple[str, bool], float] = {}
        self._at_once = [Permit(self, 0, 0.0, batch=batch) for batch in (False, True)]
        self._number = 0
        self._untold = Untold()
        self._bucketed = any(rate.counting == "bucket" for rate in rates)
        self._closed = False
        fleet.when_changed(self._wake)

    @property
    def in_use(self) -> int:
        """Slots that this process uses now."""
        return self._slots.in_use

    def ready(self, turn: Turn = ANYBODYS) -> Permit | None:
        """Return a permit for the call of `turn` if it may be sent at once; else `take` one.

        It asks nobody: a slot is held that nobody uses, and no rate and no pause forbids a call.
        """
        slots = self._slots
        if slots.in_use >= slots.sure or self._waiters or monotonic() >= self._free_until:
            return None
        batch = turn.batch
        slots.take(batch=batch)
        return self._at_once[batch]

    async def take(self, deadline: float, turn: Turn = ANYBODYS) -> Permit:
        """Return when the call of `turn` may be sent; `deadline` is an instant (monotonic clock).

        Raises:
            NoPermit: the limits leave no room before `deadline`, or can't be reached.
        """
        while True:
            if self._free_until and (permit := self.ready(turn)) is not None:
                return permit
            waiter = Waiter(deadline, turn, asyncio.get_running_loop().create_future())
            self._waiters.add(waiter)
            if not self._blocked or self._pump is None or self._may_be_served(waiter):
                self._wake()
            try:
                permit = await waiter.told
            except asyncio.CancelledError:
                if waiter.permit is not None:
                    waiter.permit.unused()
                raise
            if monotonic() - permit.due <= self._late_s:
                if self._bucketed and permit.number > 0:
                    asyncio.get_running_loop().call_soon(self._sent, permit, _TURNS)
                return permit
            permit.unused()  # the loop stood still: sent now, it might be one too many

    async def pause(self, seconds: float, why: ReasonCode, *, too_much: bool = False) -> None:
        """Let nobody send for `seconds`, on any process, and come back slowly after it.

        `too_much`: the service says that we ask too often, so that the rate is cut as well.
        """
        self._heed_now()
        interval_s = 1 / (RATE_UNKNOWN_PER_S * max(1, self._fleet.processes))
        arguments = [round(seconds * US), int(too_much), why.value, round(interval_s * US)]
        with suppress(OSError):  # the next reservation fails the same way, and says so
            await self._heed(self.keys[:1], arguments)
        self._heed_now()

    async def hear(self, heard: Told) -> None:
        """Take note of what the service says is left: others may use the account, too."""
        if any(rate.limit == heard.limit for rate in self.bounds.rates):
            self._untold.heard = (heard, monotonic())
        elif heard.remaining == 0 and heard.reset_s:
            await self.pause(heard.reset_s, ReasonCode.RATE_LIMITED)

    def ended(self, permit: Permit) -> None:
        """See `Permit.end`."""
        number = permit.number
        if number > 0 and self._logged:
            self._untold.ended(number)
        elif number < 0:
            self._alone.ended(-number)
        self._give_back(permit)

    def unused(self, permit: Permit) -> None:
        """See `Permit.unused`."""
        if permit.number > 0:
            self._untold.unused.append(permit.number)
        elif permit.number < 0:
            self._alone.ended(-permit.number)
        self._give_back(permit)

    async def standing(self) -> Standing:
        """Return where the account stands, over all processes and machines.

        Raises:
            OSError: the shared store is away.
        """
        return await self._view.now()

    def stop(self) -> None:
        """Refuse whoever waits or comes, and go on telling when calls end."""
        self._waiters.stop()

    async def close(self) -> None:
        """Refuse whoever waits and end the pump."""
        self._closed = True
        self._refuse_all()
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)

    def _sent(self, permit: Permit, turns: int) -> None:
        """Look when `permit` was used at the latest: some `turns` of the loop after it was given.

        A bucket does not forgive what a loop that stood still between the two has done.
        """
        if self._closed:
            return
        if monotonic() - permit.due > self._late_s:
            self._untold.late(permit.number)
            self._wake()
        elif turns:
            asyncio.get_running_loop().call_soon(self._sent, permit, turns - 1)

    def _heed_now(self) -> None:
        """Send nothing more without having asked, nor for what was answered before now."""
        self._free_until, self._heeded = 0.0, monotonic()

    def _give_back(self, permit: Permit) -> None:
        """Let somebody who waits use the slot of `permit`, or see that it is told."""
        self._slots.give_back(batch=permit.batch)
        if not self._waiters and self._pump is not None:
            return  # told with what comes next, soon
        if self._give_free():
            return
        if self._pump is None or not self._slots.held > self._slots.in_use + 1:
            self._wake()  # somebody waits for this slot

    def _give_free(self) -> bool:
        """Let who waits use the slots that nobody uses; return whether anybody got one.

        All of them, or whoever ends a call would have to wait behind those who are left, for ever.
        """
        now, given = monotonic(), False
        while now < self._free_until and self._slots.free:
            waiter = self._waiters.first()
            if waiter is None:
                break
            self._give(waiter, now, 0, batch=waiter.turn.batch)
            given = True
        return given

    def _give(self, waiter: Waiter, due: float, number: int, *, batch: bool) -> None:
        """Let `waiter`, who waits, have a permit at the instant `due`, and wait no more."""
        del self._waiters[waiter]
        self._slots.take(batch=batch)
        permit = waiter.permit = Permit(self, number, due, batch=batch)
        wait_s = due - monotonic()
        if wait_s <= 0:
            waiter.told.set_result(permit)
        else:
            loop = asyncio.get_running_loop()
            loop.call_at(loop.time() + wait_s, waiter.grant)

    def _give_alone(self, waiter: Waiter, due: float, number: int) -> None:
        self._give(waiter, due, -number, batch=waiter.turn.batch)

    def _may_be_served(self, waiter: Waiter) -> bool:
        """Return whether a trip now may do something for a new `waiter`, or refuse it."""
        turn = waiter.turn
        due = self._blocked.get((turn.asker.tenant, turn.batch))
        return due is None or waiter.deadline < due or monotonic() >= self._next_trip

    @property
    def _to_tell(self) -> bool:
        return bool(self._untold or self._alone.to_tell)

    def _wake(self) -> None:
        self._next_trip = 0.0
        self._news.set()
        if self._pump is None and (self._waiters or self._slots.held or self._to_tell):
            self._pump = asyncio.get_running_loop().create_task(self._serve())

    async def _serve(self) -> None:
        try:
            while await self._round() and not self._closed:  # redis-py may eat a cancellation
                await self._sleep()
        finally:
            self._pump = None
            self._refuse_all()  # of whom there are none, but when closing, or for a fault of ours

    async def _sleep(self) -> None:
        """Sleep until the next trip, or until there is news; but trips are to be apart."""
        loop = asyncio.get_running_loop()
        wait_s = min(self._timing.report_s, max(0.0, self._next_trip - monotonic()))
        alarm = loop.call_later(wait_s, self._news.set)
        try:
            await self._news.wait()
        finally:
            alarm.cancel()
        early_s = self._spaced_until - monotonic()
        if early_s > 0:
            await asyncio.sleep(early_s)

    async def _round(self) -> bool:
        """Make one trip where there is a reason; return whether there may be one for another."""
        self._news.clear()
        slots = self._slots
        due = self._waiters and monotonic() >= self._next_trip
        if not (due or self._to_tell or slots.to_tell):
            if not self._waiters:
                self._next_trip = monotonic() + self._timing.report_s
            return bool(self._waiters or slots.held or slots.in_use)
        waiting = self._waiters.groups(PERMITS_PER_TRIP_MAX)
        if self._fleet.alone_since is None:
            self._alone.over()
        elif not self._fleet.back:
            return self._serve_alone(waiting)
        else:
            waiting = self._alone.within(waiting)
        began = monotonic()
        untold, self._untold = self._untold, Untold()
        asked = self._asked(untold, waiting, slots.wanted(len(self._waiters)), began)
        try:
            answer = await reserve(self._reserve, self.keys, asked)
        except OSError:
            self._untold.put_back(untold)
            slots.lease(0, began)
            self._refuse_all()
            return True
        self._clock.hear(began, answer.now / US, monotonic())
        slots.lease(answer.held, began)
        self._alone.left = answer.left
        free = not (self.bounds.rates or answer.pause or answer.slow) and began > self._heeded
        self._free_until = began + min(KNOWN_FOR_S, slots.lease_s) if free else 0.0
        self._hand_out(waiting, answer, self._clock.ours(answer.now / US))
        self._give_free()
        self._number += self._alone.forget()  # their numbers are not to be told twice
        return True

    def _asked(self, untold: Untold, waiting: Sequence[Waiting], wanted: int, now: float) -> Asked:
        slots, told, timing = self._slots, untold.heard, self._timing
        urgent = slots.in_use - slots.batch
        urgent += sum(len(waiters) for _, batch, waiters in waiting if not batch)
        return Asked(
            me=self._fleet.name,
            lane=self._lane,
            first=self._number + 1,
            concurrency=slots.concurrency,
            in_use=slots.in_use,
            wanted=wanted,
            urgent=min(urgent, wanted),
            lease=round(slots.lease_s * US),
            horizon=round(timing.horizon_s * US),
            urgent_horizon=round(timing.urgent_horizon_s * US),
            slot_wait=round(SLOT_WAIT_S * US),
            interval=timing.interval_s * US,
            arrival=round(timing.arrival_s * US),
            longest=round(timing.longest_s * US),
            spread=timing.spread_s * US,
            windows=self._windows.encoded(),
            ended=untold.ended_ages(now),
            unused=untold.unused,
            late=untold.late_ages(now),
            alone=self._alone.ages(now),
            alone_counts=self._alone.counts(now),
            groups=wants(waiting, now),
            told=told and counted(self.bounds.rates, told[0], now - told[1]),
        )

    def _hand_out(self, waiting: Sequence[Waiting], answer: Answered, now: float) -> None:
        """Give each waiter its permit, refuse who can't wait; find when the next trip is due.

        `now` is when the store answered: the answer may have lain there while our loop stood still.
        """
        again: list[float] = []
        self._blocked = {}
        for (tenant, batch, waiters), given in zip(waiting, answer.groups, strict=True):
            patient = iter(waiters)
            for delay in given.delays:
                due = now + delay / US
                self._number += 1
                for waiter in patient:
                    if due <= waiter.deadline and not waiter.told.done():
                        self._give(waiter, due, self._number, batch=batch)
                        break
                    self._waiters.patient(waiter, due)
                else:  # gone meanwhile: the permit was reserved in vain
                    self._untold.unused.append(self._number)
            if given.why:
                due = now + given.due / US
                self._blocked[tenant, batch] = due
                code = self._code(given.why)
                if [one for one in patient if self._waiters.patient(one, due, code)]:
                    again.append(now + given.again / US)
        self._next_trip = now + self._timing.report_s
        if again or self._waiters:
            self._spaced_until = now + TRIP_SPACING_S
            self._next_trip = min(again, default=now)

    def _code(self, why: str) -> ReasonCode:
        """Return the reason for whoever can't wait; `why` is that of a `Given`."""
        exhausted = ReasonCode.QUOTA_EXHAUSTED
        used_up = why.isdigit() and self.bounds.rates[int(why) - 1].quota
        return exhausted if used_up or why == exhausted.value else ReasonCode.RATE_LIMITED

    def _refuse_all(self) -> None:
        self._free_until, self._next_trip = 0.0, monotonic() + self._timing.report_s
        self._blocked = {}
        self._waiters.refuse_all(ReasonCode.LIMITS_UNAVAILABLE)

    def _serve_alone(self, waiting: Sequence[Waiting]) -> bool:
        """Give what this process's own part of the limits allows, the store being lost."""
        again = self._alone.serve(waiting, self._timing.horizon_s, self._give_alone)
        if again is None:
            self._refuse_all()
            return True
        now = monotonic()
        self._next_trip = min(now + self._timing.report_s, again)
        self._blocked = {}
        if self._waiters:
            self._spaced_until = now + TRIP_SPACING_S
        return bool(self._waiters or self._slots.in_use)
