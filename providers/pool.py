"""A pool: works off the calls of one account for one sort of asker, so many at once and no more.

A task for each value would cost as much as all else that is done around its call, and would wait
for a place with a timer of its own. Here as many tasks as there are places take what comes next,
a call of each job in turn, so that one with few values never waits for all of one with many.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from providers.priority import Asker

Carry = Callable[[Sequence[str]], Awaitable[Sequence[Sequence[str]]]]
"""Carries one exchange for some values; returns those that are to go again, call by call."""


class _Job:
    """The calls of one ask: `chunks` wait, `hands` are the tasks that carry one now."""

    __slots__ = ("asker", "carry", "chunks", "done", "gone", "hands", "open")

    def __init__(
        self, chunks: deque[Sequence[str]], asker: Asker, carry: Carry, done: asyncio.Future[None]
    ) -> None:
        self.chunks = chunks
        self.asker = asker
        self.carry = carry
        self.done = done
        self.open = len(chunks)
        self.hands: set[asyncio.Task[None]] = set()
        self.gone: set[str] = set()
        """Urgent values that are in none of `chunks`."""


class Pool:
    """The tasks of one account and sort of asker; there are none while there is nothing to do."""

    def __init__(self, most: int, idle: Callable[[], object]) -> None:
        """Carry at most `most` exchanges at once; `idle` is called when nothing is left to do."""
        self._most = most
        self._idle = idle
        self._jobs: deque[_Job] = deque()
        self._workers: set[asyncio.Task[None]] = set()

    async def work_off(self, chunks: deque[Sequence[str]], asker: Asker, carry: Carry) -> None:
        """Return when `carry` has returned for each of `chunks`, and for what came out of it.

        A cancellation takes what is under way along, and so does whatever `carry` raises, which is
        raised here.
        """
        job = _Job(chunks, asker, carry, asyncio.get_running_loop().create_future())
        wanted = len(chunks)
        self._jobs.append(job)
        self._hire(wanted)
        try:
            await job.done
        finally:
            if job.open:
                await self._drop(job)

    def _hire(self, wanted: int) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(min(wanted, self._most - len(self._workers))):
            worker = loop.create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._gone)

    def _gone(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        if self._jobs and not worker.get_loop().is_closed():  # it was taken along with a job
            self._hire(1)
        elif not self._workers:
            self._idle()

    def _forget(self, job: _Job) -> None:
        job.chunks.clear()
        if job in self._jobs:
            self._jobs.remove(job)

    async def _drop(self, job: _Job) -> None:
        self._forget(job)
        hands = list(job.hands)
        for worker in hands:
            worker.cancel()
        await asyncio.gather(*hands, return_exceptions=True)

    async def _work(self) -> None:
        me = asyncio.current_task()
        assert me is not None, "a coroutine runs in a task"
        jobs = self._jobs
        while jobs:
            job = jobs.popleft()
            values = job.asker.next_of(job.chunks, job.gone)
            if job.chunks:
                jobs.append(job)
            job.hands.add(me)
            try:
                again = await job.carry(values)
            except asyncio.CancelledError:
                job.done.cancel()
                raise
            except Exception as error:  # noqa: BLE001 - who asked gets it; the others go on
                self._forget(job)
                if not job.done.done():
                    job.done.set_exception(error)
                continue
            finally:
                job.hands.discard(me)
            if again:
                self._again(job, again)
            job.open -= 1
            if not job.open and not job.done.done():
                job.done.set_result(None)

    def _again(self, job: _Job, chunks: Sequence[Sequence[str]]) -> None:
        if job.done.done():
            return  # nobody waits for it any more
        if not job.chunks:
            self._jobs.append(job)
        job.chunks.extend(chunks)
        job.gone.clear()
        job.open += len(chunks)
        self._hire(len(chunks))
