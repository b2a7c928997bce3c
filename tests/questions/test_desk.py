"""A question is asked once, whoever asks it, and a failure is never more than UNDECIDED."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

import pytest
from msgspec.structs import replace

from cache.outcomes import WRITE, Apart
from gateway.valkey import Valkey
from providers.priority import Asker, Priority
from providers.provider import Deliver
from questions.desk import HEARD_AGAIN_S, Desk
from tests.questions.house import (
    DELIVERABLE,
    UNREACHABLE,
    SlowReader,
    TableProvider,
    desks,
    terms,
)
from verdicts.outcome import Conclusion, Found
from verdicts.reason import ReasonCode, because

POLL_S = 0.005


class HalfProvider(TableProvider):
    """Delivers the first value and never gets to the others."""

    async def ask(
        self, values: Sequence[str], deadline: float, deliver: Deliver, asker: Asker
    ) -> None:
        await super().ask(values[:1], deadline, deliver, asker)
        await asyncio.Event().wait()


async def until(condition: Callable[[], object], within_s: float = 5.0) -> None:
    """Return when `condition` holds; TimeoutError when it does not in time."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(POLL_S)


async def test_values_of_concurrent_requests_share_one_bulk_call(valkey_url: str) -> None:
    provider = TableProvider()
    async with desks(valkey_url) as new:
        desk = new(provider)
        wants = [terms() for _ in range(8)]
        await asyncio.gather(
            *(desk.ask([f"{at}@x.example", "all@x.example"], one) for at, one in enumerate(wants))
        )
    assert len(provider.calls) == 1
    assert sorted(provider.asked) == sorted(
        [*(f"{at}@x.example" for at in range(8)), "all@x.example"]
    )
    assert sum(one.usage.saved_by_dedupe for one in wants) == 7
    assert sum(one.usage.calls_made for one in wants) == 1
    assert sum(one.usage.values_asked for one in wants) == 9


async def test_what_is_known_is_not_asked_again(valkey_url: str) -> None:
    provider = TableProvider()
    async with desks(valkey_url) as new:
        first, second = new(provider), new(provider)
        await first.ask(["a@x.example"], terms())
        again, elsewhere = terms(), terms()
        await first.ask(["a@x.example"], again)
        found = await second.ask(["a@x.example"], elsewhere)
    assert provider.asked == ["a@x.example"]
    assert (again.usage.saved_by_cache, elsewhere.usage.saved_by_cache) == (1, 1)
    assert found["a@x.example"].evidence == DELIVERABLE.evidence
    assert found["a@x.example"].provider == "table"


async def test_two_processes_ask_a_question_once_between_them(valkey_url: str) -> None:
    provider = TableProvider()
    values = [f"{at}@x.example" for at in range(300)]
    async with desks(valkey_url) as new:
        one, other = new(provider), new(provider)
        answers = await asyncio.gather(one.ask(values, terms()), other.ask(values, terms()))
    assert sorted(provider.asked) == sorted(values)
    assert answers[0].keys() == answers[1].keys() == set(values)
    assert all(found.conclusion is Conclusion.CONFIRMED for found in answers[1].values())


async def test_a_holder_that_dies_leaves_its_claims_to_others(valkey_url: str) -> None:
    """The lease of a claim ends by itself; the process that waits then asks."""
    stuck, free = TableProvider(), TableProvider()
    stuck.gate.clear()
    async with desks(valkey_url) as new:
        dying, living = new(stuck), new(free)
        lost = asyncio.create_task(dying.ask(["a@x.example"], terms()))
        await until(lambda: stuck.calls)
        for task in dying._claims._tasks:  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - as dead as it can be made in one process
            task.cancel()
        found = await living.ask(["a@x.example"], terms())
        stuck.gate.set()
        await lost
    assert found["a@x.example"].conclusion is Conclusion.CONFIRMED
    assert free.asked == ["a@x.example"]


async def test_a_deadline_ends_the_waiting_and_not_the_asking(valkey_url: str) -> None:
    provider = TableProvider()
    provider.gate.clear()
    async with desks(valkey_url) as new:
        desk = new(provider)
        late = await desk.ask(["a@x.example"], terms(within_s=0.05))
        outcome = late["a@x.example"]
        assert outcome.conclusion is Conclusion.UNDECIDED
        assert [(why.code, why.retryable) for why in outcome.reasons] == [
            (ReasonCode.DEADLINE, True)
        ]
        provider.gate.set()
        await until(lambda: not desk._open)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        found = await desk.ask(["a@x.example"], terms())
    assert found["a@x.example"].conclusion is Conclusion.CONFIRMED
    assert provider.asked == ["a@x.example"]


async def test_who_gives_up_takes_nothing_from_the_others(valkey_url: str) -> None:
    provider = TableProvider()
    provider.gate.clear()
    async with desks(valkey_url) as new:
        desk = new(provider)
        quitter = asyncio.create_task(desk.ask(["a@x.example"], terms()))
        stayer = asyncio.create_task(desk.ask(["a@x.example"], terms()))
        await until(lambda: provider.calls)
        quitter.cancel()
        provider.gate.set()
        found = await stayer
    assert found["a@x.example"].conclusion is Conclusion.CONFIRMED


async def test_a_fault_of_ours_is_undecided_at_once(valkey_url: str) -> None:
    provider = TableProvider(fault=RuntimeError("a bug"))
    async with desks(valkey_url) as new:
        found = await new(provider).ask(["a@x.example", "b@x.example"], terms())
    assert {one.conclusion for one in found.values()} == {Conclusion.UNDECIDED}
    assert {why.code for one in found.values() for why in one.reasons} == {
        ReasonCode.PROVIDER_UNAVAILABLE
    }


async def test_an_older_outcome_than_wanted_is_asked_anew(valkey_url: str) -> None:
    provider = TableProvider()
    async with desks(valkey_url) as new:
        desk = new(provider)
        first = await desk.ask(["a@x.example"], terms())
        await desk.ask(["a@x.example"], terms(max_age_s=3600))
        second = await desk.ask(["a@x.example"], terms(max_age_s=0))
    assert provider.asked == ["a@x.example"] * 2
    before, after = first["a@x.example"].found_at, second["a@x.example"].found_at
    assert before is not None
    assert after is not None, second
    assert after > before


async def test_an_outcome_that_comes_while_we_look_is_not_asked_for_again(valkey_url: str) -> None:
    """Young enough is young enough: who looked too early looks again before it pays."""
    provider, readers = TableProvider(), list[SlowReader]()

    def slowly(valkey: Valkey) -> Apart:
        readers.append(SlowReader(valkey.client))
        return Apart(readers[-1], valkey.script(WRITE))

    def quickly(valkey: Valkey) -> Apart:
        return Apart(valkey.client, valkey.script(WRITE))

    async with desks(valkey_url) as new:
        slow = new(provider, slowly)
        quick = new(provider, quickly)
        late = asyncio.create_task(slow.ask(["a@x.example"], terms(max_age_s=3600)))
        (reader,) = readers
        await reader.looked.wait()
        await quick.ask(["a@x.example"], terms())
        await until(lambda: not quick._tasks)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        reader.gate.set()
        found = await late
    assert found["a@x.example"].conclusion is Conclusion.CONFIRMED
    assert provider.asked == ["a@x.example"]


async def test_what_was_found_before_the_end_is_kept(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a question cut short by a stop, what providers had said already has been paid for."""
    monkeypatch.setattr("questions.desk.GRACE_S", 0.05)
    half = HalfProvider()
    async with desks(valkey_url) as new:
        stopping, living = new(half), new(TableProvider())
        asking = asyncio.create_task(stopping.ask(["a@x.example", "b@x.example"], terms()))
        await until(lambda: half.calls)
        await stopping.close()
        assert not stopping._tasks  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        found = await asking
        again = terms()
        await living.ask(["a@x.example"], again)
    assert found["a@x.example"].conclusion is Conclusion.CONFIRMED
    assert found["b@x.example"].conclusion is Conclusion.UNDECIDED
    assert again.usage.saved_by_cache == 1


async def test_what_may_be_charged_is_heard_out_beyond_the_grace(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("questions.desk.GRACE_S", 0.0)
    provider = TableProvider(hearing_out=1)
    provider.gate.clear()
    async with desks(valkey_url) as new:
        stopping, living = new(provider), new(TableProvider())
        asking = asyncio.create_task(stopping.ask(["a@x.example"], terms()))
        await until(lambda: provider.calls)
        closing = asyncio.create_task(stopping.close())
        await until(lambda: provider.stopped)
        await asyncio.wait((closing,), timeout=3 * HEARD_AGAIN_S)
        assert not closing.done()
        provider.gate.set()
        await closing
        again = terms()
        await living.ask(["a@x.example"], again)
        assert (await asking)["a@x.example"].conclusion is Conclusion.CONFIRMED
    assert again.usage.saved_by_cache == 1


async def test_it_is_heard_out_within_a_bound_and_until_somebody_is_in_a_hurry(
    valkey_url: str,
) -> None:
    async with desks(valkey_url) as new:
        for bound_s in (0.05, 3600.0):
            provider = TableProvider(hearing_out=1)
            provider.gate.clear()
            desk = new(provider, stop_s=bound_s)
            asking = asyncio.create_task(desk.ask(["a@x.example"], terms()))
            await until(lambda provider=provider: provider.calls)
            closing = asyncio.create_task(desk.close())
            if bound_s > 1:
                await until(lambda provider=provider: provider.stopped)
                closing.cancel()
            await asyncio.gather(closing, return_exceptions=True)
            assert not desk._tasks  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
            assert (await asking)["a@x.example"].conclusion is Conclusion.UNDECIDED


async def test_what_a_stop_left_unasked_is_left_to_others(valkey_url: str) -> None:
    """Kept, it would be what those have to live with who go on."""
    code = ReasonCode.STOPPING
    unasked = Found(Conclusion.UNDECIDED, (because(code, "mailbox", retryable=True),))
    provider = TableProvider()
    async with desks(valkey_url) as new:
        found = await new(TableProvider(table={"a@x.example": unasked})).ask(
            ["a@x.example"], terms()
        )
        await new(provider).ask(["a@x.example"], terms())
    assert [why.code for why in found["a@x.example"].reasons] == [code]
    assert provider.asked == ["a@x.example"]


async def test_a_failure_is_kept_for_seconds_only(valkey_url: str) -> None:
    provider = TableProvider(table={"a@x.example": UNREACHABLE})
    async with desks(valkey_url) as new:
        outcome = (await new(provider).ask(["a@x.example"], terms()))["a@x.example"]
    assert outcome.found_at is not None
    assert outcome.expires_at is not None
    assert (outcome.expires_at - outcome.found_at).total_seconds() <= 5


async def test_a_value_that_no_provider_serves_is_not_covered(valkey_url: str) -> None:
    provider = TableProvider()
    async with desks(valkey_url) as new:
        outcome = (await new(provider).ask(["foreign"], terms()))["foreign"]
    assert [(why.code, why.retryable) for why in outcome.reasons] == [
        (ReasonCode.NOT_COVERED, False)
    ]
    assert not provider.calls


async def test_without_the_shared_store_each_process_asks_for_itself() -> None:
    provider = TableProvider()
    async with desks("redis://127.0.0.1:1/0") as new:
        found = await new(provider).ask(["a@x.example"], terms())
    assert found["a@x.example"].conclusion is Conclusion.CONFIRMED


async def test_no_value_stands_in_the_shared_store(valkey_url: str) -> None:
    provider = TableProvider()
    valkey = Valkey(valkey_url, 5.0)
    async with desks(valkey_url) as new:
        desk: Desk = new(provider)
        await desk.ask(["secret.person@x.example"], terms())
        keys = await valkey.run("KEYS", "*")
        stored = [await valkey.run("DUMP", key) for key in keys]  # type: ignore[union-attr]
    await valkey.close()
    assert keys
    assert not any(b"secret" in bytes(one) for one in [*keys, *stored])  # type: ignore[misc]


async def test_a_question_is_as_urgent_as_the_most_urgent_of_its_askers(valkey_url: str) -> None:
    provider = TableProvider(values_per_call=1)
    provider.gate.clear()
    async with desks(valkey_url) as new:
        desk = new(provider)
        batch = replace(terms(), priority=Priority.BATCH, tenant="them")
        asking = asyncio.create_task(desk.ask(["a@x.example", "b@x.example"], batch))
        await until(lambda: provider.askers)
        (asker,) = provider.askers
        assert (asker.priority, asker.tenant) == (Priority.BATCH, "them")
        assert asker.priority_of(["b@x.example"]) is Priority.BATCH
        joining = asyncio.create_task(desk.ask(["b@x.example"], terms()))
        await until(lambda: asker.urgent)
        assert asker.priority_of(["b@x.example"]) is Priority.INTERACTIVE
        assert asker.priority_of(["a@x.example"]) is Priority.BATCH
        waiting = deque[Sequence[str]]([["a@x.example"], ["b@x.example"]])
        assert asker.next_of(waiting, set()) == ["b@x.example"]
        provider.gate.set()
        await asyncio.gather(asking, joining)


async def test_each_tenant_and_priority_is_asked_for_by_itself(valkey_url: str) -> None:
    provider = TableProvider()
    async with desks(valkey_url) as new:
        desk = new(provider)
        theirs = replace(terms(), tenant="them")
        await asyncio.gather(desk.ask(["a@x.example"], terms()), desk.ask(["b@x.example"], theirs))
    assert sorted(asker.tenant for asker in provider.askers) == ["default", "them"]
