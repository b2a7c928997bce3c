"""What was found, on its way to where all processes see it; and the claims on it, given back."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from cache.claims import DONE_FOR_S, Claims
from cache.outcomes import Outcomes
from verdicts.outcome import Outcome

KEEP_WITHIN_S = 0.005
"""After an answer, until it is kept for others: a process that is killed loses no more."""
TRIP_MAX = 1000
"""Outcomes that go in one trip, or a few more."""
AGAIN_S = 0.1
"""Between two tries while the store is away."""
WAITING_MAX = 20_000
"""Outcomes that wait for the store to come back; the oldest go first, and are asked again."""

Concluded = tuple[Collection[bytes], Mapping[bytes, Outcome]]
"""Questions that are settled, and what is to be kept of them, both by digest."""


class Keeping:
    """Keeps the outcomes of one desk: all that is there in one trip, then the next.

    What the store does not take, because it is away, is offered again until it is back: else it
    would be lost with this process, though it was paid for.
    """

    def __init__(self, outcomes: Outcomes, claims: Claims) -> None:
        """Keep in `outcomes`, give back to `claims`."""
        self._outcomes = outcomes
        self._claims = claims
        self._concluded: list[Concluded] = []
        self._closing = False
        self.behind = False
        """Whether the store did not take what was found, so that it lies in this process alone."""
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def soon(self, settled: Collection[bytes], kept: Mapping[bytes, Outcome]) -> None:
        """Keep `kept`, by digest, and give back the claims on all that is `settled`, soon."""
        self._concluded.append((settled, kept))
        if self._timer is None and self._task is None:
            self._timer = asyncio.get_running_loop().call_later(KEEP_WITHIN_S, self.now)

    def now(self) -> None:
        """Begin at once with what there is."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._concluded and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._conclude())

    async def close(self) -> None:
        """Return when all of it is kept, or the store is away, which a timeout tells."""
        self._closing = True
        self.now()
        while self._task is not None:
            await asyncio.wait((self._task,))

    async def _conclude(self) -> None:
        again_s = KEEP_WITHIN_S
        try:
            while self._concluded:
                end = _first(TRIP_MAX, self._concluded)
                concluded, self._concluded = self._concluded[:end], self._concluded[end:]
                try:
                    await self._kept(concluded)
                    self.behind = False
                except OSError:
                    self.behind = True
                    waiting = [*concluded, *self._concluded]
                    self._concluded = waiting[-_first(WAITING_MAX, waiting[::-1]) :]
                    again_s = AGAIN_S
                    break
        finally:
            self._task = None
            if self._concluded and not self._closing:
                self._timer = asyncio.get_running_loop().call_later(again_s, self.now)

    async def _kept(self, concluded: Sequence[Concluded]) -> None:
        now = datetime.now(UTC)
        digests = [digest for ours, _ in concluded for digest in ours]
        kept = {digest: one for _, some in concluded for digest, one in some.items()}
        seen = None
        if self._outcomes.apart is not None:  # else outcome and claim change in one step
            lasting = now + timedelta(seconds=DONE_FOR_S)
            seen = [_outlasts(kept.get(digest), lasting) for digest in digests]
        packed = await self._outcomes.write(self._outcomes.packed(kept, now))
        await self._claims.settle(digests, seen, packed)


def _first(count: int, concluded: Sequence[Concluded]) -> int:
    """Return how many of `concluded`, from the front, hold `count` questions or a few more."""
    held = 0
    for at, (settled, _) in enumerate(concluded, 1):
        held += len(settled)
        if held >= count:
            return at
    return len(concluded)


def _outlasts(outcome: Outcome | None, moment: datetime) -> bool:
    """Return whether a settled claim may point to `outcome` until `moment`."""
    return outcome is not None and outcome.expires_at is not None and outcome.expires_at > moment
