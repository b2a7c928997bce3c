"""What a stop does to calls: nothing new is sent, and who may be charged is heard out."""

import asyncio

import pytest

from providers.dns import MailDomains
from providers.provider import ServiceProvider
from providers.services import companies_house, gleif, zerobounce
from tests.providers.asking import Asked, asked
from tests.providers.conftest import Outfit
from tests.sandbox_process import RunningSandbox
from verdicts.reason import ReasonCode

MAILBOXES = ["valid@example.com", "invalid@example.com", "catch_all@example.com"]
SLOWLY_MS = 400.0
LONG_S = 300.0
ARRIVES_S = 10.0


async def arrived(sandbox: RunningSandbox, mount: str, calls: int = 1) -> None:
    """Return when so many calls have reached a mount."""
    async with asyncio.timeout(ARRIVES_S):
        while len(await sandbox.log(mount)) < calls:  # noqa: ASYNC110 - it is another process
            await asyncio.sleep(0.01)


async def stopped_under_way(
    provider: ServiceProvider, sandbox: RunningSandbox, mount: str, values: list[str]
) -> Asked:
    """Ask, stop once the first call has arrived, and return what came of it."""
    await sandbox.latency(mount, SLOWLY_MS)
    asking = asyncio.create_task(asked(provider, values, LONG_S))
    await arrived(sandbox, mount)
    provider.stop()
    return await asking


async def test_what_waits_for_a_place_is_not_sent_and_what_may_be_charged_is_heard_out(
    outfit: Outfit, sandbox: RunningSandbox
) -> None:
    provider = outfit(zerobounce, concurrency=1, bulk=1)
    seen: list[int] = []
    await sandbox.latency("zerobounce", SLOWLY_MS)
    asking = asyncio.create_task(asked(provider, MAILBOXES[:1], LONG_S))
    waiting = asyncio.create_task(asked(provider, MAILBOXES[1:], LONG_S))
    await arrived(sandbox, "zerobounce")
    seen.append(provider.hearing_out)
    provider.stop()
    refused = await waiting
    assert not asking.done()
    assert {code for one in refused.found for code in refused.codes(one)} == {"STOPPING"}
    assert all(found.reasons[0].retryable for found in refused.found.values())
    assert refused.calls == 0
    assert (await asking).conclusions() == {MAILBOXES[0]: "CONFIRMED"}
    assert [*seen, provider.hearing_out] == [1, 0]
    assert await sandbox.values_asked("zerobounce") == MAILBOXES[:1]


async def test_the_values_behind_the_first_are_not_sent(
    outfit: Outfit, sandbox: RunningSandbox
) -> None:
    provider = outfit(zerobounce, concurrency=1, bulk=1)
    answers = await stopped_under_way(provider, sandbox, "zerobounce", MAILBOXES)
    assert answers.conclusions()[MAILBOXES[0]] == "CONFIRMED"
    assert [answers.codes(one) for one in MAILBOXES[1:]] == [["STOPPING"]] * 2
    assert await sandbox.values_asked("zerobounce") == MAILBOXES[:1]


async def test_what_waits_for_a_permit_is_not_sent(outfit: Outfit, sandbox: RunningSandbox) -> None:
    provider = outfit(zerobounce, bulk=1, rates=("1/m",))
    answers = await stopped_under_way(provider, sandbox, "zerobounce", MAILBOXES)
    assert sorted(code for one in MAILBOXES for code in answers.codes(one)) == ["STOPPING"] * 2
    assert len(await sandbox.log("zerobounce")) == 1
    assert answers.took_s < ARRIVES_S


async def test_a_bulk_call_that_waits_for_a_limit_of_its_own_does_not_go_singly(
    outfit: Outfit, sandbox: RunningSandbox
) -> None:
    provider = outfit(zerobounce, bulk=2, bulk_rates=("1/m",))
    provider.stop()
    answers = await asked(provider, MAILBOXES)
    assert [answers.codes(one) for one in MAILBOXES] == [["STOPPING"]] * 3
    assert not await sandbox.log("zerobounce")
    assert not await sandbox.log("zerobounce-bulk")


async def test_a_call_that_failed_is_not_sent_again(
    outfit: Outfit, sandbox: RunningSandbox
) -> None:
    provider = outfit(companies_house, attempts=5, random=lambda: 1.0)
    await sandbox.fault("companies-house", "status_500")
    company = "GB/00000101"
    asking = asyncio.create_task(asked(provider, [company], LONG_S))
    await arrived(sandbox, "companies-house", 2)
    provider.stop()
    answers = await asking
    assert answers.codes(company) == [ReasonCode.PROVIDER_UNAVAILABLE.value]
    assert len(await sandbox.log("companies-house")) <= 3, "one may have been on its way"


async def test_a_call_that_is_safe_to_repeat_is_nobodys_reason_to_wait(
    outfit: Outfit, sandbox: RunningSandbox
) -> None:
    provider = outfit(gleif)
    await sandbox.latency("gleif", SLOWLY_MS)
    asking = asyncio.create_task(asked(provider, ["SBOX00ISSUED00000047"]))
    await arrived(sandbox, "gleif")
    assert provider.hearing_out == 0
    await asking


@pytest.mark.parametrize("names", [["slow.example.net", "a.example", "b.example"]])
async def test_domains_that_wait_are_not_asked_about(
    sandbox: RunningSandbox, names: list[str]
) -> None:
    domains = MailDomains([sandbox.dns], concurrency=1)
    try:
        asking = asyncio.create_task(asked(domains, names, LONG_S))
        async with asyncio.timeout(ARRIVES_S):
            while not domains.statistics.in_flight:  # noqa: ASYNC110 - nobody tells us
                await asyncio.sleep(0.005)
        domains.stop()
        answers = await asking
    finally:
        await domains.close()
    assert answers.conclusions()[names[0]] == "CONFIRMED"
    assert [answers.codes(one) for one in names[1:]] == [["STOPPING"]] * 2
