"""A reason says from when on asking again may help, where anybody knows it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.assay_process import Living, Record, Sections, living
from tests.sandbox_process import RunningSandbox

SELECTION = """
results { verdicts {
  status expiresAt reasons { code retryable retryAt }
  outcomes { check expiresAt reasons { code retryAt } }
} }
"""
TIMES = 2
"""So often is each asked: by the stock executor first, then by the compiled lane."""
REST_S_MAX = 10.0


def with_changes(usual: Sections, name: str, **changes: object) -> Sections:
    provider = {**usual["providers"][name], **changes}
    return {**usual, "providers": {**usual["providers"], name: provider}}


async def reason_of(assay: Living, record: Record, **options: object) -> dict[str, Any]:
    """Return the one reason of the one verdict, which its outcome repeats."""
    payload = await assay.validate(SELECTION, [record], **options)
    (verdict,) = payload["results"][0]["verdicts"]
    (reason,) = verdict["reasons"]
    told = [one["retryAt"] for outcome in verdict["outcomes"] for one in outcome["reasons"]]
    assert told == [reason["retryAt"]]
    if reason["retryAt"] is not None and verdict["expiresAt"] is not None:
        assert verdict["expiresAt"] <= reason["retryAt"], "known no longer than it is true"
    return reason


def in_s(reason: dict[str, Any]) -> float:
    return (datetime.fromisoformat(reason["retryAt"]) - datetime.now(UTC)).total_seconds()


async def test_a_quota_that_is_used_up_says_when_it_returns(usual: Sections) -> None:
    async with living(with_changes(usual, "vies", rates=["2/day"])) as assay:
        for number in ("FR88100000009", "IT10000100106"):
            await assay.validate(SELECTION, [{"vatNumber": number}])
        for number in ("DE136695976", "DE811569869"):
            reason = await reason_of(assay, {"vatNumber": number}, deadlineMs=3000)
            assert (reason["code"], reason["retryable"]) == ("QUOTA_EXHAUSTED", True)
            returns = datetime.fromisoformat(reason["retryAt"])
            midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
            assert abs(returns - midnight - timedelta(days=1)) < timedelta(seconds=5)


async def test_a_pause_says_when_it_ends(sandbox: RunningSandbox, usual: Sections) -> None:
    """Told with the refusal itself, and by whoever does not ask because of it."""
    await sandbox.fault("companies-house", "status_429", count=1, retry_after="100")
    async with living(usual) as assay:
        for number in ("00000101", "00000102", "00000103"):
            record: Record = {"company": {"number": number, "jurisdiction": "GB"}}
            reason = await reason_of(assay, record, deadlineMs=3000)
            assert reason["code"] == "RATE_LIMITED"
            assert 90 < in_s(reason) <= 101


async def test_a_breaker_that_rests_says_until_when(
    sandbox: RunningSandbox, usual: Sections
) -> None:
    """And the failure that opened it, too; what it says is kept no longer than that."""
    await sandbox.fault("companies-house", "status_401")
    record: Record = {"company": {"number": "00000101", "jurisdiction": "GB"}}
    async with living(with_changes(usual, "companies_house", concurrency=1)) as assay:
        for _ in range(TIMES):
            reason = await reason_of(assay, record, maxAge="PT0S")
            assert reason["code"] == "PROVIDER_REFUSED"
            assert -5 < in_s(reason) <= REST_S_MAX, (
                "it may have probed in vain, and be slow to tell"
            )


async def test_where_nobody_knows_there_is_no_time(
    sandbox: RunningSandbox, usual: Sections
) -> None:
    await sandbox.fault("gleif", "malformed")
    await sandbox.latency("companies-house", 3000)
    late: Record = {"company": {"number": "00000101", "jurisdiction": "GB"}}
    async with living(usual) as assay:
        for _ in range(TIMES):
            reason = await reason_of(assay, {"lei": "SBOX00ISSUED00000047"}, maxAge="PT0S")
            expected = {"code": "PROVIDER_PROTOCOL", "retryable": True, "retryAt": None}
            assert reason == expected
            reason = await reason_of(assay, late, deadlineMs=100)
            assert (reason["code"], reason["retryAt"]) == ("DEADLINE", None)
            reason = await reason_of(assay, {"vatNumber": "DE100002014"}, maxAge="PT0S")
            assert (reason["retryable"], reason["retryAt"]) == (False, None)


@pytest.mark.parametrize("strategy", ["failover", "quorum"])
async def test_of_several_providers_the_first_that_returns_counts(
    strategy: str, usual: Sections
) -> None:
    own: dict[str, Any] = {**usual["providers"]["companies_house"], "service": "companies_house"}
    providers = {**usual["providers"], "one": {**own, "rates": ["1/2m"]}}
    providers["two"] = {**own, "rates": ["1/day"]}
    check = {"providers": ["one", "two"], "strategy": strategy}
    given = {**usual, "providers": providers, "checks": {"company": {"registry": check}}}
    records = [{"company": {"number": f"0000010{at}", "jurisdiction": "GB"}} for at in (1, 2, 3)]
    async with living(given) as assay:
        for record in records[:2]:
            await assay.validate(SELECTION, [record], deadlineMs=3000)
        reason = await reason_of(assay, records[2], deadlineMs=3000)
    assert reason["retryable"]
    assert 100 < in_s(reason) <= 125
