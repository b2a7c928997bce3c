"""A call that several need at one time is sent once, and each gets its answer, or asks itself."""

import asyncio
from collections.abc import Sequence

import pytest

from providers.errors import Broken, NoPermit, ProviderError
from providers.exchange import Answer, Call
from providers.services import hmrc
from providers.shared_calls import SharedCalls
from tests.providers.asking import asked
from tests.providers.conftest import Outfit
from tests.sandbox_process import RunningSandbox
from verdicts.reason import ReasonCode

TOKEN = Call("POST", "/token", shared=True)
OTHER = Call("POST", "/token", query=(("scope", "all"),), shared=True)
ANSWER = Answer(200, {}, b"{}")
LONG_S = 60.0


class Way:
    """Sends nothing: each call waits for `gate`, and ends as the next of `ends` says."""

    def __init__(self, *ends: Answer | ProviderError) -> None:
        self.ends = list(ends)
        self.sent = 0
        self.gate = asyncio.Event()
        self.shared = SharedCalls()

    async def send(self) -> Answer:
        self.sent += 1
        end = self.ends.pop(0)
        await self.gate.wait()
        await asyncio.sleep(0)  # as every call does: others come meanwhile
        if isinstance(end, ProviderError):
            raise end
        return end

    def ask(self, call: Call = TOKEN, within_s: float = LONG_S) -> "asyncio.Task[Answer]":
        deadline = asyncio.get_running_loop().time() + within_s
        return asyncio.create_task(self.shared.send(call, deadline, self.send))


async def ends(tasks: Sequence["asyncio.Task[Answer]"]) -> list[Answer | BaseException]:
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_those_who_come_while_it_is_under_way_share_its_answer() -> None:
    way = Way(ANSWER, ANSWER)
    first = [way.ask() for _ in range(10)]
    await asyncio.sleep(0)
    way.gate.set()
    assert await ends(first) == [ANSWER] * 10
    assert way.sent == 1
    assert await way.ask() == ANSWER
    assert way.sent == 2, "an answer is not kept: the account has what it brought"


async def test_another_call_is_another() -> None:
    way = Way(ANSWER, ANSWER)
    way.gate.set()
    assert await ends([way.ask(), way.ask(OTHER)]) == [ANSWER] * 2
    assert way.sent == 2


async def test_a_failure_is_shared_and_what_was_not_sent_is_asked_by_the_next() -> None:
    broken = Broken("reset")
    way = Way(broken)
    way.gate.set()
    assert await ends([way.ask() for _ in range(5)]) == [broken] * 5
    refused = NoPermit(ReasonCode.RATE_LIMITED)
    way = Way(refused, ANSWER)
    way.gate.set()
    assert await ends([way.ask() for _ in range(5)]) == [refused, *[ANSWER] * 4]
    assert way.sent == 2


async def test_who_is_cancelled_leaves_it_to_the_next() -> None:
    way = Way(ANSWER, ANSWER)
    tasks = [way.ask() for _ in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    way.gate.set()
    _, *others = await ends(tasks)
    assert others == [ANSWER] * 2
    assert way.sent == 2


async def test_a_deadline_ends_the_waiting_for_somebody_elses() -> None:
    way = Way(ANSWER)
    first = way.ask()
    await asyncio.sleep(0)
    with pytest.raises(NoPermit) as late:
        await way.ask(within_s=0.01)
    assert late.value.code is ReasonCode.DEADLINE
    way.gate.set()
    assert await first == ANSWER


async def test_many_exchanges_fetch_one_token(outfit: Outfit, sandbox: RunningSandbox) -> None:
    await sandbox.latency("hmrc", 100)
    await sandbox.limit("hmrc")
    provider = outfit(hmrc)
    numbers = [f"GB{100000132 + 97 * at}" for at in range(12)]
    await asyncio.gather(*(asked(provider, [number]) for number in numbers))
    calls = await sandbox.log("hmrc")
    assert sum(call["path"].endswith("/token") for call in calls) == 1
    assert len(calls) == len(numbers) + 1
