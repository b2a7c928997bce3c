"""The published limits are enforced, and can be changed."""

from __future__ import annotations

import asyncio
import collections

import pytest

from sandbox.limits import Counting, Gate, Limit, Window
from tests.sandbox import asking
from tests.sandbox_process import RunningSandbox


def admitted(window: Window, times: list[float]) -> list[float]:
    gate = Gate(Limit((window,)))
    return [at for at in times if gate.enter("", "", at) is None]


STEPS = [step / 100 for step in range(1000)]


@pytest.mark.parametrize("counting", ["sliding", "fixed"])
def test_no_window_admits_more_than_its_limit(counting: Counting) -> None:
    times = admitted(Window(20, 1.0, counting), STEPS)
    assert len(times) == 200
    assert collections.Counter(int(at) for at in times) == dict.fromkeys(range(10), 20)


def test_a_sliding_window_counts_any_interval() -> None:
    gate = Gate(Limit((Window(2, 1.0, "sliding"),)))
    entered = [gate.enter("", "", at) is None for at in (0.0, 0.9, 0.95, 1.05, 1.5, 1.95)]
    assert entered == [True, True, False, True, False, True]


def test_a_fixed_window_lets_two_bursts_meet() -> None:
    gate = Gate(Limit((Window(2, 1.0, "fixed"),)))
    entered = [gate.enter("", "", at) is None for at in (0.0, 0.9, 0.95, 1.05, 1.06, 1.95)]
    assert entered == [True, True, False, True, True, False]


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    times = admitted(Window(10, 1.0, "bucket", burst=5), STEPS)
    assert sum(at < 0.05 for at in times) == 5
    assert len(times) == 5 + 99


def test_all_windows_hold_together_and_a_refusal_says_how_long() -> None:
    gate = Gate(Limit((Window(1, 1.0), Window(2, 60.0))))
    assert gate.enter("", "", 0.0) is None
    first = gate.enter("", "", 0.4)
    assert first is not None
    assert first.wait_s == pytest.approx(0.6)
    assert gate.enter("", "", 1.0) is None
    second = gate.enter("", "", 2.0)
    assert second is not None
    assert second.wait_s == pytest.approx(58.0)


def test_accounts_are_counted_apart() -> None:
    gate = Gate(Limit((Window(1, 1.0),)))
    assert gate.enter("sandbox", "", 0.0) is None
    assert gate.enter("sandbox-2", "", 0.0) is None
    assert gate.enter("sandbox", "", 0.0) is not None


async def test_hmrc_refuses_the_fourth_request_in_a_second(sandbox: RunningSandbox) -> None:
    token = await asking.hmrc_token(sandbox)
    got = await asyncio.gather(*(asking.hmrc(sandbox, "100000230", token) for _ in range(4)))
    assert sorted(answer.status for answer in got) == [200, 200, 200, 429]
    refused = next(answer for answer in got if answer.status == 429)
    assert refused.json["code"] == "MESSAGE_THROTTLED_OUT"
    assert "retry-after" not in refused.headers


async def test_gleif_refuses_the_61st_request_in_a_minute(sandbox: RunningSandbox) -> None:
    statuses = [(await asking.gleif(sandbox, "SBOX00ISSUED00000047")).status for _ in range(61)]
    assert statuses == [200] * 60 + [429]


async def test_zerobounce_takes_five_bulk_calls_a_minute(sandbox: RunningSandbox) -> None:
    got = [(await asking.mailboxes(sandbox, "valid@example.com")).status for _ in range(6)]
    assert got == [200] * 5 + [429]
    assert (await asking.mailbox(sandbox, "valid@example.com")).status == 200


async def test_zerobounce_blocks_after_a_hundred_bad_requests(sandbox: RunningSandbox) -> None:
    statuses = [(await asking.mailbox(sandbox, "")).status for _ in range(100)]
    assert set(statuses) == {400}
    assert (await asking.mailbox(sandbox, "valid@example.com")).status == 429


async def test_companies_house_counts_down_and_refuses_without_a_body(
    sandbox: RunningSandbox,
) -> None:
    await sandbox.limit(
        "companies-house", windows=[{"requests": 2, "window_s": 300, "counting": "fixed"}]
    )
    got = [await asking.company(sandbox, "00000101") for _ in range(3)]
    assert [answer.headers["x-ratelimit-remain"] for answer in got] == ["1", "0", "0"]
    assert (got[2].status, got[2].body) == (429, b"")


async def test_twilio_refuses_with_its_own_code(sandbox: RunningSandbox) -> None:
    await sandbox.limit("twilio", windows=[{"requests": 1, "window_s": 60}], retry_after=True)
    await asking.phone(sandbox, "+442079460001")
    refused = await asking.phone(sandbox, "+442079460001")
    assert (refused.status, refused.json["code"]) == (429, 20429)
    assert 0 < int(refused.headers["retry-after"]) <= 60


async def test_vies_bounds_concurrency_of_a_member_state_and_overall(
    sandbox: RunningSandbox,
) -> None:
    await sandbox.latency("vies", 300)
    german = [asking.vies(sandbox, "DE100001003") for _ in range(11)]
    french = asking.vies(sandbox, "FR88100000009")
    *answers, other = [got.json for got in await asyncio.gather(*german, french)]
    refused = [answer["errorWrappers"] for answer in answers if "errorWrappers" in answer]
    assert refused == [[{"error": "MS_MAX_CONCURRENT_REQ"}]]
    assert other["valid"] is True
    await sandbox.limit("vies", concurrency=2)
    three = await asyncio.gather(*(asking.vies(sandbox, "FR88100000009") for _ in range(3)))
    codes = [got.json["errorWrappers"] for got in three if "errorWrappers" in got.json]
    assert codes == [[{"error": "GLOBAL_MAX_CONCURRENT_REQ"}]]


async def test_a_client_that_goes_away_gives_its_place_back(sandbox: RunningSandbox) -> None:
    await sandbox.limit("vies", concurrency=1)
    await sandbox.fault("vies", "hang", count=1)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asking.vies(sandbox, "FR88100000009"), 0.2)
    async with asyncio.timeout(5):
        while "errorWrappers" in (await asking.vies(sandbox, "FR88100000009")).json:
            pass
    assert (await sandbox.statistics("vies"))["in_flight"] == 0


async def test_a_limit_can_be_lifted_and_comes_back_with_a_reset(sandbox: RunningSandbox) -> None:
    await sandbox.control("DELETE", "hmrc/limit")
    token = await asking.hmrc_token(sandbox)
    got = await asyncio.gather(*(asking.hmrc(sandbox, "100000230", token) for _ in range(10)))
    assert {answer.status for answer in got} == {200}
    await sandbox.reset()
    limit = (await sandbox.statistics("hmrc"))["limit"]
    assert limit["windows"][0]["requests"] == 3
