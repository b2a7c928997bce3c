"""What repeats calls, what stops them, and what other processes are told of it."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from gateway.valkey import Valkey
from providers.breaker import RUN_MAX, Phase
from providers.breakers import CHANNEL, KEY, Breakers, Scope
from providers.priority import Asker, Priority
from providers.provider import ServiceProvider
from providers.retry_tokens import TRANSIENT_COSTS
from providers.services import companies_house, gleif, hmrc, postcodes_io, vies, zerobounce
from tests.providers.asking import asked
from tests.providers.conftest import Outfit
from tests.sandbox_process import RunningSandbox
from tests.waiting import eventually_async
from verdicts.reason import ReasonCode

GERMAN, FRENCH = "DE123456788", "FR88100000009"
MAILBOX = "valid@example.com"
POSTCODES = [f"GB/LS{number} 1AA" for number in range(1, 13)]
TOLD_S = 10.0


def companies(count: int, begin: int = 100) -> list[str]:
    return [f"GB/{begin + number:08}" for number in range(count)]


def phase_of(provider: ServiceProvider, *, bulk: bool = False, partition: str = "") -> Phase:
    sender = provider.sender
    return sender.breakers.of(Scope(sender.account, bulk, partition)).phase


async def calls_of(sandbox: RunningSandbox, mount: str) -> int:
    return len(await sandbox.log(mount))


async def opened(outfit: Outfit, sandbox: RunningSandbox, **terms: object) -> ServiceProvider:
    """Return a provider whose service is down, and whose breaker has opened for it."""
    await sandbox.fault("companies-house", "status_500")
    provider = outfit(companies_house, concurrency=1, **terms)
    await asked(provider, companies(RUN_MAX))
    assert phase_of(provider) is Phase.OPEN
    return provider


async def test_a_service_that_is_down_is_left_alone_and_its_values_are_undecided_at_once(
    outfit: Outfit, sandbox: RunningSandbox
) -> None:
    provider = await opened(outfit, sandbox)
    answers = await asked(provider, companies(300))
    assert {code for one in answers.found for code in answers.codes(one)} == {
        "PROVIDER_UNAVAILABLE"
    }
    assert all(found.reasons[0].retryable for found in answers.found.values())
    assert answers.calls == 0
    assert await calls_of(sandbox, "companies-house") == RUN_MAX
    assert answers.took_s < 0.5, "before it would be probed"


async def test_one_probe_finds_out_that_it_is_back(outfit: Outfit, sandbox: RunningSandbox) -> None:
    provider = await opened(outfit, sandbox)
    await sandbox.faults("companies-house")

    async def is_back() -> bool:
        answers = await asked(provider, companies(3))
        return "UNDECIDED" not in answers.conclusions().values()

    async with asyncio.timeout(10):
        while not await is_back():  # noqa: ASYNC110 - nobody tells who does not ask
            await asyncio.sleep(0.05)
    assert phase_of(provider) is Phase.CLOSED


async def test_a_probe_in_vain_is_the_only_call(outfit: Outfit, sandbox: RunningSandbox) -> None:
    provider = await opened(outfit, sandbox, attempts=3)
    breaker = provider.sender.breakers.of(Scope(companies_house.NAME))
    resting = breaker.resting
    assert resting is not None
    await asyncio.sleep(max(0.0, resting.until - asyncio.get_running_loop().time()))
    answers = await asked(provider, companies(20))
    assert set(answers.conclusions().values()) == {"UNDECIDED"}
    assert answers.calls == 1
    assert breaker.resting is not None
    assert breaker.resting.rest_s == 2.0


async def test_a_probe_that_is_cancelled_leaves_its_place_to_the_next(
    outfit: Outfit, sandbox: RunningSandbox
) -> None:
    provider = await opened(outfit, sandbox)
    await sandbox.fault("companies-house", "hang")
    resting = provider.sender.breakers.of(Scope(companies_house.NAME)).resting
    assert resting is not None
    await asyncio.sleep(max(0.0, resting.until - asyncio.get_running_loop().time()))
    probe = asyncio.create_task(asked(provider, companies(1)))
    assert await eventually_async(lambda: provider.statistics.in_flight == 1)
    probe.cancel()
    await asyncio.gather(probe, return_exceptions=True)
    assert phase_of(provider) is Phase.OPEN
    assert provider.sender.in_flight.taken == 0


REFUSALS = [
    (companies_house, "companies-house", "status_401", "PROVIDER_REFUSED"),
    (zerobounce, "zerobounce", "no_credit", "OUT_OF_CREDIT"),
]


@pytest.mark.parametrize("service, mount, mode, code", REFUSALS, ids=["key", "credit"])
async def test_a_refused_account_is_left_alone_after_the_calls_under_way(
    service: object, mount: str, mode: str, code: str, outfit: Outfit, sandbox: RunningSandbox
) -> None:
    """Some services block an account for an hour after a hundred bad calls."""
    await sandbox.fault(mount, mode)
    provider = outfit(service, concurrency=4, bulk_from=1000)
    values = companies(200) if service is companies_house else [f"m{n}@b.cz" for n in range(200)]
    answers = await asked(provider, values)
    assert {told for value in values for told in answers.codes(value)} == {code}
    assert await calls_of(sandbox, mount) <= 4
    assert phase_of(provider) is Phase.OPEN
    in_bulk = provider.values_per_call > 1
    assert (phase_of(provider, bulk=True) is Phase.OPEN) == in_bulk, "they are refused alike"


async def test_a_key_that_works_again_works_for_bulk_calls_too(
    outfit: Outfit, sandbox: RunningSandbox
) -> None:
    await sandbox.fault("zerobounce", "no_credit", count=1)
    provider = outfit(zerobounce)
    await asked(provider, [MAILBOX])
    assert phase_of(provider, bulk=True) is Phase.OPEN
    resting = provider.sender.breakers.of(Scope(zerobounce.NAME)).resting
    assert resting is not None
    await asyncio.sleep(max(0.0, resting.until - asyncio.get_running_loop().time()))
    assert (await asked(provider, [MAILBOX])).conclusions() == {MAILBOX: "CONFIRMED"}
    assert provider.sender.open_breakers() == []


async def test_a_refused_token_opens_it_too(outfit: Outfit, sandbox: RunningSandbox) -> None:
    """HMRC's exchange reads 401 itself, and asks for a new token first."""
    await sandbox.limit("hmrc")
    await sandbox.fault("hmrc", "status_401")
    provider = outfit(hmrc, concurrency=1)
    answers = await asked(provider, [f"GB{100_000_000 + 97 * number}" for number in range(20)])
    assert {code for one in answers.found for code in answers.codes(one)} == {"PROVIDER_REFUSED"}
    assert await calls_of(sandbox, "hmrc") <= 3
    assert phase_of(provider) is Phase.OPEN


async def test_a_certificate_that_is_wrong_opens_it_at_once(
    outfit: Outfit, sandbox: RunningSandbox
) -> None:
    base_url = sandbox.http.replace("http:", "https:")
    provider = outfit(companies_house, base_url=base_url, attempts=3, concurrency=1)
    answers = await asked(provider, companies(10))
    assert answers.calls == 1
    assert phase_of(provider) is Phase.OPEN


async def test_a_shield_is_no_bad_key(outfit: Outfit, sandbox: RunningSandbox) -> None:
    """The account pauses for everybody; the breaker stays as it is."""
    await sandbox.fault("zerobounce", "status_403", count=1)
    provider = outfit(zerobounce)
    assert (await asked(provider, [MAILBOX])).codes(MAILBOX) == ["PROVIDER_REFUSED"]
    assert phase_of(provider) is Phase.CLOSED
    standing, _ = await provider.standing()
    assert standing.paused_s > 290


async def test_a_member_state_that_fails_is_left_alone_by_itself(
    outfit: Outfit, sandbox: RunningSandbox
) -> None:
    await sandbox.control("POST", "vies/availability", {"DE": "Unavailable"})
    provider = outfit(vies, concurrency=1)
    germans = [f"DE{number:09}" for number in range(100, 112)]
    answers = await asked(provider, [*germans, FRENCH])
    assert {code for one in germans for code in answers.codes(one)} == {"SOURCE_UNAVAILABLE"}
    assert answers.found[FRENCH].conclusion.value == "CONFIRMED"
    assert phase_of(provider, partition="DE") is Phase.OPEN
    assert phase_of(provider) is Phase.CLOSED
    assert await calls_of(sandbox, "vies") == RUN_MAX + 1


async def test_a_slow_member_state_does_not_hold_up_the_others(
    outfit: Outfit, sandbox: RunningSandbox
) -> None:
    await sandbox.fault("vies", "hang", prefix="DE")
    provider = outfit(vies, concurrency=2, timeout_s=1.5)
    frenchmen = ["FR88100000009", "FR00100000017", "FR11100000025"]
    loop, arrived = asyncio.get_running_loop(), dict[str, float]()
    started = loop.time()
    await provider.ask(
        [f"DE{number:09}" for number in range(100, 104)] + frenchmen,
        started + 10,
        lambda found, _: arrived.update(dict.fromkeys(found, loop.time() - started)),
        Asker(),
    )
    last = max(arrived[value] for value in frenchmen)
    assert last < max(arrived.values())
    assert provider.sender.limit_of("DE").limit == 1
    assert provider.sender.in_flight.limit == 2


async def test_nonsense_about_one_value_opens_nothing(
    outfit: Outfit, sandbox: RunningSandbox
) -> None:
    await sandbox.fault("companies-house", "unknown_status")
    provider = outfit(companies_house, concurrency=1)
    await asked(provider, companies(30))
    assert phase_of(provider) is Phase.CLOSED


async def test_a_page_for_people_is_a_service_that_is_not_well(
    outfit: Outfit, sandbox: RunningSandbox
) -> None:
    await sandbox.fault("companies-house", "html_200")
    provider = outfit(companies_house, concurrency=1)
    answers = await asked(provider, companies(RUN_MAX + 10))
    assert {code for one in answers.found for code in answers.codes(one)} == {"PROVIDER_PROTOCOL"}
    assert answers.calls == RUN_MAX


async def test_repeats_end_with_their_tokens(outfit: Outfit, sandbox: RunningSandbox) -> None:
    await sandbox.fault("companies-house", "status_500", count=2)
    provider = outfit(companies_house, attempts=8)
    provider.sender.tokens.left = TRANSIENT_COSTS
    value = "GB/00000101"
    assert (await asked(provider, [value])).codes(value) == ["PROVIDER_UNAVAILABLE"]
    assert await calls_of(sandbox, "companies-house") == 2
    assert (await asked(provider, [value])).conclusions() == {value: "CONFIRMED"}
    assert provider.sender.tokens.left == 1, "an answer gives one back"


async def test_each_time_takes_a_permit(outfit: Outfit, sandbox: RunningSandbox) -> None:
    await sandbox.fault("companies-house", "status_500")
    provider = outfit(companies_house, attempts=8, rates=("2/m",))
    (value,) = companies(1)
    answers = await asked(provider, [value], 5.0)
    assert answers.codes(value) == ["RATE_LIMITED"]
    assert await calls_of(sandbox, "companies-house") == 2


async def test_too_many_at_once_make_fewer_at_once(outfit: Outfit, sandbox: RunningSandbox) -> None:
    await sandbox.limit("vies", concurrency=2)
    await sandbox.latency("vies", 20)
    provider = outfit(vies, concurrency=8, attempts=1)
    values = [f"FR{number:011}" for number in range(10_000_000_000, 10_000_000_060)]
    await asked(provider, values)
    assert provider.sender.in_flight.limit < 8


async def test_a_batch_that_waits_for_a_permit_is_in_nobodys_place(
    outfit: Outfit, sandbox: RunningSandbox
) -> None:
    del sandbox
    provider = outfit(companies_house, concurrency=2)
    places, permits = provider.sender.in_flight, provider.permits
    places.congested(0.0, 0.0)
    assert places.limit == 1
    await permits.pause(2.0, ReasonCode.RATE_LIMITED)
    batch = asyncio.create_task(asked(provider, companies(3), asker=Asker(Priority.BATCH)))
    await asyncio.sleep(0.1)  # the first of it has asked for its permit
    await places.enter(asyncio.get_running_loop().time() + 1.0)
    places.leave()
    assert "UNDECIDED" not in (await batch).conclusions().values()
    assert places.taken == 0


async def test_a_call_that_was_cut_by_the_deadline_blames_nobody(
    outfit: Outfit, sandbox: RunningSandbox
) -> None:
    await sandbox.fault("companies-house", "hang")
    provider = outfit(companies_house, concurrency=8)
    for at in range(RUN_MAX + 1):
        await asked(provider, companies(2, begin=10 * at), 0.1)
    assert phase_of(provider) is Phase.CLOSED
    assert provider.sender.in_flight.limit == 8


async def test_other_processes_are_told(
    outfit: Outfit, sandbox: RunningSandbox, valkey: Valkey
) -> None:
    """Who listens already, and who comes later; and that it is over."""
    async with AsyncExitStack() as stack:
        theirs = Breakers(valkey)
        stack.push_async_callback(theirs.close)
        theirs.start()
        await asyncio.sleep(0.1)  # they listen
        await opened(outfit, sandbox)
        scope = Scope(companies_house.NAME)
        assert await eventually_async(lambda: theirs.of(scope).phase is Phase.OPEN, TOLD_S)
        other = outfit(companies_house, told=theirs)
        assert (await asked(other, companies(5))).calls == 0
        late = Breakers(valkey)
        stack.push_async_callback(late.close)
        late.start()
        assert await eventually_async(lambda: late.of(scope).phase is Phase.OPEN, TOLD_S)
        await sandbox.faults("companies-house")
        resting = theirs.of(scope).resting
        assert resting is not None
        await asyncio.sleep(max(0.0, resting.until - asyncio.get_running_loop().time()) + 0.05)
        assert (await asked(other, companies(1))).calls == 1
        assert await eventually_async(lambda: late.of(scope).phase is Phase.CLOSED, TOLD_S)


async def test_what_another_version_tells_is_passed_over(
    outfit: Outfit, sandbox: RunningSandbox, valkey: Valkey
) -> None:
    theirs = Breakers(valkey)
    theirs.start()
    scope = Scope(companies_house.NAME)
    try:
        await valkey.run("HSET", KEY, "somebody", "99999999999999999 not a note")
        await asyncio.sleep(0.1)  # they listen
        for message in (b"", b"{}", b'{"by":"x","scope":{"account":"a"},"why":"NEW_WORD"}'):
            await valkey.run("PUBLISH", CHANNEL, message)
        await opened(outfit, sandbox)
        assert await eventually_async(lambda: theirs.of(scope).phase is Phase.OPEN, TOLD_S)
    finally:
        await theirs.close()


async def test_all_processes_probe_once_a_second_together(valkey: Valkey) -> None:
    scope = Scope("somebody")
    several = [Breakers(valkey) for _ in range(4)]
    assert sum([await one.may_probe(scope) for one in several]) == 1


async def test_a_store_that_is_away_does_not_matter(
    outfit: Outfit, sandbox: RunningSandbox
) -> None:
    """Each process finds out for itself, and probes for itself."""
    nowhere = Valkey("redis://127.0.0.1:9/0", 0.2)
    alone = Breakers(nowhere)
    alone.start()
    try:
        provider = await opened(outfit, sandbox, told=alone)
        assert (await asked(provider, companies(5))).calls == 0
        assert await alone.may_probe(Scope("somebody"))
    finally:
        await alone.close()
        await nowhere.close()


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_nobody_elses_values_fail_with_one_that_a_service_refuses(
    status: int, outfit: Outfit, sandbox: RunningSandbox
) -> None:
    culprit = POSTCODES[7]
    await sandbox.fault("postcodes-io", f"status_{status}", prefix=culprit.removeprefix("GB/"))
    answers = await asked(outfit(postcodes_io), POSTCODES)
    undecided = {value for value in POSTCODES if answers.found[value].conclusion.value[0] == "U"}
    assert undecided == {culprit}
    assert answers.calls == await calls_of(sandbox, "postcodes-io") == 9


async def test_the_search_for_who_is_refused_is_bounded(
    outfit: Outfit, sandbox: RunningSandbox
) -> None:
    await sandbox.fault("gleif", "status_400")
    values = [f"SBOX{number:014}00" for number in range(200)]
    answers = await asked(outfit(gleif), values)
    assert answers.calls <= 20
    assert all(answers.codes(value) == ["REJECTED_BY_PROVIDER"] for value in values)
    assert all(found.reasons[0].retryable for found in answers.found.values())


async def test_a_bulk_call_is_split_by_its_bytes_too(
    outfit: Outfit, sandbox: RunningSandbox
) -> None:
    values = [f"{'long' * 40}{number}@b.example" for number in range(12)]
    answers = await asked(outfit(zerobounce, bulk_from=2, bulk_bytes=1000), values)
    log = await sandbox.log("zerobounce-bulk")
    assert [len(call["values"]) for call in log] == [4, 4, 4]
    assert len(answers.found) == 12
