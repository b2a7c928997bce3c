"""What one provider does with failures, limits, deadlines and money."""

import asyncio
from decimal import Decimal

import pytest

from providers.priority import Asker, Priority
from providers.sending import BULK_PATIENCE_S, State
from providers.services import companies_house, gleif, hmrc, postcodes_io, vies, zerobounce
from tests.providers.asking import asked
from tests.providers.conftest import Outfit
from tests.sandbox_process import RunningSandbox
from tests.waiting import eventually_async

COMPANY = "GB/00000101"
MAILBOX = "valid@example.com"
MAILBOXES = [f"m{number}@b.example" for number in range(30)]
BATCH = Asker(Priority.BATCH)
POSTCODES = [f"GB/LS{number} 1AA" for number in range(1, 13)]


async def calls_of(sandbox: RunningSandbox, mount: str) -> int:
    return len(await sandbox.log(mount))


@pytest.mark.parametrize("mode", ["status_500", "html_503", "reset", "reset_mid_body"])
async def test_a_safe_call_is_sent_again(
    mode: str, outfit: Outfit, sandbox: RunningSandbox
) -> None:
    await sandbox.fault("companies-house", mode, count=2)
    provider = outfit(companies_house, attempts=3)
    answers = await asked(provider, [COMPANY])
    assert answers.conclusions() == {COMPANY: "CONFIRMED"}
    assert answers.calls == provider.statistics.calls == 3
    assert sum(provider.statistics.this_day().failures.values()) == 2


async def test_attempts_are_bounded_and_each_failure_counts_once(
    outfit: Outfit, sandbox: RunningSandbox
) -> None:
    await sandbox.fault("companies-house", "status_500")
    provider = outfit(companies_house, attempts=3)
    answers = await asked(provider, [COMPANY])
    assert answers.codes(COMPANY) == ["PROVIDER_UNAVAILABLE"]
    assert answers.calls == await calls_of(sandbox, "companies-house") == 3
    assert sum(provider.statistics.this_day().failures.values()) == 3


async def test_an_answer_that_breaks_the_contract_is_not_asked_for_again(
    outfit: Outfit, sandbox: RunningSandbox
) -> None:
    await sandbox.fault("companies-house", "unknown_status")
    provider = outfit(companies_house, attempts=3)
    answers = await asked(provider, [COMPANY])
    assert answers.codes(COMPANY) == ["PROVIDER_PROTOCOL"]
    assert answers.calls == 1
    assert sum(provider.statistics.this_day().failures.values()) == 1


@pytest.mark.parametrize("mode", ["status_500", "status_524", "reset", "fin_mid_body", "hang"])
async def test_a_paid_call_that_may_have_been_counted_is_sent_once(
    mode: str, outfit: Outfit, sandbox: RunningSandbox
) -> None:
    await sandbox.fault("zerobounce", mode)
    answers = await asked(outfit(zerobounce, attempts=5, timeout_s=0.3), [MAILBOX])
    assert answers.codes(MAILBOX) == ["PROVIDER_UNAVAILABLE"]
    assert answers.cost == 0
    assert await calls_of(sandbox, "zerobounce") == 1


async def test_a_paid_call_is_heard_out_beyond_the_deadline(
    outfit: Outfit, sandbox: RunningSandbox
) -> None:
    """Ending it early would lose what was charged, and the next who asks would pay again."""
    await sandbox.latency("zerobounce", 600)
    answers = await asked(outfit(zerobounce, timeout_s=5.0), [MAILBOX], 0.3)
    assert answers.conclusions() == {MAILBOX: "CONFIRMED"}


async def test_a_paid_call_that_was_never_sent_is_tried_again(outfit: Outfit) -> None:
    provider = outfit(zerobounce, attempts=3, base_url="http://127.0.0.1:9")
    answers = await asked(provider, [MAILBOX])
    assert answers.codes(MAILBOX) == ["PROVIDER_UNAVAILABLE"]
    assert answers.calls == 3


@pytest.mark.parametrize("retry_after", ["1", "date:+1"])
async def test_retry_after_is_respected_by_everybody(
    retry_after: str, outfit: Outfit, sandbox: RunningSandbox
) -> None:
    await sandbox.fault("companies-house", "status_429", count=1, retry_after=retry_after)
    ours, theirs = outfit(companies_house, attempts=2), outfit(companies_house)
    ours_answered = asyncio.create_task(asked(ours, [COMPANY]))
    assert await eventually_async(lambda: bool(ours.statistics.this_day().failures))
    theirs_answered = await asked(theirs, ["GB/00000202"])
    assert (await ours_answered).conclusions() == {COMPANY: "CONFIRMED"}
    assert theirs_answered.conclusions() == {"GB/00000202": "DOUBTFUL"}
    times = [call["time"] for call in await sandbox.log("companies-house")]
    whole_second_s = 1.0 if retry_after.startswith("date") else 0.0  # an HTTP date has no parts
    assert min(times[1:]) - times[0] >= 0.95 - whole_second_s


async def test_a_pause_beyond_the_deadline_is_not_waited_for(
    outfit: Outfit, sandbox: RunningSandbox
) -> None:
    await sandbox.fault("companies-house", "status_429", retry_after="60")
    answers = await asked(outfit(companies_house, attempts=3), [COMPANY], 3.0)
    assert answers.codes(COMPANY) == ["RATE_LIMITED"]
    assert answers.found[COMPANY].reasons[0].retryable
    assert answers.took_s < 1
    assert await calls_of(sandbox, "companies-house") == 1


async def test_waits_between_attempts_grow_and_stay_within_the_deadline(
    outfit: Outfit, sandbox: RunningSandbox
) -> None:
    await sandbox.fault("companies-house", "status_500")
    provider = outfit(companies_house, attempts=8, random=lambda: 1.0)
    answers = await asked(provider, [COMPANY], 0.6)
    assert answers.took_s < 0.6
    assert answers.calls == 3  # after 0.1 s and 0.2 s more; 0.4 s more would be too late
    times = [call["time"] for call in await sandbox.log("companies-house")]
    assert times[1] - times[0] >= 0.09
    assert times[2] - times[1] >= 0.19


async def test_a_limit_that_leaves_no_room_sends_nothing(
    outfit: Outfit, sandbox: RunningSandbox
) -> None:
    provider = outfit(companies_house, rates=("2/10s",))
    values = [f"GB/0000010{number}" for number in range(5)]
    answers = await asked(provider, values, 1.0)
    codes = [code for value in values for code in answers.codes(value)]
    assert codes.count("RATE_LIMITED") == 3
    assert await calls_of(sandbox, "companies-house") == 2
    today = provider.statistics.this_day()
    assert today.failures.total() == 3
    assert today.error_rate == 0  # of the calls: what was not sent did not fail


async def test_the_published_limit_of_the_stand_in_is_kept(
    outfit: Outfit, sandbox: RunningSandbox
) -> None:
    """HMRC allows three calls a second; with its own rate nobody is ever refused."""
    provider = outfit(hmrc, rates=hmrc.DEFAULTS.rates)
    values = [f"GB{100_000_000 + 97 * number}" for number in range(8)]
    await asked(provider, values)
    statuses = {call["status"] for call in await sandbox.log("hmrc")}
    assert 429 not in statuses


async def test_concurrency_is_bounded(outfit: Outfit, sandbox: RunningSandbox) -> None:
    await sandbox.latency("companies-house", 50)
    values = [f"GB/000001{number:02}" for number in range(12)]
    await asked(outfit(companies_house, concurrency=3), values)
    assert (await sandbox.statistics("companies-house"))["in_flight_peak"] == 3


async def test_few_values_go_singly_and_many_in_bulk(
    outfit: Outfit, sandbox: RunningSandbox
) -> None:
    provider = outfit(zerobounce, bulk=10)
    assert (await asked(provider, MAILBOXES[:19])).calls == 19
    answers = await asked(provider, MAILBOXES)
    assert answers.calls == 3
    assert answers.cost == Decimal("0.30")
    assert await calls_of(sandbox, "zerobounce-bulk") == 3


async def test_without_a_bulk_permit_the_values_go_singly(
    outfit: Outfit, sandbox: RunningSandbox
) -> None:
    provider = outfit(zerobounce, bulk=10, bulk_rates=("1/10s",))
    answers = await asked(provider, MAILBOXES)
    assert len(answers.found) == 30
    assert await calls_of(sandbox, "zerobounce-bulk") == 1
    assert await calls_of(sandbox, "zerobounce") == 20
    assert answers.took_s < BULK_PATIENCE_S + 3


async def test_what_a_bulk_answer_leaves_out_is_asked_again(
    outfit: Outfit, sandbox: RunningSandbox
) -> None:
    await sandbox.fault("postcodes-io", "items_missing", count=1)
    answers = await asked(outfit(postcodes_io), POSTCODES)
    assert "UNDECIDED" not in answers.conclusions().values()
    log = await sandbox.log("postcodes-io")
    assert [len(call["values"]) for call in log] == [12, 6]
    assert answers.cost == Decimal("0.12")


async def test_what_a_bulk_answer_said_stays_when_the_rest_cannot_be_asked(
    outfit: Outfit, sandbox: RunningSandbox
) -> None:
    missing: dict[str, object] = {"mode": "items_missing", "count": 1}
    await sandbox.faults("postcodes-io", missing, {"mode": "status_500"})
    answers = await asked(outfit(postcodes_io), POSTCODES)
    undecided = [code for code in POSTCODES if answers.codes(code) == ["PROVIDER_UNAVAILABLE"]]
    assert len(undecided) == 6
    assert answers.cost == Decimal("0.06")


@pytest.mark.parametrize("mode", ["items_doubled", "items_reordered"])
async def test_a_bulk_answer_is_read_by_what_it_repeats(
    mode: str, outfit: Outfit, sandbox: RunningSandbox
) -> None:
    provider = outfit(gleif)
    leis = ["SBOX00ISSUED00000047", "SBOX00LAPSED00000088", "SBOX00MISSING0000003"]
    expected = (await asked(provider, leis)).found
    await sandbox.fault("gleif", mode)
    assert (await asked(provider, leis)).found == expected


async def test_hmrcs_token_serves_all_later_calls_until_it_is_refused(
    outfit: Outfit, sandbox: RunningSandbox
) -> None:
    await sandbox.limit("hmrc")
    provider = outfit(hmrc, concurrency=1)
    values = ["GB100000230", "GB100000328"]
    expected = {"GB100000230": "CONFIRMED", "GB100000328": "REFUTED"}
    assert (await asked(provider, values)).conclusions() == expected
    await sandbox.control("POST", "hmrc/tokens", {"revoke": True})
    assert (await asked(provider, values)).conclusions() == expected
    tokens = [call for call in await sandbox.log("hmrc") if call["path"] == "/oauth/token"]
    assert len(tokens) == 2


async def test_a_provider_without_credentials_sends_nothing(
    outfit: Outfit, sandbox: RunningSandbox
) -> None:
    provider = outfit(companies_house, state=State.NOT_CONFIGURED)
    answers = await asked(provider, [COMPANY])
    assert answers.codes(COMPANY) == ["NOT_CONFIGURED"]
    assert await calls_of(sandbox, "companies-house") == 0


async def test_cancelling_an_ask_leaves_nothing_behind(
    outfit: Outfit, sandbox: RunningSandbox
) -> None:
    await sandbox.fault("vies", "hang")
    provider = outfit(vies, concurrency=4)
    task = asyncio.create_task(asked(provider, [f"DE{number:09}" for number in range(9)]))
    assert await eventually_async(lambda: provider.statistics.in_flight == 4)
    task.cancel()
    assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], BaseException)
    assert provider.statistics.in_flight == 0
    await sandbox.faults("vies")
    assert (await asked(provider, ["DE123456788"])).calls == 1


async def test_an_interactive_call_does_not_wait_behind_a_batch_that_waits_for_permits(
    outfit: Outfit,
) -> None:
    """The batch would fill every place of the account, and sit in it until its permits come."""
    provider = outfit(companies_house, rates=("20/s",), concurrency=4)
    many = [f"GB/{number:08}" for number in range(200, 300)]
    batch = asyncio.create_task(asked(provider, many, 30.0, BATCH))
    assert await eventually_async(lambda: provider.statistics.calls > 0)
    answers = [await asked(provider, [COMPANY], 5.0) for _ in range(3)]
    assert [one.codes(COMPANY) for one in answers] == [[], [], []]
    assert not batch.done()
    batch.cancel()
    await asyncio.gather(batch, return_exceptions=True)
