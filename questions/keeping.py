"""What was found, on its way to where all processes see it; and the claims on it, given back."""

import asyncio
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta

from cache.claims import DONE_FOR_S, Claims
from cache.outcomes import Outcomes
from verdicts.outcome import Outcome

KEEP_WITHIN_S = 0.005
"""After an answer, until it is kept for others: a process that is killed loses no more."""


class Keeping:
    """Keeps the outcomes of one desk: all that is there in one trip, then the next."""

    def __init__(self, outcomes: Outcomes, claims: Claims) -> None:
        """Keep in `outcomes`, give back to `claims`."""
        self._outcomes = outcomes
        self._claims = claims
        self._concluded: list[tuple[Collection[bytes], Mapping[bytes, Outcome]]] = []
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
        """Return when all of it is kept; no trip takes longer than the store is given."""
        self.now()
        while self._task is not None:
            await asyncio.wait((self._task,))

    async def _conclude(self) -> None:
        try:
            while self._concluded:
                concluded, self._concluded = self._concluded, []
                now = datetime.now(UTC)
                digests = [digest for ours, _ in concluded for digest in ours]
                kept = {digest: one for _, some in concluded for digest, one in some.items()}
                seen = None
                if self._outcomes.apart is not None:  # else outcome and claim change in one step
                    lasting = now + timedelta(seconds=DONE_FOR_S)
                    seen = [_outlasts(kept.get(digest), lasting) for digest in digests]
                packed = await self._outcomes.write(self._outcomes.packed(kept, now))
                await self._claims.settle(digests, seen, packed)
        finally:
            self._task = None


def _outlasts(outcome: Outcome | None, moment: datetime) -> bool:
    """Return whether a settled claim may point to `outcome` until `moment`."""
    return outcome is not None and outcome.expires_at is not None and outcome.expires_at > moment
