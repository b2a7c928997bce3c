"""Those whose answers came together go on one after the other, and not in step.

What follows an answer costs far more than what went before: results are built and packed. When
all who got theirs in one turn of the loop go on in the next, none of their responses is out before
all are built; their clients then ask again at once, together, and stay together: a convoy, which
waits for its length each time round. One at a time the first response is out, and the next
request read, while the others are built, and a convoy falls apart. Measured in decision 0017.
"""

import asyncio
from collections import deque

SHARE = 4
"""One in so many of those who wait goes at a time: few turns are taken where many wait."""


class Turnstile:
    """Lets one pass in each turn of the event loop, or a part of those who wait."""

    def __init__(self) -> None:
        """Begin with nobody waiting."""
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._free = True

    async def passed(self) -> None:
        """Return at once where nobody has just passed, else when it is one's turn."""
        loop = asyncio.get_running_loop()
        if self._free:
            self._free = False
            loop.call_soon(self._next, loop)
            return
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        await turn

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._waiting:
            self._free = True
            return
        for _ in range(max(1, len(self._waiting) // SHARE)):
            turn = self._waiting.popleft()
            if not turn.done():  # else whoever waited was cancelled
                turn.set_result(None)
        loop.call_soon(self._next, loop)
