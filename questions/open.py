"""The questions of one desk that are open, and the sets of values that somebody waits for."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence

from questions.usage import Usage
from verdicts.outcome import Outcome


class Waiting:
    """One set of values that somebody waits for; `done` once `wanted` of them are `found`."""

    __slots__ = ("done", "found", "usage", "wanted")

    def __init__(self, wanted: int, usage: Usage, done: "asyncio.Future[None]") -> None:
        """Wait for `wanted` values on behalf of `usage`, which counts what they take."""
        self.wanted = wanted
        self.usage = usage
        self.done = done
        self.found: dict[str, Outcome] = {}

    def take(self, outcomes: Mapping[str, Outcome]) -> None:
        """Take `outcomes` of values that it waits for."""
        self.found.update(outcomes)
        self.look()

    def look(self) -> None:
        """Tell who waits once all is found."""
        if len(self.found) == self.wanted:
            self._end()

    async def until(self, deadline: float) -> None:
        """Return once all is found, or at `deadline` (loop clock)."""
        late = self.done.get_loop().call_at(deadline, self._end)
        try:
            await self.done  # `asyncio.wait` would take a turn of the loop more
        finally:
            late.cancel()

    def _end(self) -> None:
        if not self.done.done():
            self.done.set_result(None)


class OpenQuestions:
    """Who waits for which value; the first of them opened its question."""

    def __init__(self) -> None:
        """Begin with none."""
        self._waiting: dict[str, Waiting | list[Waiting]] = {}  # a list once there are several

    def __len__(self) -> int:
        return len(self._waiting)

    def parted(self, values: Sequence[str]) -> tuple[list[str], Collection[str]]:
        """Return those of `values` that nobody waits for, and those that somebody does."""
        fresh = [value for value in values if value not in self._waiting]
        if len(fresh) == len(values):
            return fresh, ()
        return fresh, self._waiting.keys() & set(values)

    def open(self, waiting: Waiting, values: Iterable[str]) -> None:
        """Open the questions about `values`, for which nobody waits, for `waiting`."""
        self._waiting.update(dict.fromkeys(values, waiting))

    def join(self, waiting: Waiting, values: Iterable[str]) -> None:
        """Let `waiting` hear of `values`, for which somebody waits already."""
        for value in values:
            others = self._waiting[value]
            if isinstance(others, list):
                others.append(waiting)
            else:
                self._waiting[value] = [others, waiting]

    def settle(self, outcomes: Mapping[str, Outcome]) -> list[tuple[Usage, int]]:
        """Give `outcomes` to who waits for them; return who opened how many of the questions."""
        close = self._waiting.pop
        told: dict[int, Waiting] = {}
        openers: list[tuple[Usage, int]] = []
        last: Waiting | None = None
        count = 0
        for value, outcome in outcomes.items():
            waiting = close(value, None)
            if waiting is None:
                continue
            if isinstance(waiting, list):
                opener = waiting[0]
                for one in waiting:
                    one.found[value] = outcome
                    told[id(one)] = one
            else:
                opener = waiting
                opener.found[value] = outcome
            if opener is not last:
                if last is not None:
                    openers.append((last.usage, count))
                last, count = opener, 0
                told[id(opener)] = opener
            count += 1
        if last is not None:
            openers.append((last.usage, count))
        for one in told.values():
            one.look()
        return openers
