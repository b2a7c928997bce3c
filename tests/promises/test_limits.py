"""Limits are never exceeded, over processes: the sandbox's own log is the witness."""

import asyncio
from collections import Counter
from collections.abc import Sequence

from tests.assay_process import Client
from tests.promises.conftest import LIMITS
from tests.sandbox_process import RunningSandbox

LINE = "results { phone { status reasons { code } } }"
VAT = "results { vatNumber { status reasons { code } } }"
RETRY_AFTER_S = 2
NUMBERS = 64


def most_in(window_s: float, moments: Sequence[float]) -> int:
    """Return the largest number of `moments` within any window of that length."""
    ordered = sorted(moments)
    first = most = 0
    for last, moment in enumerate(ordered):
        while moment - ordered[first] >= window_s:
            first += 1
        most = max(most, last - first + 1)
    return most


async def test_no_window_of_an_account_holds_too_much(
    sandbox: RunningSandbox, pair: tuple[Client, Client]
) -> None:
    """Two processes at once, many requests each; the service itself would refuse one too many."""
    windows = [{"requests": count, "window_s": window_s} for count, window_s in LIMITS.items()]
    await sandbox.limit("twilio", windows=windows)
    numbers = [f"+467017402{at:02}" for at in range(NUMBERS)]
    shares = [numbers[at::8] for at in range(8)]
    answers = await asyncio.gather(
        *(
            pair[at % 2].validate(LINE, [{"phone": {"number": one}} for one in share])
            for at, share in enumerate(shares)
        )
    )
    reasons = Counter(
        reason["code"]
        for answer in answers
        for one in answer["results"]
        for reason in one["phone"]["reasons"]
    )
    assert not reasons.keys() & {"RATE_LIMITED", "DEADLINE", "LIMITS_UNAVAILABLE"}, reasons
    calls = await sandbox.log("twilio")
    assert [one["status"] for one in calls if one["status"] == 429] == []
    assert sorted(value for one in calls for value in one["values"]) == numbers, reasons
    moments = [one["time"] for one in calls]
    for count, window_s in LIMITS.items():
        assert most_in(window_s, moments) <= count


async def test_retry_after_of_one_holds_for_the_other(
    sandbox: RunningSandbox, pair: tuple[Client, Client]
) -> None:
    """Nobody sends before the time; both answers are the true ones, and nobody is at fault."""
    one, other = pair
    for client in pair:  # they have their tokens then
        await client.validate(VAT, [{"vatNumber": "GB100000230"}])
    await sandbox.fault("hmrc", "status_429", count=1, retry_after=str(RETRY_AFTER_S))
    first = asyncio.create_task(one.validate(VAT, [{"vatNumber": "GB100000328"}]))
    async with asyncio.timeout(5):
        while not any(one["status"] == 429 for one in await sandbox.log("hmrc")):  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.2)  # longer than a process may hold that there is no pause
    second = await other.validate(VAT, [{"vatNumber": "GB999999973"}])
    log = await sandbox.log("hmrc")
    refused = next(call for call in log if call["status"] == 429)
    later = [call["time"] - refused["time"] for call in log if call["time"] > refused["time"]]
    assert len(later) >= 2, log
    assert min(later) >= RETRY_AFTER_S - 0.05
    for answer in (await first, second):
        assert answer["results"][0]["vatNumber"]["status"] in {"VALID", "INVALID"}
